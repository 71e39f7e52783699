"""Which rows go through the head together in `fused`: chunks in which as many sequences as possible are whole.

A region loss is known when all rows of its sequence have been through the head. With a trained head their logits are
then needed again, unless they are still there: so a sequence that fits is kept in one chunk, and of a longer one the
remainder goes first and the last chunk is full.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from datagen_trainers.losses.segmentation import LOSSES, TOKEN_LOSSES


class Part(NamedTuple):
    """Rows of one sequence in a chunk."""

    sequence: int
    rows: slice  # of the chunk
    place: slice  # among the rows of the sequence
    is_last: bool


class Chunk(NamedTuple):
    """Rows that go through the head together: first those of region losses, by sequence, then all others."""

    rows: Tensor  # (n,) int64, into the batch
    parts: tuple[Part, ...] = ()
    n_region: int = 0  # rows of the parts
    own: int | None = None  # the sequence whose rows these are, if it has a user's own loss

    @property
    def is_complete(self) -> bool:
        """Whether no sequence goes on in the next chunk."""
        return all(part.is_last for part in self.parts)


class Order(NamedTuple):
    """Rows sorted by sequence."""

    rows: Tensor  # (N,) int64, rows of instructions first
    starts: tuple[int, ...]  # (S + 1,) where each sequence begins in `rows`, and the end

    def of(self, s: int) -> Tensor:
        """Rows of sequence s, in the order of the batch."""
        return self.rows[self.starts[s] : self.starts[s + 1]]


def by_sequence(sequence: Tensor, *, n_sequences: int) -> Order:
    """Sort rows by the sequence, -1 to n_sequences - 1, that they belong to."""
    counts = torch.bincount(sequence + 1, minlength=n_sequences + 1)
    return Order(sequence.argsort(stable=True), tuple(counts.cumsum(0).tolist()))


def row_chunks(order: Order, *, losses: Sequence[str], chunk_rows: int) -> list[Chunk]:
    """Chunks of at most `chunk_rows` rows, or of all rows of one sequence with a user's own loss.

    A sequence with a region loss that is longer than a chunk has chunks of its own, which follow each other.
    """
    planned: list[list[Part]] = []
    filled = chunk_rows
    for s, loss in enumerate(losses):
        n = order.starts[s + 1] - order.starts[s]
        if loss in TOKEN_LOSSES or loss not in LOSSES:
            continue
        place = 0
        while place < n:
            size = n if n <= chunk_rows else (n - place) % chunk_rows or chunk_rows
            if filled + size > chunk_rows or n > chunk_rows:
                planned.append([])
                filled = 0
            rows, place_end = slice(filled, filled + size), place + size
            planned[-1].append(Part(s, rows, slice(place, place_end), place_end == n))
            filled, place = filled + size, place_end
    free = [order.rows[: order.starts[0]], *(order.of(s) for s, loss in enumerate(losses) if loss in TOKEN_LOSSES)]
    own = [Chunk(order.of(s), own=s) for s, loss in enumerate(losses) if loss not in LOSSES]
    return [*_with_others(planned, torch.cat(free), order, chunk_rows), *(chunk for chunk in own if len(chunk.rows))]


def _with_others(planned: list[list[Part]], others: Tensor, order: Order, chunk_rows: int) -> list[Chunk]:
    """Chunks of the planned parts, filled up with other rows, and chunks of the rest of those."""
    chunks, used = [], 0
    for parts in planned:
        n_region = parts[-1].rows.stop
        # In a chunk that goes through the head twice, other rows would do so for nothing.
        room = chunk_rows - n_region if parts[-1].is_last else 0
        rows = [order.of(part.sequence)[part.place] for part in parts]
        chunks.append(Chunk(torch.cat([*rows, others[used : used + room]]), tuple(parts), n_region))
        used += room
    return chunks + [Chunk(rows) for rows in others[used:].split(chunk_rows) if len(rows)]
