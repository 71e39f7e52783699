"""Pairs of a better and a worse response."""

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.groups.preference import ordered_pairs, preferences
from datagen_schemas.alignment import AlignmentGroup


def group(scores: list[float]) -> AlignmentGroup:
    texts = tuple(f"r{i}" for i in range(len(scores)))
    return AlignmentGroup(prompt="q\n", responses=texts, scores=tuple(scores), problem_id="p", sources=texts)


def test_every_strict_pair_is_a_row_and_a_tie_is_none() -> None:
    rows = preferences(group([9.0, 7.0, 7.0, 1.0]), max_pairs=None, seed=0)
    assert [(row.chosen, row.rejected) for row in rows] == [
        ("r0", "r1"),
        ("r0", "r2"),
        ("r0", "r3"),
        ("r1", "r3"),
        ("r2", "r3"),
    ]
    assert rows[3].model_dump() == {
        "prompt": "q\n",
        "chosen": "r1",
        "rejected": "r3",
        "problem_id": "p",
        "chosen_score": 7.0,
        "rejected_score": 1.0,
        "chosen_source": "r1",
        "rejected_source": "r3",
    }


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), max_size=8), st.integers(1, 10), st.integers(0, 9))
def test_limited_pairs_are_some_of_all_and_a_higher_limit_only_adds(
    scores: list[float], limit: int, seed: int
) -> None:
    everything = {(i, j) for i, a in enumerate(scores) for j, b in enumerate(scores) if a > b}
    assert set(ordered_pairs(group(scores))) == everything
    few = preferences(group(scores), max_pairs=limit, seed=seed)
    more = preferences(group(scores), max_pairs=limit + 1, seed=seed)
    assert len(few) == min(limit, len(everything))
    assert set(few) <= set(more) <= set(preferences(group(scores), max_pairs=None, seed=seed))
    assert all(row.chosen_score > row.rejected_score for row in few)
