"""L = lambda CE(I + A) + (1 - lambda) L_A(A), section 3.4 of "Beyond Accuracy Optimization: Computer Vision Losses for
Large Language Model Fine-Tuning" (Rege Cambrin et al. 2024, arXiv:2409.13641), and the settings of its losses.

I are the tokens of the instruction, A those of the answer with its end of text. The L_A are in `focal`, `dice` and
`lovasz`; here they are combined, from logits. Trainers use the same losses from hidden states: `fused`.

"The CV-losses paper" in this package is that one. Beside its published code: ignored tokens are dropped and not
counted (it zeroes them and counts them, which scales the gradient by the share of labelled tokens); the last answer
token, the end of text, is in (it drops it); the region losses are per sequence by default (it flattens the
micro-batch, so that batch size and accumulation change the loss), and `scope="batch"` gives its way back.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf, isfinite
from typing import Literal, cast

import torch
from torch import Tensor

from datagen_schemas.errors import DataError
from datagen_trainers.losses.dice import dice_loss, generalized_dice_loss, self_adjusting_dice_loss
from datagen_trainers.losses.focal import IGNORED, cross_entropy_loss, focal_loss
from datagen_trainers.losses.lovasz import lovasz_softmax_loss

LOSSES = ("ce", "focal", "dice", "sadl", "gdl", "lovasz")  # or "package.module:function", a user's own
TOKEN_LOSSES = ("ce", "focal", "sadl")  # means over answer tokens; every other loss has one value a sequence

UserLoss = Callable[[Tensor, Tensor], Tensor]  # logits (n, V) and targets (n,) of one sequence's answer to a scalar


@dataclass(frozen=True)
class SegmentationSettings:
    """Which loss the answer tokens get, and the settings of those that have one."""

    loss: str = "lovasz"
    loss_by_task: Mapping[str, str] = field(default_factory=dict)  # section 4.8; `loss` for every other task
    ce_weight: float = 0.6  # lambda; appendix G. 1 is cross-entropy alone, the paper's baseline
    scope: Literal["sequence", "batch"] = "sequence"  # over which tokens a region loss is one
    focal_gamma: float = 2.0  # 0 is cross-entropy
    sadl_alpha: float = 1.0
    sadl_smooth: float = 1.0
    dice_squared: bool = True  # the squares of Eq. 5; False has p instead of p^2
    smooth: float = 1e-5  # of dice and gdl
    gdl_absent: Literal["zero", "max"] = "zero"  # weight of classes without a token, 1 / 0^2 in Eq. 7

    def __post_init__(self) -> None:
        """Refuse what would train something else than its name says."""
        for name, loss in (("loss", self.loss), *((f"loss_by_task[{t!r}]", v) for t, v in self.loss_by_task.items())):
            if loss not in LOSSES and ":" not in loss:
                raise ValueError(f"{name} is {loss!r}: it must be one of {', '.join(LOSSES)}, or module:function")
        if not 0 <= self.ce_weight <= 1:
            raise ValueError(f"ce_weight is {self.ce_weight}: it must be from 0 to 1")
        for name, allowed in (("scope", ("sequence", "batch")), ("gdl_absent", ("zero", "max"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be {' or '.join(allowed)}")
        for name in ("focal_gamma", "sadl_alpha", "sadl_smooth", "smooth"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}: it must be finite and not below 0")

    def loss_of(self, task: str | None) -> str:
        """The loss of a row of this task, section 4.8."""
        return self.loss if task is None else self.loss_by_task.get(task, self.loss)


def sadl_warning(settings: SegmentationSettings, *, answer_share: float = 1.0) -> str | None:
    """Why these settings of SADL lower the probability of right tokens, or None if they do not, or SADL is not used.

    By log t a token's cross-entropy has the slope -1, and its SADL, with f of Eq. 6, alpha = a and smooth = s,
    -k(t) = -(2 + s) / (f + 1 + s)^2 ((1 - t)^a - a (1 - t)^(a - 1) t) t. So lambda must be at least w / (1 + w) where
    -w is the least k: 3/7 for a = s = 1, where it is k(1) = -3/4. That is for answer tokens alone. Where they are a
    share r, `answer_share`, of the labelled tokens, cross-entropy weighs r lambda beside 1 - lambda, and the bound is
    w / (r + w): the paper's 0.6 is below it for r < 1/2.
    """
    if settings.ce_weight == 1 or "sadl" not in (settings.loss, *settings.loss_by_task.values()):
        return None
    lowest = min(_sadl_slope(i / 1000, settings.sadl_alpha, settings.sadl_smooth) for i in range(1, 1001))
    bound = 1.0 if lowest == -inf else -min(lowest, 0.0) / (answer_share - min(lowest, 0.0))
    if settings.ce_weight >= bound - 1e-9:
        return None
    return (
        f"sadl with alpha {settings.sadl_alpha:g} and ce_weight {settings.ce_weight:g} lowers the probability of right"
        f" tokens that are nearly certain, where {100 * answer_share:.0f} % of the tokens are answers;"
        f" set ce_weight to {bound:.3g} or above"
    )


def _sadl_slope(t: float, alpha: float, smooth: float) -> float:
    """k(t) of `sadl_warning`."""
    miss = 1 - t
    power = float(miss**alpha)
    change = alpha * (inf if miss == 0 and alpha < 1 else float(miss ** (alpha - 1))) if alpha else 0.0
    return (2 + smooth) / (power * t + 1 + smooth) ** 2 * (power - change * t) * t


@cache
def user_loss(name: str) -> UserLoss:
    """A user's own loss, named "package.module:function".

    It gets the logits (n, V), float32, and targets (n,) of one sequence's answer and returns a scalar.

    Raises:
        DataError: there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"loss: {name!r} cannot be imported ({error}). Name it as package.module:function.") from error
    if not callable(found):
        raise DataError(f"loss: {name!r} is not a function. Name one that takes logits and targets.")
    return cast(UserLoss, found)


