"""Pearson's correlation between metrics over all solutions (CV-loss paper, Table 8)."""

import math
from collections.abc import Mapping, Sequence
from statistics import StatisticsError, correlation


def pearson(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson's r of two metrics' values on the same solutions; NaN where one of them does not vary."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values of one metric and {len(second)} of the other")
    try:
        return correlation(first, second)
    except StatisticsError:  # a constant, or fewer than two solutions
        return math.nan


def correlations(
    rows: Mapping[str, Sequence[float]], columns: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, float]]:
    """r of each row's metric with each column's, as in Table 8: metric -> values over the same solutions."""
    return {row: {name: pearson(values, column) for name, column in columns.items()} for row, values in rows.items()}
