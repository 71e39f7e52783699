"""A batch of examples for a segmentation loss: which hidden state predicts which token of which answer, and counts.

Sums, not means: what they are divided by is known only for a whole update; see `Scales`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from datagen_trainers.aft_terms import exact
from datagen_trainers.examples import Encoded
from datagen_trainers.layouts import backbone
from datagen_trainers.losses.fused import SegmentationSums, fused_segmentation_loss
from datagen_trainers.losses.segmentation import TOKEN_LOSSES, SegmentationSettings
from datagen_trainers.response_log_probs import Head, through_head
from datagen_trainers.sharding import Uncast

Inputs = dict[str, Any]  # Any: what the collator makes, moved to the device
INSTRUCTION = -1  # the `sequence` of a row that is in no answer
N_COUNTS = 3  # before those that there are of each loss


class Row(NamedTuple):
    """One example of the data set."""

    encoded: Encoded
    loss: str  # of its answer


class Targets(NamedTuple):
    """What one example predicts: position t the token at t + 1. The first token of a sequence is never predicted."""

    sources: list[int]
    targets: list[int]
    is_answer: list[bool]  # the end is in the answer


class Counts(NamedTuple):
    """What a batch, or the sum of several, consists of. One tensor holds all, so that processes exchange one."""

    labelled: Tensor  # () tokens that are predicted: instruction and answer
    answer: Tensor  # () tokens of answers
    scopes: Tensor  # () sequences, or with scope "batch" what each loss has of a batch
    examples: Tensor  # (F,) of each loss
    units: Tensor  # (F,) what each loss is a mean over: answer tokens or scopes


class Scales(NamedTuple):
    """Factors that make of a batch's sums its share of the update's loss."""

    ce_scale: Tensor  # ()
    answer_scale: Tensor  # (S,)


def targets_of(encoded: Encoded) -> Targets:
    """Instruction and answer; nothing of this depends on padding."""
    last = len(encoded.ids) - 1
    is_answer = [at >= encoded.n_read for at in range(1, last + 1)]
    return Targets(list(range(last)), encoded.input_ids[1:], is_answer)


def collator(
    names: Sequence[str], settings: SegmentationSettings, *, pad_id: int
) -> Callable[[list[list[Row]]], Inputs]:
    """Scheduled batches as the tensors of a forward pass.

    Args:
        names: all losses that the run has; the order of their counts.
        settings: for the scope.
        pad_id: fills the rows up; neither read by what stands left of it nor predicted, so any token does.
    """

    def together(batches: list[list[Row]]) -> Inputs:
        rows = [row for batch in batches for row in batch]
        width = max([2, *(len(row.encoded.ids) for row in rows)])  # an empty batch still runs: see `Batches`
        each = [targets_of(row.encoded) for row in rows]
        losses = [row.loss for row in rows]
        scope_of = list(range(len(rows)))
        if settings.scope == "batch":
            losses = sorted(set(losses))
            scope_of = [losses.index(row.loss) for row in rows]
        sequence = [
            scope_of[i] if is_answer else INSTRUCTION
            for i, targets in enumerate(each)
            for is_answer in targets.is_answer
        ]
        padded = [row.encoded.input_ids + [pad_id] * (width - len(row.encoded.ids)) for row in rows]
        return {
            "input_ids": torch.tensor(padded or [[pad_id] * width]),
            "sources": _ids([i * width + at for i, targets in enumerate(each) for at in targets.sources]),
            "targets": _ids([token for targets in each for token in targets.targets]),
            "sequence": _ids(sequence),
            "losses": tuple(losses),
            "loss_index": _ids([names.index(loss) for loss in losses]),
            "counts": _count(rows, each, names, losses=losses, sequence=sequence),
        }

    return together


def _ids(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def _count(
    rows: Sequence[Row], each: Sequence[Targets], names: Sequence[str], *, losses: Sequence[str], sequence: list[int]
) -> Tensor:
    tokens = Counter(i for i in sequence if i != INSTRUCTION)
    examples = Counter(row.loss for row, targets in zip(rows, each, strict=True) if any(targets.is_answer))
    units: Counter[str] = Counter()
    for i, n in tokens.items():
        units[losses[i]] += n if losses[i] in TOKEN_LOSSES else 1
    first = (len(sequence), tokens.total(), len(tokens))
    return _ids([*first, *(examples[name] for name in names), *(units[name] for name in names)])


def counts_of(counts: Tensor) -> Counts:
    """The parts of a tensor of counts."""
    n = (len(counts) - N_COUNTS) // 2
    labelled, answer, scopes = counts[:N_COUNTS]
    return Counts(labelled, answer, scopes, counts[N_COUNTS : N_COUNTS + n], counts[N_COUNTS + n :])


def scales_of(totals: Tensor, loss_index: Tensor, settings: SegmentationSettings) -> Scales:
    """Factors for a batch of an update with these counts in all.

    L_A = sum over losses f of (share of the update's answers whose loss is f) * (mean of f over its units); with one
    loss this is the paper's. With several it is section 4.8's, in which each answer has its task's loss.
    """
    total = counts_of(totals.to(exact(totals)))
    share = total.examples / total.examples.sum().clamp(min=1)
    of_loss = (1 - settings.ce_weight) * share / total.units.clamp(min=1)
    return Scales(settings.ce_weight / total.labelled.clamp(min=1), of_loss[loss_index])


def attached(model: PreTrainedModel, settings: SegmentationSettings) -> PreTrainedModel:
    """The model with a forward that also takes a batch of `collator`, and then returns `SegmentationSums` as a dict.

    The loss is computed inside the forward, so that the hooks of data-parallel wrappers fire. Everything else still
    reaches the model's own forward.
    """
    plain = model.forward

    def forward(
        *args: Any,  # Any: the model's own arguments
        inputs: Uncast[Inputs] | None = None,
        **kwargs: Any,  # Any: the model's own arguments
    ) -> Any:  # Any: the model's own result
        if inputs is None:
            return plain(*args, **kwargs)
        return segmentation_sums(model, inputs.value, settings)._asdict()

    model.forward = forward
    return model


def segmentation_sums(
    model: PreTrainedModel, inputs: Mapping[str, Any], settings: SegmentationSettings
) -> SegmentationSums:
    """The sums of a batch; call it inside the training module's forward."""
    # No mask: causal attention never looks right, where the padding is, and without one the kernels are faster.
    hidden = cast(Any, backbone(model))(input_ids=inputs["input_ids"], use_cache=False).last_hidden_state

    def loss(states: Tensor, head: Head) -> SegmentationSums:
        return fused_segmentation_loss(
            states,
            head,
            inputs["targets"],
            inputs["sequence"],
            losses=inputs["losses"],
            settings=settings,
            ce_scale=inputs["ce_scale"],
            answer_scale=inputs["answer_scale"],
        )

    return through_head(model, hidden.flatten(0, 1)[inputs["sources"]], loss)


@torch.no_grad()
def sums_for_log(sums: Mapping[str, Tensor], inputs: Mapping[str, Any]) -> Tensor:
    """One tensor that adds up over batches and processes, for `log_of`: sums, then counts."""
    counts = inputs["counts"].to(sums["ce"].device)
    dtype = exact(counts)
    answer = torch.zeros(len(counts_of(counts).examples), dtype=dtype, device=counts.device)
    answer.index_add_(0, inputs["loss_index"], sums["answer"].detach().to(dtype))
    first = torch.stack([sums[name].detach().to(dtype) for name in ("ce", "p_target", "n_right", "n_classes")])
    return torch.cat([first, answer, counts.to(dtype)])


def log_of(summed: Tensor, settings: SegmentationSettings) -> dict[str, float]:
    """Means over what was summed: the whole loss, its two terms, and how well the answers' tokens are predicted."""
    n_losses = (len(summed) - 4 - N_COUNTS) // 3
    ce, p_target, n_right, n_classes = summed[:4].tolist()
    answer, counts = summed[4 : 4 + n_losses], counts_of(summed[4 + n_losses :])
    share = counts.examples / counts.examples.sum().clamp(min=1)
    segmentation = float((share * answer / counts.units.clamp(min=1)).sum())
    labelled, tokens, scopes = (float(count) or float("nan") for count in counts[:3])
    return {
        "loss": settings.ce_weight * ce / labelled + (1 - settings.ce_weight) * segmentation,
        "loss/ce": ce / labelled,
        "loss/seg": segmentation,
        "seg/present_classes": n_classes / scopes,
        "seg/mean_p_target": p_target / tokens,
        "mean_token_accuracy": n_right / tokens,
    }
