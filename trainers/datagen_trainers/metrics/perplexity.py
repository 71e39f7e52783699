"""Perplexity of responses under a model (Table 4 of the AFT paper)."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class MeanPerplexity(NamedTuple):
    """Mean of the responses' perplexities; NaN without a response."""

    value: float
    n: int


def perplexity(score: float) -> float:
    """exp(-s) of a response with token-mean log-likelihood s (Eq. 2); infinite where that overflows."""
    try:
        return math.exp(-score)
    except OverflowError:
        return math.inf


def mean_perplexity(scores: Sequence[float]) -> MeanPerplexity:
    """Each response counts the same, whatever its length: the average of perplexities, as Table 4 has it.

    Not exp of the mean: that would be the geometric mean, which a single very unlikely response hardly moves.
    """
    n = len(scores)
    return MeanPerplexity(math.fsum(map(perplexity, scores)) / n if n else math.nan, n)
