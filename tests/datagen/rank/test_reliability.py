"""Reliability of a judge, counted by hand."""

import hashlib
import json
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.rank.reliability import PREFILLED, Reliability
from datagen_schemas.candidate import Verdict
from datagen_schemas.corruption import Corruption
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import JudgeVotes, MissingCandidate, RankedCandidate, RankedGroup, Rating

PROVENANCE = Provenance.of_stage("rank", package_version="0")
PROBLEM = Problem(id="p", question="1+1?", answer="2", rationale="#### 2", choices=None, source="test", split="train")


def votes(judge: str, *values: float) -> JudgeVotes:
    return JudgeVotes(judge=judge, votes=values, evidence=("",) * len(values), mean=sum(values) / len(values))


def candidate(
    sample: int,
    score: float,
    *,
    verdict: Verdict = "unknown",
    response: str | None = None,
    source: str = "sampled",
    corruption: Corruption | None = None,
    judges: Sequence[JudgeVotes] | None = None,
) -> RankedCandidate:
    return RankedCandidate(
        sample=sample,
        response=f"text {sample}" if response is None else response,
        score=score,
        votes=(score,),
        deviation=0.0,
        rank=1,
        judges=tuple(judges) if judges is not None else (votes("judge", score),),
        verdict=verdict,
        source=source,
        corruption=corruption,
        provenance=PROVENANCE,
    )


def group(*candidates: RankedCandidate, missing: Sequence[MissingCandidate] = ()) -> RankedGroup:
    return RankedGroup(problem=PROBLEM, candidates=candidates, missing=tuple(missing))


def lost(sample: int, source: str = "sampled") -> MissingCandidate:
    return MissingCandidate(
        sample=sample,
        response="?",
        reason="no vote",
        votes=(),
        verdict="unknown",
        source=source,
        corruption=None,
        provenance=PROVENANCE,
    )


def corrupted(parent: str, *, alpha: float | None = None) -> Corruption:
    return Corruption(
        method="carry" if alpha is None else "chars",
        kind="carried" if alpha is None else "characters",
        alpha=alpha,
        realised_alpha=alpha,
        positions=(0,),
        where="",
        before="",
        after="",
        parent=hashlib.sha256(parent.encode()).hexdigest(),
    )


def rating(
    value: float | None, *, judge: str = "judge", error: str | None = None, asks: int = 1, evidence: str | None = "why"
) -> Rating:
    return Rating(
        problem_id="p", sample=0, judge=judge, vote=0, evidence=evidence, rating=value, parse_error=error, asks=asks
    )


def test_every_correct_candidate_is_compared_with_every_wrong_one_and_a_tie_is_not_right() -> None:
    found = Reliability()
    # Right: 9>8, 9>3, 8>3; tied: 8=8. An unknown verdict and a corrupted text are in no such pair.
    found.add(
        group(
            candidate(0, 9, verdict="correct"),
            candidate(1, 8, verdict="correct"),
            candidate(2, 8, verdict="wrong"),
            candidate(3, 3, verdict="wrong"),
            candidate(4, 10, verdict="unknown"),
            candidate(5, 10, verdict="wrong", corruption=corrupted("nothing")),
        )
    )
    # Wrong: 2<5. The next problem has no pair at all.
    found.add(group(candidate(0, 2, verdict="correct"), candidate(1, 5, verdict="wrong")))
    found.add(group(candidate(0, 2, verdict="correct")))
    pairs = found.as_json()["pair_accuracy"]
    assert {key: pairs[key] for key in ("n", "right", "tied", "wrong", "problems")} == {
        "n": 5,
        "right": 3,
        "tied": 1,
        "wrong": 1,
        "problems": 2,
    }
    assert pairs["accuracy"] == pytest.approx(3 / 5)
    assert pairs["accuracy_ties_half"] == pytest.approx(3.5 / 5)
    assert pairs["accuracy_by_problem"] == pytest.approx((3 / 4 + 0) / 2)


