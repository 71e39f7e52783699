"""Rows of local files, as a stream, each with its place; what is no row comes out as a `Dropped`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from datagen.readers.arrow_files import read_arrow, read_parquet
from datagen.readers.compressed import kind_of
from datagen.readers.csv_files import read_csv
from datagen.readers.dropped import Dropped
from datagen.readers.json_files import read_json, read_json_lines
from datagen.readers.row import Row
from datagen_schemas.errors import DataError


def read_rows(files: Iterable[Path], *, ignore: frozenset[str] = frozenset()) -> Iterator[Row | Dropped]:
    """Rows of the files (shards of one table), numbered through.

    Args:
        files: in order.
        ignore: columns that nobody needs; left out where that saves time, that is, of tables.

    Raises:
        DataError: a file is missing, unreadable as a whole, or empty.
    """
    files = tuple(files)
    total = 0
    for file in files:
        offset = total
        for row in rows_of(file, ignore=ignore):
            total += 1
            yield row._replace(row_index=row.row_index + offset) if offset and isinstance(row, Row) else row
    if not total:
        names = ", ".join(map(str, files))
        raise DataError(f"{names}: no rows, the file is empty. Download or write it again.")


def rows_of(file: Path, *, ignore: frozenset[str]) -> Iterator[Row | Dropped]:
    """Rows of one file of any kind."""
    match kind_of(file):
        case ".jsonl" | ".ndjson":
            rows = read_json_lines(file)
        case ".json":
            rows = read_json(file)
        case ".csv":
            rows = read_csv(file, delimiter=",")
        case ".tsv":
            rows = read_csv(file, delimiter="\t")
        case ".parquet":
            rows = read_parquet(file, ignore=ignore)
        case ".arrow" | ".feather":
            rows = read_arrow(file, ignore=ignore)
        case suffix:
            raise DataError(
                f"{file}: no reader for '{suffix}' files. Convert it to .jsonl, .json or .csv (or .gz, .bz2, .zst of "
                "these), .parquet or .arrow."
            )
    try:
        yield from rows
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror or error}). Check the path and its rights."
        ) from error
