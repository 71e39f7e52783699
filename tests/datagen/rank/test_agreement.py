"""Krippendorff's alpha, weighted kappa, rho and tau-b against published values, hand calculation and slow versions."""

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datagen.rank import agreement as module
from datagen.rank.agreement import agreement, interval_alpha, whole

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers, twelve units.
FOUR_OBSERVERS = """
    1 2 3 3 2 1 4 1 2 . . .
    1 2 3 3 2 2 4 1 2 5 . 3
    . 3 3 3 2 3 4 2 2 5 1 .
    1 2 3 3 2 4 4 1 2 5 1 .
"""


def units_of(table: str) -> Counter[tuple[float, ...]]:
    columns = zip(*(line.split() for line in table.strip().splitlines()), strict=True)
    return Counter(tuple(float(value) for value in column if value != ".") for column in columns)


def slow_alpha(units: Sequence[tuple[float, ...]]) -> float:
    """Straight from the definition: observed over expected disagreement, pair by pair."""
    pairable = [votes for votes in units if len(votes) > 1]
    values = [value for votes in pairable for value in votes]
    n = len(values)
    observed = sum((a - b) ** 2 / (len(votes) - 1) for votes in pairable for a, b in permutations(votes, 2)) / n
    expected = sum((a - b) ** 2 for a, b in permutations(values, 2)) / (n * (n - 1))
    return 1 - observed / expected


votes = st.lists(st.sampled_from([1.0, 2.0, 4.5, 7.0, 10.0]), min_size=0, max_size=4).map(tuple)


def test_alpha_of_krippendorffs_four_observers_is_his() -> None:
    alpha = interval_alpha(units_of(FOUR_OBSERVERS))
    assert alpha == pytest.approx(0.849, abs=5e-4)


@settings(deadline=None, max_examples=60)
@given(st.lists(votes, min_size=1, max_size=12))
def test_alpha_is_what_the_definition_says(units: list[tuple[float, ...]]) -> None:
    assume(len({value for unit in units if len(unit) > 1 for value in unit}) > 1)
    assert interval_alpha(Counter(units)) == pytest.approx(slow_alpha(units))


def test_alpha_of_too_many_units_for_the_library_is_the_same_number(monkeypatch: pytest.MonkeyPatch) -> None:
    units = units_of(FOUR_OBSERVERS) + Counter({(7.0, 7.5, 9.0): 4, (1.0, 1.0): 3})
    laid_out = interval_alpha(units)
    monkeypatch.setattr(module, "_LIBRARY_CELLS", 0)
    assert interval_alpha(units) == pytest.approx(laid_out, rel=1e-12)


def test_a_million_units_need_no_memory_of_their_own() -> None:
    code = (
        "import resource; from datagen.rank.agreement import interval_alpha;"
        "units = {(float(a), float(b), float(c)): 5000 for a in range(1, 11) for b in range(1, 11) for c in (1, 9)};"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; print(interval_alpha(units));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    alpha, kilobytes = ran.stdout.split()
    assert int(kilobytes) < 50_000
    # The votes are independent: agreement is that of chance, here a little below 0 as the votes of one rater differ.
    assert -0.5 < float(alpha) < 0.1


@pytest.mark.parametrize("units", [{}, {(7.0,): 5}, {(7.0, 7.0): 5}, {(3.0,): 2, (8.0,): 2, (7.0, 7.0): 5}])
def test_alpha_without_two_ratings_of_a_unit_or_without_variation_is_undefined(
    units: dict[tuple[float, ...], int],
) -> None:
    assert interval_alpha(units) is None


def slow_kappa(a: Sequence[int], b: Sequence[int]) -> float:
    """1 - observed / expected squared difference; expected: every rating of one side with every one of the other."""
    observed = sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)
    expected = sum((x - y) ** 2 for x in a for y in b) / len(a) ** 2
    return 1 - observed / expected


def slow_tau_b(a: Sequence[float], b: Sequence[float]) -> float:
    n = len(a)
    sign = [((a[i] > a[j]) - (a[i] < a[j]), (b[i] > b[j]) - (b[i] < b[j])) for i in range(n) for j in range(i + 1, n)]
    return sum(x * y for x, y in sign) / math.sqrt(sum(x * x for x, _ in sign) * sum(y * y for _, y in sign))


