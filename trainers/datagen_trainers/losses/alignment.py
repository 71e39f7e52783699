"""Alignment losses L_A* of AFT, "Making Large Language Models Better Reasoners with Alignment", Eq. 2-14.

The binary losses are the ranking losses with ranks 1 and 0: L_A (Eq. 6) is Eq. 14, DC (7) is RDC1 (12), and BC (8) is
RBC (11). So there is one function for each pair of names.

Everywhere scores (batch, k) are the s of Eq. 2 in any float dtype, computed in float32 at least; ranks (batch, k) are
the feedback, higher is better, equal ranks give no pair; valid (batch, k) is False where a group has fewer than k
responses. The result is (batch,): one loss per group, exactly 0 with gradient 0 where the group has no pair.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from datagen_trainers.losses.baselines import pro_loss, ranking_dpo_loss, rrhf_loss
from datagen_trainers.losses.pair_matrix import in_float32, log_one_plus_sum_exp, lowest_better_score, pair_scores
from datagen_trainers.losses.pair_matrix import pairs as pairs

LossName = Literal["a", "dc", "bc", "r", "rdc1", "rdc2", "rbc", "rrhf", "pro", "rank_dpo"]


@dataclass(frozen=True)
class AlignmentConfig:
    """Which alignment loss, and the settings of those that have one. The two betas are unrelated."""

    loss: LossName = "bc"
    boundary_beta: float = 0.15  # BC and RBC: how far below the lowest better score B lies; Table 7's usual value
    detach_boundary: bool = True  # BC and RBC: T is a constant, as the analysis in Eq. 9-10 takes it
    rrhf_scale: float = 1.0  # RRHF: Table 10's factor
    pro_dynamic_temperature: bool = True  # PRO: False is "remove tau" in Table 11
    dpo_beta: float = 0.1  # ranking DPO
    constraint: bool = False  # RRHF, PRO, ranking DPO: the detached constraint of Tables 4 and 11

    def __post_init__(self) -> None:
        """Refuse what would train something else than its name says."""
        if self.loss not in ALIGNMENT_LOSSES:
            raise ValueError(f"no alignment loss {self.loss!r}; there are {', '.join(ALIGNMENT_LOSSES)}")
        if self.constraint and self.loss not in ("rrhf", "pro", "rank_dpo"):
            raise ValueError(
                f"constraint belongs to rrhf, pro and rank_dpo; the constrained forms of {self.loss!r} are losses of "
                "their own: dc or bc, rdc1, rdc2 or rbc"
            )
        for name, value in (("rrhf_scale", self.rrhf_scale), ("dpo_beta", self.dpo_beta)):
            if not (isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}: it must be above 0")
        if not isfinite(self.boundary_beta):
            raise ValueError(f"boundary_beta is {self.boundary_beta}: it must be finite (the paper: 0 to 0.5)")


class AlignmentCounts(NamedTuple):
    """What a trainer logs about a batch, as 0-dim sums: add them up over micro-batches and processes, then divide."""

    n_groups: Tensor
    n_with_pairs: Tensor
    n_bounded: Tensor  # responses for which a better one exists
    n_below_boundary: Tensor  # those of them with s_j < B
    best_sum: Tensor  # mean score of the best-ranked responses, summed over the groups with pairs
    worst_sum: Tensor  # the same of the worst-ranked


def token_mean(log_probs: Tensor, mask: Tensor) -> Tensor:
    """s(c) = 1/|c| sum_t log P(c_t | c_<t, q), Eq. 2, over the last dimension.

    Args:
        log_probs: (..., time) log-probability of each token; whatever stands where the mask is False is ignored.
        mask: (..., time) bool, True on the response's tokens with its end-of-text, False on prompt and padding.

    Returns:
        (...) means; 0 for a response without tokens, which the caller marks as not valid (`mask.any(-1)`).
    """
    return in_float32(log_probs).masked_fill(~mask, 0.0).sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)


def ranking_loss(scores: Tensor, ranks: Tensor, valid: Tensor) -> Tensor:
    """L_A^R, Eq. 14, and with binary ranks L_A, Eq. 6: log(1 + sum_{i better than j} exp(s_j - s_i)).

    Without a constraint it lowers worse responses without end: 7 % accuracy after 21 % before (Table 8).
    """
    better, worse, keep = pair_scores(scores, ranks, valid)
    return log_one_plus_sum_exp((worse - better).flatten(1), keep.flatten(1))


def detached_constraint_loss(scores: Tensor, ranks: Tensor, valid: Tensor) -> Tensor:
    """L_A^RDC1, Eq. 12, and with binary ranks L_A^DC, Eq. 7: as Eq. 14, but the worse score s_j is a constant."""
    better, worse, keep = pair_scores(scores, ranks, valid, detach_worse=True)
    return log_one_plus_sum_exp((worse - better).flatten(1), keep.flatten(1))


def rdc2_loss(scores: Tensor, ranks: Tensor, valid: Tensor) -> Tensor:
    """L_A^RDC2, Eq. 13: as Eq. 14, but s_j is a constant if c_j is of the group's lowest rank."""
    better, worse, keep = pair_scores(scores, ranks, valid)
    is_lowest = ~keep.any(dim=2)[:, None, :]  # better than nothing
    worse = torch.where(is_lowest, worse.detach(), worse)
    return log_one_plus_sum_exp((worse - better).flatten(1), keep.flatten(1))


