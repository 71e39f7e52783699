"""Exact gradients of a loss of k candidates in the memory of one: `group_memory = "two_pass"`.

A loss L(s_1, ..., s_k) of the candidates' scores needs all scores at once, and its graph would keep the activations of
k forward passes. But its gradient is sum_j w_j ds_j with the numbers w_j = dL/ds_j. So: the scores without a graph;
then w; then, candidate by candidate, the backward pass of w_j s_j. Two forward passes for one, no approximation.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from datagen_schemas.errors import DataError
from datagen_trainers.groups import GroupBatch
from datagen_trainers.layouts import Layout, lay_out
from datagen_trainers.response_log_probs import candidate_scores


class TwoPassResult(NamedTuple):
    """What was computed; the gradients are in the parameters."""

    loss: Tensor  # scalar, without graph
    scores: Tensor  # (B, C), without graph


class Scorer(Protocol):
    """Scores (B, C) of the completions in a layout, as `candidate_scores`; a wrapped model's forward in training."""

    def __call__(self, model: nn.Module, layout: Layout, /) -> Tensor:
        """Scores, with a graph if gradients are on."""
        ...


def two_pass_backward(
    model: nn.Module,
    batch: GroupBatch,
    loss_of_scores: Callable[[Tensor], Tensor],
    *,
    candidates_at_once: int = 1,
    scorer: Scorer = candidate_scores,
    backward: Callable[[Tensor], object] = torch.autograd.backward,
    no_sync: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> TwoPassResult:
    """Add the gradient of a loss of the scores to the model's parameters, holding few candidates at a time.

    Args:
        model: causal language model, or PEFT model around one.
        batch: on the CPU; rows go to the model's device as they are needed.
        loss_of_scores: (B, C) scores to a scalar; called once, on a leaf. Scale it here (accumulation), not after.
        candidates_at_once: completions in one forward pass.
        scorer: how a layout is scored.
        backward: what runs the backward pass of a scalar, such as an accelerator's; called once per forward pass.
        no_sync: entered for every forward and backward pass but the last, as DistributedDataParallel's: gradients pass
            between processes once, however many candidates each of them has.

    Raises:
        DataError: dropout is on; the two passes would see two different networks.
    """
    refuse_dropout(model)
    device = next(model.parameters()).device
    full = [cell for cell, length in enumerate(batch.lengths.flatten().tolist()) if length]
    # Alike lengths together, so that little is padded.
    full.sort(
        key=lambda cell: int(batch.prompt_lengths[cell // batch.lengths.shape[1]] + batch.lengths.flatten()[cell])
    )
    parts = [full[at : at + candidates_at_once] for at in range(0, len(full), candidates_at_once)]
    layouts = [lay_out(batch, "padded", cells=set(part)) for part in parts]
    with torch.no_grad():
        scores = torch.stack([scorer(model, layout.to(device)) for layout in layouts]).sum(0)
    leaf = scores.requires_grad_()
    with torch.enable_grad():
        loss = loss_of_scores(leaf)
        if loss.requires_grad:
            (weights,) = torch.autograd.grad(loss, leaf)
        else:  # nothing to compare in the whole batch
            weights = torch.zeros_like(leaf)
        for i, layout in enumerate(layouts):
            # A weight of 0 is not skipped: every parameter gets its gradient, and the last pass synchronises.
            with nullcontext() if i == len(layouts) - 1 else no_sync():
                backward((weights * scorer(model, layout.to(device))).sum())
    return TwoPassResult(loss.detach(), scores.detach())


def refuse_dropout(model: nn.Module) -> None:
    """Raise DataError if a forward pass of this model is random.

    Dropout is either a layer of its own or, in attention, a number that a layer hands to its kernel.
    """
    for name, module in model.named_modules():
        layers = {"p": module.p} if isinstance(module, nn.Dropout) else vars(module)
        rates = [value for key, value in layers.items() if key == "p" or "dropout" in key]
        if module.training and any(isinstance(rate, float) and rate > 0 for rate in rates):
            raise DataError(
                f"group_memory two_pass: dropout is on in {name}. Set every dropout of the model and of LoRA to 0."
            )
