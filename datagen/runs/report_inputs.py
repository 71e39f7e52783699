"""The runs that a report is about: what they wrote, and which of it can be looked through."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen.report.entries import is_browsed
from datagen.report.figure import at
from datagen.store.arrow_dataset import read_batches
from datagen_schemas.catalog import RECORDS
from datagen_schemas.errors import DataError

Json = dict[str, Any]  # Any: JSON
EVALUATIONS = ("eval", "eval-replies")
# Each row is shown by itself, whatever its neighbours are; other rows stand together with those of the same problem.
ALONE = {"preference": "pairs", "mixed-preference": "pairs", "mixed-example": "rows"}


class Part(NamedTuple):
    """A data set that can be looked through."""

    folder: Path
    record: str
    origin: str | None  # where a run has several


@dataclass(frozen=True)
class Run:
    """A run directory, or a folder of a data set that stands alone."""

    name: str
    path: Path
    manifest: Json
    parts: tuple[Part, ...]
    main: tuple[Part, ...]  # whose texts are counted: what is trained on, where that is another data set

    @property
    def stage(self) -> str:
        """The command that made it; empty for a data set that stands alone."""
        return str(at(self.manifest, "config", "stage") or "")

    @property
    def unit(self) -> str:
        """What its texts are grouped by, in the plural."""
        return next((ALONE[part.record] for part in self.parts if part.record in ALONE), "problems")


def names_of(paths: Sequence[Path]) -> list[str]:
    """The last part of each path; more of it where two are the same."""
    absolute = [path.absolute() for path in paths]
    short = Counter(path.name for path in absolute)
    return [path.name if short[path.name] == 1 else "/".join(path.parts[-2:]) for path in absolute]


def open_run(path: Path, name: str) -> Run:
    """A finished run, or a folder of a data set.

    Raises:
        DataError: it is neither.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder. Name a folder that a datagen command wrote.")
    file = path / "manifest.json"
    if not file.exists() and (path / "run.json").exists():
        raise DataError(f"{path}: no manifest.json, so the run is not finished. Run its command again to continue.")
    manifest: Json = {}
    if file.exists():
        try:
            manifest = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise DataError(f"{file}: {error}. Build the run again.") from error
        if not isinstance(manifest, dict):
            raise DataError(f"{file}: no JSON object. Build the run again.")
    parts = list(_parts(path, str(at(manifest, "config", "stage") or "")))
    if not parts and not manifest:
        raise DataError(f"{path}: no run and no data set of datagen. Name a folder that a datagen command wrote.")
    main = [part for folder in [path / "data"] if (part := _part(folder, None)) is not None]
    return Run(name, path, manifest, tuple(parts), tuple(main or parts))


def _parts(path: Path, stage: str) -> Iterator[Part]:
    if _is_data(path):
        places: list[tuple[Path, str | None]] = [(path, None)]
    elif stage in EVALUATIONS:
        runs = sorted(file.parent for file in path.rglob("manifest.json") if file.parent != path)
        places = [(run / "data", run.relative_to(path).as_posix()) for run in runs]
    elif stage == "rft":
        places = [(path / "candidates", None)]
    elif _is_data(path / "data"):
        places = [(path / name, None) for name in ("data", "rejected")]
    else:  # one folder a split
        places = [(folder, folder.name) for folder in sorted(path.iterdir()) if _is_data(folder)]
    for folder, origin in places:
        if (part := _part(folder, origin)) is not None and is_browsed(RECORDS[part.record]):
            yield part


def _part(folder: Path, origin: str | None) -> Part | None:
    """None where there is nothing, or a data set without a single batch, whose columns nobody knows.

    Raises:
        DataError: no record of ours has its columns.
    """
    first = next(read_batches(folder), None) if _is_data(folder) else None
    if first is None:
        return None
    names = set(first.schema.names)
    record = next((name for name, of in RECORDS.items() if of.model_fields.keys() == names), None)
    if record is None:
        raise DataError(f"{folder}: columns {', '.join(sorted(names))} are no record of datagen. See: datagen schema")
    return Part(folder, record, origin)


def _is_data(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("data-*"))
