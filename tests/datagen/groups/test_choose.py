"""The seeded choice of a group's responses."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.groups.choose import choose_sides, choose_spread
from datagen.groups.members import Member, in_order

GOLD = Member("gold", 1.0, "gold", "gold", "correct")
POSITIVES = [Member(f"right {i}", 1.0, "sampled", "m", "correct") for i in range(8)]
NEGATIVES = [Member(f"wrong {i}", 0.0, "sampled", "m", "wrong") for i in range(8)]


def sides(n: int | None, *, seed: int = 0, problem_id: str = "p", m: int | None = 2) -> list[Member]:
    members = in_order([GOLD, *POSITIVES, *NEGATIVES])
    return choose_sides(members, max_positives=n, max_negatives=m, seed=seed, problem_id=problem_id)


def test_the_gold_path_is_the_first_positive_to_stay() -> None:
    for seed in range(10):
        assert [member.score for member in sides(3, seed=seed)] == [1, 1, 1, 0, 0]
        assert sides(1, seed=seed)[0] == GOLD


def test_without_limits_everything_stays() -> None:
    assert len(sides(None, m=None)) == 17


def test_the_choice_depends_on_seed_and_problem_and_every_response_can_be_chosen() -> None:
    assert sides(3) == sides(3)
    chosen = {member.text for seed in range(60) for member in sides(3, seed=seed)}
    assert chosen == {"gold", *(m.text for m in POSITIVES), *(m.text for m in NEGATIVES)}
    assert len({tuple(sides(3, problem_id=f"p{i}")) for i in range(20)}) > 10


def test_a_larger_limit_only_adds_and_leaves_the_other_side_alone() -> None:
    for n in range(1, 8):
        assert set(sides(n)) < set(sides(n + 1))
    assert [m for m in sides(3, m=2) if not m.score] == [m for m in sides(8, m=2) if not m.score]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(1, 10), min_size=2, max_size=12).filter(lambda scores: len(set(scores)) > 1),
    st.integers(2, 6),
    st.integers(0, 99),
)
def test_a_cut_group_keeps_a_best_and_a_worst_response(scores: list[int], limit: int, seed: int) -> None:
    members = in_order([Member(str(i), s, "sampled", "m", "unknown", judged=True) for i, s in enumerate(scores)])
    chosen = choose_spread(members, max_responses=limit, seed=seed, problem_id="p")
    assert len(chosen) == len(set(chosen)) == min(limit, len(scores))
    assert (chosen[0].score, chosen[-1].score) == (max(scores), min(scores))
    assert set(chosen) <= set(members)
    again = in_order(random.Random(seed).sample(members, len(members)))
    assert choose_spread(again, max_responses=limit, seed=seed, problem_id="p") == chosen
