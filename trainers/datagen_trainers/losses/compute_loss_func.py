"""The segmentation losses for users of other trainers: a `compute_loss_func` of transformers.Trainer, from logits.

It takes what such a trainer has, all logits of a batch, so it does not save what `fused` does.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from datagen_trainers.losses.focal import IGNORED
from datagen_trainers.losses.segmentation import SegmentationSettings, segmentation_loss


class ComputeLossFunc(Protocol):
    """What `transformers.Trainer`, and TRL's SFTTrainer, take as `compute_loss_func`."""

    def __call__(
        self,
        outputs: Any,  # Any: a model's output type
        labels: Tensor,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Loss of a micro-batch."""
        ...


def make_compute_loss_func(
    settings: SegmentationSettings, *, find_answers: Callable[[Tensor], Tensor] | None = None
) -> ComputeLossFunc:
    """L = lambda CE(I + A) + (1 - lambda) L_A(A) as a `compute_loss_func`.

    Such a function is given labels and nothing else, so that all labelled tokens are the answer unless `find_answers`
    tells them apart; and `settings.loss_by_task` has no effect. A micro-batch counts by its share of the update's
    labelled tokens, all that the trainer tells. That is exact for cross-entropy and, where all labelled tokens are
    answers, for the token losses; a region loss is then a mean over sequences that weighs longer micro-batches more.

    Args:
        settings: of the loss.
        find_answers: of labels (batch, time), not shifted, the mask (batch, time) of answer tokens.
    """

    def compute_loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        logits: Tensor = outputs["logits"]
        labels = labels.to(logits.device)
        is_answer = torch.ones_like(labels, dtype=torch.bool) if find_answers is None else find_answers(labels)
        sequence = torch.arange(len(labels), device=labels.device)[:, None].where(is_answer, -1)
        # A position predicts the next token; nothing predicts the first.
        targets = labels[:, 1:].flatten()
        loss = segmentation_loss(logits[:, :-1].flatten(0, 1), targets, sequence[:, 1:].flatten(), settings=settings)
        if num_items_in_batch is None:
            return loss
        return loss * ((targets != IGNORED).sum() / num_items_in_batch)

    return compute_loss
