"""Confidence intervals: how far a number measured on n problems can be trusted."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A confidence interval; NaN at both ends when there was nothing to measure."""

    low: float
    high: float


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Interval of a share, by Wilson's score (1927); unlike the usual +- it holds at 0 %, at 100 % and for small n."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: they must be between 0 and n")
    if n == 0:
        return Interval(float("nan"), float("nan"))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # At the borders the formula is exactly 0 or 1, and rounding must not step over them.
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def bootstrap_interval(
    values: Sequence[float], *, seed: int, confidence: float = 0.95, resamples: int = 10_000
) -> Interval:
    """Percentile interval of the mean (Efron 1979), from one value per problem.

    To compare two models on the same problems, give the differences per problem: the problems' own difficulty, which
    both models share, then drops out.
    """
    if not values:
        return Interval(float("nan"), float("nan"))
    observed = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    # A hundred resamples at a time, so that memory does not grow with their number.
    parts = [
        observed[rng.integers(len(observed), size=(min(100, resamples - at), len(observed)))].mean(axis=1)
        for at in range(0, resamples, 100)
    ]
    low, high = np.quantile(np.concatenate(parts), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))
