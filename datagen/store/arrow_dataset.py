"""Records as an Arrow dataset that `datasets.load_from_disk` opens, or as Parquet; written and read as streams.

The folder has the files that `datasets.Dataset.save_to_disk` writes. It is written here and not by that call because
that call needs the whole dataset in its own cache first (twice the disk) and stamps a random fingerprint; ours is the
hash of the data, so that equal rows are equal bytes.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from datagen_schemas.arrow import arrow_schema
from datagen_schemas.errors import DataError
from datagen_schemas.record import Record

R = TypeVar("R", bound=Record)
Format = Literal["arrow", "parquet"]

ROWS_PER_BATCH = 1000
SHARD_BYTES = 500_000_000  # what `save_to_disk` takes for its shards


def to_batch(records: Sequence[Record], record: type[Record]) -> pa.RecordBatch:
    """Records of one type as one Arrow batch."""
    return pa.RecordBatch.from_pylist([r.model_dump() for r in records], schema=stored_schema(record))


def stored_schema(record: type[Record]) -> pa.Schema:
    """A record's schema as `datasets` writes it, every field nullable.

    With any other one `load_from_disk` casts the whole dataset, that is, reads it into memory.
    """
    return pa.schema([_nullable(field) for field in arrow_schema(record)])


def _nullable(field: "pa.Field[pa.DataType]") -> "pa.Field[pa.DataType]":
    if isinstance(field.type, pa.StructType):
        return pa.field(field.name, pa.struct([_nullable(field.type.field(i)) for i in range(field.type.num_fields)]))
    if isinstance(field.type, pa.ListType):
        return pa.field(field.name, pa.list_(_nullable(field.type.value_field)))
    return field.with_nullable(True)


class DatasetWriter:
    """Writes batches to a folder that appears whole or not at all."""

    def __init__(self, folder: Path, record: type[Record], *, format: Format = "arrow") -> None:
        """Start a dataset of `record` rows; `folder` must not exist yet."""
        self.folder = folder
        self.rows = 0
        self._schema = stored_schema(record)
        self._format = format
        self._partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        self._shards: list[Path] = []
        self._shard_bytes = 0
        self._writer: pa.ipc.RecordBatchStreamWriter | pq.ParquetWriter | None = None
        self._hash = hashlib.sha256()

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        if batch.num_rows == 0:
            return
        if self._writer is None or self._shard_bytes > SHARD_BYTES:
            self._next_shard()
        assert self._writer is not None
        self._writer.write_batch(batch)
        self._shard_bytes += batch.nbytes
        self.rows += batch.num_rows
        self._hash.update(batch.serialize())

    def write_records(self, records: Iterable[Record], record: type[Record]) -> None:
        """Append records, a batch at a time."""
        pending: list[Record] = []
        for item in records:
            pending.append(item)
            if len(pending) == ROWS_PER_BATCH:
                self.write(to_batch(pending, record))
                pending = []
        self.write(to_batch(pending, record))

    def close(self) -> None:
        """Finish: the folder gets its name only now."""
        if self._writer is None:  # a dataset without rows still has its columns
            self._next_shard()
            assert self._writer is not None
            self._writer.write_batch(pa.RecordBatch.from_pylist([], schema=self._schema))
        self._writer.close()
        suffix = self._format
        names = [f"data-{i:05d}-of-{len(self._shards):05d}.{suffix}" for i in range(len(self._shards))]
        for shard, name in zip(self._shards, names, strict=True):
            shard.rename(shard.with_name(name))
        if self._format == "arrow":
            self._describe(names)
        self._partial.rename(self.folder)

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the dataset; after an error, leave nothing behind."""
        if kind is None:
            self.close()
            return
        if self._writer is not None:
            self._writer.close()
        shutil.rmtree(self._partial, ignore_errors=True)

    def _next_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        shard = self._partial / f"shard-{len(self._shards)}"
        self._shards.append(shard)
        self._shard_bytes = 0
        if self._format == "arrow":
            self._writer = pa.ipc.new_stream(str(shard), self._schema)
        else:
            self._writer = pq.ParquetWriter(shard, self._schema)

    def _describe(self, names: Sequence[str]) -> None:
        """The two JSON files by which `load_from_disk` knows the shards and the columns."""
        from datasets import Features  # 1.1 s to import: only when a dataset is written

        state: dict[str, object] = {
            "_data_files": [{"filename": name} for name in names],
            "_fingerprint": self._hash.hexdigest()[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": None,
        }
        features = Features.from_arrow_schema(self._schema).to_dict()
        info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
        (self._partial / "state.json").write_bytes(orjson.dumps(state, option=options))
        (self._partial / "dataset_info.json").write_bytes(orjson.dumps(info, option=options))


def shards(folder: Path) -> list[Path]:
    """The data files of a dataset folder, in order.

    Raises:
        DataError: the folder has none.
    """
    files = sorted([*folder.glob("data-*.arrow"), *folder.glob("data-*.parquet")])
    if not files:
        raise DataError(f"{folder}: no dataset here. Name a folder that a datagen command wrote (OUT or OUT/data).")
    return files


def read_batches(folder: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a dataset folder, memory-mapped."""
    for file in shards(folder):
        if file.suffix == ".parquet":
            yield from pq.ParquetFile(file).iter_batches()
        else:
            with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
                yield from reader


def read_records(folder: Path, record: type[R]) -> Iterator[R]:
    """Validated records of a dataset folder, in file order.

    Raises:
        DataError: the folder holds something else; names the row and what is wrong with it.
    """
    from pydantic import ValidationError

    i = 0
    for batch in read_batches(folder):
        for row in batch.to_pylist():
            try:
                yield record.model_validate(row)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"]))
                raise DataError(
                    f"{folder} row {i}: {where}: {first['msg']}. It is no {record.__name__} dataset; "
                    "see what is needed with: datagen schema"
                ) from error
            i += 1
