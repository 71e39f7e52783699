"""Examples as token ids: what is read, what is learnt, and which examples share a batch."""

import math
import random
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example

IGNORED = -100  # the label of a token that is read and not learnt
TOGETHER = 1000  # texts that a tokenizer is given at a time; it reads those of a list on all cores


class Encoded(NamedTuple):
    """Token ids of one example, 4 bytes each: sets of hundreds of thousands of examples are held whole."""

    ids: "array[int]"  # typecode i: prompt, completion and the end
    n_read: int  # the first ones, of the prompt: read and not learnt

    @property
    def input_ids(self) -> list[int]:
        """The ids as a list."""
        return self.ids.tolist()

    @property
    def labels(self) -> list[int]:
        """The ids, with IGNORED where nothing is learnt. The model shifts them."""
        return [IGNORED] * self.n_read + self.ids[self.n_read :].tolist()


class EncodedExamples(NamedTuple):
    """Examples that fit, and how many did not."""

    encoded: list[Encoded]
    n_too_long: int


def encode(
    texts: Sequence[tuple[str, str]], tokenizer: PreTrainedTokenizerBase, *, chat: bool = False
) -> list[Encoded]:
    """Of each prompt and completion the ids, and the end-of-sequence token's; prompts are not learnt.

    Prompt and completion are tokenised apart: no token straddles their border, so the model is asked at training
    exactly what it is asked when it generates. A token that opens texts (BOS) comes first if the tokenizer adds one;
    with `chat`, the prompt is a user's turn.

    Raises:
        DataError: the tokenizer has no end, or no chat template, or that refuses a prompt.
    """
    end = tokenizer.eos_token_id
    if not isinstance(end, int):
        raise DataError(
            f"tokenizer {tokenizer.name_or_path}: no end-of-sequence token. Set eos_token before training."
        )
    encoded = []
    for at in range(0, len(texts), TOGETHER):
        some = texts[at : at + TOGETHER]
        read = prompt_ids([prompt for prompt, _ in some], tokenizer, chat=chat)
        learnt = tokenizer([completion for _, completion in some], add_special_tokens=False)["input_ids"]
        # The end is learnt too, and is marked here, before padding: where pad and end are the same token, masking the
        # padding afterwards would mask the end with it.
        encoded += [
            Encoded(array("i", [*prompt, *completion, end]), len(prompt))
            for prompt, completion in zip(read, learnt, strict=True)
        ]
    return encoded


def prompt_ids(prompts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, chat: bool = False) -> list[list[int]]:
    """Ids of the texts that the model continues: with the tokenizer's opening token, without a closing one.

    Args:
        prompts: the texts.
        tokenizer: of the model.
        chat: each text is a user's turn in the tokenizer's chat template, and the reply follows.

    Raises:
        DataError: `chat`, and there is no template, or it refuses a text.
    """
    if not prompts:
        return []
    if chat:
        if not tokenizer.chat_template:
            raise DataError(
                f"tokenizer {tokenizer.name_or_path}: no chat template. Leave --chat out, or start from a chat model."
            )
        turns = [[{"role": "user", "content": prompt}] for prompt in prompts]
        try:
            encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
        except TemplateError as error:
            raise DataError(
                f"tokenizer {tokenizer.name_or_path}: its chat template refuses a prompt ({error}). Leave --chat out."
            ) from error
        return cast(Mapping[str, list[list[int]]], encoded)["input_ids"]
    every = cast(list[list[int]], tokenizer(list(prompts))["input_ids"])
    for prompt, ids in zip(prompts, every, strict=True):
        if ids and ids[-1] == tokenizer.eos_token_id and not prompt.endswith(str(tokenizer.eos_token)):
            ids.pop()
    return every


def encode_examples(
    examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase, *, max_length: int, chat: bool = False
) -> EncodedExamples:
    """Token ids of every example of at most `max_length` tokens; a longer one is left out and counted, never cut."""
    encoded = encode([(example.prompt, example.completion) for example in examples], tokenizer, chat=chat)
    fitting = [item for item in encoded if len(item.ids) <= max_length]
    return EncodedExamples(fitting, len(encoded) - len(fitting))


def with_cut_prompt(encoded: Encoded, *, max_length: int, bos_id: int | None) -> Encoded | None:
    """The example without the first tokens of its prompt, so that it fits; None if no token of the prompt would stay.

    The completion is never cut, and a token that opens texts (BOS) stays.
    """
    excess = len(encoded.ids) - max_length
    if excess <= 0:
        return encoded
    n_opening = int(encoded.ids[0] == bos_id)
    if n_opening + excess >= encoded.n_read:
        return None
    return Encoded(encoded.ids[:n_opening] + encoded.ids[n_opening + excess :], encoded.n_read - excess)


class Context(NamedTuple):
    """How long texts may be, in tokens."""

    length: int
    at_percentile: int  # so many tokens at most have the wanted share of the texts


def context_for(lengths: Sequence[int], *, percentile: float) -> Context:
    """The shortest power of two, in tokens, that holds so many per cent of the texts.

    Appendix G of "Beyond Accuracy Optimization: Computer Vision Losses for Large Language Model Fine-Tuning" chooses
    "according to 75% percentiles" 128 and 256; so the percentile is rounded up, which also leaves less out.
    """
    at_percentile = sorted(lengths)[max(0, math.ceil(percentile / 100 * len(lengths)) - 1)]
    return Context(1 << (at_percentile - 1).bit_length(), at_percentile)


def batch_schedule(lengths: Sequence[int], *, batch_size: int, epochs: int, seed: int) -> list[list[int]]:
    """Every batch of a training run as indices of its examples: each example once per epoch.

    Within a window of 32 batches of the shuffled order, examples of similar length share a batch, which saves most of
    the padding; the batches are then shuffled again. Known from the start, so resuming at batch n is skipping n.
    """
    rng = random.Random(seed)
    schedule: list[list[int]] = []
    window = 32 * batch_size
    for _ in range(epochs):
        order = list(range(len(lengths)))
        rng.shuffle(order)
        alike = [
            i for at in range(0, len(order), window) for i in sorted(order[at : at + window], key=lengths.__getitem__)
        ]
        batches = [alike[at : at + batch_size] for at in range(0, len(alike), batch_size)]
        rng.shuffle(batches)
        schedule += batches
    return schedule


def pad(batch: Sequence[Encoded], *, pad_id: int) -> dict[str, Tensor]:
    """Right-padded `input_ids`, `attention_mask` and `labels`, each (batch, longest), int64; padding is not learnt."""
    longest = max(len(item.ids) for item in batch)
    gaps = [longest - len(item.ids) for item in batch]
    return {
        "input_ids": torch.tensor([item.input_ids + [pad_id] * gap for item, gap in zip(batch, gaps, strict=True)]),
        "attention_mask": torch.tensor([[1] * (longest - gap) + [0] * gap for gap in gaps]),
        "labels": torch.tensor([item.labels + [IGNORED] * gap for item, gap in zip(batch, gaps, strict=True)]),
    }
