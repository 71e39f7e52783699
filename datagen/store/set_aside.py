"""An earlier run, kept inside its directory until the one that replaces it is finished.

Every state in which a kill can leave the two is told from where the markers lie: `put_back` goes on from any of them.
"""

import re
import shutil
from pathlib import Path

from datagen.store.run_lock import LOCK

MARKER = "run.json"
MANIFEST = "manifest.json"
_ASIDE = ".replaced"
_FORGOTTEN = ".replaced.partial"
# What commands write into their directories beside data sets; a person's own ratings (review.jsonl) are not theirs.
_NAMES = {MARKER, MANIFEST, "README.md", "dataset_dict.json", "problems.jsonl", "fixes.jsonl", ".spill", ".rows"}
_NAMES |= {"contamination.json", "contamination.html"}
_DATA_FILE = re.compile(r"data-\d+-of-\d+\.\w+|data\.\w+|state\.json|dataset_info\.json|cache-.+")


def is_aside(path: Path) -> bool:
    """Whether a directory holds a run that is being replaced."""
    return (path / _ASIDE).is_dir()


def has_begun(path: Path) -> bool:
    """Whether the run that replaces the one set aside is there; else a kill came while files were moved."""
    return (path / MARKER).exists() and (path / _ASIDE / MARKER).exists()


def set_aside(path: Path) -> None:
    """Move what a run wrote out of the way; what it did not write stays where it is."""
    aside = path / _ASIDE
    aside.mkdir()
    for entry in _written(path):
        entry.rename(aside / entry.name)


def put_back(path: Path) -> None:
    """Replace what the new run wrote by what was set aside."""
    aside = path / _ASIDE
    (path / f"{MARKER}.partial").unlink(missing_ok=True)
    if has_begun(path):
        remove_run(path)
    for entry in _marker_last(aside):
        entry.rename(path / entry.name)
    aside.rmdir()


def forget(path: Path) -> None:
    """Remove what was set aside, if anything was: the new run is finished."""
    shutil.rmtree(path / _FORGOTTEN, ignore_errors=True)
    if is_aside(path):
        (path / _ASIDE).rename(path / _FORGOTTEN)  # at once: half of it must not be put back
        shutil.rmtree(path / _FORGOTTEN, ignore_errors=True)


def remove_run(path: Path) -> None:
    """Remove what a run wrote, and the directory if nothing else is in it."""
    for entry in _written(path):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if not any(path.iterdir()):
        path.rmdir()


def _written(path: Path) -> list[Path]:
    return [entry for entry in _marker_last(path) if _is_own(entry) or _is_data(entry)]


def _marker_last(path: Path) -> list[Path]:
    return sorted(path.iterdir(), key=lambda entry: (entry.name == MARKER, entry.name))


def _is_own(entry: Path) -> bool:
    return entry.name in _NAMES or entry.name.endswith(".partial")


def _is_data(folder: Path) -> bool:
    """Whether a folder holds data sets and runs, and nothing else."""
    return folder.is_dir() and folder.name != _ASIDE and all(_is_of_data(entry) for entry in folder.iterdir())


def _is_of_data(entry: Path) -> bool:
    if _is_own(entry) or entry.name == LOCK:
        return True
    return _is_data(entry) if entry.is_dir() else _DATA_FILE.fullmatch(entry.name) is not None
