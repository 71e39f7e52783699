from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.mix.subsets import nested_subset, subset_ids

IDS = st.lists(st.text(max_size=6), unique=True, min_size=1, max_size=60)
FRACTIONS = st.integers(1, 1000).map(lambda n: n / 1000)


@given(ids=IDS, a=FRACTIONS, b=FRACTIONS, seed=st.integers(0, 5))
@settings(deadline=None, max_examples=150)
def test_a_smaller_fraction_lies_inside_a_larger_one(ids: list[str], a: float, b: float, seed: int) -> None:
    small, large = sorted((a, b))
    assert subset_ids(ids, fraction=small, seed=seed) <= subset_ids(ids, fraction=large, seed=seed)


@given(ids=IDS, fraction=FRACTIONS, rng=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_the_order_of_the_input_decides_the_order_of_the_output_and_nothing_else(
    ids: list[str], fraction: float, rng: object
) -> None:
    shuffled = ids.copy()
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's Random
    chosen = subset_ids(ids, fraction=fraction, seed=0)
    for order in (ids, shuffled):
        found = nested_subset(order, problem_id=str, fraction=fraction, seed=0)
        assert found == [name for name in order if name in chosen]


@given(n=st.integers(1, 400), thousandths=st.integers(1, 1000))
@settings(deadline=None, max_examples=150)
def test_sizes_are_exact_rounded_down_and_never_none(n: int, thousandths: int) -> None:
    found = subset_ids(map(str, range(n)), fraction=thousandths / 1000, seed=3)
    assert len(found) == max(1, Fraction(thousandths, 1000) * n // 1)


def test_the_float_next_to_a_decimal_does_not_cost_a_problem() -> None:
    """0.29 * 100 is 28.999999999999996 in floats."""
    assert len(subset_ids(map(str, range(100)), fraction=0.29, seed=0)) == 29


def test_all_rows_of_a_problem_share_its_lot() -> None:
    rows = [(f"p{i % 10}", i) for i in range(50)]
    found = nested_subset(rows, problem_id=lambda row: row[0], fraction=0.3, seed=1)
    assert len(found) == 15
    assert len({name for name, _ in found}) == 3


def test_a_seed_draws_its_own_problems() -> None:
    """Fixed for ever, as a study goes on later. By hand: printf '0\\x1fsubset\\x1fgsm8k-11' | sha256sum, and so on."""
    ids = [f"gsm8k-{i}" for i in range(12)]
    assert subset_ids(ids, fraction=0.25, seed=0) != subset_ids(ids, fraction=0.25, seed=1)
    assert sorted(subset_ids(ids, fraction=0.25, seed=0)) == ["gsm8k-11", "gsm8k-2", "gsm8k-5"]


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_what_is_no_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="must be in"):
        subset_ids(["a"], fraction=fraction, seed=0)
