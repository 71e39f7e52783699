"""Which data sets of a run are published, and under what names they are loaded."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.store.arrow_dataset import shards
from datagen_schemas.errors import DataError

MAIN = "data"  # loaded by `load_dataset(repo)` without another name
TRAIN = "train"
SPLITS = (TRAIN, "validation", "test")
# What is no by-product. Rejected rows, probes and the like are published if they are asked for by name.
USUAL = (MAIN, "candidates", "ratings")


class Part(NamedTuple):
    """One data set of a run: a configuration and a split, as `datasets` calls them."""

    config: str
    split: str
    folder: Path

    @property
    def name(self) -> str:
        """How it is spoken of: 'candidates', or 'data/test' where there are splits."""
        return self.config if self.split == TRAIN else f"{self.config}/{self.split}"


class Parts(NamedTuple):
    """What is published of a run, the main one first, and the configurations that are not."""

    published: tuple[Part, ...]
    left_out: tuple[str, ...]


def parts_of(run: Path, *, only: Sequence[str] = ()) -> Parts:
    """The data sets in a run directory.

    Args:
        run: its folder.
        only: names of configurations; none of them takes the data, candidates, ratings, splits and fractions.

    Raises:
        DataError: there is none, or none of a name that was asked for.
    """
    found = sorted(_found(run), key=_order)
    if not found and any(run.rglob("*.jsonl")):
        raise DataError(f"{run}: its rows were written as JSON lines. Build it again with --as arrow (or parquet).")
    if not found:
        shards(run)  # raises with the remedy
    names = list(dict.fromkeys(part.config for part in found))
    for name in only:
        if name not in names:
            raise DataError(f"{run}: no part named '{name}', only {', '.join(names)}. Choose one with --part.")
    chosen = set(only) or {name for name in names if name in USUAL or name.startswith("fraction-")} or set(names)
    published = tuple(part for part in found if part.config in chosen)
    twice = [part.name for i, part in enumerate(published) if part[:2] in {other[:2] for other in published[:i]}]
    if twice:
        raise DataError(f"{run}: two folders are '{twice[0]}'. Publish the folder of one of them, or rename it.")
    return Parts(published, tuple(name for name in names if name not in chosen))


def _found(run: Path) -> Iterator[Part]:
    splits = {*SPLITS, *_own_splits(run)}
    for folder in (run, *(path for path in run.rglob("*") if path.is_dir())):
        names = folder.relative_to(run).parts
        if len(names) > 2 or any(name.startswith(".") or name.endswith(".partial") for name in names):
            continue
        if not any(folder.glob("data-*.arrow")) and not any(folder.glob("data-*.parquet")):
            continue
        is_split = folder != run and folder.name in splits
        # The Hub takes letters, digits and underscores for a split's name.
        split = re.sub(r"\W", "_", folder.name) if is_split else TRAIN
        yield Part("-".join(names[:-1] if is_split else names) or MAIN, split, folder)


def _own_splits(run: Path) -> list[str]:
    """The parts of a run of `datagen split`, which may have any names."""
    try:
        counts = orjson.loads((run / "manifest.json").read_bytes())["counts"]
        return [str(name) for name in counts.get("parts") or {}]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _order(part: Part) -> tuple[bool, bool, str, int, str]:
    at = SPLITS.index(part.split) if part.split in SPLITS else len(SPLITS)
    return part.config != MAIN, part.config not in USUAL, part.config, at, part.split


def schema_of(folder: Path) -> pa.Schema:
    """The columns of a data set, which one without rows has too."""
    file = shards(folder)[0]
    if file.suffix == ".parquet":
        return pq.read_schema(file)
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
        return reader.schema