def test_means_that_differ_by_rounding_only_are_tied() -> None:
    found = Reliability()
    found.add(group(candidate(0, 0.1 + 0.2 + 7, verdict="correct"), candidate(1, 7.3, verdict="wrong")))
    found.add(group(candidate(0, 7.3, verdict="correct"), candidate(1, 0.1 + 0.2 + 7, verdict="wrong")))
    assert found.as_json()["pair_accuracy"]["tied"] == 2


def test_the_interval_resamples_problems_and_not_pairs() -> None:
    # 100 problems of 9 pairs each that are all right or all wrong: as uncertain as 100 pairs, not as 900.
    found = Reliability()
    for i in range(100):
        good, bad = (9, 2) if i < 70 else (2, 9)
        rows = [candidate(s, good, verdict="correct") for s in range(3)]
        found.add(group(*rows, *(candidate(3 + s, bad, verdict="wrong") for s in range(3))))
    low, high = found.as_json()["pair_accuracy"]["interval"]
    half_width = 1.96 * (0.7 * 0.3 / 100) ** 0.5
    assert low == pytest.approx(0.7 - half_width, abs=0.02)
    assert high == pytest.approx(0.7 + half_width, abs=0.02)


def test_each_judge_of_a_panel_is_held_to_its_own_means() -> None:
    found = Reliability()
    found.add(
        group(
            candidate(0, 7, verdict="correct", judges=[votes("kind", 9, 10), votes("odd", 4, 5)]),
            candidate(1, 6, verdict="wrong", judges=[votes("kind", 5, 5), votes("odd", 7, 7)]),
            candidate(2, 5, verdict="wrong", judges=[votes("kind", 5, 5)]),  # the other judge gave nothing
        )
    )
    pairs = found.as_json()["pair_accuracy"]
    assert (pairs["n"], pairs["right"]) == (2, 2)
    assert {judge: (own["n"], own["right"], own["wrong"]) for judge, own in pairs["by_judge"].items()} == {
        "kind": (2, 2, 0),
        "odd": (1, 0, 1),
    }


def test_corrupted_copies_are_compared_with_the_text_they_were_made_from() -> None:
    found = Reliability()
    found.add(
        group(
            candidate(0, 9, verdict="correct", response="original"),
            candidate(1, 5, verdict="correct", response="another"),
            candidate(2, 8, verdict="wrong", corruption=corrupted("original", alpha=0.1)),
            candidate(3, 9, verdict="wrong", corruption=corrupted("original", alpha=0.1)),
            candidate(4, 1, verdict="wrong", corruption=corrupted("original", alpha=1.0)),
            candidate(5, 6, verdict="wrong", corruption=corrupted("another")),
            candidate(6, 6, verdict="wrong", corruption=corrupted("not in this group")),
        )
    )
    result = found.as_json()
    kinds = result["corrupted_pairs"]
    assert list(kinds) == ["carry", "chars 0.1", "chars 1"]
    assert {kind: (p["n"], p["right"], p["tied"], p["wrong"], p["accuracy"]) for kind, p in kinds.items()} == {
        "carry": (1, 0, 0, 1, 0.0),
        "chars 0.1": (2, 1, 1, 0, 0.5),
        "chars 1": (1, 1, 0, 0, 1.0),
    }
    assert result["corrupted_pairs_by_judge"] == {"judge": kinds}
    assert result["corrupted_without_original"] == 1


def test_scores_are_counted_by_verdict_halves_up_with_their_mean() -> None:
    found = Reliability()
    found.add(
        group(
            candidate(0, 9.5, verdict="correct"),
            candidate(1, 9.4, verdict="correct"),
            candidate(2, 1.0, verdict="wrong"),
            candidate(3, 2.0, verdict="wrong", corruption=corrupted("x")),
        )
    )
    scores = found.as_json()["scores"]
    assert scores["correct"]["bins"] == {str(i): 0 for i in range(1, 9)} | {"9": 1, "10": 1}
    assert (scores["correct"]["n"], scores["correct"]["mean"]) == (2, pytest.approx(9.45))
    assert (scores["wrong"]["n"], scores["wrong"]["bins"]["1"]) == (1, 1)
    assert (scores["corrupted"]["n"], scores["corrupted"]["bins"]["2"]) == (1, 1)
    assert scores["unknown"] == {"n": 0, "mean": None, "bins": {str(i): 0 for i in range(1, 11)}}


