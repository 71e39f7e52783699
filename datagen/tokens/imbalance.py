"""Token imbalance: how unevenly a data set uses a vocabulary (appendix C of the segmentation-loss paper).

The classes of next-token prediction are tokens, and a few of them make up most of a text: what losses from
segmentation, made for rare classes, are meant to meet.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

MIN_BANDWIDTH = 1.0  # token ids: a text of one token repeated has no spread of its own
MIN_POINTS, MAX_POINTS = 512, 4096  # of the grid


class Imbalance(NamedTuple):
    """Token counts in a few numbers."""

    n_tokens: int
    n_distinct: int
    n_vocabulary: int
    entropy_bits: float  # of a token drawn from the text
    effective_tokens: float  # 2 ** entropy: equally frequent tokens that would be as hard to guess
    top_10: float  # share of the text that the 10 most frequent tokens make up
    top_100: float
    gini: float  # over the whole vocabulary, unseen tokens too: 0 all equally frequent, towards 1 a single one


class Density(NamedTuple):
    """An estimated density over token ids."""

    ids: list[float]
    density: list[float]


def imbalance(counts: Mapping[int, int], *, n_vocabulary: int) -> Imbalance:
    """The numbers for counts by token id.

    Args:
        counts: of the tokens that occur; at least one.
        n_vocabulary: tokens that could have occurred.
    """
    ascending = sorted(count for count in counts.values() if count > 0)
    total = sum(ascending)
    if not 0 < len(ascending) <= n_vocabulary:
        raise ValueError(f"{len(ascending)} distinct tokens of a vocabulary of {n_vocabulary}")
    entropy = -sum(count / total * math.log2(count / total) for count in ascending)
    unseen = n_vocabulary - len(ascending)
    by_rank = sum(rank * count for rank, count in enumerate(ascending, start=unseen + 1))
    return Imbalance(
        n_tokens=total,
        n_distinct=len(ascending),
        n_vocabulary=n_vocabulary,
        entropy_bits=abs(entropy),  # never -0.0
        effective_tokens=2**entropy,
        top_10=sum(ascending[-10:]) / total,
        top_100=sum(ascending[-100:]) / total,
        gini=2 * by_rank / (n_vocabulary * total) - (n_vocabulary + 1) / n_vocabulary,
    )


def density(counts: Mapping[int, int], *, n_ids: int) -> Density:
    """Gaussian kernel density over token ids (Fig. 3), with the bandwidth of Scott's rule: sd * n^(-1/5).

    Args:
        counts: of the tokens that occur; at least one.
        n_ids: ids go from 0 to n_ids - 1, which are the ends of the grid.
    """
    import numpy as np

    ids = np.fromiter(counts.keys(), dtype=np.float64)
    weights = np.fromiter(counts.values(), dtype=np.float64)
    total = weights.sum()
    mean = (weights * ids).sum() / total
    variance = (weights * (ids - mean) ** 2).sum() / max(total - 1, 1)
    bandwidth = max(math.sqrt(variance) * total ** (-1 / 5), MIN_BANDWIDTH)
    last = max(n_ids - 1, 1)
    points = min(max(MIN_POINTS, math.ceil(3 * last / bandwidth)), MAX_POINTS)  # no peak falls between two points
    grid = np.linspace(0, last, points)
    found = np.zeros(points)
    for i in range(0, len(ids), 1024):  # a block of tokens at a time: the matrix of all has up to 5 GB at 150,000 ids
        distance = (grid[:, None] - ids[None, i : i + 1024]) / bandwidth
        found += np.exp(-0.5 * distance**2) @ weights[i : i + 1024]
    found /= total * bandwidth * math.sqrt(2 * math.pi)
    return Density(grid.tolist(), found.tolist())
