"""Assessment accuracy (Eq. 3 of the AFT paper): how often a model scores the better of two responses higher."""

from typing import NamedTuple

from torch import Tensor

from datagen_trainers.losses.pair_matrix import pairs


class PairCounts(NamedTuple):
    """Per group, (batch,): what intervals and sums over batches start from."""

    n_correct: Tensor
    n_pairs: Tensor


class AssessmentAccuracy(NamedTuple):
    """Share of pairs put in the right order; NaN without pairs. Eq. 3's 3x3 groups make macro and micro equal."""

    macro: float  # mean over the groups with pairs of the group's share
    micro: float  # share of all pairs
    n_groups: int  # with at least one pair
    n_pairs: int


def pair_counts(scores: Tensor, ranks: Tensor, valid: Tensor) -> PairCounts:
    """Pairs (r_i > r_j) of each group, and those with s_i > s_j; scores, ranks, valid (batch, k).

    Equal scores are wrong: the model saw no difference. Score in float32 at least, since bfloat16 makes such ties.
    """
    keep = pairs(ranks, valid)
    is_correct = keep & (scores[:, :, None] > scores[:, None, :])
    return PairCounts(is_correct.sum(dim=(1, 2)), keep.sum(dim=(1, 2)))


def assessment_accuracy(scores: Tensor, ranks: Tensor, valid: Tensor) -> AssessmentAccuracy:
    """Eq. 3 for groups of any size and for rankings."""
    n_correct, n_pairs = (counts.double() for counts in pair_counts(scores, ranks, valid))
    counted = n_pairs > 0
    return AssessmentAccuracy(
        macro=float((n_correct[counted] / n_pairs[counted]).mean()),
        micro=float(n_correct.sum() / n_pairs.sum()),
        n_groups=int(counted.sum()),
        n_pairs=int(n_pairs.sum()),
    )
