"""Parquet and Arrow IPC (file or stream), read batch by batch."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from datagen.readers.dropped import Dropped
from datagen.readers.row import Row
from datagen_schemas.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BATCH = 4096


def read_parquet(file: Path, *, ignore: frozenset[str]) -> Iterator[Row | Dropped]:
    """Rows of a Parquet file, without the columns to ignore.

    Raises:
        DataError: it is torn, or no such file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as parquet:
            columns = [name for name in parquet.schema_arrow.names if name not in ignore]
            batches = parquet.iter_batches(batch_size=ROWS_PER_BATCH, columns=columns)
            yield from rows_of_batches(file, batches)
    except pa.ArrowInvalid as error:
        raise unreadable(file, "Parquet", error) from error


def read_arrow(file: Path, *, ignore: frozenset[str]) -> Iterator[Row | Dropped]:
    """Rows of an Arrow file; what `datasets` writes is a stream, what pyarrow calls Feather a file.

    Raises:
        DataError: it is torn, or neither.
    """
    import pyarrow as pa

    if not file.stat().st_size:
        return  # nothing to map
    try:
        with pa.memory_map(str(file)) as source:
            is_file = source.read(6) == b"ARROW1"
            source.seek(0)
            if is_file:
                with pa.ipc.open_file(source) as table:
                    batches = map(table.get_batch, range(table.num_record_batches))
                    yield from rows_of_batches(file, batches, ignore=ignore)
            else:
                with pa.ipc.open_stream(source) as stream:
                    yield from rows_of_batches(file, stream, ignore=ignore)
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable(file, "Arrow", error) from error


def rows_of_batches(
    file: Path, batches: Iterable["pa.RecordBatch"], *, ignore: frozenset[str] = frozenset()
) -> Iterator[Row]:
    """Rows of Arrow batches, in slices, so that a file of one giant batch is no giant list."""
    name, index = str(file), 0
    for batch in batches:
        if ignored := [column for column in batch.schema.names if column in ignore]:
            batch = batch.drop_columns(ignored)
        for start in range(0, batch.num_rows, ROWS_PER_BATCH):
            for values in batch.slice(start, ROWS_PER_BATCH).to_pylist():
                yield Row(name, index + 1, False, index, values)
                index += 1


def unreadable(file: Path, kind: str, error: Exception) -> DataError:
    """The error for a file that is not what its name says."""
    first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{file}: not a whole {kind} file ({first_line.rstrip('.')}). Download or write it again.")
