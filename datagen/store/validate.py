"""Checks data sets against their records, every row and column, and runs against their manifests."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from datagen.progress import Report, Step, silent
from datagen.readers.dropped import Dropped
from datagen.readers.read import DatasetSpec, read_problems
from datagen.readers.row import Row
from datagen.readers.shape import REPEATING
from datagen.store.data_sets import DataSet, data_sets, runs_in
from datagen.store.run_checks import Finding, check_run
from datagen.store.told import Told, told
from datagen.store.violations import Fault, faults
from datagen_schemas.errors import DataError

_ITEM = re.compile(r"\[\d+\]")
_ROW = re.compile(r" row (\d+)\Z")
_REPEATED = frozenset(("duplicate question", "conflicting answer"))


class Violation(NamedTuple):
    """Something wrong with a row."""

    row: int | None  # from 0; None where only the line is known
    where: str  # 'train.jsonl:812', lines from 1; or 'runs/rft/data row 811', rows from 0
    column: str  # 'provenance.model', 'responses[2]'; empty for the row as a whole
    message: str
    value: str  # as found, shortened
    fixable: bool


class Kind(NamedTuple):
    """Violations of one kind."""

    column: str  # 'responses[]' for any item of the list
    message: str
    n: int
    fixable: int
    first: str  # where the first is


@dataclass
class Checked:
    """A data set and what is wrong with its rows."""

    path: Path
    told: Told
    rows: int = 0
    bad_rows: int = 0
    violations: int = 0
    fixable: int = 0
    listed: list[Violation] = field(default_factory=list)
    _kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)

    def add(self, found: Violation, *, max_listed: int | None) -> None:
        """Count one."""
        self.violations += 1
        self.fixable += found.fixable
        key = (any_item(found.column), found.message)
        kind = self._kinds.get(key) or Kind(*key, 0, 0, found.where)
        self._kinds[key] = kind._replace(n=kind.n + 1, fixable=kind.fixable + found.fixable)
        if max_listed is None or len(self.listed) < max_listed:
            self.listed.append(found)

    def kinds(self) -> list[Kind]:
        """Violations by column and message, the most frequent first."""
        return sorted(self._kinds.values(), key=lambda kind: (-kind.n, kind.column, kind.message))

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Everything, for machines."""
        return {
            "path": str(self.path),
            "record": self.told.name,
            "is_guess": self.told.is_guess,
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "violations": self.violations,
            "fixable": self.fixable,
            "by_column": [kind._asdict() for kind in self.kinds()],
            "list": [of._asdict() for of in self.listed],
        }


