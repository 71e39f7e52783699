"""Scores, ties and missing candidates, by hand."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.annotate import annotate
from datagen.rank.ranking import judged, ranked_group
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import RankedGroup, Rating

PROBLEM = Problem(id="p", question="q", answer="4", rationale=None, choices=None, source="s", split="train")
SOURCE = Provenance.of_stage("rank", package_version="0")


def candidate(sample: int) -> Candidate:
    return annotate(PROBLEM, f"text {sample}\n#### 4", sample=sample, provenance=SOURCE)


def votes(judge: str, *ratings: float | None) -> list[Rating]:
    return [
        Rating(
            problem_id="p",
            sample=0,
            judge=judge,
            vote=i,
            evidence=f"evidence {i}",
            rating=rating,
            parse_error=None if rating is not None else "no rating",
        )
        for i, rating in enumerate(ratings)
    ]


def ranked(*panel: Mapping[str, Sequence[float | None]], min_votes: int = 1, min_gap: float = 0.0) -> RankedGroup:
    """A group of one candidate per argument: judge -> its votes."""
    everyone = [
        judged(candidate(i), {name: votes(name, *of) for name, of in judges.items()}, min_votes=min_votes)
        for i, judges in enumerate(panel)
    ]
    return ranked_group(PROBLEM, everyone, min_gap=min_gap)


def test_the_score_is_the_mean_of_three_votes_and_the_best_comes_first() -> None:
    group = ranked({"j": (3, 4, 5)}, {"j": (9, 10, 10)}, {"j": (7, 7, 7)})
    assert [(one.sample, one.rank) for one in group.candidates] == [(1, 1), (2, 2), (0, 3)]
    assert [one.score for one in group.candidates] == pytest.approx([29 / 3, 7, 4])
    # (9 - 29/3)^2 + 2 (10 - 29/3)^2 = 6/9; divided by n - 1 = 2, its root is 0.57735
    assert group.candidates[0].deviation == pytest.approx(0.5773502691896257)
    assert group.candidates[0].judges[0].evidence == ("evidence 0", "evidence 1", "evidence 2")


def test_equal_means_share_a_rank_and_the_next_one_is_counted_on() -> None:
    group = ranked({"j": (5, 5)}, {"j": (4, 6)}, {"j": (3, 3)}, {"j": (9, 9)})
    assert [(one.sample, one.rank) for one in group.candidates] == [(3, 1), (0, 2), (1, 2), (2, 4)]


def test_means_that_differ_by_rounding_only_are_a_tie() -> None:
    tenths = ranked({"j": (1.1, 2.2, 3.3)}, {"j": (2.2, 2.2, 2.2)})
    assert [one.rank for one in tenths.candidates] == [1, 1]


def test_scores_closer_than_min_gap_tie_with_the_best_of_their_rank() -> None:
    group = ranked({"j": (9,)}, {"j": (8.6,)}, {"j": (8.2,)}, {"j": (7.7,)}, min_gap=0.5)
    # 8.6 is 0.4 below 9; 8.2 is 0.8 below it, so it opens a rank; 7.7 is exactly 0.5 below that: no tie
    assert [one.rank for one in group.candidates] == [1, 1, 3, 4]


def test_each_judge_of_a_panel_counts_the_same() -> None:
    """10 and (1, 1, 1): the mean of the means is 5.5; the mean of all votes would be 3.25."""
    group = ranked({"a": (10,), "b": (1, 1, 1)})
    assert group.candidates[0].score == 5.5
    assert group.candidates[0].votes == (10, 1, 1, 1)


def test_an_unreadable_vote_is_missing_and_never_counts_as_a_number() -> None:
    group = ranked({"j": (8, None, 6)}, {"j": (None, None, None)})
    assert [(one.sample, one.score) for one in group.candidates] == [(0, 7)]
    (missing,) = group.missing
    assert (missing.sample, missing.votes) == (1, ())
    assert missing.reason == "j: 0 of 3 votes are valid, 1 needed"


def test_a_candidate_needs_enough_votes_of_every_judge() -> None:
    group = ranked({"a": (8, 8, 8), "b": (5, None, None)}, {"a": (8, None, 8), "b": (5, 6, None)}, min_votes=2)
    assert [one.sample for one in group.candidates] == [1]
    assert group.missing[0].reason == "b: 1 of 3 votes are valid, 2 needed"
    assert group.missing[0].votes == (8, 8, 8, 5)


def test_a_built_in_judge_has_no_more_votes_to_give_than_one() -> None:
    assert ranked({"steps": (9,)}, min_votes=3).missing == ()


@given(st.lists(st.lists(st.integers(1, 10), min_size=1, max_size=3), max_size=8))
def test_a_better_rank_is_a_strictly_higher_score_and_an_equal_rank_an_equal_one(panel: list[list[int]]) -> None:
    group = ranked(*({"j": of} for of in panel))
    assert sorted(one.sample for one in group.candidates) == list(range(len(panel)))
    for a in group.candidates:
        assert a.rank == 1 + sum(b.score > a.score + 1e-9 for b in group.candidates)
