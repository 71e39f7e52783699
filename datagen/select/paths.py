"""Reasoning path selection: Algorithm 1 of RFT (Yuan et al. 2023, arXiv:2308.01825, appendix).

The paths of one problem are taken in order. A path whose equation list is new is kept. One whose list is already there
replaces the kept path when it is farther from the other kept paths: when its sum of Levenshtein distances to them is
larger than the kept path's sum to the same ones.

The published loop computes both sums anew for every path, 2(m-1) distances where m paths are kept. Here the kept
paths' sums are carried along and every distance is remembered, so a path costs at most m-1 new distances; a text met
before costs none, and a path that cannot win any more (the rest of its sum is bounded by the longer text's length) is
given up early. The selected set is the same one, always: `tests/datagen/select` compares it with the plain loop.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

from datagen.equations.find import find_equations
from datagen.equations.normalise import commutative
from datagen_schemas.problem import Problem

Dedup = Literal["equations", "commutative", "exact", "none"]


class Path(NamedTuple):
    """A correct reasoning path: its text, and its normalised equations in reading order."""

    text: str
    equations: tuple[str, ...]


def gold_path(problem: Problem) -> Path | None:
    """The dataset's own path; None if the problem has none."""
    if problem.rationale is None:
        return None
    return Path(problem.rationale, tuple(of.normalised for of in find_equations(problem.rationale)))


class Selected(NamedTuple):
    """A kept path: where it stood among the input, and the key it is kept for."""

    position: int
    key: Hashable


def equation_key(path: Path) -> Hashable:
    """The equation list; a path without equations is told apart by its text, white space and case aside.

    The published code joins the equations into one string, so that all paths without any share the empty string and
    collapse into one.
    """
    return path.equations or _normalised_text(path)


def commutative_key(path: Path) -> Hashable:
    """As `equation_key`, with `2*3=6` and `3*2=6` the same equation."""
    return tuple(commutative(equation) for equation in path.equations) or _normalised_text(path)


def _normalised_text(path: Path) -> str:
    return " ".join(path.text.casefold().split())


KEYS: dict[Dedup, Callable[[Path], Hashable]] = {
    "equations": equation_key,
    "commutative": commutative_key,
    "exact": lambda path: path.text,
}


def select_paths(paths: Sequence[Path], *, dedup: Dedup = "equations") -> list[Selected]:
    """One path per key, each as far as possible from the others; in the order in which the keys appeared.

    Args:
        paths: the correct paths of one problem, in the order in which they were sampled.
        dedup: what makes two paths the same; 'none' keeps them all.
    """
    if dedup == "none":
        return [Selected(i, i) for i in range(len(paths))]
    key_of = KEYS[dedup]
    kept = _FarthestPaths()
    for i, path in enumerate(paths):
        kept.offer(i, path.text, key_of(path))
    return [Selected(i, key) for i, key in zip(kept.indices, kept.position_of, strict=True)]


class _FarthestPaths:
    """The kept paths of one problem, with the sum of distances from each to the others."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.texts: list[str] = []
        self.position_of: dict[Hashable, int] = {}  # key -> position; dicts keep the order of appearance
        self._rows: list[list[int]] = []  # _rows[i][j]: distance between kept paths i and j
        self._sums: list[int] = []  # _sums[i]: sum of _rows[i]
        self._known: dict[str, dict[str, int]] = {}  # distances from texts that were offered and not kept

    def offer(self, index: int, text: str, key: Hashable) -> None:
        """Lines 3 to 14 of Algorithm 1, for one path."""
        position = self.position_of.get(key)
        if position is None:
            row = [self._distance(text, other) for other in self.texts]
            self.position_of[key] = len(self.texts)
            self.indices.append(index)
            self.texts.append(text)
            for i, distance in enumerate(row):
                self._rows[i].append(distance)
                self._sums[i] += distance
            self._rows.append([*row, 0])
            self._sums.append(sum(row))
        elif text != self.texts[position]:
            self._replace_if_farther(position, index, text)

    def _replace_if_farther(self, position: int, index: int, text: str) -> None:
        """Lines 9 to 12: both sums go over the same others, every kept path but the one at `position`."""
        to_beat = self._sums[position]
        n = len(text)
        # No distance exceeds the longer text's length: an upper bound of what the rest of the sum can still add.
        bounds = [max(n, len(other)) for other in self.texts]
        possible = sum(bounds) - bounds[position]
        row: list[int] = []
        for j, other in enumerate(self.texts):
            distance = 0 if j == position else self._distance(text, other)
            row.append(distance)
            possible -= 0 if j == position else bounds[j] - distance
            if possible <= to_beat:
                return
        for j, distance in enumerate(row):
            self._sums[j] += distance - self._rows[j][position]
            self._rows[j][position] = distance
        self._rows[position] = row
        self._sums[position] = sum(row)
        self.indices[position], self.texts[position] = index, text

    def _distance(self, text: str, other: str) -> int:
        known = self._known.setdefault(text, {})
        if other not in known:
            known[other] = Levenshtein.distance(text, other)
        return known[other]
