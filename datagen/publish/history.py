"""The runs that led to a data set, the oldest first, and what they say that others should know."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen.store.lineage import ROWS, Input, config_of, find_input, inputs_of, run_of


class Run(NamedTuple):
    """A run, by its manifest."""

    folder: Path
    manifest: dict[str, Any]  # Any: JSON

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.resolve().name

    @property
    def stage(self) -> str:
        """The command that made it."""
        return str(self.manifest.get("config", {}).get("stage", ""))


class History(NamedTuple):
    """All runs that are still on disk, and the inputs that cannot be followed or are not what was read."""

    runs: tuple[Run, ...]
    doubtful: tuple[str, ...]


def history_of(folder: Path) -> History:
    """The runs that led to the run in a folder, itself the last one."""
    seen: dict[Path, Run] = {}
    doubtful: dict[str, None] = {}
    for of in _before(folder, seen=set(), doubtful=doubtful):
        seen.setdefault(of.folder.resolve(), of)
    return History(tuple(seen.values()), tuple(doubtful))


def _before(folder: Path, *, seen: set[Path], doubtful: dict[str, None]) -> Iterator[Run]:
    run = run_of(folder)
    if run is None or run.resolve() in seen:
        return
    seen.add(run.resolve())
    for of in inputs_of(config_of(run) or {}):
        if of.path is None or of.role not in ROWS:
            continue
        found = find_input(of, run=run)
        if found.state == "changed":
            doubtful[f"{_name(of)} is not what {run.resolve().name} was made from any more"] = None
        elif found.path is None:
            doubtful[f"{_name(of)}, of which {run.resolve().name} was made, is not there any more"] = None
        if found.path is not None:
            yield from _before(found.path, seen=seen, doubtful=doubtful)
    try:
        manifest = orjson.loads((run / "manifest.json").read_bytes())
    except (OSError, ValueError):
        doubtful[f"{run.resolve().name} was not finished"] = None
        return
    if isinstance(manifest, dict):
        yield Run(run, manifest)


def _name(of: Input) -> str:
    return Path(of.name).name
