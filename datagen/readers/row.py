"""One row as published, with its place."""

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """One row as published."""

    file: str
    position: int
    """Line of a text file, row of any other, from 1."""
    is_line: bool
    row_index: int
    """Among all rows of the file, bad ones too, from 0: skipping rows does not shift the others."""
    values: Mapping[str, object]

    @property
    def where(self) -> str:
        """The row's place, for people."""
        return place(self.file, self.position, is_line=self.is_line)


def place(file: str, position: int, *, is_line: bool) -> str:
    """`train.jsonl:812` or `train.parquet row 812`."""
    return f"{file}:{position}" if is_line else f"{file} row {position}"
