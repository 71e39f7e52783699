import math

import pytest

from datagen_trainers.metrics.intervals import bootstrap_interval, wilson_interval


def test_wilson_agrees_with_the_formula_worked_by_hand() -> None:
    # 8 of 10, z = 1.96:
    # centre (0.8 + 0.19208) / 1.38416 = 0.71674; half 1.96/1.38416 * sqrt(0.016 + 0.009604) = 0.22658
    low, high = wilson_interval(8, 10)
    assert low == pytest.approx(0.4902, abs=2e-4)
    assert high == pytest.approx(0.9433, abs=2e-4)


def test_wilson_at_the_borders_stays_between_0_and_1_and_is_not_a_point() -> None:
    low, high = wilson_interval(0, 20)
    # z^2 / (n + z^2) = 3.8415 / 23.8415
    assert low == 0.0
    assert high == pytest.approx(0.16113, abs=1e-4)
    low, high = wilson_interval(20, 20)
    assert low == pytest.approx(1 - 0.16113, abs=1e-4)
    assert high == 1.0


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="3 successes of 2"):
        wilson_interval(3, 2)


def test_bootstrap_of_many_values_is_the_normal_interval() -> None:
    # 300 ones among 1,000: sd of the mean sqrt(0.3 * 0.7 / 1000) = 0.01449, so 0.3 -+ 1.96 * 0.01449
    low, high = bootstrap_interval([1.0] * 300 + [0.0] * 700, seed=1)
    assert low == pytest.approx(0.3 - 0.0284, abs=0.002)
    assert high == pytest.approx(0.3 + 0.0284, abs=0.002)


def test_bootstrap_of_equal_values_is_that_value() -> None:
    assert bootstrap_interval([0.25] * 7, seed=0) == (0.25, 0.25)


def test_bootstrap_depends_on_the_seed_alone() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)


def test_nothing_measured_has_no_interval() -> None:
    assert all(map(math.isnan, (*wilson_interval(0, 0), *bootstrap_interval([], seed=0))))
