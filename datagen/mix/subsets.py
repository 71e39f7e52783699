"""Subsets for studies of how much data a method needs (10 % and 40 % of it, Table 4 of the segmentation-loss paper).

Every problem draws a lot from the seed and its id, and a subset is the problems with the smallest lots. So the 10 %
lie inside the 40 %, sizes are exact, and the order of the input decides nothing.
"""

import hashlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T")


def nested_subset(rows: Iterable[T], *, problem_id: Callable[[T], str], fraction: float, seed: int) -> list[T]:
    """The rows of a fraction of the problems, in the order of the input.

    Args:
        rows: anything that belongs to a problem; all rows of one problem share its lot.
        problem_id: the problem of a row.
        fraction: of the problems, in (0, 1]; rounded down, but never to none.
        seed: another seed draws other problems; keep it for all runs that are compared.
    """
    kept = list(rows)
    chosen = subset_ids((problem_id(row) for row in kept), fraction=fraction, seed=seed)
    return [row for row in kept if problem_id(row) in chosen]


def subset_ids(ids: Iterable[str], *, fraction: float, seed: int) -> frozenset[str]:
    """The ids with the smallest lots; see `nested_subset`."""
    # The decimal that was written, not the float next to it: 0.7 of 10 is 7.
    exact = Fraction(str(fraction)) if 0 < fraction <= 1 else None
    if exact is None:
        raise ValueError(f"fraction is {fraction}, and must be in (0, 1]")
    by_lot = sorted(frozenset(ids), key=lambda name: (_lot(name, seed=seed), name))
    return frozenset(by_lot[: max(1, int(exact * len(by_lot)))])


def _lot(name: str, *, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\x1fsubset\x1f{name}".encode()).digest()
