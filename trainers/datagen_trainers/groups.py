"""Alignment groups as token ids: one prompt, its responses with their ends, their feedback, and the reference.

The tokens are those of `datagen_trainers.examples`, so that VFT and AFT see the same text in the same way. How the
tokens of a batch become rows of a model's input is `datagen_trainers.layouts`.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_trainers.examples import prompt_ids

Small = Literal["drop", "keep_reference", "keep"]


class TokenisedGroup(NamedTuple):
    """Token ids of one question and of those of its responses that fit; every response closes with its end token."""

    problem_id: str
    prompt: list[int]
    responses: list[list[int]]
    scores: list[float]  # feedback, one number a response
    reference: list[int] | None  # with its end token; None where there is none or it does not fit
    n_too_long: int  # responses left out
    reference_too_long: bool


class TokenisedGroups(NamedTuple):
    """The groups to train on, and what is missing from them, by reason."""

    groups: list[TokenisedGroup]
    n_too_long_responses: int
    n_too_long_references: int
    n_small_groups: int  # with fewer than two responses that fit; left out or kept as the caller said


class GroupBatch(NamedTuple):
    """B questions with up to C completions each: the responses, then the reference where it is none of them.

    Every tensor is on one device, and `GroupBatch(**batch._asdict())` is the batch again, which is how it passes
    through code that moves dicts of tensors. What is padding is said by the lengths alone, never by a token: where
    padding and end are the same token, the end still counts.
    """

    prompts: Tensor  # (B, longest prompt) int64, right-padded with 0
    prompt_lengths: Tensor  # (B,) int64
    completions: Tensor  # (B, C, longest completion) int64, right-padded with 0
    lengths: Tensor  # (B, C) int64, tokens with the end; 0 where the question has no such completion
    feedback: Tensor  # (B, C) float32; 0 where `ranked` is false
    ranked: Tensor  # (B, C) bool: a response, to be compared with others; false for a mere reference and for nothing
    reference: Tensor  # (B,) int64, column of the reference, or -1

    def to(self, device: torch.device | str) -> "GroupBatch":
        """The batch on another device."""
        return GroupBatch(*(tensor.to(device) for tensor in self))


def at_most(group: AlignmentGroup, k: int | None) -> AlignmentGroup:
    """The group with k of its responses at most, evenly spread over their order by score: a best and a worst stay."""
    n = len(group.responses)
    if k is None or n <= k:
        return group
    by_score = sorted(range(n), key=lambda i: -group.scores[i])
    kept = sorted(by_score[(i * (n - 1) + (k - 1) // 2) // (k - 1)] for i in range(k))
    columns = ("responses", "scores", "sources")
    return group.model_copy(update={name: tuple(getattr(group, name)[i] for i in kept) for name in columns})


def tokenised(
    group: AlignmentGroup, tokenizer: PreTrainedTokenizerBase, *, max_length: int, chat: bool = False
) -> TokenisedGroup:
    """Token ids of a group; a completion that exceeds `max_length` with its prompt is left out, not cut.

    With `chat`, the prompt is a user's turn in the tokenizer's chat template.

    Raises:
        DataError: the tokenizer has no end, or the prompt has no token that could predict a response's first one.
    """
    end = tokenizer.eos_token_id
    if not isinstance(end, int):
        raise DataError(
            f"tokenizer {tokenizer.name_or_path}: no end-of-sequence token. Set eos_token before training."
        )
    (prompt,) = prompt_ids([group.prompt], tokenizer, chat=chat)
    if not prompt:
        raise DataError(f"group of problem {group.problem_id}: the prompt has no tokens. Give every group a prompt.")
    if not all(map(isfinite, group.scores)):
        raise DataError(f"group of problem {group.problem_id}: a score is not a number. Score the responses again.")
    texts = [*group.responses, *([group.reference] if group.reference is not None else [])]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    completions = [[*completion, end] for completion in ids]
    fits = [len(prompt) + len(completion) <= max_length for completion in completions]
    n = len(group.responses)
    kept = [i for i in range(n) if fits[i]]
    has_reference = group.reference is not None
    return TokenisedGroup(
        problem_id=group.problem_id,
        prompt=prompt,
        responses=[completions[i] for i in kept],
        scores=[group.scores[i] for i in kept],
        reference=completions[n] if has_reference and fits[n] else None,
        n_too_long=n - len(kept),
        reference_too_long=has_reference and not fits[n],
    )


def tokenised_groups(
    groups: Iterable[AlignmentGroup],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    small: Small = "drop",
    chat: bool = False,
) -> TokenisedGroups:
    """Token ids of every group, with what was left out counted; with `chat`, prompts are turns of a chat.

    A group with fewer than two responses has nothing to compare. "keep_reference" keeps it if it has a reference,
    "keep" for its one response, too; a group without any completion is left out even then.
    """
    every = [tokenised(group, tokenizer, max_length=max_length, chat=chat) for group in groups]
    least = {"drop": 2, "keep_reference": 2, "keep": 1}[small]
    return TokenisedGroups(
        groups=[g for g in every if len(g.responses) >= least or (small != "drop" and g.reference is not None)],
        n_too_long_responses=sum(g.n_too_long for g in every),
        n_too_long_references=sum(g.reference_too_long for g in every),
        n_small_groups=sum(len(g.responses) < 2 for g in every),
    )


def collate(groups: Sequence[TokenisedGroup]) -> GroupBatch:
    """One batch of whole groups, on the CPU. A reference that is among the responses is not computed twice."""
    rows = [_completions(group) for group in groups]
    columns = max(len(completions) for completions, _ in rows)
    longest = max((len(ids) for completions, _ in rows for ids in completions), default=0)
    prompts = torch.zeros(len(groups), max(len(group.prompt) for group in groups), dtype=torch.int64)
    completions = torch.zeros(len(groups), columns, longest, dtype=torch.int64)
    lengths = torch.zeros(len(groups), columns, dtype=torch.int64)
    feedback = torch.zeros(len(groups), columns)
    ranked = torch.zeros(len(groups), columns, dtype=torch.bool)
    for b, (group, (row, _)) in enumerate(zip(groups, rows, strict=True)):
        prompts[b, : len(group.prompt)] = torch.tensor(group.prompt)
        feedback[b, : len(group.scores)] = torch.tensor(group.scores)
        ranked[b, : len(group.responses)] = True
        for c, ids in enumerate(row):
            completions[b, c, : len(ids)] = torch.tensor(ids)
            lengths[b, c] = len(ids)
    return GroupBatch(
        prompts=prompts,
        prompt_lengths=torch.tensor([len(group.prompt) for group in groups]),
        completions=completions,
        lengths=lengths,
        feedback=feedback,
        ranked=ranked,
        reference=torch.tensor([reference for _, reference in rows]),
    )


def _completions(group: TokenisedGroup) -> tuple[list[list[int]], int]:
    """What the model is asked about: the responses and the reference; and which of these is the reference, or -1."""
    if group.reference is None:
        return group.responses, -1
    if group.reference in group.responses:
        return group.responses, group.responses.index(group.reference)
    return [*group.responses, group.reference], len(group.responses)
