"""Whether a run directory is whole: finished, nothing left over, and its data what the manifest says."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from datagen.store.arrow_dataset import read_batches
from datagen.store.data_sets import DataSet, manifest_of
from datagen.store.run_directory import fingerprint
from datagen_schemas.errors import DataError

# Folders whose rows a count of another name gives: by the stage that writes them.
_COUNTED: Mapping[str, Mapping[str, str]] = {"rft": {"candidates": "candidates"}}


class Finding(NamedTuple):
    """Something wrong with a folder or file as a whole."""

    path: str
    message: str


def check_run(run: Path, counted: Sequence[tuple[DataSet, int]]) -> Iterator[Finding]:
    """What is wrong with a run.

    Args:
        run: its directory.
        counted: its data sets, each with the rows that are there.
    """
    for left in sorted(entry for entry in run.iterdir() if entry.suffix == ".partial" or entry.name == ".spill"):
        yield Finding(str(left), "left by a try that was cut off; run the command again, or delete it")
    try:
        manifest = manifest_of(run)
    except DataError as error:
        yield Finding(str(run / "manifest.json"), str(error).removeprefix(f"{run / 'manifest.json'}: "))
        return
    if manifest is None:
        yield Finding(str(run), "no manifest.json, so the run is not finished; run its command again to continue")
        return
    began = run / "run.json"
    if began.is_file() and not _is_json(began, manifest.get("config")):
        yield Finding(str(began), "not the configuration in manifest.json: the folder mixes two runs; build it again")
    counts = manifest.get("counts")
    counts = counts if isinstance(counts, dict) else {}
    for data_set, rows in counted:
        expected = _expected(data_set.path.name, counts, manifest)
        if expected is not None and rows != expected:
            message = f"{rows:,} rows, but the manifest says {expected:,}; build it again"
            yield Finding(str(data_set.path), message)
        if (found := _fingerprint_differs(data_set, manifest)) is not None:
            yield Finding(str(data_set.path), found)
    there = {data_set.path.name for data_set, _ in counted}
    named = [*_folders(counts), *(["data"] if counts.get("rows") and not _folders(counts) else [])]
    for name in named:
        if name not in there:
            yield Finding(str(run / name), "no data here, but the manifest counts its rows; build it again")


def _folders(counts: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    folders = counts.get("folders")
    return folders if isinstance(folders, dict) else {}


def _expected(name: str, counts: Mapping[str, Any], manifest: Mapping[str, Any]) -> int | None:  # Any: JSON
    """Rows of a folder by the manifest; None if it does not say."""
    config = manifest.get("config")
    stage = config.get("stage") if isinstance(config, dict) else None
    found = _folders(counts).get(name)
    if found is None and name == "data":
        found = counts.get("rows")
    elif found is None:
        found = counts.get(_COUNTED.get(str(stage), {}).get(name, ""))
    return found if isinstance(found, int) else None


def _fingerprint_differs(data_set: DataSet, manifest: Mapping[str, Any]) -> str | None:  # Any: JSON
    """What is wrong if the data are not those that were written."""
    fingerprints = manifest.get("fingerprints")
    if isinstance(fingerprints, dict) and isinstance(said := fingerprints.get(data_set.path.name), str):
        return None if fingerprint(data_set.path)["sha256"] == said else "not the data that the manifest says"
    state = data_set.path / "state.json"
    if data_set.run is None or not state.is_file():
        return None
    digest = hashlib.sha256()
    try:
        for batch in read_batches(data_set.path):
            if batch.num_rows:
                digest.update(batch.serialize())
    except (pa.ArrowInvalid, OSError):
        return None  # torn: said where its rows are read
    said = orjson.loads(state.read_bytes()).get("_fingerprint")
    # Only what we wrote has the hash of its data for a fingerprint; `save_to_disk` draws one.
    changed = "the data were changed after they were written (fingerprint in state.json); build it again"
    return None if said == digest.hexdigest()[:16] else changed


def _is_json(file: Path, value: object) -> bool:
    try:
        return bool(orjson.loads(file.read_bytes()) == value)
    except (OSError, ValueError):
        return False
