"""Every data set that a path holds: a file, the shards of a folder, or those of a run directory."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from datagen.readers.arrow_files import unreadable
from datagen.readers.dropped import Dropped
from datagen.readers.json_files import BOM, is_one_document
from datagen.readers.locate import data_files, saved_shards
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen.store.tables import TABLES, batches_of_tables
from datagen_schemas.errors import DataError

MAX_DEPTH = 3
_ROWS_TO_RECOGNISE = 16
_SHARD = re.compile(r"(.+)-\d+-of-\d+")


class DataSet(NamedTuple):
    """Shards of one table."""

    path: Path  # the file, or the folder
    files: tuple[Path, ...]
    run: Path | None = None  # the run directory that it belongs to

    @property
    def is_table(self) -> bool:
        """Whether its files know their columns and types."""
        return self.files[0].suffix.lower() in TABLES

    @property
    def is_csv(self) -> bool:
        """Whether all its values are texts."""
        return self.files[0].suffix.lower() in (".csv", ".tsv")

    def rows(self) -> Iterator[Row | Dropped]:
        """Its rows; of a table, numbered from 0 over all shards.

        Raises:
            DataError: a file is torn, or a text file is empty.
        """
        if not self.is_table:
            yield from read_rows(self.files)
            return
        i = 0
        try:
            for batch in batches_of_tables(self.files):
                for values in batch.to_pylist():
                    yield Row(str(self.path), i, False, i, values)
                    i += 1
        except (pa.ArrowInvalid, OSError) as error:
            raise unreadable(self.path, self.files[0].suffix.lstrip(".").capitalize(), error) from error

    def columns(self) -> tuple[str, ...]:
        """The columns of a table; of a text file, those of its first rows taken together."""
        if self.is_table:
            try:
                return next((tuple(batch.schema.names) for batch in batches_of_tables(self.files)), ())
            except (pa.ArrowInvalid, OSError) as error:
                raise unreadable(self.path, self.files[0].suffix.lstrip(".").capitalize(), error) from error
        found: dict[str, None] = {}
        for i, row in enumerate(self.rows()):
            if i == _ROWS_TO_RECOGNISE:
                break
            if isinstance(row, Row):
                found |= dict.fromkeys(row.values)
        return tuple(found)


def data_sets(path: Path) -> list[DataSet]:
    """What a path holds.

    Raises:
        DataError: no data, or a broken state file.
    """
    found = list(_in(path, depth=0))
    if not found and not is_run(path):
        raise DataError(f"{path}: no data set here. Name a file of rows, a folder of such files, or a run.")
    return found


def is_run(path: Path) -> bool:
    """Whether a command of ours wrote, or began to write, this folder."""
    return (path / "run.json").is_file() or (path / "manifest.json").is_file()


def runs_in(path: Path) -> Iterator[Path]:
    """The run directories that a path is or has in it."""
    if path.is_dir() and is_run(path):
        yield path
    elif path.is_dir():
        for folder in _folders(path):
            yield from runs_in(folder)


def _in(path: Path, *, depth: int) -> Iterator[DataSet]:
    if path.is_file():
        yield DataSet(path, (path,))
    elif is_run(path):
        for folder in _folders(path):
            yield from _of_run(folder, path)
    elif (path / "state.json").is_file():
        yield DataSet(path, saved_shards(path))
    else:
        splits = path / "dataset_dict.json"
        if splits.is_file():
            try:
                names = list(map(str, orjson.loads(splits.read_bytes())["splits"]))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{splits}: not what save_to_disk writes ({error}). Save the dataset again."
                ) from error
            for name in names:
                yield DataSet(path / name, saved_shards(path / name))
            return
        yield from _shards(path, [file for file in data_files(path) if not _is_one_object(file)], None)
        if depth < MAX_DEPTH:
            for folder in _folders(path):
                yield from _in(folder, depth=depth + 1)


def _of_run(folder: Path, run: Path) -> Iterator[DataSet]:
    """A data set of a run; a trained model or a plot in it is none."""
    if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        yield DataSet(folder, saved_shards(folder), run)
        return
    files = [file for file in data_files(folder) if _SHARD.fullmatch(file.stem) or file.name == "data.jsonl"]
    for found in _shards(folder, [file for file in files if file.suffix != ".json"], run):
        yield found._replace(path=folder) if len({_stem(file) for file in files}) == 1 else found


def _shards(folder: Path, files: list[Path], run: Path | None) -> Iterator[DataSet]:
    by_name: dict[tuple[str, str], list[Path]] = {}
    for file in files:
        by_name.setdefault((_stem(file), file.suffix), []).append(file)
    for (stem, _), shards in by_name.items():
        is_one = len(shards) == 1 and not _SHARD.fullmatch(shards[0].stem)
        name = shards[0] if is_one else folder if len(by_name) == 1 else folder / stem
        yield DataSet(name, tuple(shards), run)


def _is_one_object(file: Path) -> bool:
    """Whether a JSON file in a folder is somebody's settings rather than rows."""
    if file.suffix.lower() != ".json":
        return False
    with file.open("rb") as lines:
        first = next((stripped for line in lines if (stripped := line.removeprefix(BOM).strip())), b"")
    return is_one_document(file) and not first.startswith(b"[")


def _stem(file: Path) -> str:
    match = _SHARD.fullmatch(file.stem)
    return match[1] if match else file.stem


def _folders(path: Path) -> list[Path]:
    return [
        entry
        for entry in sorted(path.iterdir())
        if entry.is_dir() and not entry.name.startswith(".") and not entry.name.endswith(".partial")
    ]


def manifest_of(run: Path) -> dict[str, Any] | None:  # Any: JSON
    """What a run says of itself; None if it is not finished.

    Raises:
        DataError: the file is broken.
    """
    file = run / "manifest.json"
    if not file.is_file():
        return None
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: not a manifest ({error}). Build the run again.") from error
    if not isinstance(found, dict):
        raise DataError(f"{file}: not a manifest, for it is no object. Build the run again.")
    return found
