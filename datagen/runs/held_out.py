"""The test sets that a data set is compared with, read so that no question of theirs is passed over."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datagen.augment.duplicates import normalised
from datagen.mix.contamination import HeldOutSet
from datagen.mix.questions import problem_id_of, question_of
from datagen.progress import Report, Step, silent
from datagen.readers.dropped import Dropped
from datagen.readers.locate import locate
from datagen.readers.read import DatasetSpec, read_problems
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen.readers.test_sets import TEST
from datagen.store.run_directory import fingerprint
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

_REPEATED = frozenset(("duplicate question", "conflicting answer"))  # the question is there already


def load_test_sets(specs: Sequence[DatasetSpec], *, report: Report = silent) -> tuple[HeldOutSet, ...]:
    """The test sets, each once.

    Raises:
        DataError: one of them cannot be read, or has no question.
    """
    distinct = list({(spec.name, spec.split): spec for spec in specs}.values())
    found: list[HeldOutSet] = []
    for spec, name in zip(distinct, _names(distinct), strict=True):
        found.append(load_test_set(spec)._replace(name=name))
        report(Step("read test sets", len(found), len(distinct)))
    return tuple(found)


def _names(specs: Sequence[DatasetSpec]) -> list[str]:
    """What the report calls them: of a path no more than tells it from the others, for reports are published."""
    whole = [Path(spec.name).parts if Path(spec.name).exists() else (spec.name,) for spec in specs]
    names: list[str] = []
    for spec, parts in zip(specs, whole, strict=True):
        others = [other for other in whole if other is not parts]
        n = next((n for n in range(1, len(parts)) if all(other[-n:] != parts[-n:] for other in others)), len(parts))
        name = Path(*parts[-n:]).as_posix() if len(parts) > 1 else spec.name
        names.append(f"{name} ({spec.split})" if parts in others else name)
    return names


def load_test_set(spec: DatasetSpec) -> HeldOutSet:
    """All questions of a test set, also those of rows that are no use as problems, for want of an answer or an id.

    Raises:
        DataError: it cannot be read, or has no question.
    """
    dropped: list[Dropped] = []
    error: DataError | None = None
    problems: list[Problem] = []
    path = Path(spec.name)
    try:
        problems += read_problems(replace(spec, skip_bad=True), on_drop=dropped.append)
    except DataError as found:
        if not path.exists():
            raise
        error = found
    unread = sum(drop.reason not in _REPEATED for drop in dropped)
    if path.exists() and (unread or error is not None):
        unread = _add_bare_questions(problems, path, spec.split)
    if not problems:
        raise error or DataError(f"test set {spec.name}: no question in it. Check the file, or choose another one.")
    digest = str(fingerprint(path)["sha256"]) if path.exists() else _digest(problems)
    return HeldOutSet(spec.name, spec.split, digest, tuple(problems), unread)


def _add_bare_questions(problems: list[Problem], path: Path, split: str | None) -> int:
    """Add the questions that are not among the problems; returns how many rows have none."""
    known = {normalised(problem.question) for problem in problems}
    located = locate(path, split, default_split=TEST)
    unread = 0
    for i, row in enumerate(read_rows(located.files)):
        question = question_of(row.values) if isinstance(row, Row) else None
        if question is None or not isinstance(row, Row):
            unread += 1
        elif normalised(question) not in known:
            known.add(normalised(question))
            problems.append(
                Problem(
                    id=problem_id_of(row.values) or f"row-{i}",
                    question=question,
                    answer="",
                    rationale=None,
                    choices=None,
                    source=path.name,
                    split=located.split,
                )
            )
    return unread


def _digest(problems: Sequence[Problem]) -> str:
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(f"{problem.question}\x1f{problem.choices}\x1e".encode())
    return digest.hexdigest()
