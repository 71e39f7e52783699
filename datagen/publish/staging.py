"""Folders in which a data set is put together: one that goes again, or one that stays to be looked at."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datagen.publish.hub import INDEX
from datagen.publish.shards import shard_of
from datagen.requests.store import default_store_path
from datagen_schemas.errors import StoreError


def staging_home() -> Path:
    """Where data sets wait to be sent: beside the store of replies, and not in the run, whose hash would change."""
    return default_store_path().parent / "publish"


@contextmanager
def staging() -> Iterator[Path]:
    """A folder for what is sent; what killed tries left goes first.

    Raises:
        StoreError: it cannot be written.
    """
    home = staging_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        for left in home.iterdir():
            if left.name.isdecimal() and not _is_alive(int(left.name)):
                shutil.rmtree(left, ignore_errors=True)
        folder = home / str(os.getpid())
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    except OSError as error:
        raise StoreError(f"{home}: {error.strerror}. Point DATAGEN_HOME at a folder that can be written.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


@contextmanager
def dry_run_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder that appears whole; one that an earlier dry run wrote stays if it is the same.

    Raises:
        StoreError: something else is there, or it cannot be written.
    """
    partial = out.with_name(out.name + ".partial")
    try:
        if out.exists() and any(out.iterdir()) and not (out / INDEX).exists():
            raise StoreError(f"{out} is not empty, and no dry run wrote it. Choose another --out.")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror}. Choose another --out.") from error
    try:
        yield partial
        if not out.exists() or not any(out.iterdir()):
            shutil.rmtree(out, ignore_errors=True)
        elif _hashes(out) == _hashes(partial):
            return
        elif not overwrite:
            raise StoreError(f"{out} holds another dry run, or was edited. Replace it with --overwrite.")
        else:
            shutil.rmtree(out)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _hashes(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): shard_of(file, path="").sha256 for file in files}
