"""Which candidates a person is asked to rate.

The paper checks 20 random samples by hand. A judge that gives most candidates a 10 would then be checked on 10s, where
there is nothing to agree about. By default the sample is therefore spread: equally many of each whole score, as far as
there are any. Correlations of a spread sample are higher than those of a random one; reports name the draw.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from datagen.rank.agreement import whole
from datagen.seeding import rng_for
from datagen_schemas.problem import Problem
from datagen_schemas.rating import RankedCandidate, RankedGroup

Draw = Literal["spread", "random"]


class ItemKey(NamedTuple):
    """What a rating belongs to: not only a place in the dataset, but the text that was read there."""

    problem_id: str
    sample: int
    response_sha256: str


class Item(NamedTuple):
    """One candidate to rate."""

    problem: Problem
    candidate: RankedCandidate

    @property
    def key(self) -> ItemKey:
        """What its rating is saved under."""
        return key_of(self.problem, self.candidate)


def key_of(problem: Problem, candidate: RankedCandidate) -> ItemKey:
    """The key of a ranked candidate."""
    digest = hashlib.sha256(candidate.response.encode()).hexdigest()
    return ItemKey(problem.id, candidate.sample, digest)


def items_of(group: RankedGroup) -> Iterator[Item]:
    """A group's ranked candidates; equal texts once, as they were judged once."""
    first = {candidate.response: candidate for candidate in reversed(group.candidates)}
    for candidate in first.values():
        yield Item(group.problem, candidate)


def draw_items(items: Iterable[Item], *, n: int, seed: int, draw: Draw = "spread") -> list[Item]:
    """At most `n` items in random order; those of a smaller n are among them. Memory grows with n alone."""
    best: dict[int, list[tuple[float, int, Item]]] = {}  # whole score -> heap of the n lowest draws, negated
    for i, item in enumerate(items):
        place = rng_for(seed, "review", *map(str, item.key)).random()
        heap = best.setdefault(whole(item.candidate.score) if draw == "spread" else 0, [])
        entry = (-place, i, item)
        if len(heap) < n:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)
    # In turns: the first of every score, then the second of every score, until there are n.
    turns = [
        (turn, score, item)
        for score, heap in best.items()
        for turn, (_, _, item) in enumerate(sorted(heap, key=lambda entry: -entry[0]))
    ]
    turns.sort(key=lambda entry: entry[:2])
    drawn = [item for _, _, item in turns[:n]]
    return sorted(drawn, key=lambda item: rng_for(seed, "review order", *map(str, item.key)).random())
