"""Data sets as Parquet shards: the same rows are the same bytes, so that the Hub knows what it has already."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.publish.parts import Part, schema_of
from datagen.store.arrow_dataset import read_batches

SHARD_BYTES = 500_000_000  # of rows in memory, as in `datasets`; 50 to 200 MB on disk
GROUP_BYTES = 32_000_000  # rows that are compressed together, and that a reader must hold
GROUP_ROWS = 100_000


class Shard(NamedTuple):
    """A file that is published."""

    path: str  # in the repository
    bytes: int
    sha256: str
    rows: int | None = None  # of a data file


def write_shards(part: Part, out: Path, *, shard_bytes: int = SHARD_BYTES) -> list[Shard]:
    """Write a data set to `out`/CONFIG/SPLIT-00000-of-00001.parquet, and so on."""
    schema = schema_of(part.folder).remove_metadata()
    folder = out / part.config
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[int] = []
    writer: pq.ParquetWriter | None = None
    size = 0
    for group in _groups(part.folder, schema):
        if writer is None or size > shard_bytes:
            if writer is not None:
                writer.close()
            writer = pq.ParquetWriter(folder / f"{part.split}-{len(rows):05d}", schema, compression="zstd")
            rows.append(0)
            size = 0
        writer.write_table(group, row_group_size=max(1, group.num_rows))
        rows[-1] += group.num_rows
        size += group.nbytes
    if writer is None:  # a data set without rows still has its columns
        writer = pq.ParquetWriter(folder / f"{part.split}-00000", schema, compression="zstd")
        rows.append(0)
    writer.close()
    made = []
    for i, count in enumerate(rows):
        name = f"{part.split}-{i:05d}-of-{len(rows):05d}.parquet"
        file = (folder / f"{part.split}-{i:05d}").rename(folder / name)
        made.append(shard_of(file, path=f"{part.config}/{name}", rows=count))
    return made


def shard_of(file: Path, *, path: str, rows: int | None = None) -> Shard:
    """A file on disk as it is published."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    return Shard(path, file.stat().st_size, digest.hexdigest(), rows)


def _groups(folder: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in pieces of about the same size."""
    pending: list[pa.RecordBatch] = []
    size = rows = 0
    for batch in read_batches(folder):
        if batch.num_rows == 0:
            continue
        pending.append(batch.replace_schema_metadata(None))
        size += batch.nbytes
        rows += batch.num_rows
        if size >= GROUP_BYTES or rows >= GROUP_ROWS:
            yield pa.Table.from_batches(pending, schema=schema)
            pending, size, rows = [], 0, 0
    if pending:
        yield pa.Table.from_batches(pending, schema=schema)
