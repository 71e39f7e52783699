"""Groups any number of replies by problem on disk, so that memory holds one bucket of problems at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

MAX_BUCKETS = 64  # open files; 10 M replies of 400 bytes are then 64 MB a bucket


class Spilled(NamedTuple):
    """A reply as it waits for its problem's turn."""

    response: str
    sample: int | None
    model: str | None
    endpoint: str | None
    reply_key: str | None
    is_correct: bool | None  # the publisher's own verdict, where a file has one
    corruption: dict[str, Any] | None = None  # what was done to it, as JSON; Any: JSON


class ReplySpill:
    """Replies in files of neighbouring problems; each problem's replies keep the order in which they came."""

    def __init__(self, folder: Path, n_problems: int) -> None:
        """Make the folder's files; the caller removes the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._n_problems = n_problems
        self._per_bucket = max(1, -(-n_problems // MAX_BUCKETS))
        n_buckets = -(-n_problems // self._per_bucket)
        self._paths = [folder / f"bucket-{i:02d}.jsonl" for i in range(n_buckets)]
        self._files: list[IO[bytes]] = [path.open("wb") for path in self._paths]

    def add(self, problem: int, reply: Spilled) -> None:
        """Put a reply beside the others of its problem, given by index."""
        self._files[problem // self._per_bucket].write(orjson.dumps([problem, *reply]) + b"\n")

    def close(self) -> None:
        """End the writing."""
        for file in self._files:
            file.close()

    def groups(self) -> Iterator[list[Spilled]]:
        """The replies of problem 0, 1, 2, ...; an empty list for a problem without any."""
        self.close()
        for bucket, path in enumerate(self._paths):
            first = bucket * self._per_bucket
            groups: list[list[Spilled]] = [[] for _ in range(min(self._per_bucket, self._n_problems - first))]
            with path.open("rb") as lines:
                for line in lines:
                    problem, *reply = orjson.loads(line)
                    groups[problem - first].append(Spilled(*reply))
            path.unlink()
            yield from groups
