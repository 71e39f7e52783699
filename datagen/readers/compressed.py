"""Files that may be compressed: what they hold by their names, and their bytes."""

from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, cast

COMPRESSED = frozenset({".gz", ".bz2", ".zst"})
TEXTS = frozenset({".jsonl", ".ndjson", ".json", ".csv", ".tsv"})
"""Kinds that may be compressed as whole files; tables are compressed within."""


def kind_of(file: Path) -> str:
    """The suffix that tells what a file holds: '.jsonl' of 'train.jsonl' and of 'train.jsonl.gz'."""
    inner = Path(file.stem).suffix.lower()
    return inner if file.suffix.lower() in COMPRESSED and inner in TEXTS else file.suffix.lower()


def open_bytes(file: Path) -> IO[bytes]:
    """The file's content as a stream, decompressed.

    Raises:
        OSError: it cannot be read, or is not what its name says, or ends too early; the latter two while reading.
    """
    if file.suffix.lower() not in COMPRESSED:
        return file.open("rb", buffering=1 << 20)
    import pyarrow as pa  # 0.1 s to import

    raw = cast(RawIOBase, pa.input_stream(file, compression="detect"))  # reads as one, and is typed as nothing known
    return BufferedReader(raw, buffer_size=1 << 20)
