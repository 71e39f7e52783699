"""Which responses a model is asked to score: three correct and three wrong ones a question (AFT paper, Eq. 3)."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datagen.groups.members import text_key
from datagen.readers.dropped import Dropped
from datagen.readers.locate import locate
from datagen.readers.rows import read_rows
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

PER_KIND = 3
_TEXTS = ("response", "responses", "completion", "reference", "chosen", "rejected")  # columns that hold solutions


def excluded_texts(paths: Iterable[Path]) -> frozenset[str]:
    """The solutions in datasets of any of our kinds, white space aside: candidates, examples, groups, pairs.

    Raises:
        DataError: a path cannot be read or holds no solutions.
    """
    texts: set[str] = set()
    for path in paths:
        before = len(texts)
        # A run of rft has two datasets: what it selected, and what it selected from.
        folders = [folder for folder in (path / "data", path / "candidates") if folder.is_dir()] or [path]
        for folder in folders:
            for row in read_rows(locate(folder, None).files):
                if not isinstance(row, Dropped):
                    texts.update(text_key(text) for text in _solutions(row.values))
        if len(texts) == before:
            raise DataError(f"--exclude {path}: no solution here ({', '.join(_TEXTS)}). Name a candidates dataset.")
    return frozenset(texts)


def _solutions(values: Mapping[str, Any]) -> Iterator[str]:  # Any: what a row holds
    for name in _TEXTS:
        value = values.get(name)
        yield from (value,) if isinstance(value, str) else (v for v in value or () if isinstance(v, str))


def to_score(
    problem: Problem, candidates: Iterable[Candidate], *, prompt: str, excluded: frozenset[str] = frozenset()
) -> AlignmentGroup:
    """The first three correct and the first three wrong responses of different texts, none of them excluded.

    A response without an answer is no negative: Eq. 3 compares solutions that lead to a right or to a wrong answer.
    """
    kept: dict[str, list[str]] = {"correct": [], "wrong": []}
    seen = set(excluded)
    for candidate in candidates:
        key = text_key(candidate.response)
        of_kind = kept.get(candidate.verdict)
        if of_kind is None or candidate.answer is None or not key or key in seen or len(of_kind) == PER_KIND:
            continue
        seen.add(key)
        of_kind.append(candidate.response)
    n, m = len(kept["correct"]), len(kept["wrong"])
    return AlignmentGroup(
        prompt=prompt,
        responses=(*kept["correct"], *kept["wrong"]),
        scores=(1.0,) * n + (0.0,) * m,
        problem_id=problem.id,
        sources=("sampled",) * (n + m),
    )
