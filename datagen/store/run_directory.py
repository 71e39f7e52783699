"""A run's directory: written atomically, known by its configuration, continued by running the same command again.

OUT/data/          the dataset
OUT/manifest.json  what made it; written last, so a directory without one is not finished
OUT/README.md      the dataset card
OUT/run.json       the configuration, written first: tells a continued run from another one

One process at a time writes there (OUT/.lock). A run that is replaced waits in OUT/.replaced for the end of the new
one, and comes back if the new one's inputs are bad.
"""

import hashlib
import logging
import os
import platform
import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from datagen.store.run_config import is_same, read_object, stored_config
from datagen.store.run_lock import LOCK, lock, unlock
from datagen.store.set_aside import MANIFEST, MARKER, forget, has_begun, is_aside, put_back, remove_run, set_aside
from datagen_schemas.errors import DataError, StoreError

log = logging.getLogger(__name__)

Json = Mapping[str, Any]  # Any: whatever JSON holds
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
# What can change a result without our own version changing.
_VERSIONED = ("datagen", "pyarrow", "datasets", "rapidfuzz", "math-verify", "torch", "transformers")


def fingerprint(path: Path) -> dict[str, Any]:  # Any: JSON
    """Name, size and SHA-256 of an input file; of a folder, those of its files taken together."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest, size = hashlib.sha256(), 0
    for file in files:
        if file is not path:
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as source:
            while block := source.read(1 << 20):
                digest.update(block)
                size += len(block)
    return {"path": str(path), "bytes": size, "sha256": digest.hexdigest()}


def data_files(run: Path) -> Iterator[Path]:
    """The files of a run's data sets, in order; not those of runs in it, nor a cache that `datasets` left beside."""
    for folder in sorted(run.iterdir()):
        if folder.name.startswith(".") or folder.name.endswith(".partial") or not folder.is_dir():
            continue
        yield from (file for file in sorted(folder.glob("data*")) if file.is_file())


def versions(packages: Iterable[str] = _VERSIONED) -> dict[str, str]:
    """Python's and each installed package's version."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class RunDirectory:
    """One command's output directory."""

    def __init__(self, path: Path, config: Json, *, overwrite: bool = False) -> None:
        """Open a new directory, or one that the same configuration began.

        Args:
            path: the directory; made if it is not there.
            config: everything that decides the output: options, seeds, fingerprints of the inputs.
            overwrite: replace what a run of datagen wrote there, finished or not.

        Raises:
            StoreError: the directory belongs to something else, another process is writing there, or it cannot be
                written.
        """
        self.path = path
        self.config = orjson.loads(orjson.dumps(config, option=orjson.OPT_SORT_KEYS))
        marker = path / MARKER
        try:
            if path.exists() and not marker.exists() and not is_aside(path) and _others(path):
                raise StoreError(f"{path} is not empty and no run of datagen. Choose another --out.")
            path.mkdir(parents=True, exist_ok=True)
            file = lock(path)
            self._unlock = None if file is None else weakref.finalize(self, unlock, path, file)
            if (path / MANIFEST).exists() and (has_begun(path) or not is_aside(path)):
                forget(path)  # a kill came right after the manifest
            if is_aside(path) and (
                overwrite or not has_begun(path) or not is_same(stored_config(marker), self.config)
            ):
                put_back(path)  # the run that was to replace it was killed
            stored = stored_config(marker) if marker.exists() else None
            if stored is not None and overwrite:
                set_aside(path)
                stored = None
            elif stored is not None and not is_same(stored, self.config):
                raise StoreError(
                    f"{path} holds a run with other options or inputs. Choose another --out, or replace it "
                    "with --overwrite."
                )
            self._is_new = stored is None
            self._began_as = stored or self.config
            if self._is_new:
                _write(marker, self.config)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}. Choose another --out.") from error

    @property
    def data(self) -> Path:
        """Folder of the main dataset."""
        return self.path / "data"

    def manifest(self) -> dict[str, Any] | None:  # Any: JSON
        """The manifest of a finished run; None as long as it is not finished, or if some of its data are gone.

        Raises:
            StoreError: the file is damaged.
        """
        file = self.path / MANIFEST
        if not file.exists():
            return None
        remedy = "Delete that file and run the same command again; replies that came are kept."
        found = read_object(file, remedy=remedy)
        if (lost := _lost(self.path, found)) is not None:
            log.warning("%s is gone: building this run again.", self.path / lost)
            return None
        return found

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the inputs are read: if they turn out to be bad, a directory made for this run goes again.

        Else the corrected command would find a run with other inputs there. The run that this one replaces comes
        back whatever went wrong.
        """
        try:
            yield
        except BaseException as error:
            shutil.rmtree(self.path / ".spill", ignore_errors=True)
            if is_aside(self.path) or (self._is_new and isinstance(error, DataError)):
                self.discard()
            self._release()
            raise

    def discard(self) -> None:
        """Undo the run: put back what it was to replace, else remove what it wrote."""
        if is_aside(self.path):
            put_back(self.path)
        else:
            self._release()  # first: its file is the last one in the directory
            remove_run(self.path)

    def clear(self, *names: str) -> None:
        """Remove what an earlier try wrote into the given sub-folders, once there is something to replace it with."""
        (self.path / MANIFEST).unlink(missing_ok=True)  # first: it must not count rows that are gone
        for name in names:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def finish(self, *, command: str, card: str, facts: Json) -> dict[str, Any]:  # Any: JSON
        """Write the card, then the manifest: the run is done."""
        manifest = {
            "command": command,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "config": self.config,
            **facts,
            "files": {file.relative_to(self.path).as_posix(): _size_and_hash(file) for file in data_files(self.path)},
        }
        (self.path / "README.md").write_text(card, encoding="utf-8")
        if self._began_as != self.config:  # with the same inputs at another place
            _write(self.path / MARKER, self.config)
        for written in data_files(self.path):
            _to_disk(written)
            _to_disk(written.parent)
        _write(self.path / MANIFEST, manifest)
        forget(self.path)
        self._release()
        return manifest

    def _release(self) -> None:
        if self._unlock is not None:
            self._unlock()


def _size_and_hash(file: Path) -> Json:
    found = fingerprint(file)
    return {"bytes": found["bytes"], "sha256": found["sha256"]}


def _write(path: Path, content: Json) -> None:
    """A file that is there whole or not at all, also after a power cut."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(orjson.dumps(content, option=_PRETTY) + b"\n")
    _to_disk(partial)
    partial.replace(path)
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:  # not every file system can flush a folder
        log.debug("%s: not flushed to disk (%s)", path, error)


def _others(folder: Path) -> bool:
    """Whether there is more than what a try leaves that was cut off at its very beginning."""
    return any(entry.name not in (LOCK, f"{MARKER}.partial") for entry in folder.iterdir())


def _lost(path: Path, manifest: Json) -> str | None:
    """A data file that a manifest names and that is not there, or a folder where it names no files."""
    if isinstance(files := manifest.get("files"), dict):
        return next((name for name in files if not (path / name).is_file()), None)
    counts = manifest.get("counts") or {}
    is_elsewhere = manifest.get("config", {}).get("stage") == "eval-replies"
    folders = counts.get("folders") or (["data"] if counts.get("rows") and not is_elsewhere else [])
    return next((name for name in folders if not any((path / name).glob("data*"))), None)
