"""How k candidates of a question become rows of a model's input: k padded rows, or one row that shares the prompt.

Both give the same log-probabilities. In a shared row every candidate sees the prompt and itself, and its positions go
on from the prompt's end, as if it stood there alone. Which hidden state predicts which token is said by explicit
lists: the first token of *every* candidate is predicted by the same last position of the prompt, which no shift of
labels can express.
"""

import inspect
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from datagen_schemas.errors import DataError
from datagen_trainers.groups import GroupBatch

CandidateLayout = Literal["auto", "padded", "shared_prefix"]

# A token costs about 1 + 0.23 * (tokens of its row) / (hidden size) in either layout: fitted to 23 cases with hidden
# sizes from 128 to 1024, sdpa, one CPU thread (typical error 9 %). To share, the estimate must promise a tenth, so
# that its error does not make "auto" the slower one; and beyond 2048 tokens a dense mask is not worth its memory.
MAX_DENSE_TOKENS = 2048
ATTENTION_COST = 0.23
LEAST_GAIN = 1.1


class PrefixSharing(NamedTuple):
    """What a model's attention allows; see `prefix_sharing`."""

    attention: str  # transformers' name: eager, sdpa, flex_attention, flash_attention_2, ...
    hidden_size: int
    window: int | None  # of sliding attention, in tokens; None if all attention is full
    refusal: str | None  # why candidates cannot share a row; None if they can


class Layout(NamedTuple):
    """R rows of T tokens, and the N predictions that are read from them. `Layout(**it._asdict())` is it again."""

    input_ids: Tensor  # (R, T) int64, right-padded with 0
    position_ids: Tensor  # (R, T) int64
    segments: Tensor  # (R, T) int64: 0 prompt, 1, 2, ... candidates of the row, -1 padding
    sources: Tensor  # (N,) int64: the hidden state that predicts, as an index into the R * T
    targets: Tensor  # (N,) int64: the token predicted
    cells: Tensor  # (N,) int64: whose token it is, as an index into the B * C completions of the batch
    lengths: Tensor  # (B, C) int64: predictions per completion; 0 for one that is not in this layout
    shared: Tensor  # () bool: rows hold several candidates, so that plain causal attention would be wrong

    def to(self, device: torch.device | str) -> "Layout":
        """The layout on another device."""
        return Layout(*(tensor.to(device) for tensor in self))


def prefix_sharing(model: nn.Module) -> PrefixSharing:
    """Whether candidates can share a row in this causal language model (or PEFT model around one)."""
    base = causal_lm(model)
    config = base.config.get_text_config()
    attention = str(base.config._attn_implementation)
    kinds = set(getattr(config, "layer_types", None) or [])
    window = getattr(config, "sliding_window", None)
    if not getattr(config, "use_sliding_window", True) or (kinds and "sliding_attention" not in kinds):
        window = None
    refusal = None
    if attention not in ("eager", "sdpa", "flex_attention"):
        refusal = f"{attention} takes no mask of one's own; load the model with attn_implementation='sdpa'"
    elif other := kinds - {"full_attention", "sliding_attention"}:
        refusal = f"layers of kind {', '.join(sorted(other))} read the row as one text"
    elif "position_ids" not in inspect.signature(backbone(model).forward).parameters or getattr(
        config, "alibi", False
    ):
        refusal = f"{type(base).__name__} takes no position_ids"
    return PrefixSharing(attention, int(config.hidden_size), window, refusal)


