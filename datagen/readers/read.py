"""Problems of any dataset: by name, Hub id, or path; one stable id each, and no row lost without a word."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from datagen.readers.compressed import kind_of
from datagen.readers.dropped import BadRow, Dropped, bad_row_policy
from datagen.readers.fields import Fields, Values, as_json
from datagen.readers.generic import COLUMNS as GENERIC_COLUMNS
from datagen.readers.hub import KNOWN, hub_dataset, read_hub
from datagen.readers.locate import SUFFIXES, locate, split_name
from datagen.readers.repeats import Repeats
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen.readers.shape import PROBLEM, READERS, REPEATING, shape_of
from datagen.readers.splits import BASE_SPLIT, paper_split
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

__all__ = ["DatasetSpec", "Dropped", "read_problems"]

SYNTHETIC = "synthetic"
N_SYNTHETIC = 1000  # 'synthetic' without a number, as the generator has no end
N_ROWS_TO_RECOGNISE = 16


@dataclass(frozen=True)
class DatasetSpec:
    """Which problems to read."""

    name: str
    """A known dataset, 'synthetic' or 'synthetic:N', a local file or folder, or a Hub id 'org/name[:config]'."""
    split: str | None = None
    """'train' where there are several; 'paper-train', 'paper-validation', 'paper-test' of GSM8K: see `splits`."""
    limit: int | None = None
    """No more than so many problems, the first ones."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our column -> theirs, such as {'question': 'prompt'}; without `format` it means the generic reader."""
    format: str | None = None
    """A key of `shape.READERS`; None recognises it by the columns."""
    skip_bad: bool = False
    """Drop bad rows, each reported, instead of failing at the first."""
    seed: int = 0
    """Of synthetic problems."""
    paper_split_seed: int = 0
    """Which 400 problems are 'paper-validation'. Not `seed`: runs with other seeds must share the split."""


class _Source(NamedTuple):
    """Rows, and what is known of them before the first is read."""

    rows: Iterator[Row | Dropped]
    name: str
    split: str
    shape: str | None


def read_problems(spec: DatasetSpec, *, on_drop: Callable[[Dropped], None] | None = None) -> Iterator[Problem]:
    """Problems of a dataset, as a stream, in its order.

    An id is the row's shape, its index in the file and a hash of question, choices and answer. So it depends on the
    file's content alone: not on its name, its type (JSON lines or Parquet), `limit`, or which rows were skipped.

    A question (with its choices) that comes twice is a bad row. In the collections named in `shape.REPEATING` the
    publishers left such rows in; there the later one is always dropped and reported, as 'duplicate question', or as
    'conflicting answer' if it does not even agree with the first.

    Args:
        spec: which.
        on_drop: told of every row that is left out; without it they are logged.

    Raises:
        DataError: there is no such dataset, or a row is bad and `skip_bad` is off, or no row at all is good.
    """
    if spec.limit is not None and spec.limit < 0:
        raise DataError(f"--limit {spec.limit}: must be 0 or more.")
    base = BASE_SPLIT.get(spec.split or "", spec.split)
    if spec.name.partition(":")[0] == SYNTHETIC and not Path(spec.name).exists():
        problems = _synthetic(spec)
    else:
        problems = _problems(_source(spec, base), spec, base, on_drop)
    if spec.split in BASE_SPLIT:
        problems = iter(paper_split(problems, spec.split, seed=spec.paper_split_seed))
    return islice(problems, spec.limit)


def _synthetic(spec: DatasetSpec) -> Iterator[Problem]:
    from datagen.synthetic.problems import SPLITS, synthetic_problems

    _, _, count = spec.name.partition(":")
    split = split_name(spec.split or "train")
    if count and not count.isdecimal():
        raise DataError(f"--dataset {spec.name}: {count!r} is no number of problems. Write, say, synthetic:500.")
    if split not in SPLITS:
        raise DataError(f"--dataset {spec.name}: no split {split!r}. Choose from {', '.join(SPLITS)}.")
    n = int(count) if count else N_SYNTHETIC if spec.limit is None else spec.limit
    return synthetic_problems(seed=spec.seed, split=split, n=n)


