"""Log-probabilities of response tokens only, and the scores s(c) of candidates, without the logits of a whole batch.

The hidden states that predict a response token go through the head in chunks of rows; a chunk's logits are gone
before the next one's are made. So nothing of the size tokens x vocabulary exists, forward or backward.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from datagen_schemas.errors import DataError
from datagen_trainers.layouts import Layout, backbone, causal_lm, model_inputs

T = TypeVar("T")
CHUNK_ROWS = 256  # 31 MiB of float32 logits at a vocabulary of 32,000


class Head(NamedTuple):
    """What turns a hidden state h into logits: softcap * tanh(z / softcap) of z = scale * (W h + bias)."""

    weight: Tensor  # (V, H)
    bias: Tensor | None = None  # (V,)
    scale: float = 1.0
    softcap: float | None = None


def head_of(model: nn.Module) -> Head:
    """The head of a causal language model, with the scale and soft cap of the families that have them.

    A LoRA adapter of the head is folded in: the weight is then W + scaling * B A, connected to A and B.
    Cheap, and to be called in every forward pass, since adapters train. `check_head` checks it once against the model.

    Raises:
        DataError: the head is not a linear layer, is quantised, or has an adapter that is not a plain matrix.
    """
    base = causal_lm(model)
    layer = base.get_output_embeddings()
    if layer is None:
        raise DataError(f"model: {type(base).__name__} has no language-model head. Name a causal language model.")
    weight, bias = _linear(layer)
    config = base.config.get_text_config()
    scale = float(getattr(config, "logit_scale", None) or 1.0)  # Cohere multiplies
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)  # Granite divides
    softcap = getattr(config, "final_logit_softcapping", None)  # Gemma
    return Head(weight, bias, scale, float(softcap) if softcap else None)


def through_head(model: nn.Module, hidden: Tensor, compute: Callable[[Tensor, Head], T]) -> T:
    """`compute(hidden, head)`, as what the head's own module makes of hidden states.

    FSDP has a module's weights whole only while it is called, and gathers their gradients by the call's results.

    Args:
        model: whose head it is.
        hidden: states that go in.
        compute: what to do, in place of the module's logits; gives a tensor, or a tuple or a dict of some.
    """
    layer = causal_lm(model).get_output_embeddings()
    if layer is None:
        return compute(hidden, head_of(model))  # which says what is wrong
    before = vars(layer).get("forward")
    layer.forward = lambda states: compute(states, head_of(model))
    try:
        return cast(T, layer(hidden))
    finally:
        del layer.forward
        if before is not None:
            layer.forward = before


def _linear(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a linear layer, also of one that PEFT has wrapped."""
    # Any: PEFT's wrappers, whose classes can only be named where peft is installed
    wrapper = cast(Any, layer)
    if hasattr(layer, "modules_to_save") and hasattr(layer, "original_module"):
        off = getattr(layer, "disable_adapters", False)
        return _linear(wrapper.original_module if off else wrapper.modules_to_save[wrapper.active_adapters[0]])
    if hasattr(layer, "base_layer"):
        weight, bias = _linear(wrapper.base_layer)
        if wrapper.disable_adapters or wrapper.merged:
            return weight, bias
        for adapter in wrapper.active_adapters:
            if adapter not in getattr(layer, "lora_A", {}):
                raise DataError("model: the head's adapter is not LoRA. Leave the head out of the adapters.")
            if getattr(layer, "lora_variant", {}).get(adapter) or getattr(layer, "lora_bias", {}).get(adapter):
                raise DataError("model: the head's adapter is more than W + B A. Leave the head out of the adapters.")
            if getattr(wrapper.lora_dropout[adapter], "p", 0.0) and layer.training:
                raise DataError("model: the head's adapter has dropout. Set lora_dropout = 0, or leave the head out.")
            weight = weight + wrapper.get_delta_weight(adapter)
        return weight, bias
    if not isinstance(layer, nn.Linear) or not layer.weight.is_floating_point():
        raise DataError(f"model: the head is a {type(layer).__name__}, not a plain linear layer. Do not quantise it.")
    return layer.weight, layer.bias


