"""Splits by problem: all that belongs to one problem is in one part.

A row belongs to a problem by its problem id, and to all rows of the same question or original question, whatever their
ids: MetaMathQA's rewrites of a GSM8K question belong to that question. Ids of augmented questions are known by their
ending (`gsm8k-7-.../fobar-2` belongs to `gsm8k-7-...`). What belongs together directly or through other rows is a
*family*, and families are what is split.

Every family draws a lot from the seed and its name. Within each stratum (families with rows of the same data sets, for
one) they stand in the order of their lots at equal distances between 0 and 1, the first at a place that the stratum
draws; all are merged by these places, and the line is cut. So sizes are exact over all families, each stratum is cut
to within a family or two, and the order of rows decides nothing.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from datagen.mix.foreign_rows import QUESTION, question_id
from datagen.mix.mixture import apportioned
from datagen.mix.subsets import subset_ids
from datagen_schemas.errors import DataError

REST = "rest"
_AUGMENTED = re.compile(r"/(?:ansaug|rephrase|sv|fobar)(?:-\d+)?\Z")


class Part(NamedTuple):
    """A part and its size: a share of the families, a number of them, or None for the rest."""

    name: str
    size: Fraction | int | None


DEFAULT_PARTS = (
    Part("train", Fraction(9, 10)),
    Part("validation", Fraction(1, 20)),
    Part("test", Fraction(1, 20)),
)


def root_id(problem_id: str) -> str:
    """The id of the problem that an augmented question was made from; others' ids are their own."""
    return _AUGMENTED.sub("", problem_id)


class Families:
    """Which rows belong together: each row names what it belongs to, and what is named together is one family."""

    def __init__(self) -> None:
        """No rows yet."""
        self._parent: dict[str, str] = {}

    def add(self, names: Sequence[str]) -> None:
        """A row that belongs to all of these."""
        roots = {self.family(name) for name in names}
        first = min(roots)  # the smallest name stands for the family, whatever came first
        for root in roots:
            self._parent[root] = first

    def family(self, name: str) -> str:
        """The name that stands for the family of a name."""
        root = name
        while (parent := self._parent.setdefault(root, root)) != root:
            root = parent
        while (parent := self._parent[name]) != root:  # so that the way is short next time
            self._parent[name] = root
            name = parent
        return root


def names_of(problem_id: str | None, questions: Iterable[str]) -> list[str]:
    """What a row belongs to: its problem, and its questions, in any case and spacing.

    Questions come after ids in the alphabet, so that a family is called by an id where it has one.
    """
    names = [] if problem_id is None else [root_id(problem_id)]
    names += [question_id(question) for question in questions]
    return [f"~{name}" if name.startswith(QUESTION) else name for name in dict.fromkeys(names)]


def sizes_of(parts: Sequence[Part], n: int) -> dict[str, int]:
    """How many of n families each part gets; shares are met by largest remainders, and the rest takes the rest.

    Raises:
        DataError: the parts need more families than there are, shares of more than 1, or leave some over.
    """
    numbers = {part.name: part.size for part in parts if isinstance(part.size, int)}
    shares = {part.name: part.size for part in parts if isinstance(part.size, Fraction)}
    rest = [part.name for part in parts if part.size is None]
    share = sum(shares.values(), Fraction(0))
    if share > 1:
        raise DataError(f"--part: shares of {float(share):g} in all, and 1 is all. Lower them.")
    left = n - sum(numbers.values())
    if left < 0:
        raise DataError(f"--part: {n - left:,} problems are asked for, and there are {n:,}. Ask for fewer.")
    if not rest and not (share == 1 and not numbers) and not (not shares and left == 0):
        raise DataError("--part: the parts leave problems over. Let one of them take the rest: train=rest")
    counts = apportioned(n, {**shares, "": 1 - share}) if shares else {"": n}
    if (over := counts.pop("", 0) - sum(numbers.values())) < 0:
        raise DataError(f"--part: {n:,} problems are too few for these parts. Ask for less.")
    found = {**counts, **numbers, **dict.fromkeys(rest, over)}
    if empty := next((part.name for part in parts if not found[part.name]), None):
        raise DataError(f"--part {empty}: not one of {n:,} problems would be in it. Raise it, or leave it out.")
    return {part.name: found[part.name] for part in parts}


def split_families(stratum_of: Mapping[str, str], parts: Sequence[Part], *, seed: int) -> dict[str, str]:
    """Family -> its part.

    Args:
        stratum_of: family -> the stratum that it is in.
        parts: names and sizes.
        seed: another seed draws another split.

    Raises:
        DataError: the sizes do not fit.
    """
    sizes = sizes_of(parts, len(stratum_of))
    order = iter(_interleaved(stratum_of, seed=seed))
    # Smaller parts first: the last one takes what is left of every stratum.
    by_size = sorted(parts, key=lambda part: (sizes[part.name], part.name))
    return {next(order): part.name for part in by_size for _ in range(sizes[part.name])}


def _interleaved(stratum_of: Mapping[str, str], *, seed: int) -> list[str]:
    by_stratum: dict[str, list[str]] = {}
    for family in sorted(stratum_of, key=lambda family: (_lot(family, seed=seed), family)):
        by_stratum.setdefault(stratum_of[family], []).append(family)
    placed: list[tuple[Fraction, str]] = []
    for stratum, families in by_stratum.items():
        # Else a stratum of one family would stand in the middle of the line, which is always the same part.
        first = Fraction(int.from_bytes(_lot(f"stratum\x1f{stratum}", seed=seed)[:8], "big"), 1 << 64)
        placed += [((i + first) / len(families), family) for i, family in enumerate(families)]
    return [family for _, family in sorted(placed)]


def nested_families(
    stratum_of: Mapping[str, str], fractions: Iterable[float], *, seed: int
) -> dict[float, frozenset[str]]:
    """For each fraction its families: of every stratum the share, rounded down but never to none, by their lots.

    Smaller ones lie inside larger ones. Within one stratum it is the draw of `datagen examples --fraction`.
    """
    by_stratum: dict[str, list[str]] = {}
    for family, stratum in stratum_of.items():
        by_stratum.setdefault(stratum, []).append(family)
    return {
        fraction: frozenset[str]().union(
            *(subset_ids(families, fraction=fraction, seed=seed) for families in by_stratum.values())
        )
        for fraction in fractions
    }


def _lot(family: str, *, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\x1fsplit\x1f{family}".encode()).digest()
