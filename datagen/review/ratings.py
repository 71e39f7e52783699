"""A person's ratings as JSON lines: on disk as soon as they are given, and the last line of an item counts."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from datagen.review.draw import Item, ItemKey
from datagen_schemas.errors import DataError, StoreError
from datagen_schemas.record import Record


class HumanRating(Record):
    """What a person said of one candidate."""

    problem_id: str
    sample: int
    response_sha256: str
    rating: Annotated[int, Field(ge=1, le=10)]
    judge_score: float = Field(description="At the time of the rating; reports take the dataset's own.")
    revised: bool = Field(default=False, description="Changed after the judge's score had been shown.")
    rated_at: str = Field(description="UTC, ISO 8601.")

    @property
    def key(self) -> ItemKey:
        """What the rating belongs to."""
        return ItemKey(self.problem_id, self.sample, self.response_sha256)


class RatingsFile:
    """Reads what was saved, and appends."""

    def __init__(self, path: Path) -> None:
        """Read the ratings in `path`, if there is such a file.

        Raises:
            DataError: a line of it is no rating.
        """
        self.path = path
        self.latest: dict[ItemKey, HumanRating] = {}
        self._torn_at: int | None = None  # where a line begins that a killed process did not finish
        self._open_end = False  # the last line lacks its newline, as some editors leave it
        if path.exists():
            self._read()

    def save(self, item: Item, rating: int) -> HumanRating:
        """Append a rating; it is on disk when this returns.

        Raises:
            StoreError: the file cannot be written.
        """
        made = HumanRating(
            **item.key._asdict(),
            rating=rating,
            judge_score=item.candidate.score,
            revised=item.key in self.latest,  # the first rating is what makes the judge's score visible
            rated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        line = made.model_dump_json().encode() + b"\n"
        try:
            with self.path.open("ab") as file:
                if self._torn_at is not None:
                    file.truncate(self._torn_at)
                    self._torn_at = None
                file.write(b"\n" + line if self._open_end else line)
                self._open_end = False
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(
                f"{self.path}: the rating cannot be saved: {error.strerror}. Name another file with --out"
            ) from error
        self.latest[made.key] = made
        return made

    def _read(self) -> None:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read: {error.strerror}. Name another file with --out") from error
        *lines, rest = content.split(b"\n")
        if rest and _is_rating(rest):
            lines.append(rest)
            self._open_end = True
        elif rest:
            self._torn_at = len(content) - len(rest)
        for number, line in enumerate(lines, start=1):
            try:
                rating = HumanRating.model_validate_json(line)
            except ValidationError as error:
                raise DataError(
                    f"{self.path} line {number}: no rating: {error.errors()[0]['msg']}. Remove the line, or name "
                    "another file with --out"
                ) from error
            self.latest[rating.key] = rating


def _is_rating(line: bytes) -> bool:
    try:
        HumanRating.model_validate_json(line)
    except ValidationError:
        return False
    return True
