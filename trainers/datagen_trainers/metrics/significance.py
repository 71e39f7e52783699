"""Whether two models differ, from their values on the same problems; and what repeated seeds say of a number.

No SciPy: the binomial test is a sum of integers, and Student's t needs one special function.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np

from datagen_trainers.metrics.intervals import Interval


class McNemar(NamedTuple):
    """Two models' verdicts on the same n problems; only the problems that one of them solves tell them apart."""

    n: int
    only_first: int
    only_second: int
    p_exact: float  # binomial test, two-sided: never too small, and often far too large
    p_mid: float  # the same with half the weight on what was observed: closer to its nominal level, to be reported


class PairedT(NamedTuple):
    """Student's t on the differences second - first."""

    n: int
    difference: float  # mean
    t: float  # NaN where all differences are 0, or n < 2
    df: int
    p: float  # two-sided


class MeanSd(NamedTuple):
    """Mean and standard deviation (n - 1) over n seeds."""

    mean: float
    sd: float  # NaN for a single one
    n: int


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """McNemar's test (1947), exact and mid-p.

    The mid-p version and not chi-squared: few problems are solved by one model only, where chi-squared does not hold;
    mid-p keeps the nominal level there and rejects more often than the exact test (Fagerland et al. 2013).
    """
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    n, low = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, i) for i in range(low + 1))
    observed = math.comb(n, low)
    # Integers to the end: 2 ** n overflows a float at 1024 discordant problems.
    exact = min(1.0, 2 * tail / 2**n)
    mid = min(1.0, (2 * tail - observed) / 2**n)
    return McNemar(len(pairs), only_first, only_second, exact, mid)


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> PairedT:
    """Student's paired t-test (1908) of one value per problem."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    n = len(differences)
    if n < 2:
        return PairedT(n, differences[0] if n else math.nan, math.nan, max(0, n - 1), math.nan)
    mean, sd = fmean(differences), stdev(differences)
    if sd == 0:  # all differences are the same: nothing to estimate their spread from
        t = math.copysign(math.inf, mean) if mean else math.nan
        return PairedT(n, mean, t, n - 1, 0.0 if mean else math.nan)
    t = mean / (sd / math.sqrt(n))
    return PairedT(n, mean, t, n - 1, student_t_p(t, df=n - 1))


def student_t_p(t: float, *, df: int) -> float:
    """Two-sided tail of Student's t: I_x(df / 2, 1 / 2) at x = df / (df + t^2)."""
    if t * t < 1:  # x is near 1, where it has no digits left for a small t: by the complement
        return 1 - regularised_beta(t * t / (df + t * t), 0.5, df / 2)
    return regularised_beta(df / (df + t * t), df / 2, 0.5)


def regularised_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b), by its continued fraction (DLMF 8.17.22) and Lentz's method; good to about 1e-10."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1 - regularised_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    tiny = 1e-300
    fraction, c, d = 1.0, 1.0, 0.0
    for i in range(10_000):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 + term * d
        d = 1 / (d if abs(d) > tiny else tiny)
        c = 1 + term / c
        c = c if abs(c) > tiny else tiny
        fraction *= c * d
        if abs(1 - c * d) < 1e-15:
            break
    return min(1.0, front * (fraction - 1) / a)


def mean_and_sd(values: Sequence[float]) -> MeanSd:
    """Over the seeds of one number."""
    if not values:
        return MeanSd(math.nan, math.nan, 0)
    return MeanSd(fmean(values), stdev(values) if len(values) > 1 else math.nan, len(values))


def bootstrap_ratio_interval(
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """Percentile interval of sum(numerators) / sum(denominators), problems resampled whole.

    For numbers of which a problem has several, such as pairs or positives: those of one problem are not independent.
    """
    if not sum(denominators):
        return Interval(float("nan"), float("nan"))
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    rng = np.random.default_rng(seed)
    ratios = []
    for at in range(0, resamples, 100):  # a hundred at a time: memory does not grow with their number
        drawn = rng.integers(len(above), size=(min(100, resamples - at), len(above)))
        totals = below[drawn].sum(axis=1)
        ratios.append((above[drawn].sum(axis=1)[totals > 0]) / totals[totals > 0])
    low, high = np.quantile(np.concatenate(ratios), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))