def user_loss_sha256(name: str) -> str:
    """SHA-256 of the module that a user's own loss is in; of its name alone where the source is not to be had."""
    try:
        source = inspect.getsource(sys.modules[user_loss(name).__module__])
    except (OSError, TypeError, KeyError, AttributeError):
        source = name
    return hashlib.sha256(source.encode()).hexdigest()


def answer_loss(logits: Tensor, targets: Tensor, *, loss: str, settings: SegmentationSettings) -> Tensor:
    """L_A of the tokens of one sequence's answer, or of many for a mean over tokens; logits (n, V), targets (n,)."""
    if loss == "ce":
        return cross_entropy_loss(logits, targets)
    if loss == "focal":
        return focal_loss(logits, targets, gamma=settings.focal_gamma)
    if loss == "sadl":
        return self_adjusting_dice_loss(logits, targets, alpha=settings.sadl_alpha, smooth=settings.sadl_smooth)
    if loss == "dice":
        return dice_loss(logits, targets, squared=settings.dice_squared, smooth=settings.smooth)
    if loss == "gdl":
        return generalized_dice_loss(logits, targets, absent=settings.gdl_absent, smooth=settings.smooth)
    if loss == "lovasz":
        return lovasz_softmax_loss(logits, targets)
    kept = targets != IGNORED
    logits = logits[kept]
    if not len(logits):
        return logits.sum()
    return user_loss(loss)(logits.to(torch.promote_types(logits.dtype, torch.float32)), targets[kept])


def segmentation_loss(
    logits: Tensor,
    targets: Tensor,
    sequence: Tensor,
    *,
    settings: SegmentationSettings,
    losses: Sequence[str] | None = None,
) -> Tensor:
    """L = lambda CE(I + A) + (1 - lambda) L_A(A) of one batch, section 3.4.

    CE is the mean over all labelled tokens. L_A is a mean over answer tokens (`TOKEN_LOSSES`), or over the sequences
    that have one (`scope` "sequence"), or is taken of all answer tokens at once ("batch"). Where sequences have
    different losses, L_A is the mean of those values, weighted by the number of sequences with an answer.

    Args:
        logits: (N, V), any float dtype; computed in float32 at least.
        targets: (N,) int64, aligned; -100 marks rows that are dropped before anything.
        sequence: (N,) int64, the sequence to whose answer a row belongs, 0 to S - 1; -1 for rows of an instruction.
        settings: lambda, scope, and those of the losses.
        losses: (S,) loss of each sequence; `settings.loss` for all if None.

    Returns:
        Scalar; 0, connected to the logits, when no row is labelled.
    """
    total = settings.ce_weight * cross_entropy_loss(logits, targets)
    answers: dict[str, list[int]] = {}
    present: list[int] = sequence[(sequence >= 0) & (targets != IGNORED)].unique().tolist()
    for s in present:
        loss = settings.loss if losses is None else losses[s]
        answers.setdefault(loss, []).append(s)
    n_answers = sum(len(group) for group in answers.values())
    for loss, group in answers.items():
        together = loss in TOKEN_LOSSES or settings.scope == "batch"
        units = [torch.isin(sequence, sequence.new_tensor(group))] if together else [sequence == s for s in group]
        values = [answer_loss(logits[rows], targets[rows], loss=loss, settings=settings) for rows in units]
        total = total + (1 - settings.ce_weight) * len(group) / n_answers * torch.stack(values).mean()
    return total
