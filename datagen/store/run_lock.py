"""One process at a time on one run's directory: two would ask, and pay, for the same replies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datagen_schemas.errors import StoreError

LOCK = ".lock"


def lock(folder: Path) -> int | None:
    """Keep other processes out until `unlock`, or until this process ends in whatever way.

    Returns:
        The open file; None where there are no such locks, which is no reason not to run.

    Raises:
        StoreError: another process is at work there.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    path = folder / LOCK
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # it cannot be written, which is said where there is something to be written
            return None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            os.close(file)
            raise StoreError(
                f"{folder}: another datagen is writing there now. Wait until it ends, or choose another --out."
            ) from error
        except OSError:  # a file system without locks, as NFS can be
            return file
        if _is_still(path, file):
            return file
        os.close(file)  # whoever had it has removed it since: it would keep nobody out


def unlock(folder: Path, file: int) -> None:
    """Let others in, and leave no file behind: it would change the hash of a folder that others read."""
    with suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
    os.close(file)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder. It is made for this, and goes again if nothing was written there.

    Raises:
        StoreError: another process is at work there.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    file = lock(folder)
    try:
        yield
    finally:
        if file is not None:
            unlock(folder, file)
        with suppress(OSError):  # not empty
            for path in made:
                path.rmdir()


def _is_still(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False
