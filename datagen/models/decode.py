"""Continue token sequences with a causal language model: one cache per prompt, one random generator per row."""

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Rows that are done are taken out of the batch when so few are left: copying the cache costs about what a step costs.
_COMPACT_BELOW = 0.8


class Row(NamedTuple):
    """One continuation to draw: of which prompt, and with which random numbers."""

    prompt: int  # index
    seed: int


class Continuation(NamedTuple):
    """Tokens drawn after the prompt; the end token is the last one if the model ended the text itself."""

    tokens: list[int]
    ended: bool  # by an end token or by `is_stopped`, not by the limit


def continue_prompts(
    model: Any,  # Any: whatever class AutoModelForCausalLM returns
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Row],
    *,
    ends: Collection[int],
    pad_id: int,
    max_tokens: Sequence[int],
    temperature: float,
    top_p: float = 1.0,
    is_stopped: Callable[[list[int]], bool] | None = None,
) -> list[Continuation]:
    """Continue `prompts[row.prompt]` for every row, by at most `max_tokens` of its prompt.

    Args:
        model: in evaluation mode, with a cache that can be indexed by row, as those of transformers can.
        prompts: token ids, none empty.
        rows: several may name the same prompt, which is then read once.
        ends: tokens that end a text.
        pad_id: any token of the vocabulary; it is masked.
        max_tokens: limit for the rows of each prompt, the end token included.
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens with this probability is drawn from.
        is_stopped: asked after each token whether the row's tokens so far end it.
    """
    device = model.device
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    last_only = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    index = torch.tensor([row.prompt for row in rows], device=device)
    most = max(max_tokens)
    noise = uniforms([row.seed for row in rows], most).to(device) if temperature > 0 else None
    end_ids = torch.tensor(sorted(ends), device=device)
    tokens: list[list[int]] = [[] for _ in rows]
    ended = [False] * len(rows)
    alive = list(range(len(rows)))  # row numbers, in the order of the batch

    with torch.inference_mode():
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, **last_only)
        cache, logits = out.past_key_values, out.logits[index, -1]
        cache.batch_select_indices(index)
        mask, position = mask[index], positions[index, -1]
        for step in range(most):
            drawn = draw_tokens(logits, noise[:, step] if noise is not None else None, temperature, top_p)
            is_end = torch.isin(drawn, end_ids).tolist()
            for row, token, end in zip(alive, drawn.tolist(), is_end, strict=True):
                if not ended[row] and step < max_tokens[rows[row].prompt]:
                    tokens[row].append(token)
                    ended[row] = end or (is_stopped is not None and is_stopped(tokens[row]))
            going = [i for i, row in enumerate(alive) if not ended[row] and step + 1 < max_tokens[rows[row].prompt]]
            if not going:
                break
            if len(going) < _COMPACT_BELOW * len(alive):
                keep = torch.tensor(going, device=device)
                cache.batch_select_indices(keep)
                mask, position, drawn = mask[keep], position[keep], drawn[keep]
                noise = noise[keep] if noise is not None else None
                alive = [alive[i] for i in going]
            mask, position = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1), position + 1
            out = model(
                input_ids=drawn[:, None],
                attention_mask=mask,
                position_ids=position[:, None],
                past_key_values=cache,
                use_cache=True,
            )
            logits = out.logits[:, -1]
    return [Continuation(row_tokens, row_ended) for row_tokens, row_ended in zip(tokens, ended, strict=True)]


def uniforms(seeds: Sequence[int], n: int) -> Tensor:
    """Numbers in [0, 1), (seed, n), float64, on the CPU: those of a row depend on its seed alone, on any device."""
    rows = [torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in seeds]
    return torch.stack(rows)


def draw_tokens(logits: Tensor, uniform: Tensor | None, temperature: float, top_p: float) -> Tensor:
    """One token a row, by inverting the cumulative distribution at the row's uniform number.

    Args:
        logits: (rows, vocabulary), any float type.
        uniform: (rows,), in [0, 1); not used at temperature 0.
        temperature: 0 takes the likeliest token, the first of equals.
        top_p: 1 draws from all tokens.

    Returns:
        (rows,), int64.
    """
    if temperature == 0 or uniform is None:
        return logits.argmax(-1)
    # A vocabulary of 128,000 float32 terms would lose the tail of the sum; MPS has no float64.
    precise = torch.float32 if logits.device.type == "mps" else torch.float64
    probability = torch.softmax(logits.to(precise) / temperature, dim=-1)
    order = None
    if top_p < 1:
        probability, order = probability.sort(dim=-1, descending=True, stable=True)
        before = probability.cumsum(-1) - probability
        probability = probability.where(before < top_p, 0)
    reached = probability.cumsum(-1)
    total = reached[:, -1]
    # Below the total whatever the rounding, so that a token of probability 0 at the end is never met.
    target = torch.minimum(uniform.to(precise) * total, torch.nextafter(total, torch.zeros_like(total)))
    chosen = torch.searchsorted(reached, target[:, None], right=True)
    return (chosen if order is None else order.gather(-1, chosen)).squeeze(-1)