def test_votes_are_counted_by_judge_with_the_reasons_of_those_without_a_rating() -> None:
    found = Reliability()
    for vote in [
        rating(7),
        rating(8, asks=2, evidence="  "),
        rating(None, error="no rating", asks=3),
        rating(None, error="no reply", asks=0),
        rating(4, judge="other", evidence=None),
    ]:
        found.add_rating(vote)
    own = found.as_json()["votes"]
    assert {key: own["judge"][key] for key in ("asked", "valid", "missing", "asks", "asked_again")} == {
        "asked": 4,
        "valid": 2,
        "missing": 2,
        "asks": 6,
        "asked_again": 1 + 2,
    }
    assert own["judge"]["parse_errors"] == {"no rating": 1, "no reply": 1}
    assert own["judge"]["parse_error_rate"] == 0.5
    assert own["judge"]["failed_ask_rate"] == pytest.approx(4 / 6)  # one before the 8, and all three of the third vote
    assert own["judge"]["without_evidence"] == 1
    assert own["other"]["without_evidence"] == 1


def test_parse_errors_that_are_all_different_do_not_grow_without_end() -> None:
    found = Reliability()
    for i in range(1000):
        found.add_rating(rating(None, error=f"odd {i}"))
    errors = found.as_json()["votes"]["judge"]["parse_errors"]
    assert len(errors) == 51
    assert errors["other"] == 950


def test_votes_of_one_judge_are_raters_that_can_be_exchanged() -> None:
    found = Reliability()
    found.add(group(candidate(0, 8, judges=[votes("j", 7, 9)]), candidate(1, 3, judges=[votes("j", 4, 2)])))
    found.add(group(candidate(0, 8, judges=[votes("j", 8)])))  # one vote agrees with nothing
    own = found.as_json()["votes"]["j"]
    # Observed: (4 + 4) * 2 / 4 = 4. Expected: ordered pairs of 7, 9, 4, 2: 2 * (4+9+25+25+49+4) / 12 = 232 / 12.
    assert own["krippendorff_alpha"] == pytest.approx(1 - 4 / (232 / 12))
    assert own["mean_deviation"] == pytest.approx(2**0.5)
    assert own["candidates"] == 3


def test_equal_texts_of_a_problem_are_one_unit_of_agreement() -> None:
    once, twice = Reliability(), Reliability()
    rows = [candidate(0, 8, response="a", judges=[votes("j", 7, 9)]), candidate(1, 3, judges=[votes("j", 4, 2)])]
    once.add(group(*rows))
    twice.add(group(*rows, rows[0].model_copy(update={"sample": 2})))
    assert once.as_json()["votes"] == twice.as_json()["votes"]
    assert twice.candidates == 3


def test_agreement_between_judges_is_that_of_their_means() -> None:
    found = Reliability()
    found.add(
        group(
            candidate(0, 8, judges=[votes("a", 7, 7), votes("b", 8, 10)]),
            candidate(1, 3, judges=[votes("a", 4, 4), votes("b", 1, 3)]),
            candidate(2, 6, judges=[votes(PREFILLED, 6)]),
        )
    )
    result = found.as_json()
    between = result["agreement_between_judges"]
    assert between["candidates"] == 2
    assert between["krippendorff_alpha"] == pytest.approx(1 - 4 / (232 / 12))  # means 7, 9 and 4, 2, as above
    assert result["prefilled"] == 1