class Validation(NamedTuple):
    """Of all that was named."""

    data_sets: list[Checked]
    findings: list[Finding]  # what is wrong with files and folders as a whole

    @property
    def is_valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not any(of.violations for of in self.data_sets)

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Everything, for machines."""
        return {
            "valid": self.is_valid,
            "datasets": [of.as_json() for of in self.data_sets],
            "findings": [of._asdict() for of in self.findings],
        }


class Valid(NamedTuple):
    """A data set whose rows are all what they should be."""

    folder: Path
    record: str | None  # None: rows of no record, kept as they were
    rows: int


class Unreadable(DataError):
    """A file is broken as a whole; the other data sets can still be checked."""


def any_item(column: str) -> str:
    """'responses[]' for 'responses[2]': in a count of kinds, every item of every row would be its own."""
    return _ITEM.sub("[]", column)


def check(
    paths: Sequence[Path], *, record: str | None = None, max_listed: int | None = None, report: Report = silent
) -> Validation:
    """Everything that is wrong with files, folders and runs.

    Args:
        paths: files of rows, folders of data sets, run directories, or folders that hold such.
        record: what the rows must be; told from the columns if None.
        max_listed: violations to list for each data set; all are counted. None lists all.
        report: told how far it is.

    Raises:
        DataError: a path holds no data, or all there is are rows of no record that is known.
    """
    checked: list[Checked] = []
    findings: list[Finding] = []
    named = {path: data_sets(path) for path in dict.fromkeys(paths)}
    is_one = sum(map(len, named.values())) == 1
    for path, found_there in named.items():
        counted: list[tuple[DataSet, int]] = []
        for data_set in found_there:
            try:
                found = check_data_set(data_set, record=record, max_listed=max_listed, report=report)
            except DataError as error:
                if is_one and not isinstance(error, Unreadable):
                    raise
                message = str(error)
                for name in (data_set.path, *data_set.files):
                    message = message.removeprefix(f"{name}: ")
                findings.append(Finding(str(data_set.path), message))
                continue
            checked.append(found)
            counted.append((data_set, found.rows))
        for run in runs_in(path):
            findings += check_run(run, [(of, rows) for of, rows in counted if of.run == run])
    return Validation(checked, findings)


def check_data_set(
    data_set: DataSet, *, record: str | None = None, max_listed: int | None = None, report: Report = silent
) -> Checked:
    """Every violation in one data set.

    Raises:
        Unreadable: a file of it is broken as a whole.
        DataError: no telling what its rows are meant to be.
    """
    meant = told_of(data_set, record=record)
    checked = Checked(data_set.path, meant)
    try:
        found = _of_problems(data_set, meant.shape) if meant.shape else {}
        for i, row in enumerate(data_set.rows()):
            checked.rows += 1
            violations = found.pop(i, []) if meant.shape else list(violations_of(row, i, data_set, meant.model))
            checked.bad_rows += bool(violations)
            for violation in violations:
                checked.add(violation, max_listed=max_listed)
            if checked.rows % 1000 == 0:
                report(Step(f"check {data_set.path}", checked.rows, None))
    except DataError as error:
        raise Unreadable(str(error)) from error
    report(Step(f"check {data_set.path}", checked.rows, checked.rows))
    return checked


def told_of(data_set: DataSet, *, record: str | None = None) -> Told:
    """What the rows of a data set are meant to be.

    Raises:
        Unreadable: a file of it is broken as a whole.
        DataError: no telling.
    """
    try:
        columns = data_set.columns()
        first = next((row.values for row in data_set.rows() if isinstance(row, Row)), None)
    except DataError as error:
        raise Unreadable(str(error)) from error
    if first is None and not data_set.is_table:
        # Not one line of it is a row, whatever rows it was meant to have.
        return Told(record, None)
    return told(columns, first, where=str(data_set.path), record=record, is_ours=data_set.run is not None)


def violations_of(row: Row | Dropped, i: int, data_set: DataSet, model: type[BaseModel] | None) -> Iterator[Violation]:
    """What is wrong with one row; nothing is asked of rows that have no model."""
    if isinstance(row, Dropped):
        yield Violation(i, row.where, "", f"{row.reason}: {row.detail}", "", False)
    elif model is not None:
        found: Sequence[Fault] = faults(row.values, model, is_csv=data_set.is_csv)
        yield from (Violation(row.row_index, row.where, *fault) for fault in found)


def _of_problems(data_set: DataSet, shape: str) -> dict[int, list[Violation]]:
    """What --dataset would refuse of a problem set, by row."""
    drops: list[Dropped] = []
    name = str(data_set.files[0] if len(data_set.files) == 1 else data_set.path)
    try:
        for _ in read_problems(DatasetSpec(name, skip_bad=True, format=shape), on_drop=drops.append):
            pass
    except DataError:
        if not drops:
            raise
    places = {row.where: i for i, row in enumerate(data_set.rows())}
    found: dict[int, list[Violation]] = {}
    for drop in drops:
        # Collections that repeat questions are read without the repeats.
        if drop.reason in _REPEATED and shape in REPEATING:
            continue
        i = int(match[1]) - 1 if (match := _ROW.search(drop.where)) else places[drop.where]
        found.setdefault(i, []).append(Violation(i, drop.where, "", f"{drop.reason}: {drop.detail}", "", False))
    return found


def validate(path: Path, *, record: str | None = None) -> list[Valid]:
    """The data sets of a folder or run, all of them valid.

    Raises:
        DataError: the first thing that is wrong.
    """
    found = check([path], record=record, max_listed=1)
    for finding in found.findings:
        raise DataError(f"{finding.path}: {finding.message}.")
    for of in found.data_sets:
        for violation in of.listed:
            at = f"{violation.column}: " if violation.column else ""
            raise DataError(
                f"{violation.where}: {at}{violation.message}. It is one of {of.violations:,} violations; all with: "
                f"datagen validate {path}"
            )
    return [Valid(of.path, of.told.name, of.rows) for of in found.data_sets]
