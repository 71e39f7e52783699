"""Seeded choice of the responses that a group keeps; the choice depends on what there is, never on its order."""

from collections.abc import Sequence
from typing import TypeVar

from datagen.groups.members import Member, in_order
from datagen.seeding import rng_for

T = TypeVar("T")


def choose_sides(
    members: Sequence[Member], *, max_positives: int | None, max_negatives: int | None, seed: int, problem_id: str
) -> list[Member]:
    """At most so many verified correct responses and so many wrong ones, whatever a judge says of them.

    The gold path is the first positive to stay. Responses that could not be verified are on neither side.
    """
    positives = [member for member in members if member.verdict == "correct"]
    negatives = [member for member in members if member.verdict == "wrong"]
    unknown = [member for member in members if member.verdict == "unknown"]
    gold = [member for member in positives if member.kind == "gold"]
    others = [member for member in positives if member.kind != "gold"]
    first = [*gold, *shuffled(others, seed, problem_id, "positives")]
    second = shuffled(negatives, seed, problem_id, "negatives")
    return in_order([*first[:max_positives], *second[:max_negatives], *unknown])


def choose_spread(members: Sequence[Member], *, max_responses: int | None, seed: int, problem_id: str) -> list[Member]:
    """At most so many responses: one of the best, one of the worst, and any of the others."""
    if max_responses is None or len(members) <= max_responses:
        return list(members)
    order = shuffled(members, seed, problem_id, "responses")
    best = max(order, key=lambda member: member.score)
    worst = min(order, key=lambda member: member.score)
    between = [member for member in order if member not in (best, worst)]
    return in_order([best, worst, *between[: max_responses - 2]])


def shuffled(items: Sequence[T], seed: int, *key: str) -> list[T]:
    """In an order that the seed and the key decide: its first n are the choice of n, and a larger n only adds."""
    result = list(items)
    rng_for(seed, *key).shuffle(result)
    return result