def test_missing_candidates_are_counted_and_compared_with_nothing() -> None:
    found = Reliability()
    found.add(group(candidate(0, 8, verdict="correct"), missing=[lost(1), lost(2)]))
    result = found.as_json()
    assert (result["groups"], result["candidates"], result["missing"]) == (1, 1, 2)
    assert result["pair_accuracy"]["n"] == 0
    assert result["pair_accuracy"]["accuracy"] is None


def test_probes_tell_what_the_reference_and_an_empty_reply_get_and_count_nowhere_else() -> None:
    found = Reliability()
    reference = candidate(0, 9, verdict="correct", source="reference", response="ref")
    copies = [
        candidate(i, score, verdict="wrong", source="corrupted", corruption=corrupted("ref", alpha=alpha))
        for i, score, alpha in ((2, 9.0, 0.1), (3, 4.0, 0.5))
    ]
    found.add_probe(group(reference, candidate(1, 2, verdict="wrong", source="empty", response=""), *copies))
    found.add_probe(
        group(
            candidate(0, 8.99, verdict="correct", source="reference", response="ref"),
            candidate(1, 2.5, verdict="wrong", source="empty", response=""),
        )
    )
    found.add_probe(group(missing=[lost(0, "reference"), lost(1, "empty"), lost(2, "corrupted")]))
    result = found.as_json()
    assert result["probes"]["groups"] == 3
    assert result["probes"]["reference"] == {
        "n": 2, "missing": 1, "mean": pytest.approx(8.995), "share": 0.5, "at_least": 9,
    }  # fmt: skip
    assert result["probes"]["empty"] == {"n": 2, "missing": 1, "mean": 2.25, "share": 0.5, "at_most": 2}
    pairs = result["probe_corrupted_pairs"]
    assert (pairs["chars 0.1"]["tied"], pairs["chars 0.5"]["right"]) == (1, 1)
    assert (result["groups"], result["pair_accuracy"]["n"], result["corrupted_pairs"]) == (0, 0, {})
    assert result["scores"]["correct"]["n"] == 0


def test_the_report_of_nothing_is_json_without_numbers_made_up() -> None:
    result = json.loads(json.dumps(Reliability().as_json(), allow_nan=False))
    assert result["pair_accuracy"] == {
        "n": 0, "right": 0, "tied": 0, "wrong": 0, "accuracy": None, "accuracy_ties_half": None, "problems": 0,
        "accuracy_by_problem": None, "interval": None, "by_judge": {},
    }  # fmt: skip
    assert result["agreement_between_judges"] == {"krippendorff_alpha": None, "candidates": 0}


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["correct", "wrong", "unknown"]), st.integers(1, 10)), max_size=6),
        max_size=5,
    )
)
def test_pair_counts_are_those_of_the_double_loop(problems: list[list[tuple[Verdict, int]]]) -> None:
    found = Reliability()
    for rows in problems:
        found.add(group(*(candidate(i, score, verdict=verdict) for i, (verdict, score) in enumerate(rows))))
    scores = [(a, b) for rows in problems for v, a in rows for w, b in rows if v == "correct" and w == "wrong"]
    pairs = found.as_json()["pair_accuracy"]
    assert pairs["n"] == len(scores)
    assert pairs["right"] == sum(a > b for a, b in scores)
    assert pairs["tied"] == sum(a == b for a, b in scores)
    assert pairs["wrong"] == sum(a < b for a, b in scores)


def test_ten_times_the_groups_take_no_more_memory() -> None:
    def size(n: int) -> int:
        found = Reliability()
        for i in range(n):
            found.add(
                group(
                    candidate(0, 1 + i % 10, verdict="correct", response=f"{i}", judges=[votes("j", 1 + i % 10, 5)]),
                    candidate(1, 5, verdict="wrong", response=f"other {i}"),
                )
            )
        counts = found.judges["j"].units, found.panel.known.problems, found.between, found.by_judge
        return sum(sys.getsizeof(part) + len(part) for part in counts)

    assert size(1000) == size(100)
