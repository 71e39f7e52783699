"""The two terms of Eq. 4 from a batch of whole questions: collated, scored inside the model's forward, summed.

Sums, not means: what they are divided by is known only for a whole update; see `denominators`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from datagen_trainers.aft_config import AftConfig
from datagen_trainers.groups import GroupBatch, TokenisedGroup, collate
from datagen_trainers.layouts import Layout, PrefixSharing, choose_layout, lay_out
from datagen_trainers.losses.alignment import alignment_loss, groups_with_pairs
from datagen_trainers.response_log_probs import candidate_scores
from datagen_trainers.sharding import Uncast

Inputs = dict[str, Any]  # Any: what the collator makes, moved to the device


class Row(NamedTuple):
    """One question of the data set."""

    group: TokenisedGroup
    reference_scores: list[float] | None  # of the model before training, one a completion; rank_dpo only


class Terms(NamedTuple):
    """Both terms of Eq. 4, summed over a batch."""

    vft: Tensor  # negative log-likelihood of the references, summed over their tokens
    align: Tensor  # alignment loss, summed over the questions


def attached(model: PreTrainedModel, config: AftConfig) -> PreTrainedModel:
    """The model with a forward that also takes a batch of groups: it then returns the terms of Eq. 4 and the scores.

    Everything else still reaches its own forward.
    """
    plain = model.forward

    def forward(
        *args: Any,  # Any: the model's own arguments
        inputs: Uncast[Inputs] | None = None,
        **kwargs: Any,  # Any: the model's own arguments
    ) -> Any:  # Any: the model's own result
        if inputs is None:
            return plain(*args, **kwargs)
        given = inputs.value
        scores = candidate_scores(model, Layout(**given["layout"]))
        if "batch" not in given:
            return {"scores": scores}
        sums = terms(scores, GroupBatch(**given["batch"]), config, reference_scores=given.get("reference_scores"))
        return {**sums._asdict(), "scores": scores}

    model.forward = forward
    return model


def detach(model: PreTrainedModel) -> None:
    """Give the model its own forward back."""
    vars(model).pop("forward", None)


def terms(scores: Tensor, batch: GroupBatch, config: AftConfig, *, reference_scores: Tensor | None = None) -> Terms:
    """Both terms of Eq. 4 from the scores (B, C) of a batch, each summed."""
    valid = batch.ranked & (batch.lengths > 0)
    align = alignment_loss(scores, batch.feedback, valid, config=config.alignment, reference_scores=reference_scores)
    has_reference = batch.reference >= 0
    column = batch.reference.clamp(min=0)[:, None]
    mean, length = scores.gather(1, column)[:, 0], batch.lengths.gather(1, column)[:, 0]
    # Eq. 1 sums over tokens, and Eq. 2's score is their mean.
    return Terms(-(mean * length * has_reference).sum(), align.sum())


def collator(config: AftConfig, *, sharing: PrefixSharing) -> Callable[[list[list[Row]]], Inputs]:
    """Whole questions as the tensors of a forward pass."""

    def together(batches: list[list[Row]]) -> Inputs:
        rows = [row for batch in batches for row in batch]
        batch = collate([row.group for row in rows]) if rows else _nothing()
        inputs: Inputs = {"batch": batch._asdict()}
        if config.group_memory == "normal":
            chosen = choose_layout(batch, candidate_layout=config.candidate_layout, sharing=sharing)
            inputs["layout"] = lay_out(batch, chosen)._asdict()
        if config.loss == "rank_dpo":
            before = torch.zeros(batch.lengths.shape)
            for i, row in enumerate(rows):
                known = row.reference_scores or []
                before[i, : len(known)] = torch.tensor(known)
            inputs["reference_scores"] = before
        return inputs

    return together


def _nothing() -> GroupBatch:
    """An empty batch, with something to compute that has no weight; see `Batches`."""
    batch = collate([TokenisedGroup("", [0], [[0]], [0.0], None, 0, False)])
    return batch._replace(ranked=torch.zeros_like(batch.ranked))


def denominators(inputs: Mapping[str, Any], config: AftConfig) -> Tensor:  # Any: nested tensors
    """(2,): tokens of the references, or their number if L_VFT is a sum over tokens; questions with a pair."""
    batch = GroupBatch(**inputs["batch"])
    has_reference = batch.reference >= 0
    tokens = batch.lengths.gather(1, batch.reference.clamp(min=0)[:, None])[:, 0] * has_reference
    n_vft = tokens.sum() if config.vft_reduction == "mean" else has_reference.sum()
    n_align = groups_with_pairs(batch.feedback, batch.ranked & (batch.lengths > 0)).sum()
    return torch.stack([n_vft, n_align]).to(exact(n_vft))


def exact(near: Tensor) -> torch.dtype:
    """Float64 where the device has it; Apple's GPUs have none."""
    return torch.float32 if near.device.type == "mps" else torch.float64
