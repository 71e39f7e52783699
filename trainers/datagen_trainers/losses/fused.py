"""The segmentation losses from hidden states and the head: values and gradients in chunks of rows, in one pass.

For a loss of the probabilities p of a row, z its logits, y its target, t = p_y, and A_c = dL/dp_c, which is 0 but at
the present classes,

    dL/dz_v = p_v A_v - s p_v  with  s = sum_c p_c A_c

so all gradients are the softmax of the row times a number, as that of cross-entropy is, and corrections at the present
classes, C of tens to hundreds beside a vocabulary of 100,000. Focal and self-adjusting Dice have the number
k = -dL/dlog t and no correction but at the target. So a chunk's logits turn into exp(z - max) in place, of which
only products with the head (n, H) and the columns of present classes (n, C) stay.

The gradients are computed on the way forward, since every coefficient is known then, and scaled on the way back. With
a frozen head one pass does it: its two matrix products a chunk are those of cross-entropy. With a trained head the
number of a row must be known before the gradient of the weight is added up: sequences longer than a chunk go through
the head again, but for their last chunk.

Targets are kept apart from the other classes, with 1 - t as the sum of those: 1 - t keeps its digits, and so do the
gradients of confident rows, also where matrix products are in half precision.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from datagen_trainers.losses.head_pass import HeadPass, Plan, Scales
from datagen_trainers.losses.segmentation import SegmentationSettings
from datagen_trainers.response_log_probs import CHUNK_ROWS, Head


class SegmentationSums(NamedTuple):
    """What one micro-batch adds to the update's loss and to the log; 0-dim but for `answer`."""

    total: Tensor  # differentiable: ce_scale * sum_i -log t_i + sum_s answer_scale[s] * answer[s]
    ce: Tensor  # sum of -log t over all rows
    answer: Tensor  # (S,) a token loss summed over the sequence's answer tokens; a region loss as it is
    p_target: Tensor  # sum of t over answer rows
    n_right: Tensor  # answer rows whose likeliest token is the target
    n_classes: Tensor  # present classes, summed over sequences


def fused_segmentation_loss(
    hidden: Tensor,
    head: Head,
    targets: Tensor,
    sequence: Tensor,
    *,
    losses: Sequence[str],
    settings: SegmentationSettings,
    ce_scale: Tensor | float,
    answer_scale: Tensor,
    chunk_rows: int = CHUNK_ROWS,
) -> SegmentationSums:
    """A micro-batch's part of L = lambda CE(I + A) + (1 - lambda) L_A(A), from hidden states.

    It equals `segmentation.segmentation_loss` with the scales that belong to its means. `scope` "batch" is the
    caller's doing: all answer rows are then sequence 0. A user's own loss sees all logits of its sequence at once.

    Args:
        hidden: (N, H), of any float dtype; rows that have a target only.
        head: see `head_of`; frozen or trained. Matrix products are in its dtype, everything else in float32.
        targets: (N,) int64, aligned.
        sequence: (N,) int64, the sequence to whose answer the row belongs, 0 to S - 1; -1 for rows of an instruction.
        losses: (S,) the loss of each sequence.
        settings: those of the losses.
        ce_scale: lambda over the number of labelled tokens in the whole update.
        answer_scale: (S,) (1 - lambda) over the number of what the loss is averaged over in the whole update: answer
            tokens for `TOKEN_LOSSES`, sequences for the others.
        chunk_rows: rows whose logits exist at a time.

    Returns:
        Sums, float32, or float64 for a float64 head. Without rows all are 0, `total` connected to hidden and head. The
        backward pass scales the stored gradients in place, so it runs once.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else head.weight.dtype
    weight = head.weight.to(dtype)
    exact = torch.promote_types(dtype, torch.float32)
    scales = Scales(
        torch.as_tensor(ce_scale, dtype=exact, device=hidden.device), answer_scale.to(hidden.device, exact)
    )
    plan = Plan(head.scale, head.softcap, tuple(losses), settings, chunk_rows, torch.is_grad_enabled())
    with torch.autocast(device, enabled=False):
        values = cast(Any, _Fused).apply(hidden.to(dtype), weight, head.bias, targets, sequence, scales, plan)
    return SegmentationSums(*values)


class _Fused(torch.autograd.Function):
    """`fused_segmentation_loss`, whose gradients are known when its value is."""

    @staticmethod
    def forward(
        ctx: Any,  # Any: torch types no context
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        sequence: Tensor,
        scales: Scales,
        plan: Plan,
    ) -> tuple[Tensor, ...]:
        head = Head(weight, bias, plan.scale, plan.softcap)
        needs = cast(tuple[bool, bool, bool], tuple(plan.with_gradients and need for need in ctx.needs_input_grad[:3]))
        work = HeadPass(hidden, head, targets, sequence, scales=scales, plan=plan, needs=needs)
        work.run()
        ctx.save_for_backward(work.hidden_gradient, work.weight_gradient, work.bias_gradient)
        ctx.dtypes = [None if tensor is None else tensor.dtype for tensor in (hidden, weight, bias)]
        total = scales.ce * work.ce + (scales.answer * work.answer).sum()
        logged = (work.ce, work.answer, work.p_target, work.n_right, work.n_classes)
        ctx.mark_non_differentiable(*logged)
        return total, *logged

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator loses the name `ctx`
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        upstream = gradients[0]
        # In place: the weight's is as large as the head.
        ours = [
            None if gradient is None else gradient.mul_(upstream).to(dtype)
            for gradient, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        ]
        return *ours, None, None, None, None