def choose_layout(
    batch: GroupBatch, *, candidate_layout: CandidateLayout, sharing: PrefixSharing
) -> Literal["padded", "shared_prefix"]:
    """The layout to use for this batch; "auto" takes the one that is expected to be faster.

    Raises:
        DataError: "shared_prefix" is asked for, and this model or batch does not allow it.
    """
    if candidate_layout == "padded":
        return "padded"
    whole = batch.prompt_lengths[:, None] + batch.lengths
    refusal = sharing.refusal
    if refusal is None and sharing.window is not None and int(whole.max()) > sharing.window:
        refusal = f"{int(whole.max())} tokens are more than the sliding window of {sharing.window}"
    if candidate_layout == "shared_prefix":
        if refusal is not None:
            raise DataError(f"candidate_layout shared_prefix: {refusal}. Use candidate_layout = 'auto' or 'padded'.")
        return "shared_prefix"
    if refusal is not None:
        return "padded"
    shared_row, padded_row = int((batch.prompt_lengths + batch.lengths.sum(1)).max()), int(whole.max())
    shared_tokens, padded_tokens = len(batch.prompts) * shared_row, int((batch.lengths > 0).sum()) * padded_row
    if sharing.attention == "flex_attention":  # skips what the mask hides, in blocks, so only tokens count
        return "shared_prefix" if shared_tokens < padded_tokens else "padded"
    per_row_token = ATTENTION_COST / sharing.hidden_size
    gain = padded_tokens * (1 + per_row_token * padded_row) / (shared_tokens * (1 + per_row_token * shared_row))
    return "shared_prefix" if shared_row <= MAX_DENSE_TOKENS and gain >= LEAST_GAIN else "padded"


