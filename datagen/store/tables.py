"""Rows of any columns, ours or not: read from files of any kind as Arrow batches, and written as they are."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Literal, Self, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen.store.arrow_dataset import ROWS_PER_BATCH, DatasetWriter, Format, stored_schema
from datagen_schemas.catalog import RECORDS
from datagen_schemas.errors import DataError
from datagen_schemas.record import Record

TABLES = frozenset({".arrow", ".feather", ".parquet"})
Kind = Literal["arrow", "parquet", "jsonl"]
ONE_TYPE = "Give all its values one type, such as text."
_TYPE_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)


def batches_of_tables(files: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    """Batches of Arrow and Parquet files, in order."""
    for file in files:
        if file.suffix.lower() == ".parquet":
            with pq.ParquetFile(file) as parquet:
                yield from parquet.iter_batches(batch_size=ROWS_PER_BATCH)
            continue
        if not file.stat().st_size:
            continue
        with pa.memory_map(str(file)) as source:
            is_file = source.read(6) == b"ARROW1"
            source.seek(0)
            if is_file:
                with pa.ipc.open_file(source) as table:
                    yield from map(table.get_batch, range(table.num_record_batches))
            else:
                with pa.ipc.open_stream(source) as stream:
                    yield from stream


def batches_of_rows(
    rows: Iterable[Mapping[str, Any]],  # Any: whatever a row holds
    schema: pa.Schema,
    *,
    where: Path,
    remedy: str = ONE_TYPE,
) -> Iterator[pa.RecordBatch]:
    """Rows of a text file as batches; a column that a row lacks is null in it.

    Raises:
        DataError: a value does not fit its column.
    """
    rows = iter(rows)
    while part := list(islice(rows, ROWS_PER_BATCH)):
        try:
            yield pa.RecordBatch.from_pylist([dict(row) for row in part], schema=schema)
        except _TYPE_ERRORS as error:
            raise _no_one_type(where, error, remedy) from error


def schema_of_rows(rows: Iterable[Row], *, where: Path, remedy: str = ONE_TYPE) -> pa.Schema:
    """Columns of a text file: those of one of our records, or the types that all its values have in common.

    Raises:
        DataError: a column holds values of types that no Arrow column takes together.
    """
    parts: list[pa.Schema] = []
    rows = iter(rows)
    while part := [row.values for row in islice(rows, ROWS_PER_BATCH)]:
        try:
            made = pa.array([dict(values) for values in part]).type
            fields = [made.field(i) for i in range(made.num_fields)]
            parts = [pa.unify_schemas([*parts, pa.schema(fields)], promote_options="permissive")]
        except _TYPE_ERRORS as error:
            raise _no_one_type(where, error, remedy) from error
    found = parts[0] if parts else pa.schema([])
    record = record_of_columns(found.names)
    return found if record is None else stored_schema(record)


def _no_one_type(where: Path, error: Exception, remedy: str) -> DataError:
    reason = str(error).splitlines()[0].rstrip(".")
    return DataError(f"{where}: values of several types in one column ({reason}). {remedy}")


def record_of_columns(names: Sequence[str]) -> type[Record] | None:
    """The record that has these columns, in any order."""
    return next((record for record in RECORDS.values() if record.model_fields.keys() == set(names)), None)


class TableWriter(DatasetWriter):
    """Writes batches of any schema to a folder that appears whole or not at all."""

    def __init__(self, folder: Path, schema: pa.Schema, *, format: Format = "arrow") -> None:
        """Start a dataset with these columns; `folder` must not exist yet."""
        super().__init__(folder, Record, format=format)
        self._schema = schema

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch; its columns are those of the schema, nullable or not."""
        super().write(pa.RecordBatch.from_arrays(batch.columns, schema=self._schema))


class LinesWriter:
    """Writes rows as JSON lines to FOLDER/data.jsonl; the folder appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Start; `folder` must not exist yet."""
        self.folder = folder
        self.rows = 0
        self._partial = folder.with_name(folder.name + ".partial")
        self._partial.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = (self._partial / "data.jsonl").open("wb")

    def write_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows. Any: whatever a row holds."""
        for row in rows:
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE, default=str))
            self.rows += 1

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish; after an error the folder keeps its partial name."""
        self._file.close()
        if kind is None:
            self._partial.rename(self.folder)


def copy_rows(
    files: Sequence[Path], folder: Path, *, format: Kind, keep: Callable[[int], bool], remedy: str = ONE_TYPE
) -> int:
    """Copy the rows that are to be kept, by their index from 0, with all their columns; returns how many.

    Args:
        files: of one data set.
        folder: what is written; it must not exist yet.
        format: of its files.
        keep: whether to keep the row of an index.
        remedy: what to do about columns that have no common type, for the message.

    Raises:
        DataError: the rows of a text file have no common columns.
    """
    is_text = files[0].suffix.lower() not in TABLES

    def rows() -> Iterator[Row]:
        return (row for row in read_rows(files) if isinstance(row, Row))

    if format == "jsonl":
        with LinesWriter(folder) as lines:
            lines.write_rows(row.values for row in rows() if keep(row.row_index))
        return lines.rows
    if is_text:
        schema = schema_of_rows(rows(), where=files[0], remedy=remedy)
        kept = (row.values for row in rows() if keep(row.row_index))
        batches = batches_of_rows(kept, schema, where=files[0], remedy=remedy)
    else:
        schema, batches = _kept(batches_of_tables(files), keep)
    with TableWriter(folder, schema, format=format) as table:
        for batch in batches:
            table.write(batch)
    return table.rows


def _kept(
    batches: Iterator[pa.RecordBatch], keep: Callable[[int], bool]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns of tables, and their batches without the rows that are not kept."""
    first = next(batches, None)
    if first is None:
        return pa.schema([]), iter(())

    def kept() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in chain([first], batches):
            mask = [keep(i) for i in range(start, start + batch.num_rows)]
            start += batch.num_rows
            yield batch if all(mask) else batch.filter(pa.array(mask, pa.bool_()))

    # Nullable: with any other schema `load_from_disk` reads the whole dataset into memory.
    metadata = cast(dict[bytes | str, bytes | str] | None, first.schema.metadata)
    return pa.schema([_nullable(column) for column in first.schema], metadata), kept()


def _nullable(column: "pa.Field[pa.DataType]") -> "pa.Field[pa.DataType]":
    kind = column.type
    if isinstance(kind, pa.StructType):
        kind = pa.struct([_nullable(kind.field(i)) for i in range(kind.num_fields)])
    elif isinstance(kind, pa.ListType):
        kind = pa.list_(_nullable(kind.value_field))
    return pa.field(column.name, kind, nullable=True, metadata=column.metadata)
