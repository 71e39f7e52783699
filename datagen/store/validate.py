"""Checks a dataset on disk against its record, and a run's counts against its manifest."""

from pathlib import Path
from typing import NamedTuple

import orjson

from datagen.store.arrow_dataset import read_batches, read_records, shards
from datagen_schemas.arrow import arrow_schema
from datagen_schemas.catalog import RECORDS
from datagen_schemas.errors import DataError


class Valid(NamedTuple):
    """A dataset folder whose rows are all what they should be."""

    folder: Path
    record: str
    rows: int


def validate(path: Path, *, record: str | None = None) -> list[Valid]:
    """Check a dataset folder, or every dataset of a run directory.

    Raises:
        DataError: the first row that is not valid, a count that does not match, or a run that is not finished.
    """
    folders = [path] if list(path.glob("data-*")) else [f for f in sorted(path.iterdir()) if list(f.glob("data-*"))]
    if not folders:
        shards(path)  # raises with the remedy
    found = [_validate_folder(folder, record) for folder in folders]
    if (path / "run.json").exists():
        _compare_with_manifest(path, found)
    return found


def _validate_folder(folder: Path, record: str | None) -> Valid:
    name = record or record_of(folder)
    if name not in RECORDS:
        raise DataError(f"no record named '{name}'. Known: {', '.join(RECORDS)}.")
    return Valid(folder, name, sum(1 for _ in read_records(folder, RECORDS[name])))


def record_of(folder: Path) -> str:
    """The name of the record whose columns a dataset has.

    Raises:
        DataError: no record has these columns.
    """
    columns = next(iter(read_batches(folder)), None)
    if columns is None:
        raise DataError(f"{folder}: no rows, so the record cannot be told. Name it with --record.")
    for name, record in RECORDS.items():
        if arrow_schema(record).names == columns.schema.names:
            return name
    raise DataError(
        f"{folder}: columns {', '.join(columns.schema.names)} are no record of datagen. See: datagen schema"
    )


def _compare_with_manifest(path: Path, found: list[Valid]) -> None:
    file = path / "manifest.json"
    if not file.exists():
        raise DataError(f"{path}: no manifest.json, so the run is not finished. Run its command again to continue.")
    expected = orjson.loads(file.read_bytes())["counts"]["rows"]
    for part in found:
        if part.folder.name == "data" and part.rows != expected:
            raise DataError(f"{part.folder}: {part.rows} rows, but the manifest says {expected}. Build it again.")
