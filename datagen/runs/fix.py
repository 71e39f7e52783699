"""`datagen validate --fix`: a copy of a data set with the repairs that lose nothing, or nothing at all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson
import pyarrow.parquet as pq
from pydantic import BaseModel

from datagen import __version__
from datagen.progress import Report, Step, silent
from datagen.readers.json_files import BOM
from datagen.readers.locate import SUFFIXES
from datagen.readers.row import Row
from datagen.store.arrow_dataset import ROWS_PER_BATCH, DatasetWriter, stored_schema, to_batch
from datagen.store.card import dataset_card
from datagen.store.data_sets import DataSet, data_sets
from datagen.store.fixes import fix_row
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen.store.told import Told
from datagen.store.validate import Checked, Violation, any_item, told_of, violations_of
from datagen.store.violations import faults
from datagen_schemas.errors import DataError, StoreError
from datagen_schemas.record import Record

T = TypeVar("T")
LINES = (".jsonl", ".ndjson")


class Repair(NamedTuple):
    """One value, or a file, that was repaired."""

    row: int | None  # from 0; None for the file as a whole
    where: str
    column: str
    what: str


class Kind(NamedTuple):
    """Repairs of one kind."""

    column: str
    what: str
    n: int
    first: str


@dataclass
class FixedData:
    """What was repaired; or what is left to be decided, in which case nothing was written."""

    path: Path
    told: Told
    rows: int = 0
    n_fixes: int = 0
    fixes: list[Repair] = field(default_factory=list)
    left: Checked | None = None
    _kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)

    def add(self, found: Repair, *, max_listed: int | None) -> None:
        """Count one."""
        self.n_fixes += 1
        key = (any_item(found.column), found.what)
        kind = self._kinds.get(key) or Kind(*key, 0, found.where)
        self._kinds[key] = kind._replace(n=kind.n + 1)
        if max_listed is None or len(self.fixes) < max_listed:
            self.fixes.append(found)

    def kinds(self) -> list[Kind]:
        """Repairs by column, the most frequent first."""
        return sorted(self._kinds.values(), key=lambda kind: (-kind.n, kind.column, kind.what))

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """Everything, for machines."""
        return {
            "path": str(self.path),
            "record": self.told.name,
            "rows": self.rows,
            "written": self.left is None,
            "fixes": self.n_fixes,
            "by_column": [kind._asdict() for kind in self.kinds()],
            "list": [of._asdict() for of in self.fixes],
            "left": None if self.left is None else self.left.as_json(),
        }


def fix(
    path: Path,
    *,
    out: Path,
    record: str | None = None,
    overwrite: bool = False,
    command: str = "",
    max_listed: int | None = None,
    report: Report = silent,
) -> FixedData:
    """Write a repaired copy of a data set; if a violation is left that has no one repair, write nothing.

    Args:
        path: a file, a folder of one data set, or a run with one.
        out: a .jsonl or .parquet file, or a directory, which becomes a run with OUT/data and OUT/fixes.jsonl.
        record: what the rows must be; told from the columns if None.
        overwrite: whether to replace what is in `out`.
        command: the command line, for the manifest.
        max_listed: repairs and violations to list; all are counted. None lists all.
        report: told how far it is.

    Raises:
        DataError: there is no such data set, or its rows are no record.
        StoreError: `out` is in the way.
    """
    found = data_sets(path)
    if len(found) != 1:
        names = ", ".join(str(of.path) for of in found) or "none"
        raise DataError(f"{path}: {len(found)} data sets ({names}), and --fix repairs one. Name it.")
    (data_set,) = found
    meant = told_of(data_set, record=record)
    model = meant.model
    if model is None:
        raise DataError(f"{path}: rows of no record, so nothing says how to repair them. Name one with --record.")
    _refuse(out, path, data_set, model, overwrite=overwrite)
    done = FixedData(data_set.path, meant)
    left = Checked(data_set.path, meant)
    for repair in _of_file(data_set, model):
        done.add(repair, max_listed=max_listed)
    for i, row in enumerate(data_set.rows()):
        done.rows += 1
        if isinstance(row, Row):
            fixed = fix_row(row.values, model, is_csv=data_set.is_csv)
            for fault in faults(fixed.values, model):
                left.add(Violation(row.row_index, row.where, *fault), max_listed=max_listed)
            for of in fixed.fixes:
                done.add(Repair(row.row_index, row.where, *of), max_listed=max_listed)
        else:
            for violation in violations_of(row, i, data_set, model):
                left.add(violation, max_listed=max_listed)
        if done.rows % 1000 == 0:
            report(Step("repair", done.rows, None))
    report(Step("repair", done.rows, done.rows))
    if left.violations:
        left.rows = done.rows
        done.left = left
        return done
    _write(done, data_set, model, out, overwrite=overwrite, command=command)
    return done


def _refuse(out: Path, path: Path, data_set: DataSet, model: type[BaseModel], *, overwrite: bool) -> None:
    suffix = out.suffix.lower()
    if out.resolve() in (path.resolve(), *(file.resolve() for file in data_set.files)):
        raise StoreError(f"{out}: this is the data set itself. Name another --out.")
    if suffix in SUFFIXES - {*LINES, ".parquet"}:
        raise StoreError(f"{out}: --fix writes .jsonl, .parquet, or a folder. Choose one of these.")
    if suffix != "" and suffix in SUFFIXES and out.exists() and not overwrite:
        raise StoreError(f"{out} exists. Choose another --out, or replace it with --overwrite.")
    if suffix not in LINES and not issubclass(model, Record):
        raise DataError(f"{path}: rows of this shape can be written as JSON lines only. Name a .jsonl file as --out.")


def _of_file(data_set: DataSet, model: type[BaseModel]) -> Iterator[Repair]:
    """What a copy repairs in the files themselves."""
    name = str(data_set.path)
    columns = [column for column in data_set.columns() if column in model.model_fields]
    if columns != [column for column in model.model_fields if column in columns]:
        yield Repair(None, name, "", "columns in the record's order")
    if data_set.is_table:
        return
    for file in data_set.files:
        with file.open("rb") as lines:
            n_windows = n_blank = 0
            for i, line in enumerate(lines):
                if i == 0 and line.startswith(BOM):
                    yield Repair(None, str(file), "", "byte order mark left out")
                n_windows += line.endswith(b"\r\n")
                n_blank += not line.strip()
        if n_windows:
            yield Repair(None, str(file), "", f"{n_windows:,} Windows line ends")
        if n_blank and not data_set.is_csv:
            yield Repair(None, str(file), "", f"{n_blank:,} blank lines left out")


def _rows(data_set: DataSet, model: type[BaseModel]) -> Iterator[dict[str, Any]]:  # Any: a row
    return (
        fix_row(row.values, model, is_csv=data_set.is_csv).values for row in data_set.rows() if isinstance(row, Row)
    )


def _records(data_set: DataSet, record: type[Record]) -> Iterator[Record]:
    return (record.model_validate_json(orjson.dumps(values), strict=True) for values in _rows(data_set, record))


def _write(
    done: FixedData, data_set: DataSet, model: type[BaseModel], out: Path, *, overwrite: bool, command: str
) -> None:
    if out.suffix.lower() in LINES:

        def write_lines(partial: Path) -> None:
            with partial.open("wb") as file:
                for values in _rows(data_set, model):
                    file.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))

        _whole(out, write_lines)
        return
    assert issubclass(model, Record)
    record = model
    if out.suffix.lower() == ".parquet":

        def write_parquet(partial: Path) -> None:
            with pq.ParquetWriter(partial, stored_schema(record)) as file:
                for part in _parts(_records(data_set, record)):
                    file.write_batch(to_batch(part, record))

        _whole(out, write_parquet)
        return
    config = {
        "stage": "validate --fix",
        "datagen": __version__,
        "record": done.told.name,
        "inputs": [{"name": data_set.path.name, **fingerprint(data_set.path)}],
    }
    run = RunDirectory(out, config, overwrite=overwrite)
    if run.manifest() is not None:
        return
    run.clear("data")
    with DatasetWriter(run.data, record) as rows:
        rows.write_records(_records(data_set, record), record)

    def write_fixes(partial: Path) -> None:
        with partial.open("wb") as file:
            for fixed in _all_fixes(data_set, record):
                file.write(orjson.dumps(fixed._asdict(), option=orjson.OPT_APPEND_NEWLINE))

    _whole(run.path / "fixes.jsonl", write_fixes)
    kinds = {f"{kind.column or 'file'}: {kind.what}": kind.n for kind in done.kinds()}
    card = dataset_card(
        title=f"{data_set.path.name}, repaired",
        command=command,
        folders={"data": f"rows of {done.told.name}"},
        facts={"rows": rows.rows, "repairs, listed in fixes.jsonl": done.n_fixes, **kinds},
    )
    run.finish(
        command=command, card=card, facts={"counts": {"rows": rows.rows, "fixes": done.n_fixes, "by_kind": kinds}}
    )


def _all_fixes(data_set: DataSet, model: type[BaseModel]) -> Iterator[Repair]:
    yield from _of_file(data_set, model)
    for row in data_set.rows():
        if isinstance(row, Row):
            for of in fix_row(row.values, model, is_csv=data_set.is_csv).fixes:
                yield Repair(row.row_index, row.where, *of)


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    """A file that appears whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}. Choose another --out.") from error
    finally:
        partial.unlink(missing_ok=True)


def _parts(items: Iterator[T]) -> Iterator[list[T]]:
    while part := list(islice(items, ROWS_PER_BATCH)):
        yield part
