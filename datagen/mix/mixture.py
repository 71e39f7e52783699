"""How many rows each data set gives to a mixture, and which.

Shares are exact: the largest remainders get the rows that rounding leaves over, ties go by name. Which rows are drawn
is decided by a lot that comes from the seed and the row's content, so neither the order of the data sets nor that of
their rows has a say, and the 1,000 rows under a cap are among the 2,000 under a larger one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from datagen_schemas.errors import DataError


@dataclass(frozen=True)
class Amounts:
    """What is asked of a mixture."""

    caps: Mapping[str, int] = field(default_factory=dict)  # data set -> rows at most
    weights: Mapping[str, float] = field(default_factory=dict)  # data set -> its weight; 1 for the others
    total: int | None = None  # rows in all
    repeat: bool = False  # whether rows may come more than once


def amounts(available: Mapping[str, int], wanted: Amounts) -> dict[str, int]:
    """Rows that each data set gives.

    With weights, the data sets' shares are as these. There are as many rows as `total` says; else as many as there can
    be without a row twice, or, with `repeat`, as few as there can be without a row lost. Without weights, each gives
    all that it has under its cap, or, with a total, a share of it.

    Args:
        available: rows of each data set, duplicates taken out.
        wanted: caps, weights and total.

    Raises:
        DataError: there are fewer rows than asked for.
    """
    have = {name: min(n, wanted.caps.get(name, n)) for name, n in sorted(available.items())}
    if wanted.weights:
        if empty := [name for name, n in have.items() if n == 0]:
            raise DataError(f"{empty[0]}: no rows are left, so it cannot have a weight. Leave it out.")
        # The decimals that were written, not the floats next to them: 0.7 and 0.3 are 7 to 3.
        weights = {name: Fraction(str(wanted.weights.get(name, 1))) for name in have}
        shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
        limits = [have[name] / share for name, share in shares.items()]
        total = wanted.total or (ceil(max(limits)) if wanted.repeat else int(min(limits)))
    elif wanted.total is None or not any(have.values()):
        return have
    else:
        shares = {name: Fraction(n, sum(have.values())) for name, n in have.items()}
        total = wanted.total
    given = apportioned(total, shares)
    short = [name for name, n in given.items() if n > have[name]]
    if short and not wanted.repeat:
        name = short[0]
        raise DataError(
            f"{name}: {given[name]:,} of its rows are needed for {total:,} in all, and it has {have[name]:,}. Lower "
            "--total or its --weight, or let rows come more than once with --repeat."
        )
    return given


def apportioned(total: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers that add up to the total, each within 1 of its share (largest remainders)."""
    exact = {name: total * share for name, share in sorted(shares.items())}
    whole = {name: int(n) for name, n in exact.items()}
    left_over = total - sum(whole.values())
    by_remainder = sorted(exact, key=lambda name: (whole[name] - exact[name], name))
    for name in by_remainder[:left_over]:
        whole[name] += 1
    return whole


def lot(seed: int, purpose: str, *key: bytes | str | int) -> bytes:
    """A row's lot for one purpose."""
    parts = (part if isinstance(part, bytes) else str(part).encode() for part in key)
    return hashlib.blake2b(b"\x1f".join((str(seed).encode(), purpose.encode(), *parts)), digest_size=16).digest()


def copies(n: int, *, of: int) -> list[int]:
    """How often each of `of` rows, in order of their lots, is taken so that n are; whole rounds first."""
    rounds, rest = divmod(n, of) if of else (0, 0)
    return [rounds + (i < rest) for i in range(of)]
