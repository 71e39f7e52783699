import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.steps.correlation import correlations, pearson


def test_pearsons_r_is_what_a_hand_calculates() -> None:
    # Deviations (-1, 0, 1) and (-2, 1, 1): 3 / sqrt(2 * 6) = 0.8660
    assert pearson([1, 2, 3], [0, 3, 3]) == pytest.approx(3 / math.sqrt(12))
    assert pearson([0, 1, 0, 1], [3, 1, 3, 1]) == pytest.approx(-1)


def test_a_metric_that_does_not_vary_correlates_with_nothing() -> None:
    assert math.isnan(pearson([1, 1, 1], [0, 3, 3]))
    assert math.isnan(pearson([1], [2]))
    assert math.isnan(pearson([], []))


def test_values_of_other_solutions_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values"):
        pearson([1, 2], [1, 2, 3])


def test_a_row_has_a_value_for_each_column() -> None:
    found = correlations({"MS": [1, 0, 0]}, {"EM": [0, 1, 1], "IoU": [0, 1, 0]})
    assert found["MS"] == pytest.approx({"EM": -1, "IoU": -0.5})


shares = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=2, max_size=20)


@settings(deadline=None, max_examples=50)
@given(shares)
def test_r_is_its_definition_in_exact_arithmetic(pairs: list[tuple[int, int]]) -> None:
    x, y = [Fraction(a, 8) for a, _ in pairs], [Fraction(b, 8) for _, b in pairs]
    dx, dy = [v - sum(x) / len(x) for v in x], [v - sum(y) / len(y) for v in y]
    square = sum(v * v for v in dx) * sum(v * v for v in dy)
    found = pearson([float(v) for v in x], [float(v) for v in y])
    if square == 0:
        assert math.isnan(found)
    else:
        product = sum((a * b for a, b in zip(dx, dy, strict=True)), Fraction(0))
        assert found == pytest.approx(float(product) / math.sqrt(square), abs=1e-12)
