"""The pairs a group of candidates gives, and the log(1 + sum exp) over them that all alignment losses share.

Every loss of the AFT paper is a sum over "c_i better than c_j". One group is a row of scores and one of ranks, padded
to the batch's largest k, so the pairs are a (batch, k, k) mask, and no loss needs a loop or a branch on a tensor's
value.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad


class PairScores(NamedTuple):
    """Scores laid out so that entry (i, j) of `better - worse` is s_i - s_j."""

    better: Tensor  # (batch, k, 1): s_i
    worse: Tensor  # (batch, 1, k): s_j
    pairs: Tensor  # (batch, k, k): which (i, j) count


def pairs(ranks: Tensor, valid: Tensor) -> Tensor:
    """Mask (batch, k, k) of the pairs with r_i > r_j, both valid. Equal ranks give no pair: the order is strict."""
    if ranks.shape != valid.shape:
        raise ValueError(f"ranks are {tuple(ranks.shape)} and valid is {tuple(valid.shape)}: both must be (batch, k)")
    return (ranks[:, :, None] > ranks[:, None, :]) & valid[:, :, None] & valid[:, None, :]


def in_float32(scores: Tensor) -> Tensor:
    """Float32 where it was less: half precision has no room for differences of scores. Float64 stays."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def pair_scores(scores: Tensor, ranks: Tensor, valid: Tensor, *, detach_worse: bool = False) -> PairScores:
    """Scores of both members of each pair; `detach_worse` is the detached constraint D(s_j) of Eq. 7 and 12."""
    if scores.shape != ranks.shape:
        raise ValueError(f"scores are {tuple(scores.shape)} and ranks {tuple(ranks.shape)}: both must be (batch, k)")
    s = in_float32(scores)
    worse = s.detach() if detach_worse else s
    return PairScores(s[:, :, None], worse[:, None, :], pairs(ranks, valid))


def log_one_plus_sum_exp(terms: Tensor, keep: Tensor) -> Tensor:
    """log(1 + sum of exp(terms) where `keep`) over the last dimension.

    The 1 is an explicit exponent 0 beside the terms: nothing kept then gives exactly 0 and gradient 0, and a term of
    1e4 gives 1e4 where exp would overflow. What is not kept may be anything, NaN included, as padding slots are.
    """
    exponents = pad(terms.masked_fill(~keep, -torch.inf), (1, 0), value=0.0)
    # logsumexp's backward uses its rounded result, and at 1e4 in float32 that rounding is up to 5e-4; after this shift
    # by a constant the result is at most log(1 + number of terms).
    largest = exponents.detach().amax(dim=-1, keepdim=True)
    return torch.logsumexp(exponents - largest, dim=-1) + largest.squeeze(-1)


def lowest_better_score(scores: PairScores) -> Tensor:
    """min s_k over the c_k better than c_j, (batch, 1, k): the minimum of Eq. 8 and 11; inf where none is better."""
    candidates = scores.better.masked_fill(~scores.pairs, torch.inf)
    # One row of inf more, so that groups of no slots (k = 0) have a minimum too.
    return pad(candidates, (0, 0, 0, 1), value=torch.inf).amin(dim=1, keepdim=True)