def _source(spec: DatasetSpec, split: str | None) -> _Source:
    if spec.format is not None and spec.format not in READERS:
        raise DataError(f"format {spec.format!r}: no such reader. Choose from {', '.join(READERS)}.")
    shape = spec.format or ("generic" if spec.columns else None)
    if shape == "generic" and (unknown := sorted(spec.columns.keys() - set(GENERIC_COLUMNS))):
        raise DataError(f"column map: {unknown[0]!r} is no column of ours. Choose from {', '.join(GENERIC_COLUMNS)}.")
    known = KNOWN.get(spec.name)
    path = Path(spec.name)
    if known is None and path.exists():
        files, split = locate(path, split)
        return _Source(read_rows(files), path.name, split, shape)
    if dataset := known or (None if kind_of(path) in SUFFIXES else hub_dataset(spec.name)):
        split = split_name(split or "train")
        return _Source(read_hub(dataset, split), spec.name, split, shape or (spec.name if known else None))
    raise DataError(
        f"--dataset {spec.name}: no such file, and no dataset of that name. Check the path, or choose from "
        f"{', '.join(KNOWN)}, {SYNTHETIC}, or a Hub id 'org/name'."
    )


def _problems(
    source: _Source, spec: DatasetSpec, split: str | None, on_drop: Callable[[Dropped], None] | None
) -> Iterator[Problem]:
    report = bad_row_policy(skip_bad=spec.skip_bad, on_drop=on_drop)
    report_repeat = report
    rows, shape = source.rows, source.shape
    if shape is None:
        head = list(islice(rows, N_ROWS_TO_RECOGNISE))
        shapes = [shape_of(row.values) for row in head if isinstance(row, Row)]
        shape = next((found for found in shapes if found != "generic"), "generic")
        rows = chain(head, rows)
    if shape in REPEATING:
        report_repeat = bad_row_policy(skip_bad=True, on_drop=on_drop)
    reasons: Counter[str] = Counter()
    repeats = Repeats()
    splits: set[str] = set()
    n_good = 0
    for row in rows:
        if isinstance(row, Dropped):
            reasons[row.reason] += 1
            report(row)
            continue
        try:
            problem = _problem(row, shape, source, spec.columns)
        except BadRow as bad:
            is_first = not (n_good or reasons or splits)
            is_missing = bad.reason == "missing column" and is_first and not spec.skip_bad
            if is_missing and (remedy := _column_remedy(row.values, shape, spec.columns)):
                raise DataError(f"{row.where}: {bad.reason}: {bad.detail}. {remedy}") from bad
            reasons[bad.reason] += 1
            report(Dropped(row.where, bad.reason, bad.detail))
            continue
        if shape == PROBLEM and split is not None and split_name(problem.split) != split_name(split):
            splits.add(problem.split)
            continue
        if drop := repeats.check(problem, row.where, own_id=shape == PROBLEM):
            reasons[drop.reason] += 1
            report_repeat(drop)
            continue
        n_good += 1
        yield problem
    if n_good:
        return
    if splits:
        raise DataError(f"{spec.name}: no problems of the split {split!r}, only of {', '.join(sorted(splits))}.")
    counts = ", ".join(f"{n} x {reason}" for reason, n in reasons.most_common())
    raise DataError(f"{spec.name}: not one usable row as {shape!r} ({counts or 'no rows'}). Check the columns.")


def _column_remedy(values: Values, shape: str, columns: Mapping[str, str]) -> str | None:
    """What to do about columns of the generic shape that the first row lacks, and so most likely every row."""
    if shape != "generic":
        return None
    if wrong := [f"{ours}={theirs}" for ours, theirs in columns.items() if theirs not in values]:
        return f"Correct --column {wrong[0]}."
    missing = [ours for ours in ("question", "answer") if ours not in values and ours not in columns]
    named = " ".join(f"--column {ours}=THEIRS" for ours in missing)
    return f"Say which column it is with {named}, or rename it." if missing else None


def _problem(row: Row, shape: str, source: _Source, columns: Mapping[str, str]) -> Problem:
    values = row.values
    if shape == PROBLEM:
        try:
            return Problem.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(map(str, first["loc"]))
            reason = "missing column" if first["type"] == "missing" else "bad value"
            raise BadRow(reason, f"{at}: {first['msg']}") from error
    if columns:
        values = _renamed(values, columns)
    fields = READERS[shape](values)
    return Problem(
        id=f"{shape}-{row.row_index}-{_digest(fields)}",
        question=fields.question,
        answer=fields.answer,
        rationale=fields.rationale,
        choices=fields.choices,
        source=source.name,
        split=source.split,
        meta=as_json(fields.meta),
    )


def _renamed(values: Values, columns: Mapping[str, str]) -> Values:
    """The row under our column names; theirs must all be there, but may be null."""
    for theirs in columns.values():
        if theirs not in values:
            raise BadRow("missing column", f"no {theirs!r}, only {', '.join(values) or 'nothing'}")
    taken = set(columns.values())
    others = {name: value for name, value in values.items() if name not in taken and name not in columns}
    return {**others, **{ours: values[theirs] for ours, theirs in columns.items()}}


def _digest(fields: Fields) -> str:
    parts: Iterable[str] = (fields.question, fields.answer, *(fields.choices or ()))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]
