"""Lines on disk, written as a stream and found again by their offset, in any order."""

import mmap
from pathlib import Path
from types import TracebackType
from typing import Self


class LineFile:
    """A file of lines; what was written can be read once the writing has ended."""

    def __init__(self, path: Path) -> None:
        """Make the file, in place of one that is there; the caller removes it."""
        self._file = path.open("w+b", buffering=1 << 20)
        self._size = 0
        self._map: mmap.mmap | None = None

    def add(self, line: bytes) -> int:
        """Append a line without a line break in it; returns its offset."""
        at = self._size
        self._file.write(line)
        self._file.write(b"\n")
        self._size += len(line) + 1
        return at

    def line(self, at: int) -> bytes:
        """The line at an offset; the first call ends the writing."""
        if self._map is None:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map[at : self._map.find(b"\n", at)]

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._map is not None:
            self._map.close()
        self._file.close()
