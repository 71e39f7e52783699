"""Where a run may not be written: into one of the data sets that it reads, which would not be the same afterwards."""

from collections.abc import Iterable
from pathlib import Path

from datagen_schemas.errors import StoreError


def refuse_inside(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse a folder that lies in an input.

    Raises:
        StoreError: it does.
    """
    place = out.resolve()
    for path in inputs:
        if path.is_dir() and place.is_relative_to(path.resolve()) and place != path.resolve():
            raise StoreError(f"{out} lies inside {path}, which it reads and would change. Choose another --out.")
