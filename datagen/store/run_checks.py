"""Whether a run directory is whole: finished, nothing left over, and its data what the manifest says."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from datagen.store.arrow_dataset import read_batches
from datagen.store.data_sets import DataSet, manifest_of
from datagen.store.run_directory import data_files, fingerprint
from datagen_schemas.errors import DataError

# Folders whose rows a count of another name gives: by the stage that writes them.
_COUNTED: Mapping[str, Mapping[str, str]] = {"rft": {"candidates": "candidates"}}

_CHANGED = "the data were changed after they were written (their hash is another one); build it again"


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
    files = manifest.get("files")
    if isinstance(files, dict):
        yield from _other_files(run, files)
    else:  # written before the manifest had them
        yield from (
            Finding(str(of.path), _CHANGED) for of, _ in counted if of.run is not None and _is_other_data(of.path)
        )
    there = {data_set.path.name for data_set, _ in counted}
    named = [*_folders(counts), *(["data"] if counts.get("rows") and not _folders(counts) else [])]
    listed = [str(name).partition("/")[0] for name in files] if isinstance(files, dict) else []
    for name in dict.fromkeys((*named, *listed)):
        if name not in there and not (name in listed and (run / name).is_dir()):
            yield Finding(str(run / name), "no data here, but the manifest says that there are; build it again")


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


def _other_files(run: Path, said: Mapping[str, Any]) -> Iterator[Finding]:  # Any: JSON
    """Data files that are not those that the run wrote."""
    there = {file.relative_to(run).as_posix(): file for file in data_files(run)}
    for name in sorted(said.keys() - there.keys()):
        if (run / name).parent.is_dir():
            yield Finding(str(run / name), "this file of the run is gone; build it again")
    for name, file in there.items():
        if (of := said.get(name)) is None:
            yield Finding(str(file), "no file that the run wrote; take it away")
            continue
        is_same = isinstance(of, dict) and file.stat().st_size == of.get("bytes")
        if not is_same or fingerprint(file)["sha256"] != of["sha256"]:
            yield Finding(str(file), _CHANGED)


def _is_other_data(folder: Path) -> bool:
    """Whether data are not those whose hash stands beside them."""
    state = folder / "state.json"
    if not state.is_file():
        return False
    digest = hashlib.sha256()
    try:
        for batch in read_batches(folder):
            if batch.num_rows:
                digest.update(batch.serialize())
    except (pa.ArrowInvalid, OSError):
        return False  # torn: said where its rows are read
    return bool(orjson.loads(state.read_bytes()).get("_fingerprint") != digest.hexdigest()[:16])


def _is_json(file: Path, value: object) -> bool:
    try:
        return bool(orjson.loads(file.read_bytes()) == value)
    except (OSError, ValueError):
        return False
