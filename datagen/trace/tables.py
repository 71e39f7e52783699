"""Single rows of data sets of any size: only the batches that hold them are turned into Python objects."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.readers.arrow_files import unreadable
from datagen.readers.locate import locate
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen.store.lineage import run_of
from datagen_schemas.catalog import RECORDS
from datagen_schemas.errors import DataError

Values = dict[str, Any]  # Any: whatever a row holds
KEYS = ("problem_id", "id", "problem", "prompt", "question", "query")
"""Columns by which a row is looked for, the best first; `problem` is a struct and means its id."""


class Numbered(NamedTuple):
    """A row and its place."""

    row: int
    values: Values


class _Piece(NamedTuple):
    """Neighbouring rows that are read together."""

    rows: int
    load: Callable[[list[str] | None], pa.Table]  # given the columns; None: all


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of a data set folder, a run's `data`, or what else a path means to the readers.

    Raises:
        DataError: there is no data.
    """
    for folder in (path, path / "data"):
        if shards := sorted([*folder.glob("data-*.arrow"), *folder.glob("data-*.parquet")]):
            return tuple(shards)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Check the path.")
    if run_of(path) == path and (path / "data").is_dir():
        return locate(path / "data", None).files  # and not what a run has beside its data
    return locate(path, None).files


def record_name(columns: list[str]) -> str | None:
    """The record that has these columns; None if none has."""
    return next((name for name, record in RECORDS.items() if record.model_fields.keys() == set(columns)), None)


def n_rows(files: tuple[Path, ...]) -> int:
    """How many rows there are."""
    if _is_columnar(files):
        return sum(piece.rows for file in files for piece in _pieces(file))
    return sum(1 for _ in read_rows(files))


def row_at(files: tuple[Path, ...], index: int) -> Values | None:
    """The row of an index; None if there are not so many."""
    if not _is_columnar(files):
        found = (row for row in read_rows(files) if isinstance(row, Row) and row.row_index >= index)
        row = next(found, None)
        return None if row is None or row.row_index != index else dict(row.values)
    first = 0
    for file in files:
        for piece in _pieces(file):
            if index < first + piece.rows:
                (values,) = piece.load(None).slice(index - first, 1).to_pylist()
                return dict(values)
            first += piece.rows
    return None


def rows_where(files: tuple[Path, ...], column: str, value: object) -> Iterator[Numbered]:
    """The rows that have a value in a column, in order; `problem` means the id in it."""
    if not _is_columnar(files):
        for row in read_rows(files):
            if isinstance(row, Row) and _value_of(row.values, column) == value:
                yield Numbered(row.row_index, dict(row.values))
        return
    first = 0
    for file in files:
        for piece in _pieces(file):
            for at in _matching(piece, column, value):
                (values,) = piece.load(None).slice(at, 1).to_pylist()
                yield Numbered(first + at, dict(values))
            first += piece.rows


def rows_of_problem(dataset: Path, problem_id: str) -> list[Numbered]:
    """The rows of a data set that are about a problem, in order.

    Raises:
        DataError: there is no such data set.
    """
    files = files_of(dataset)
    first = row_at(files, 0) or {}
    column = next((name for name in ("problem_id", "id", "problem") if name in first), None)
    return [] if column is None else list(rows_where(files, column, problem_id))


def is_about(values: Values, problem_id: str) -> bool:
    """Whether a row is about a problem; a row that is no record of ours says nothing of it."""
    if record_name(list(values)) is None:
        return True
    problem = values.get("problem")
    own = values.get("problem_id") or values.get("id") or (problem.get("id") if isinstance(problem, dict) else None)
    return not isinstance(own, str) or own == problem_id


def key_of(values: Values) -> tuple[str, str] | None:
    """The column by which a row is best looked for, and what it holds there."""
    for column in KEYS:
        if isinstance(value := _value_of(values, column), str):
            return column, value
    return None


def _value_of(values: Any, column: str) -> object:  # Any: a row, whatever it holds
    value = values.get(column)
    return value.get("id") if column == "problem" and isinstance(value, dict) else value


def _matching(piece: _Piece, column: str, value: object) -> list[int]:
    path = "problem.id" if column == "problem" else column
    table = piece.load([path])
    if not table.num_columns:
        return []
    found = table.column(0)
    if pa.types.is_struct(found.type):
        found = pc.struct_field(found, "id")
    if not pa.types.is_string(found.type) and not pa.types.is_large_string(found.type):
        return []
    return [i for i in pc.indices_nonzero(pc.equal(found, pa.scalar(value, found.type))).to_pylist() if i is not None]


def _is_columnar(files: tuple[Path, ...]) -> bool:
    return all(file.suffix in (".arrow", ".parquet") for file in files)


def _pieces(file: Path) -> Iterator[_Piece]:
    """The batches of a file: of memory-mapped Arrow no byte of text is touched, of Parquet none is read.

    Raises:
        DataError: it is torn, or no such file.
    """
    kind = "Parquet" if file.suffix == ".parquet" else "Arrow"
    try:
        if kind == "Arrow":
            yield from (_Piece(batch.num_rows, partial(_of_batch, batch)) for batch in _batches(file))
            return
        with pq.ParquetFile(file) as parquet:
            for i in range(parquet.num_row_groups):
                yield _Piece(parquet.metadata.row_group(i).num_rows, partial(_of_group, parquet, i))
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable(file, kind, error) from error


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    """What `datasets` writes is a stream, what pyarrow calls Feather a file."""
    if not file.stat().st_size:
        return
    with pa.memory_map(str(file)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        if is_file:
            with pa.ipc.open_file(source) as table:
                yield from (table.get_batch(i) for i in range(table.num_record_batches))
        else:
            with pa.ipc.open_stream(source) as stream:
                yield from stream


def _of_batch(batch: pa.RecordBatch, columns: list[str] | None) -> pa.Table:
    if columns is not None:
        names = [column.split(".")[0] for column in columns]
        batch = batch.select([name for name in names if name in batch.schema.names])
    return pa.Table.from_batches([batch])


def _of_group(parquet: pq.ParquetFile, i: int, columns: list[str] | None) -> pa.Table:
    return parquet.read_row_group(i, columns=columns)
