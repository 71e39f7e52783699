"""Rows as cards."""

import json

import pytest

from datagen.report.entries import Asked, Said, is_browsed, shown
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.augmented import Augmented, RejectedQuestion
from datagen_schemas.candidate import Candidate
from datagen_schemas.catalog import RECORDS
from datagen_schemas.corruption import Corruption
from datagen_schemas.example import Example
from datagen_schemas.mixed import MixedExample
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import JudgeVotes, MissingCandidate, RankedCandidate, RankedGroup

MADE = Provenance.of_stage("test", package_version="0").model_copy(update={"model": "m"})
EDIT = Corruption(
    method="numbers",
    kind="operand",
    alpha=None,
    realised_alpha=None,
    positions=(3,),
    where="step 1, operand",
    before="2",
    after="7",
    parent="0" * 64,
)
PROBLEM = Problem(id="p", question="Q?", answer="4", rationale="2+2=4", choices=("4", "5"), source="s", split="train")


def test_a_candidate_is_one_card_and_names_its_problem_by_id_alone() -> None:
    candidate = Candidate(
        problem_id="p",
        sample=3,
        response="2+2=5",
        answer="5",
        verdict="wrong",
        verdict_method="hashes/number",
        equations=("2+2=5",),
        equations_hold=False,
        model="m",
        provenance=MADE,
    )
    found = shown(candidate, row=9, origin="greedy")
    (card,) = found.cards
    assert (found.problem_id, found.asked) == ("p", Asked())
    assert (card.text, card.verdict, card.kind, card.model, card.method) == (
        *("2+2=5", "wrong", "sampled", "m"),
        "hashes/number",
    )
    assert (card.origin, card.sample, card.answer, card.row) == ("greedy", 3, "5", 9)


@pytest.mark.parametrize(
    ("corruption", "said"),
    [
        (EDIT, "operand, step 1, operand: “2” became “7”"),
        (EDIT.model_copy(update={"after": ""}), "operand, step 1, operand: “2” was removed"),
        (
            EDIT.model_copy(update={"method": "chars", "kind": "characters", "alpha": 0.1, "positions": (1, 2)}),
            "characters, α = 0.1: 2 replaced",
        ),
    ],
)
def test_what_was_corrupted_is_said_in_words(corruption: Corruption, said: str) -> None:
    candidate = RankedCandidate(
        sample=0,
        response="x",
        score=3,
        votes=(3,),
        deviation=0,
        rank=1,
        judges=(),
        verdict="wrong",
        source="corrupted",
        corruption=corruption,
        provenance=MADE,
    )
    group = RankedGroup(problem=PROBLEM, candidates=(candidate,), missing=())
    (card,) = shown(group, row=0).cards
    assert card.notes == (("Corrupted", said),)
    assert card.method == f"corrupted/{corruption.method}"


def test_a_ranked_group_shows_its_problem_the_judges_and_what_is_missing() -> None:
    ranked = RankedCandidate(
        sample=1,
        response="2+2=4",
        score=8.5,
        votes=(8, 9),
        deviation=0.7,
        rank=1,
        judges=(JudgeVotes(judge="j", votes=(8, 9), evidence=("good", ""), mean=8.5),),
        verdict="correct",
        source="sampled",
        corruption=None,
        provenance=MADE,
    )
    lost = MissingCandidate(
        sample=2,
        response="?",
        reason="no vote could be read",
        votes=(4.0,),
        verdict="unknown",
        source="sampled",
        corruption=None,
        provenance=MADE,
    )
    found = shown(RankedGroup(problem=PROBLEM, candidates=(ranked,), missing=(lost,)), row=2)
    assert found.asked == Asked("Q?", "2+2=4", "4", ("4", "5"))
    first, second = found.cards
    assert (first.score, first.rank, first.deviation, first.outcome) == (8.5, 1, 0.7, None)
    assert first.said == (Said("j", 8.5, (8, 9), ("good", "")),)
    assert (second.outcome, second.score) == ("not ranked", None)
    assert second.notes == (("Not ranked", "no vote could be read"), ("Valid votes", "4"))


def test_a_single_vote_has_no_deviation() -> None:
    candidate = RankedCandidate(
        sample=0,
        response="x",
        score=3,
        votes=(3,),
        deviation=0,
        rank=1,
        judges=(),
        verdict="wrong",
        source="sampled",
        corruption=None,
        provenance=MADE,
    )
    (card,) = shown(RankedGroup(problem=PROBLEM, candidates=(candidate,), missing=()), row=0).cards
    assert card.deviation is None


