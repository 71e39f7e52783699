"""Losses of single tokens: cross-entropy, Eq. 2, and focal loss, Eq. 3, of the CV-losses paper.

Focal loss: Lin et al. 2017, arXiv:1708.02002. Here and in `dice` and `lovasz`: a class is a vocabulary id, p the
softmax of a row of logits, t the probability of the row's target.

The published code zeroes ignored rows and counts them: its focal gradient is 0.80 of the right one with 16 of 80 rows
ignored, and 0.50 with 64 of 128. Here they are dropped first.
"""

from typing import NamedTuple

import torch
from torch import Tensor

IGNORED = -100


class Labelled(NamedTuple):
    """The rows that have a target."""

    logits: Tensor  # (n, V) float32, or float64 for float64
    targets: Tensor  # (n,)


def labelled(logits: Tensor, targets: Tensor) -> Labelled:
    """Rows whose target is not -100, their logits in float32 at least: counts and sums overflow or stick in fp16."""
    kept = targets != IGNORED
    return Labelled(logits[kept].to(torch.promote_types(logits.dtype, torch.float32)), targets[kept])


def target_log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    """(n,) log t of rows that all have a target."""
    return logits.log_softmax(dim=1).gather(1, targets[:, None])[:, 0]


def miss_probability(log_probs: Tensor) -> Tensor:
    """1 - t without cancellation, and above 0, so that powers below 1 keep a finite derivative at t = 1."""
    return -torch.expm1(log_probs.clamp(max=-torch.finfo(log_probs.dtype).tiny))


def mean_or_zero(losses: Tensor) -> Tensor:
    """Mean of (n,) losses; without any, a 0 that is still connected to the logits they are made of."""
    return losses.sum() / max(len(losses), 1)


def cross_entropy_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the labelled tokens, Eq. 2: -log t.

    Args:
        logits: (N, V), any float dtype; computed in float32 at least.
        targets: (N,) int64, aligned (row i predicts targets[i]); -100 marks rows that are dropped before anything.

    Returns:
        Scalar; 0, connected to the logits, when no row is labelled.
    """
    logits, targets = labelled(logits, targets)
    return mean_or_zero(-target_log_probs(logits, targets))


def focal_loss(logits: Tensor, targets: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Mean focal loss of the labelled tokens, Eq. 3: -(1 - t)^gamma log t; gamma 0 is cross-entropy.

    Shapes, dtypes, ignored rows and the value without rows: as `cross_entropy_loss`.
    """
    logits, targets = labelled(logits, targets)
    log_probs = target_log_probs(logits, targets)
    return mean_or_zero(miss_probability(log_probs) ** gamma * -log_probs)