@torch.no_grad()
def check_head(model: nn.Module) -> None:
    """Compare `head_of` with the model's own logits on a few tokens: once, before training.

    Raises:
        DataError: the model does more to its logits than we know of.
    """
    base = causal_lm(model)
    was_training = base.training
    base.eval()
    try:
        head = head_of(model)
        # Several tokens, since the embedding of a padding token is 0, and 0 is right under every scale.
        ids = torch.arange(1, 9, device=head.weight.device)[None] % len(head.weight)
        hidden = cast(Any, backbone(model))(input_ids=ids, use_cache=False).last_hidden_state[0]
        ours = _logits(hidden.to(head.weight.dtype), head)
        theirs = cast(Any, base)(input_ids=ids, use_cache=False).logits[0].to(ours.dtype)
    finally:
        base.train(was_training)
    gap = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-6))
    if not gap <= 8 * torch.finfo(head.weight.dtype).eps ** 0.75:
        raise DataError(
            f"model: {type(base).__name__} does not compute its logits by weight, bias, scale and soft cap"
            f" (they differ by {gap:.1%}). Train another model, or without chunks."
        )


def candidate_scores(model: nn.Module, layout: Layout, *, chunk_rows: int = CHUNK_ROWS) -> Tensor:
    """Scores s(c) of the completions of a batch: token-mean log-likelihood, end included, prompt excluded; Eq. 2.

    Call it inside the training module's `forward`, so that hooks of data-parallel wrappers fire.

    Returns:
        (B, C) float32 (float64 for a float64 model); 0 without gradient for a completion that is not in the layout.
    """
    hidden = cast(Any, backbone(model))(**model_inputs(layout, model)).last_hidden_state  # Any: a model's output type
    log_probs = through_head(
        model,
        hidden.flatten(0, 1)[layout.sources],
        lambda states, head: token_log_probs(states, head, layout.targets, chunk_rows=chunk_rows),
    )
    return token_means(log_probs, layout)


def token_means(log_probs: Tensor, layout: Layout) -> Tensor:
    """(B, C) means of (N,) log-probabilities over the tokens of each completion; 0 where there are none."""
    sums = log_probs.new_zeros(layout.lengths.numel()).index_add(0, layout.cells, log_probs)
    return sums.view(layout.lengths.shape) / layout.lengths.clamp(min=1)


def token_log_probs(hidden: Tensor, head: Head, targets: Tensor, *, chunk_rows: int = CHUNK_ROWS) -> Tensor:
    """log softmax(logits)[target] of each row.

    With a frozen head the gradient's direction is found on the way forward, while the chunk's probabilities are
    there: two matrix products a chunk instead of four.

    Args:
        hidden: (N, H), of any float type; only rows that predict a response token.
        head: see `head_of`; frozen or trained. Matrix products are in its type, everything else in float32.
        targets: (N,) int64.
        chunk_rows: rows whose logits exist at a time.

    Returns:
        (N,) float32, or float64 for a float64 head.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else head.weight.dtype
    weight = head.weight.to(dtype)
    head_trains = weight.requires_grad or (head.bias is not None and head.bias.requires_grad)
    needs_gradient = torch.is_grad_enabled() and (hidden.requires_grad or head_trains)
    plan = _Plan(head.scale, head.softcap, chunk_rows, needs_gradient and not head_trains)
    with torch.autocast(device, enabled=False):
        return cast(Tensor, cast(Any, _TokenLogProbs).apply(hidden.to(dtype), weight, head.bias, targets, plan))


class _Plan(NamedTuple):
    scale: float
    softcap: float | None
    chunk_rows: int
    slope_now: bool  # the head is frozen: d log p / d hidden can be had in the forward pass


def _logits(hidden: Tensor, head: Head) -> Tensor:
    """Float32 logits of some rows."""
    logits = (hidden @ head.weight.T).to(torch.promote_types(head.weight.dtype, torch.float32))
    if head.bias is not None:
        logits += head.bias
    if head.scale != 1.0:
        logits *= head.scale
    return logits if head.softcap is None else logits.div_(head.softcap).tanh_().mul_(head.softcap)


def _chunk(hidden: Tensor, targets: Tensor, head: Head, *, slope: bool) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities of a chunk and, on request, their derivative by W h: (e_target - p) * scale * (1 - tanh^2)."""
    logits = _logits(hidden, head)
    cap_slope = None if head.softcap is None or not slope else (logits / head.softcap).square_().neg_().add_(1)
    target = targets[:, None]
    highest = logits.amax(1, keepdim=True)
    at_target = logits.gather(1, target) - highest
    exponentials = logits.sub_(highest).exp_()  # in place: the chunk exists once
    total = exponentials.sum(1, keepdim=True)
    log_probs = (at_target - total.log())[:, 0]
    if not slope:
        return log_probs, None
    change = exponentials.div_(total.neg_())
    change.scatter_add_(1, target, torch.ones_like(highest))
    if head.scale != 1.0:
        change *= head.scale
    return log_probs, change if cap_slope is None else change.mul_(cap_slope)