def boundary_constraint_loss(
    scores: Tensor, ranks: Tensor, valid: Tensor, *, boundary_beta: float = 0.15, detach_boundary: bool = True
) -> Tensor:
    """L_A^RBC, Eq. 11, and with binary ranks L_A^BC, Eq. 8: log(1 + sum [exp(s_j - s_i) + exp(T_ij - s_j)]).

    T_ij = 2 min_{k better than j} s_k - 2 beta - s_i, which turns the gradient of s_j round at the boundary
    B = min s_k - beta: below it s_j is raised, above it lowered (Eq. 10). Eq. 9 takes T as a constant, although scores
    occur in it; if T is not detached, the lowest better score is pushed down instead of up (measured: gradient +0.93
    where it should be negative), so `detach_boundary=False` is for comparison only.
    """
    better, worse, keep = group = pair_scores(scores, ranks, valid)
    lowest, in_boundary = lowest_better_score(group), better
    if detach_boundary:
        lowest, in_boundary = lowest.detach(), better.detach()
    # T_ij - s_j as a sum of differences, which in float32 keeps the digits that 2 min s_k would round away.
    constraint = (lowest - in_boundary) + (lowest - worse) - 2 * boundary_beta
    terms = torch.stack((worse - better, constraint), dim=1)
    return log_one_plus_sum_exp(terms.flatten(1), keep[:, None].expand_as(terms).flatten(1))


def groups_with_pairs(ranks: Tensor, valid: Tensor) -> Tensor:
    """Mask (batch,) of the groups that have something to align: those with at least one pair."""
    return pairs(ranks, valid).any(dim=2).any(dim=1)


def mean_over_groups(loss: Tensor, ranks: Tensor, valid: Tensor) -> Tensor:
    """Mean of (batch,) losses over the groups with at least one pair; 0, still connected to the graph, if none has."""
    counted = groups_with_pairs(ranks, valid)
    return loss.masked_fill(~counted, 0.0).sum() / counted.sum().clamp(min=1)


def alignment_counts(scores: Tensor, ranks: Tensor, valid: Tensor, *, boundary_beta: float = 0.15) -> AlignmentCounts:
    """Sums behind the logged shares and mean scores; see `alignment_log`. B is Eq. 10's, per response as in Eq. 11."""
    group = pair_scores(scores.detach(), ranks, valid)
    worse = group.worse.squeeze(1)
    has_better, has_worse = group.pairs.any(dim=1), group.pairs.any(dim=2)
    counted = has_better.any(dim=1)
    below = has_better & (worse < lowest_better_score(group).squeeze(1) - boundary_beta)
    best, worst = (valid & ~beaten & counted[:, None] for beaten in (has_better, has_worse))
    return AlignmentCounts(
        n_groups=valid.any(dim=1).sum(),
        n_with_pairs=counted.sum(),
        n_bounded=has_better.sum(),
        n_below_boundary=below.sum(),
        best_sum=token_mean(worse, best).sum(),
        worst_sum=token_mean(worse, worst).sum(),
    )


def alignment_log(counts: AlignmentCounts) -> dict[str, float]:
    """What is logged: groups_without_pairs, below_boundary (shares), score_best and score_worst; NaN if of nothing."""
    n_groups, n_with_pairs, n_bounded, n_below, best, worst = (float(value) for value in counts)
    return {
        "groups_without_pairs": (n_groups - n_with_pairs) / n_groups if n_groups else float("nan"),
        "below_boundary": n_below / n_bounded if n_bounded else float("nan"),
        "score_best": best / n_with_pairs if n_with_pairs else float("nan"),
        "score_worst": worst / n_with_pairs if n_with_pairs else float("nan"),
    }


def _boundary(scores: Tensor, ranks: Tensor, valid: Tensor, config: AlignmentConfig, _: Tensor | None) -> Tensor:
    return boundary_constraint_loss(
        scores, ranks, valid, boundary_beta=config.boundary_beta, detach_boundary=config.detach_boundary
    )


def _rrhf(scores: Tensor, ranks: Tensor, valid: Tensor, config: AlignmentConfig, _: Tensor | None) -> Tensor:
    return rrhf_loss(scores, ranks, valid, scale=config.rrhf_scale, constraint=config.constraint)


def _pro(scores: Tensor, ranks: Tensor, valid: Tensor, config: AlignmentConfig, _: Tensor | None) -> Tensor:
    return pro_loss(
        scores,
        ranks,
        valid,
        dynamic_temperature=config.pro_dynamic_temperature,
        constraint=config.constraint,
    )


def _rank_dpo(
    scores: Tensor, ranks: Tensor, valid: Tensor, config: AlignmentConfig, reference_scores: Tensor | None
) -> Tensor:
    if reference_scores is None:
        raise ValueError("rank_dpo compares with a reference model: give its reference_scores")
    return ranking_dpo_loss(
        scores, ranks, valid, reference_scores, dpo_beta=config.dpo_beta, constraint=config.constraint
    )


ALIGNMENT_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, AlignmentConfig, Tensor | None], Tensor]] = {
    "a": lambda scores, ranks, valid, config, reference: ranking_loss(scores, ranks, valid),
    "dc": lambda scores, ranks, valid, config, reference: detached_constraint_loss(scores, ranks, valid),
    "bc": _boundary,
    "r": lambda scores, ranks, valid, config, reference: ranking_loss(scores, ranks, valid),
    "rdc1": lambda scores, ranks, valid, config, reference: detached_constraint_loss(scores, ranks, valid),
    "rdc2": lambda scores, ranks, valid, config, reference: rdc2_loss(scores, ranks, valid),
    "rbc": _boundary,
    "rrhf": _rrhf,
    "pro": _pro,
    "rank_dpo": _rank_dpo,
}


def alignment_loss(
    scores: Tensor, ranks: Tensor, valid: Tensor, *, config: AlignmentConfig, reference_scores: Tensor | None = None
) -> Tensor:
    """The configured loss of each group, (batch,); only rank_dpo reads `reference_scores` (batch, k)."""
    return ALIGNMENT_LOSSES[config.loss](scores, ranks, valid, config, reference_scores)
