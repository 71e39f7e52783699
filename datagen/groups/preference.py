"""Alignment group -> pairs of a better and a worse response, the columns of preference trainers such as TRL's."""

from itertools import combinations

from datagen.groups.choose import shuffled
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.preference import Preference


def ordered_pairs(group: AlignmentGroup) -> list[tuple[int, int]]:
    """Positions (better, worse) of every two responses with different scores."""
    pairs = combinations(sorted(range(len(group.scores)), key=lambda i: -group.scores[i]), 2)
    return [(i, j) for i, j in pairs if group.scores[i] > group.scores[j]]


def preferences(group: AlignmentGroup, *, max_pairs: int | None, seed: int) -> list[Preference]:
    """The group's pairs, or a seeded choice of `max_pairs` of them."""
    pairs = ordered_pairs(group)
    if max_pairs is not None:
        pairs = sorted(shuffled(pairs, seed, group.problem_id, "pairs")[:max_pairs])
    return [
        Preference(
            prompt=group.prompt,
            chosen=group.responses[better],
            rejected=group.responses[worse],
            problem_id=group.problem_id,
            chosen_score=group.scores[better],
            rejected_score=group.scores[worse],
            chosen_source=group.sources[better],
            rejected_source=group.sources[worse],
        )
        for better, worse in pairs
    ]
