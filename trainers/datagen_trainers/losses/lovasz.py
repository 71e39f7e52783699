"""Lovasz-softmax loss: Eq. 8-11 of the CV-losses paper in their form for many classes.

Berman et al. 2018, arXiv:1705.08790. Eq. 9-11 describe the binary Lovasz hinge on logits; the paper's code, like this,
is the Lovasz-softmax: for a class c the Lovasz extension of the Jaccard loss 1 - IoU (Eq. 8) at the errors
m_i = 1 - p_ic where c is the target and p_ic elsewhere.

The published code loops over the vocabulary and writes a gradient of the size of all logits for each present class: it
takes 9 to 28 times as long as cross-entropy. With ignored rows it gains a class 0 that they all belong to, and input
that is not float32 raises.
"""

from typing import Literal

import torch
from torch import Tensor

from datagen_trainers.losses.focal import labelled, mean_or_zero
from datagen_trainers.losses.present_classes import present_classes


def jaccard_steps(is_target: Tensor, counts: Tensor) -> Tensor:
    """What each row adds to the Jaccard loss, the rows in order of falling error: J_k - J_(k-1).

    J_k = 1 - (n - F_k) / (n + k - F_k) with n targets, F_k of them among the first k. Written out, since a difference
    of two J near 1 has no digits left in float32: a target adds 1 / u, another row (n - F_k) / (u (u - 1)), where
    u = n + k - F_k.

    Args:
        is_target: (C, n) bool, sorted in each row by falling error.
        counts: (C,) float, targets in each row; their dtype is the result's.

    Returns:
        (C, n).
    """
    seen = is_target.cumsum(dim=1, dtype=counts.dtype)
    union = torch.arange(1, is_target.shape[1] + 1, device=seen.device, dtype=seen.dtype) - seen
    union += counts[:, None]
    steps = seen.neg_().add_(counts[:, None])
    steps /= (union - 1).clamp_(min=1)  # 0 at a target only, which gets another value
    return steps.masked_fill_(is_target, 1).div_(union)


def lovasz_softmax_loss(logits: Tensor, targets: Tensor, *, classes: Literal["present", "all"] = "present") -> Tensor:
    """Mean over classes of the Lovasz extension sum_k m_(k) (J_k - J_(k-1)), m_(k) the k-th largest error.

    Shapes, dtypes, ignored rows and the value without rows: as in `dice`.

    Args:
        logits: (N, V).
        targets: (N,).
        classes: "present", those among the targets. "all" is a mean over the vocabulary, to which an absent class
            adds its highest probability: the present ones then count C / V, about 0.5 % at a vocabulary of 128,000.
            It is for comparison and has no fast form.
    """
    probs, is_target, counts = present_classes(logits, targets)
    errors = torch.where(is_target, 1 - probs, probs).T
    order = errors.detach().argsort(dim=1, descending=True)
    losses = (errors.gather(1, order) * jaccard_steps(is_target.T.gather(1, order), counts)).sum(dim=1)
    if classes == "present" or not len(counts):
        return mean_or_zero(losses)
    rows, kept = labelled(logits, targets)
    highest = rows.softmax(dim=1).amax(dim=0).index_fill(0, kept, 0.0)
    return (losses.sum() + highest.sum()) / logits.shape[1]
