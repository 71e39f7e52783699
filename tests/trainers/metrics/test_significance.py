import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from datagen_trainers.metrics.significance import (
    bootstrap_ratio_interval,
    mcnemar,
    mean_and_sd,
    paired_t_test,
    regularised_beta,
    student_t_p,
)


def verdicts(both: int, only_first: int, only_second: int, neither: int) -> tuple[list[bool], list[bool]]:
    first = [True] * both + [True] * only_first + [False] * only_second + [False] * neither
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


def test_mcnemar_by_hand() -> None:
    # 1 against 5: exact 2 (C(6,0) + C(6,1)) / 2^6 = 14/64; mid-p takes C(6,1)/64 off.
    assert mcnemar(*verdicts(10, 1, 5, 4)) == (20, 1, 5, 14 / 64, 8 / 64)
    assert mcnemar(*verdicts(3, 0, 0, 2)) == (5, 0, 0, 1.0, 1.0)
    assert mcnemar(*verdicts(0, 4, 4, 0))[3:] == (1.0, 1.0)


@given(st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None, max_examples=100)
def test_mcnemar_is_the_binomial_test_of_scipy(only_first: int, only_second: int) -> None:
    found = mcnemar(*verdicts(2, only_first, only_second, 3))
    n = only_first + only_second
    exact = stats.binomtest(only_first, n).pvalue if n else 1.0
    assert found.p_exact == pytest.approx(exact)
    mid = 1.0 if only_first == only_second else exact - stats.binom.pmf(only_first, n, 0.5)
    assert found.p_mid == pytest.approx(mid)


def test_mcnemar_of_thousands_of_problems_does_not_overflow() -> None:
    found = mcnemar(*verdicts(0, 2000, 2300, 0))
    assert found.p_exact == pytest.approx(stats.binomtest(2000, 4300).pvalue)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=3, max_size=40))
@settings(deadline=None, max_examples=100)
def test_the_paired_t_test_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    differences = [b - a for a, b in pairs]
    if max(differences) - min(differences) < 1e-6:
        return  # no spread: see below
    expected = stats.ttest_rel(second, first)
    found = paired_t_test(first, second)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6, abs=1e-12)
    assert (found.n, found.df) == (len(pairs), len(pairs) - 1)


def test_the_paired_t_test_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, sd 1, t = 2 sqrt(3); for df = 2, p = 1 - t / sqrt(t^2 + 2).
    found = paired_t_test([0, 0, 0], [1, 2, 3])
    assert (found.n, found.difference, found.df) == (3, 2.0, 2)
    assert found.t == pytest.approx(2 * 3**0.5)
    assert found.p == pytest.approx(1 - 12**0.5 / 14**0.5, rel=1e-12)


def test_without_spread_or_with_one_problem_there_is_no_t() -> None:
    same = paired_t_test([1.0, 0.0], [1.0, 0.0])
    assert same.difference == 0
    assert math.isnan(same.p)
    assert paired_t_test([0.0, 0.0], [1.0, 1.0]).p == 0
    assert math.isnan(paired_t_test([0.0], [1.0]).p)
    assert math.isnan(paired_t_test([], []).difference)


@given(st.floats(-50, 50), st.integers(1, 3000))
@settings(deadline=None, max_examples=200)
def test_the_tail_of_t_is_that_of_scipy(t: float, df: int) -> None:
    assert student_t_p(t, df=df) == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-9, abs=1e-300)


def test_the_beta_function_of_whole_numbers_is_a_binomial_tail() -> None:
    # I_x(a, b) = P(Binomial(a + b - 1, x) >= a), summed in exact arithmetic.
    for a, b in product((1, 2, 5), (1, 3, 7)):
        x, n = Fraction(3, 10), a + b - 1
        tail = sum(math.comb(n, i) * x**i * (1 - x) ** (n - i) for i in range(a, n + 1))
        assert regularised_beta(0.3, a, b) == pytest.approx(float(tail), rel=1e-12)


def test_sd_over_seeds_is_that_of_n_minus_1() -> None:
    assert mean_and_sd([1.0, 2.0, 3.0]) == (2.0, 1.0, 3)
    assert math.isnan(mean_and_sd([0.5]).sd)
    assert math.isnan(mean_and_sd([]).mean)


def test_a_ratio_is_resampled_by_whole_problems() -> None:
    # Two problems: one with 9 of 9, one with 0 of 1. Of resamples 1/4 are 0, 1/2 are 9/10, 1/4 are 1.
    low, high = bootstrap_ratio_interval([9, 0], [9, 1], seed=0)
    assert (low, high) == (0.0, 1.0)
    assert bootstrap_ratio_interval([9, 0], [9, 1], seed=0, confidence=0.4) == (0.9, 0.9)
    assert bootstrap_ratio_interval([9, 0], [9, 1], seed=0) == (low, high)


def test_a_ratio_of_nothing_has_no_interval() -> None:
    assert all(map(math.isnan, bootstrap_ratio_interval([0], [0], seed=0)))
    assert bootstrap_ratio_interval([1, 0], [2, 0], seed=0) == (0.5, 0.5)