class _TokenLogProbs(torch.autograd.Function):
    """`token_log_probs` with a backward pass in chunks; written out, since autograd would keep every chunk."""

    @staticmethod
    def forward(
        ctx: Any,  # Any: torch types no context
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        plan: _Plan,
    ) -> Tensor:
        head = Head(weight, bias, plan.scale, plan.softcap)
        log_probs = hidden.new_empty(len(targets), dtype=torch.promote_types(weight.dtype, torch.float32))
        slope = torch.empty_like(hidden) if plan.slope_now else None
        for at in range(0, len(targets), plan.chunk_rows):
            rows = slice(at, at + plan.chunk_rows)
            log_probs[rows], change = _chunk(hidden[rows], targets[rows], head, slope=plan.slope_now)
            if slope is not None and change is not None:
                slope[rows] = change.to(weight.dtype) @ weight
        ctx.plan = plan
        ctx.save_for_backward(*((slope,) if slope is not None else (hidden, weight, bias, targets)))
        return log_probs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator loses the name `ctx`
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        (upstream,) = gradients
        if ctx.plan.slope_now:
            (slope,) = ctx.saved_tensors
            return (upstream[:, None] * slope).to(slope.dtype), None, None, None, None
        hidden, weight, bias, targets = ctx.saved_tensors
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        head = Head(weight, bias, ctx.plan.scale, ctx.plan.softcap)
        hidden_gradient = torch.empty_like(hidden) if needs_hidden else None
        # In float32, and rounded once: in bfloat16 a sum of many chunks stops to grow.
        exact = torch.promote_types(weight.dtype, torch.float32)
        weight_gradient = torch.zeros_like(weight, dtype=exact) if needs_weight else None
        bias_gradient = torch.zeros_like(bias, dtype=exact) if needs_bias else None
        for at in range(0, len(targets), ctx.plan.chunk_rows):
            rows = slice(at, at + ctx.plan.chunk_rows)
            _, change = _chunk(hidden[rows], targets[rows], head, slope=True)
            assert change is not None
            change *= upstream[rows, None]
            if bias_gradient is not None:
                bias_gradient += change.sum(0)
            change = change.to(weight.dtype)
            if hidden_gradient is not None:
                hidden_gradient[rows] = change @ weight
            if weight_gradient is not None:
                if exact == weight.dtype:
                    weight_gradient.addmm_(change.T, hidden[rows])
                else:
                    weight_gradient += change.T @ hidden[rows]
        if weight_gradient is not None:
            weight_gradient = weight_gradient.to(weight.dtype)
        if bias_gradient is not None:
            bias_gradient = bias_gradient.to(bias.dtype)
        return hidden_gradient, weight_gradient, bias_gradient, None, None
