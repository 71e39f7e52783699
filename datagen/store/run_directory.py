"""A run's directory: written atomically, known by its configuration, continued by running the same command again.

OUT/data/          the dataset
OUT/manifest.json  what made it; written last, so a directory without one is not finished
OUT/README.md      the dataset card
OUT/run.json       the configuration, written first: tells a continued run from another one
"""

import hashlib
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from datagen_schemas.errors import DataError, StoreError

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
            StoreError: the directory belongs to something else, or cannot be written.
        """
        self.path = path
        self.config = orjson.loads(orjson.dumps(config, option=orjson.OPT_SORT_KEYS))
        marker = path / "run.json"
        try:
            if marker.exists():
                if overwrite:
                    shutil.rmtree(path)
                elif orjson.loads(marker.read_bytes()) != self.config:
                    raise StoreError(
                        f"{path} holds a run with other options or inputs. Choose another --out, or replace it "
                        "with --overwrite."
                    )
            elif path.exists() and any(path.iterdir()):
                raise StoreError(f"{path} is not empty and no run of datagen. Choose another --out.")
            self._is_new = not marker.exists()
            path.mkdir(parents=True, exist_ok=True)
            _write(marker, self.config)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}. Choose another --out.") from error

    @property
    def data(self) -> Path:
        """Folder of the main dataset."""
        return self.path / "data"

    def manifest(self) -> dict[str, Any] | None:  # Any: JSON
        """The manifest of a finished run; None as long as it is not finished."""
        file = self.path / "manifest.json"
        return orjson.loads(file.read_bytes()) if file.exists() else None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While the inputs are read: if they turn out to be bad, a directory made for this run goes again.

        Else the corrected command would find a run with other inputs there.
        """
        try:
            yield
        except DataError:
            if self._is_new:
                shutil.rmtree(self.path, ignore_errors=True)
            raise

    def clear(self, *names: str) -> None:
        """Remove what an interrupted try left of the given sub-folders."""
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
        }
        (self.path / "README.md").write_text(card, encoding="utf-8")
        _write(self.path / "manifest.json", manifest)
        return manifest


def _write(path: Path, content: Json) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(orjson.dumps(content, option=_PRETTY) + b"\n")
    partial.replace(path)