def slow_rho(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's correlation of the ranks, ties at their middle."""

    def ranks(values: Sequence[float]) -> list[float]:
        return [sum(v < value for v in values) + (values.count(value) + 1) / 2 for value in values]

    x, y = ranks(a), ranks(b)
    middle = (len(a) + 1) / 2
    covariance = sum((p - middle) * (q - middle) for p, q in zip(x, y, strict=True))
    return covariance / math.sqrt(sum((p - middle) ** 2 for p in x) * sum((q - middle) ** 2 for q in y))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), min_size=2, max_size=12))
def test_kappa_rho_and_tau_are_what_their_definitions_say(pairs: list[tuple[int, int]]) -> None:
    human, judge = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assume(len(set(human)) > 1 and len(set(judge)) > 1)
    found = agreement(human, judge, resamples=0)
    assert found.weighted_kappa.value == pytest.approx(slow_kappa(human, judge))
    assert found.spearman.value == pytest.approx(slow_rho(human, judge))
    assert found.kendall_tau_b.value == pytest.approx(slow_tau_b(human, judge))
    assert {estimate.n for estimate in found} == {len(pairs)}


def test_a_judge_that_is_two_points_too_kind_keeps_the_order_but_not_kappa() -> None:
    human = [1, 2, 3, 4, 5, 6, 7, 8]
    found = agreement(human, [rating + 2 for rating in human], resamples=200)
    # Observed 2**2 = 4. Expected: both variances, 5.25 each, and the square of the means' difference: 14.5.
    assert found.weighted_kappa.value == pytest.approx(1 - 4 / 14.5)
    assert found.spearman[:3] == pytest.approx((1, 1, 1))
    assert found.kendall_tau_b[:3] == pytest.approx((1, 1, 1))


def test_means_are_rounded_half_up_for_kappa_alone() -> None:
    assert [whole(rating) for rating in (7.5, 8.5, 7.499, (7 + 1 / 3 + 7 + 2 / 3) / 2, 1.0, 10.0)] == [
        8,
        9,
        7,
        8,
        1,
        10,
    ]
    found = agreement([8, 9, 2, 2], [7.5, 8.5, 2, 1.9], resamples=0)
    assert found.weighted_kappa.value == pytest.approx(1)
    assert found.spearman.value == pytest.approx(slow_rho([8, 9, 2, 2], [7.5, 8.5, 2, 1.9]))


def test_one_constant_side_leaves_rho_and_tau_undefined_and_kappa_zero() -> None:
    found = agreement([5, 5, 5], [1, 5, 9], resamples=50)
    assert found.weighted_kappa.value == pytest.approx(0)
    assert found.spearman == found.kendall_tau_b == (None, None, None, 3, 0)


@pytest.mark.parametrize("ratings", [[], [7], [7, 7, 7]])
def test_nothing_to_agree_about_is_undefined_everywhere(ratings: list[int]) -> None:
    assert all(estimate == (None, None, None, len(ratings), 0) for estimate in agreement(ratings, ratings))


def test_the_interval_holds_the_value_repeats_with_the_seed_and_counts_its_resamples() -> None:
    human, judge = [1, 3, 3, 6, 8, 9, 10, 4], [2, 3, 5, 5, 8, 10, 9, 6]
    found = agreement(human, judge, seed=3, resamples=300)
    for estimate in found:
        assert estimate.low is not None and estimate.value is not None and estimate.high is not None
        assert -1 <= estimate.low < estimate.value < estimate.high <= 1
    assert found == agreement(human, judge, seed=3, resamples=300)
    assert found != agreement(human, judge, seed=4, resamples=300)
    # Of two items, half of the resamples draw one item twice: without variation there is no correlation.
    two = agreement([1, 9], [2, 8], resamples=300).spearman
    assert 100 < two.resamples < 200
    assert two[:3] == pytest.approx((1, 1, 1))


def test_ratings_of_unequal_number_are_refused() -> None:
    with pytest.raises(ValueError, match="2 ratings of one side and 1"):
        agreement([1, 2], [1])


@pytest.mark.parametrize("absent", ["scipy.stats", "sklearn.metrics"])
def test_a_missing_extra_is_one_line_that_names_it(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(
        Exception, match=r"needs the extra 'review'\. Install it with: pip install 'datagen\[review\]'"
    ):
        agreement([1, 2], [1, 2])