@pytest.mark.parametrize(
    ("source", "kind", "model", "method"),
    [
        ("gold", "gold", None, None),
        ("sampled", "sampled", None, None),
        ("corrupted/numbers", "corrupted", None, "corrupted/numbers"),
        ("6b_finetuning", "sampled", "6b_finetuning", None),
        ("org/model", "sampled", "org/model", None),
    ],
)
def test_the_sources_of_a_group_are_told_apart(source: str, kind: str, model: str | None, method: str | None) -> None:
    group = AlignmentGroup(
        prompt="P", responses=("r",), scores=(2.0,), problem_id="p", sources=(source,), reference="gold"
    )
    found = shown(group, row=0)
    (card,) = found.cards
    assert found.asked == Asked("P", "gold")
    assert (card.kind, card.model, card.method, card.score) == (kind, model, method, 2.0)


def test_a_pair_is_its_chosen_and_its_rejected_text_side_by_side() -> None:
    pair = Preference(
        prompt="P",
        chosen="a",
        rejected="b",
        problem_id="p",
        chosen_score=9,
        rejected_score=2,
        chosen_source="gold",
        rejected_source="m",
    )
    cards = shown(pair, row=4).cards
    assert [(card.text, card.outcome, card.score, card.row) for card in cards] == [
        ("a", "chosen", 9, 4),
        ("b", "rejected", 2, 4),
    ]


def test_an_augmented_row_stands_under_its_original_question() -> None:
    row = Augmented(
        type="FOBAR",
        query="Q with x?",
        response="r",
        original_question="Q?",
        answer="2",
        problem_id="p",
        provenance=MADE,
    )
    found = shown(row, row=0)
    (card,) = found.cards
    assert (found.asked.question, card.query, card.kind, card.outcome) == ("Q?", "Q with x?", "FOBAR", "accepted")
    same = row.model_copy(update={"query": "Q?"})
    assert shown(same, row=0).cards[0].query is None


def test_a_rejected_question_says_why() -> None:
    row = RejectedQuestion(
        type="SV",
        query="S",
        reason="too long",
        evidence="because",
        original_question="Q?",
        problem_id="p",
        reply_keys=(),
    )
    (card,) = shown(row, row=0).cards
    assert (card.outcome, card.notes) == ("rejected", (("Rejected", "too long"), ("Because of", "because")))


def test_a_backward_question_stands_under_the_problem_that_it_was_made_from() -> None:
    meta = json.dumps({"method": "fobar", "original_id": "p0", "original_question": "Q0?"})
    made = PROBLEM.model_copy(update={"id": "p0/fobar-1", "meta": meta, "rationale": None})
    found = shown(made, row=0)
    assert (found.problem_id, found.asked.question, found.cards[0].query) == ("p0", "Q0?", "Q?")
    own = shown(PROBLEM, row=0)
    assert (own.problem_id, own.asked.question, own.cards[0].text) == ("p", "Q?", "2+2=4")


def test_an_example_and_a_row_of_a_mixture_show_their_prompt_and_origin() -> None:
    example = Example(
        prompt="P", completion="c", problem_id="p", source="gold", answer="4", equations=(), sample=None, model=None,
        provenance=MADE,
    )  # fmt: skip
    found = shown(example, row=0)
    assert (found.asked, found.cards[0].kind) == (Asked("P", answer="4"), "gold")
    mixed = MixedExample(
        prompt="Question: Q?", completion="c", problem_id="p", question="Q?", answer=None, kind="foreign",
        origin="web", origin_row=3, provenance=MADE,
    )  # fmt: skip
    found = shown(mixed, row=0)
    (card,) = found.cards
    assert (found.asked.question, card.prompt, card.kind, card.origin) == ("Q?", "Question: Q?", "foreign", "web")
    assert shown(mixed.model_copy(update={"prompt": "Q?\n"}), row=0).cards[0].prompt is None


def test_what_another_source_knows_fills_only_what_is_missing() -> None:
    assert Asked("q", None, "1").filled(Asked("other", "gold", "2", ("a",))) == Asked("q", "gold", "1", ("a",))


def test_every_record_of_a_main_data_set_can_be_looked_at() -> None:
    browsed = {name for name, record in RECORDS.items() if is_browsed(record)}
    assert browsed >= {
        *("candidate", "example", "ranked-group", "alignment-group", "preference", "augmented"),
        *("rejected-question", "mixed-example", "mixed-group", "mixed-preference", "problem"),
    }
