"""Positives and negatives by the answer check."""

from collections.abc import Callable
from typing import Any

from datagen.annotate import annotate
from datagen.groups.binary import binary_members, unranked
from datagen.select.statistics import Filter
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

Maker = Callable[..., Any]  # Any: the records of conftest.py

REPLIES = {
    "right": "5+7 = <<5+7=12>>12\n#### 12",
    "false equation": "5+7 = <<5+7=13>>13, less 1\n#### 12",
    "not stated": "So it is 5 and 7, together 12",
    "wrong": "5*7 = <<5*7=35>>35\n#### 35",
}


def candidates(problem: Problem, provenance: Provenance) -> list[Candidate]:
    return [annotate(problem, text, sample=i, provenance=provenance) for i, text in enumerate(REPLIES.values())]


def test_a_right_path_is_a_positive_and_a_wrong_one_a_negative_and_others_are_neither(
    problem: Maker, provenance: Provenance
) -> None:
    *known, last = candidates(problem(), provenance)
    undecided = last.model_copy(update={"response": "Who knows?", "verdict": "unknown"})
    found = binary_members(problem(), [*known, last, undecided], keep=Filter(), gold=True)
    assert [(member.text, member.score, member.source) for member in found.kept] == [
        ("Gold path.\n#### 12", 1.0, "gold"),
        (REPLIES["right"], 1.0, "sampled"),
        (REPLIES["wrong"], 0.0, "sampled"),
    ]
    assert dict(found.dropped) == {"false equation": 1, "answer not stated": 1, "unknown": 1}


def test_false_equations_and_unstated_answers_are_positives_if_asked_for(
    problem: Maker, provenance: Provenance
) -> None:
    found = binary_members(problem(), candidates(problem(), provenance), keep=Filter(True, True), gold=False)
    assert {member.text for member in found.kept if member.score == 1} == {
        REPLIES["right"],
        REPLIES["false equation"],
        REPLIES["not stated"],
    }


def test_a_problem_without_a_gold_path_has_none_in_its_group(problem: Maker, provenance: Provenance) -> None:
    bare = problem(rationale=None)
    found = binary_members(bare, candidates(bare, provenance), keep=Filter(), gold=True)
    assert [member.kind for member in found.kept] == ["sampled", "sampled"]


def test_sources_are_the_model_or_how_it_was_corrupted(
    problem: Maker, provenance: Provenance, corruption: Maker
) -> None:
    by_model = provenance.model_copy(update={"model": "llama"})
    given = [
        annotate(problem(), REPLIES["right"], sample=0, provenance=by_model),
        annotate(problem(), "Half right.\n#### 12", sample=1, provenance=by_model, corruption=corruption("carry")),
    ]
    found = binary_members(problem(), given, keep=Filter(), gold=False)
    assert [(member.score, member.source) for member in found.kept] == [(1.0, "llama"), (0.0, "corrupted/carry")]


def test_a_ranked_group_gives_back_its_replies_and_not_the_gold_path(ranked: Maker) -> None:
    group = ranked([("g", 1, 10.0, "gold"), ("a", 2, 8.0, "correct"), ("b", 3, 1.0, "corrupted")], missing=["c"])
    replies = unranked(group)
    assert [(reply.response, reply.model) for reply in replies] == [("a", "m"), ("b", "m"), ("c", "m")]
    assert [reply.corruption is not None for reply in replies] == [False, True, False]
