"""Probabilities of the classes that occur among the targets: all that a region loss looks at.

A class is a vocabulary id. Rows of a softmax sum to 1, so what lies on absent classes is known as a rest.
"""

from typing import NamedTuple

from torch import Tensor

from datagen_trainers.losses.focal import labelled


class PresentClasses(NamedTuple):
    """n labelled rows and the C classes among their targets."""

    probs: Tensor  # (n, C) softmax over the whole vocabulary, float32 at least
    is_target: Tensor  # (n, C) bool, one True a row
    counts: Tensor  # (C,) float: rows of each class


def present_classes(logits: Tensor, targets: Tensor) -> PresentClasses:
    """Softmax at the present classes, of the rows whose target is not -100; logits (N, V), targets (N,)."""
    logits, targets = labelled(logits, targets)
    classes, inverse, counts = targets.unique(return_inverse=True, return_counts=True)
    is_target = inverse[:, None] == inverse.new_ones(len(classes)).cumsum(0) - 1
    return PresentClasses(logits.softmax(dim=1)[:, classes], is_target, counts.to(logits.dtype))