def lay_out(
    batch: GroupBatch, layout: Literal["padded", "shared_prefix"], *, cells: Collection[int] | None = None
) -> Layout:
    """Rows for all completions of a batch that lies on the CPU, or for some `cells`, indices into the B * C."""
    n_columns = batch.lengths.shape[1]
    prompts = [row[:n].tolist() for row, n in zip(batch.prompts, batch.prompt_lengths.tolist(), strict=True)]
    wanted = [
        (cell, length)
        for cell, length in enumerate(batch.lengths.flatten().tolist())
        if length and (cells is None or cell in cells)
    ]
    flat = batch.completions.flatten(0, 1)
    rows: dict[int, list[tuple[int, list[int]]]] = {}  # the first cell of a row names it
    for cell, length in wanted:
        name = cell // n_columns if layout == "shared_prefix" else cell
        rows.setdefault(name, []).append((cell, flat[cell, :length].tolist()))
    built = [_row(prompts[members[0][0] // n_columns], members) for members in rows.values()]
    width = max((len(row.ids) for row in built), default=0)
    lengths = torch.zeros_like(batch.lengths).flatten()
    for cell, length in wanted:
        lengths[cell] = length
    return Layout(
        input_ids=_padded([row.ids for row in built], width, 0),
        position_ids=_padded([row.positions for row in built], width, 0),
        segments=_padded([row.segments for row in built], width, -1),
        sources=torch.tensor([r * width + at for r, row in enumerate(built) for at in row.sources], dtype=torch.int64),
        targets=torch.tensor([token for row in built for token in row.targets], dtype=torch.int64),
        cells=torch.tensor([cell for row in built for cell in row.cells], dtype=torch.int64),
        lengths=lengths.view_as(batch.lengths),
        shared=torch.tensor(layout == "shared_prefix"),
    )


class _Row(NamedTuple):
    ids: list[int]
    positions: list[int]
    segments: list[int]
    sources: list[int]
    targets: list[int]
    cells: list[int]


def _row(prompt: list[int], members: list[tuple[int, list[int]]]) -> _Row:
    """A prompt, then the candidates: each continues the prompt. A padded row is a row with one candidate."""
    row = _Row(list(prompt), list(range(len(prompt))), [0] * len(prompt), [], [], [])
    last = len(prompt) - 1
    for segment, (cell, ids) in enumerate(members, 1):
        start = len(row.ids)
        row.ids.extend(ids)
        row.positions.extend(range(len(prompt), len(prompt) + len(ids)))
        row.segments.extend([segment] * len(ids))
        row.sources.extend([last, *range(start, start + len(ids) - 1)])  # the end token predicts nothing
        row.targets.extend(ids)
        row.cells.extend([cell] * len(ids))
    return row


def _padded(rows: list[list[int]], width: int, filler: int) -> Tensor:
    ids = [row + [filler] * (width - len(row)) for row in rows]
    return torch.tensor(ids, dtype=torch.int64).view(len(rows), width)


def model_inputs(layout: Layout, model: nn.Module) -> Mapping[str, object]:
    """Keyword arguments of the model's backbone for a layout on the model's device.

    Padded rows get no mask: causal attention never looks right, where the padding is, and without a mask the kernels
    are faster. A shared row gets its mask in the only form that the attention adds up correctly: eager *adds* the
    mask, so that a boolean one would be silently wrong, and sdpa takes a boolean. Positions alone would not do
    either: transformers takes positions that restart for packed texts and cuts the candidates off from the prompt.
    """
    if not bool(layout.shared):
        return {"input_ids": layout.input_ids, "use_cache": False}
    base = causal_lm(model)
    attention = base.config._attn_implementation
    mask: object
    if attention == "flex_attention":
        mask = _block_mask(layout.segments)
    elif attention == "eager":
        dtype = base.get_input_embeddings().weight.dtype
        hidden = torch.full((), torch.finfo(cast(torch.dtype, dtype)).min, dtype=cast(torch.dtype, dtype))
        seen = visible(layout.segments)
        mask = torch.where(seen, 0.0, hidden.to(seen.device)).to(cast(torch.dtype, dtype))
    else:
        mask = visible(layout.segments)
    return {
        "input_ids": layout.input_ids,
        "position_ids": layout.position_ids,
        "attention_mask": mask,
        "use_cache": False,  # candidates must not see each other through a cache, and checkpointing allows none
    }


def visible(segments: Tensor) -> Tensor:
    """(R, 1, T, T) bool: which token (last axis) each token sees: the prompt and its own candidate, up to itself."""
    query, key = segments[:, :, None], segments[:, None, :]
    i = torch.arange(segments.shape[1], device=segments.device)
    # Padding sees something, too: a token that sees nothing has no softmax. Nothing is read from it.
    return (((key == 0) | (key == query)) & (i[:, None] >= i)).unsqueeze(1)


def _block_mask(segments: Tensor) -> object:
    """The same for FlexAttention, which then skips whole blocks. CUDA only: it has no backward pass on the CPU."""
    if segments.device.type != "cuda":
        raise DataError("flex_attention trains on CUDA only. Load the model with attn_implementation='sdpa'.")
    from torch.nn.attention.flex_attention import create_block_mask

    def sees(b: Tensor, _h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        key = segments[b, k]
        return ((key == 0) | (key == segments[b, q])) & (q >= k)

    n, width = segments.shape
    return create_block_mask(sees, n, None, width, width, device=str(segments.device))


def causal_lm(model: nn.Module) -> PreTrainedModel:
    """The transformers model inside PEFT's, or the model itself.

    Raises:
        DataError: it is neither, or the adapter writes tokens into the input, which would move every position.
    """
    configs = getattr(model, "peft_config", None)
    # Any: PeftModel, whose class can only be named where peft is installed
    base = cast(Any, model).get_base_model() if configs is not None and hasattr(model, "get_base_model") else model
    if any(getattr(config, "is_prompt_learning", False) for config in (configs or {}).values()):
        raise DataError("model: adapters made of prompt tokens are not supported. Use LoRA.")
    if not isinstance(base, PreTrainedModel):
        raise DataError(f"model: {type(base).__name__} is no causal language model of transformers. Name one.")
    return base


def backbone(model: nn.Module) -> nn.Module:
    """The part of a causal language model below its head: token ids to hidden states."""
    base = causal_lm(model)
    if base.base_model is base:
        raise DataError(f"model: {type(base).__name__} has no backbone apart from its head. Name a causal model.")
    return base.base_model
