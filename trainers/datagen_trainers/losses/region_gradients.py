"""Region losses and their derivatives by the probabilities, in closed form and in place, for `fused`.

The losses are those of `dice` and `lovasz`, which these equal; here without autograd, whose graph would hold several
matrices of the size rows x present classes. Here there is one, which the caller has, and blocks.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from datagen_trainers.losses.lovasz import jaccard_steps
from datagen_trainers.losses.segmentation import SegmentationSettings

BLOCK = 2**18  # entries of a block of classes: 1 MiB a temporary, in the cache of a CPU core


class RegionRows(NamedTuple):
    """The answer rows of one sequence, n of them, with C present classes."""

    probs: Tensor  # (C, n), 0 at each row's target
    classes: Tensor  # (n,) int64, 0 to C - 1: the target of each row
    counts: Tensor  # (C,) float, rows of each class
    p_target: Tensor  # (n,) t
    miss: Tensor  # (n,) 1 - t, exact also where t is nearly 1


class RegionValue(NamedTuple):
    """A region loss; what else was asked for is left in `RegionRows.probs`."""

    value: Tensor  # ()
    by_target: Tensor  # (n,) dL/dt


def region_loss_(rows: RegionRows, *, loss: str, settings: SegmentationSettings) -> RegionValue:
    """The loss of one sequence; each p in `rows.probs` is overwritten by p dL/dp, and stays 0 at targets.

    Derivatives are by the entries of the present classes, up to a number that is the same for a whole row of the
    vocabulary: the derivative of a softmax does not depend on it.
    """
    if loss == "dice":
        return _dice(rows, squared=settings.dice_squared, smooth=settings.smooth)
    if loss == "gdl":
        return _generalized_dice(rows, absent_counts=settings.gdl_absent == "max", smooth=settings.smooth)
    assert loss == "lovasz", loss
    return _lovasz(rows)


def _by_class(values: Tensor, rows: RegionRows) -> Tensor:
    """(C,) sums of (n,) values over the rows of each class."""
    return torch.zeros_like(rows.counts).index_add_(0, rows.classes, values)


def _dice(rows: RegionRows, *, squared: bool, smooth: float) -> RegionValue:
    probs, t = rows.probs, rows.p_target
    inside = 2 * _by_class(t, rows) + smooth
    size = torch.linalg.vecdot(probs, probs) if squared else probs.sum(dim=1)
    size += _by_class(t * t if squared else t, rows) + rows.counts + smooth
    n_classes = len(rows.counts)
    by_size = inside / size.square() / n_classes
    by_target = (by_size * (2 if squared else 1))[rows.classes]
    by_target = (by_target * t if squared else by_target) - (2 / size / n_classes)[rows.classes]
    if squared:
        probs.square_().mul_(2 * by_size[:, None])
    else:
        probs.mul_(by_size[:, None])
    return RegionValue((1 - inside / size).mean(), by_target)


def _generalized_dice(rows: RegionRows, *, absent_counts: bool, smooth: float) -> RegionValue:
    probs, t = rows.probs, rows.p_target
    weights = rows.counts.square().reciprocal()
    elsewhere = probs.sum(dim=1)
    inside = 2 * (weights * _by_class(t, rows)).sum() + smooth
    size = (weights * (elsewhere + _by_class(t, rows) + rows.counts)).sum() + smooth
    by_size = weights
    if absent_counts:
        size += weights.max() * (rows.miss.sum() - elsewhere.sum())
        by_size = weights - weights.max()  # less the derivative of absent classes, which then is 0
    by_size = by_size * (inside / size.square())
    probs.mul_(by_size[:, None])
    return RegionValue(1 - inside / size, (by_size - 2 * weights / size)[rows.classes])


def _lovasz(rows: RegionRows) -> RegionValue:
    n_classes, n = rows.probs.shape
    value, by_target = rows.p_target.new_zeros(()), torch.zeros_like(rows.p_target)
    ids = torch.arange(n_classes, device=rows.classes.device)
    width = max(1, BLOCK // n)
    for start in range(0, n_classes, width):
        block = slice(start, start + width)
        is_target = rows.classes == ids[block, None]
        errors, order = torch.where(is_target, rows.miss, rows.probs[block]).sort(dim=1, descending=True)
        steps = jaccard_steps(is_target.gather(1, order), rows.counts[block])
        value += torch.dot(errors.flatten(), steps.flatten())
        steps = errors.scatter_(1, order, steps)
        rows.probs[block] *= steps
        by_target -= steps.mul_(is_target).sum(dim=0)
    rows.probs.div_(n_classes)
    return RegionValue(value / n_classes, by_target / n_classes)
