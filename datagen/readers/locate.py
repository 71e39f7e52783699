"""Which files a path means: a file, a folder of splits, a saved dataset, or one of our run directories."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from datagen.readers.compressed import TEXTS, kind_of
from datagen_schemas.errors import DataError

SUFFIXES = TEXTS | {".parquet", ".arrow", ".feather"}
SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
NO_SPLIT = "all"
_NOT_DATA = frozenset({"state.json", "dataset_info.json", "dataset_dict.json", "run.json", "manifest.json"})


class Located(NamedTuple):
    """Shards of one table, in order, and the split they are."""

    files: tuple[Path, ...]
    split: str


def split_name(name: str) -> str:
    """One name for each split: 'dev' and 'valid' are 'validation'."""
    return SPLITS.get(name.lower(), name)


def split_of(file: Path) -> str | None:
    """The split that a file's or folder's name speaks of: 'test.jsonl', 'train-00000-of-00002.parquet'."""
    return SPLITS.get(file.stem.lower().split("-")[0].split(".")[0])


def locate(path: Path, split: str | None, *, default_split: str | None = "train") -> Located:
    """The files of a path, and of one split if it has several.

    Args:
        path: what to read.
        split: which split; None takes the only one there is, or `default_split`.
        default_split: None if choosing one of several splits is an error.

    Raises:
        DataError: there is nothing to read, or no such split, or a run that is not finished.
    """
    if path.is_file():
        return one_file(path, split)
    if (path / "run.json").exists() and not (path / "manifest.json").exists():
        raise DataError(f"{path}: this run is not finished. Finish it by running its command again.")
    if (path / "state.json").exists():
        return Located(saved_shards(path), split_name(split) if split else NO_SPLIT)
    if (path / "dataset_dict.json").exists():
        names = orjson.loads((path / "dataset_dict.json").read_bytes())["splits"]
        chosen = choose(path, names, split, default_split)
        return Located(saved_shards(path / chosen), split_name(chosen))
    if numbered := numbered_files(path):
        return Located(numbered, split_name(split) if split else split_of(path) or NO_SPLIT)
    files = data_files(path)
    if not files and (parts := [part.name for part in path.iterdir() if part.is_dir() and split_of(part)]):
        chosen = choose(path, parts, split, default_split)
        return locate(path / chosen, split_name(chosen))
    is_run = (path / "run.json").exists()  # beside data/ it may hold other JSON: ratings, what overlaps a test set
    if (is_run or not files) and (path / "data").is_dir():
        return locate(path / "data", split, default_split=default_split)
    return one_of(path, files, split, default_split)


def one_file(file: Path, split: str | None) -> Located:
    """A single file; a split that its name contradicts is an error, for it would mislabel every row."""
    named = split_of(file)
    if split and named and named != split_name(split):
        raise DataError(
            f"{file}: by its name this is the {named} split, not {split}. Name the other file, or no split."
        )
    return Located((file,), split_name(split) if split else named or NO_SPLIT)


def one_of(folder: Path, files: list[Path], split: str | None, default_split: str | None) -> Located:
    """The files of a folder that belong to the split; all of them if they are shards without a split."""
    if not files:
        raise DataError(f"{folder}: no data files here ({', '.join(sorted(SUFFIXES))}). Check the path.")
    by_split: dict[str, list[Path]] = {}
    for file in files:
        if named := split_of(file):
            by_split.setdefault(named, []).append(file)
    if by_split:
        chosen = choose(folder, by_split, split, default_split)
        files = by_split[chosen]
        if len({kind_of(file) for file in files}) > 1 or (len(files) > 1 and not all("-of-" in f.name for f in files)):
            names = ", ".join(file.name for file in files)
            raise DataError(f"{folder}: several files of the split {chosen} ({names}). Name one of them.")
        return Located(tuple(files), chosen)
    if len(files) > 1 and not all("-of-" in file.name for file in files):
        names = ", ".join(file.name for file in files[:5])
        raise DataError(f"{folder}: {len(files)} data files and no telling which ({names}). Name one of them.")
    return Located(tuple(files), split_name(split) if split else NO_SPLIT)


def choose(folder: Path, names: Iterable[str], split: str | None, default_split: str | None) -> str:
    """The name that means the split."""
    names = sorted(names)
    if split is None and len(names) == 1:
        return names[0]
    wanted = split or default_split
    if wanted is None:
        raise DataError(f"{folder}: several splits ({', '.join(names)}). Name the file or folder of one of them.")
    for name in names:
        if split_name(name) == split_name(wanted):
            return name
    raise DataError(f"{folder}: no split {wanted!r}, only {', '.join(names)}. Choose one with --split.")


def saved_shards(folder: Path) -> tuple[Path, ...]:
    """The shards of a `save_to_disk` folder, in the order that its state file gives."""
    state = folder / "state.json"
    try:
        names = [str(entry["filename"]) for entry in orjson.loads(state.read_bytes())["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{state}: not what save_to_disk writes ({error}). Save the dataset again.") from error
    return tuple(folder / name for name in names)


def numbered_files(folder: Path) -> tuple[Path, ...]:
    """One JSON file a problem, 0.json, 1.json ..., here or a folder down, by folder and number: MATH as published."""
    found = [
        file
        for file in (*folder.glob("*.json"), *folder.glob("*/*.json"))
        if file.stem.isascii() and file.stem.isdigit() and not file.parent.name.startswith(".")
    ]
    return tuple(sorted(found, key=lambda file: (file.parent.name, int(file.stem))))


def data_files(folder: Path) -> list[Path]:
    """Data files right inside a folder, by name."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}). Check the path.") from error
    return [
        entry
        for entry in entries
        if kind_of(entry) in SUFFIXES and entry.name not in _NOT_DATA and not entry.name.startswith(".")
    ]
