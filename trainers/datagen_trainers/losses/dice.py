"""Dice, Eq. 5, self-adjusting Dice (SADL), Eq. 6, and generalised Dice (GDL), Eq. 7, of the CV-losses paper.

Dice: Milletari et al. 2016, arXiv:1606.04797; SADL: Li et al. 2020, arXiv:1911.02855; GDL: Sudre et al. 2017,
arXiv:1707.03237. The equations are for two classes; here are the forms for many, over the vocabulary:

    n rows with target y_i, p_ic their softmax, t_i = p_i,y_i, n_c rows of class c,
    I_c = sum of p_ic over the rows of class c, S_c = sum of p_ic over all rows, Q_c = sum of p_ic^2 over all rows.

Everywhere: logits (N, V) of any float dtype, computed in float32 at least; targets (N,) int64, aligned, -100 where a
row is dropped before anything; the result is a scalar, and 0, connected to the logits, when no row is labelled.
"""

from typing import Literal

from torch import Tensor

from datagen_trainers.losses.focal import labelled, mean_or_zero, miss_probability, target_log_probs
from datagen_trainers.losses.present_classes import present_classes


def dice_loss(logits: Tensor, targets: Tensor, *, squared: bool = True, smooth: float = 1e-5) -> Tensor:
    """Mean over the present classes of 1 - (2 I_c + smooth) / (Q_c + n_c + smooth), Eq. 5; S_c for Q_c if not squared.

    The paper lists Dice, but its trainer has none, so there is nothing published to compare with.
    """
    probs, is_target, counts = present_classes(logits, targets)
    inside = (probs * is_target).sum(dim=0)
    size = (probs * probs if squared else probs).sum(dim=0)
    return mean_or_zero(1 - (2 * inside + smooth) / (size + counts + smooth))


def generalized_dice_loss(
    logits: Tensor, targets: Tensor, *, absent: Literal["zero", "max"] = "zero", smooth: float = 1e-5
) -> Tensor:
    """1 - (2 sum_c w_c I_c + smooth) / (sum_c w_c (S_c + n_c) + smooth) with w_c = 1 / n_c^2, Eq. 7.

    Of an absent class w is 1 / 0^2. "zero" leaves it out; "max" takes the largest weight of a present class, as MONAI
    and NiftyNet do. The published code takes 1e20, next to which the present classes vanish: its gradient is 7e-23
    with 64 rows and 32,000 classes (cross-entropy: 0.12, this one: 0.008), and exactly 0 with 256 rows. So the paper's
    GDL is cross-entropy times lambda, and its GDL columns say nothing about GDL. That code also leaves out the `1 -`
    and doubles the smooth of the numerator, so that it is -2 without rows.
    """
    probs, is_target, counts = present_classes(logits, targets)
    if not len(counts):
        return probs.sum()
    weights = 1 / counts**2
    inside = (weights * (probs * is_target).sum(dim=0)).sum()
    size = (weights * (probs.sum(dim=0) + counts)).sum()
    if absent == "max":
        size = size + weights.max() * (1 - probs.sum(dim=1)).sum()
    return 1 - (2 * inside + smooth) / (size + smooth)


def self_adjusting_dice_loss(logits: Tensor, targets: Tensor, *, alpha: float = 1.0, smooth: float = 1.0) -> Tensor:
    """Mean over the tokens of 1 - (2 f + smooth) / (f + 1 + smooth) with f = (1 - t)^alpha t, Eq. 6.

    Eq. 6 is a ratio of sums; this is the mean of ratios of Li et al., which the published code uses too. f is largest
    at t = 1 / (1 + alpha), so SADL alone lowers the probability of targets that are likelier than that; see
    `segmentation.sadl_warning`. As with focal loss, the published code counts ignored tokens.
    """
    logits, targets = labelled(logits, targets)
    log_probs = target_log_probs(logits, targets)
    adjusted = miss_probability(log_probs) ** alpha * log_probs.exp()
    return mean_or_zero(1 - (2 * adjusted + smooth) / (adjusted + 1 + smooth))
