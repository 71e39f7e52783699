"""Where a run may not be written: into or over a data set that it reads, which would not be the same afterwards."""

from collections.abc import Iterable
from pathlib import Path

from datagen_schemas.errors import StoreError

_OF_A_RUN = ("data", "candidates")  # what a run that is replaced takes with it


def refuse_inside(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse a folder that lies in an input, or is one.

    Raises:
        StoreError: it does.
    """
    inputs = list(inputs)
    refuse_same(out, inputs)
    place = out.resolve()
    for path in inputs:
        if path.is_dir() and place.is_relative_to(path.resolve()):
            raise StoreError(f"{out} lies inside {path}, which it reads and would change. Choose another --out.")


def refuse_same(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse a folder that is an input, or whose data set is one.

    Raises:
        StoreError: it is.
    """
    place = out.resolve()
    for path in inputs:
        read = path.resolve()
        if path.is_dir() and place in (read, *((read.parent,) if read.name in _OF_A_RUN else ())):
            raise StoreError(
                f"--out {out} is the folder of an input, {path}, and would replace it. Choose another one."
            )
