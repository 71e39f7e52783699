"""Scores by the judge, and what is added beside the rated candidates."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.groups.ranked import levelled, ranked_members
from datagen.store.spill import Spilled
from datagen_schemas.corruption import Corruption
from datagen_schemas.errors import DataError

Maker = Callable[..., Any]  # Any: the records of conftest.py


def reply(text: str, corruption: Corruption | None = None) -> Spilled:
    what = corruption.model_dump(mode="json") if corruption is not None else None
    return Spilled(text, None, "other", "file", None, None, what)


def test_candidates_of_one_rank_share_their_mean_score(ranked: Maker) -> None:
    group = ranked([("a", 1, 8.0, "correct"), ("b", 1, 7.0, "wrong"), ("c", 3, 2.0, "wrong")], missing=["d"])
    found = ranked_members(group, [], gold=None)
    assert [(member.text, member.score, member.source) for member in found.kept] == [
        ("a", 7.5, "m"),
        ("b", 7.5, "m"),
        ("c", 2.0, "m"),
    ]
    assert dict(found.dropped) == {"missing (no valid vote)": 1}


def test_ranks_that_contradict_the_scores_are_refused(ranked: Maker) -> None:
    with pytest.raises(DataError, match=r"problem p.*no higher score"):
        ranked_members(ranked([("a", 1, 3.0, "correct"), ("b", 2, 8.0, "wrong")]), [], gold=None)


def test_a_reply_that_nobody_rated_has_no_score_and_is_counted(ranked: Maker) -> None:
    group = ranked([("a", 1, 8.0, "correct"), ("b", 2, 3.0, "wrong")])
    found = ranked_members(group, [reply("new"), reply("a ")], gold=None)
    assert [member.text for member in found.kept] == ["a", "b"]
    assert dict(found.dropped) == {"not judged": 1, "duplicate": 1}


@pytest.mark.parametrize(
    ("method", "alpha", "setting", "score"),
    [
        ("numbers", None, 1.0, 1.0),
        ("chars", 0.3, 1.0, 1.0),
        ("chars", 0.3, 2.5, 2.5),
        ("chars", 0.3, "alpha", 7.0),  # 10 (1 - 0.3)
        ("chars", 0.7, "alpha", 3.0),
        ("chars", 0.95, "alpha", 1.0),  # 0.5 is no rating
        ("numbers", None, "alpha", 1.0),
    ],
)
def test_a_corrupted_reply_gets_the_score_that_was_asked_for(
    ranked: Maker, corruption: Maker, method: str, alpha: float | None, setting: Any, score: float
) -> None:
    group = ranked([("a", 1, 9.0, "correct")])
    negative = reply("n", corruption(method, alpha=alpha))
    found = ranked_members(group, [negative], gold=None, negative_score=setting)
    assert [(m.text, m.score, m.source) for m in found.kept] == [("a", 9.0, "m"), ("n", score, f"corrupted/{method}")]


def test_a_corrupted_reply_that_was_rated_keeps_the_judges_score(ranked: Maker, corruption: Maker) -> None:
    group = ranked([("a", 1, 6.0, "correct"), ("n", 2, 5.0, "corrupted")])
    found = ranked_members(group, [reply("n", corruption())], gold=None)
    assert [(member.text, member.score) for member in found.kept] == [("a", 6.0), ("n", 5.0)]
    assert dict(found.dropped) == {"duplicate": 1}


def test_a_corrupted_reply_is_left_out_unless_it_is_below_every_correct_one(ranked: Maker, corruption: Maker) -> None:
    group = ranked([("a", 1, 9.0, "correct"), ("b", 2, 7.0, "correct"), ("c", 3, 2.0, "wrong")])
    negatives = [reply(f"n{alpha}", corruption("chars", alpha=alpha)) for alpha in (0.1, 0.3, 0.4)]  # 9, 7, 6
    found = ranked_members(group, negatives, gold=None, negative_score="alpha")
    assert [(member.text, member.score) for member in found.kept] == [
        ("a", 9.0),
        ("b", 7.0),
        ("n0.4", 6.0),
        ("c", 2.0),
    ]
    assert dict(found.dropped) == {"negative not below a correct one": 2}


def test_a_corrupted_reply_with_the_text_of_a_correct_one_leaves_it_correct(ranked: Maker, corruption: Maker) -> None:
    group = ranked([("a", 1, 6.0, "correct"), ("b", 2, 4.0, "correct")])
    negative = reply("b", corruption("chars", alpha=0.5))  # would be 5, above b's own 4
    found = ranked_members(group, [negative], gold=None, negative_score="alpha")
    assert [(m.text, m.score, m.source, m.verdict) for m in found.kept] == [
        ("a", 6.0, "m", "correct"),
        ("b", 4.0, "m", "correct"),
    ]
    assert dict(found.dropped) == {"same text as a correct one": 1}


@pytest.mark.parametrize(
    ("gold", "is_rated", "expected"),
    [
        (None, False, [("a", 8.0)]),
        (None, True, [("Gold path.\n#### 12", 9.0), ("a", 8.0)]),
        (True, False, [("Gold path.\n#### 12", 10.0), ("a", 8.0)]),
        (True, True, [("Gold path.\n#### 12", 9.0), ("a", 8.0)]),
        (False, True, [("a", 8.0)]),
    ],
)
def test_the_gold_path_is_rated_or_the_best_or_absent(
    ranked: Maker, gold: bool | None, is_rated: bool, expected: list[tuple[str, float]]
) -> None:
    rated = [("Gold path.\n#### 12", 1, 9.0, "gold")] if is_rated else []
    found = ranked_members(ranked([*rated, ("a", 2, 8.0, "correct")]), [], gold=gold)
    assert [(member.text, member.score) for member in found.kept] == expected


def test_scores_closer_than_the_gap_to_the_best_of_their_tie_are_equal() -> None:
    # 8 and 7.6 are a tie; 7.4 is 0.6 below its best, so it begins the next one, to which 7 belongs.
    assert levelled([7.0, 8.0, 7.4, 7.6, 1.0], min_gap=0.5) == pytest.approx([7.2, 7.8, 7.2, 7.8, 1.0])
    assert levelled([8.0, 7.5], min_gap=0.5) == [8.0, 7.5]
    # 7.1 - 6.6 is 0.5 but for rounding: it is not closer than 0.5.
    assert levelled([7.1, 6.6], min_gap=0.5) == [7.1, 6.6]


def test_means_that_differ_by_rounding_are_equal() -> None:
    assert len(set(levelled([0.1 + 0.2, 0.3, 0.3 + 1e-6]))) == 2


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(3, 30).map(lambda thirds: thirds / 3), min_size=1, max_size=9), st.sampled_from([0, 0.5, 1])
)
def test_levelling_joins_neighbours_and_never_turns_an_order_round(scores: list[float], min_gap: float) -> None:
    new = levelled(scores, min_gap=min_gap)
    for a, new_a in zip(scores, new, strict=True):
        for b, new_b in zip(scores, new, strict=True):
            if a == b or (a > b and new_a == new_b):
                assert new_a == new_b
                assert a - b < max(min_gap, 1e-9)
            elif a > b:
                assert new_a > new_b
    assert sum(new) == pytest.approx(sum(scores))
    if min_gap == 0:
        assert new == pytest.approx(scores)
