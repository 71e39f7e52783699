"""A reply in a file that was made elsewhere: which row it is, found by its text."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datagen.readers.locate import locate
from datagen.readers.row import Row
from datagen.readers.rows import read_rows

Matches = Callable[[str], bool]


class ForeignRow(NamedTuple):
    """A row of a user's file, and the reply in it."""

    row: int
    text: str
    facts: dict[str, Any]  # Any: what the file says of it


def find_reply(path: Path, problem_id: str, question: str | None, matches: Matches) -> ForeignRow | None:
    """The first reply to the problem that matches; it may be in a column of GSM8K's example solutions.

    Raises:
        DataError: the file cannot be read.
    """
    for row in read_rows(locate(path, None, default_split=None).files):
        if not isinstance(row, Row) or not _answers(row.values, problem_id, question):
            continue
        for text, facts in _replies(row.values):
            if matches(text):
                return ForeignRow(row.row_index, text, facts)
    return None


def _answers(values: Mapping[str, Any], problem_id: str, question: str | None) -> bool:  # Any: a row
    asked = values.get("question")
    if values.get("problem_id") == problem_id:
        return True
    if not isinstance(asked, str):
        return False
    return question is None or " ".join(asked.split()) == " ".join(question.split())


def _replies(values: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:  # Any: a row
    response = values.get("response")
    own = {name: values[name] for name in ("model", "sample", "is_correct") if values.get(name) is not None}
    if isinstance(response, str):
        yield response, own
    elif isinstance(response, list):
        yield from ((text, own) for text in response if isinstance(text, str))
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(text := value.get("solution"), str):
            yield text, {"model": name, "is_correct": value.get("is_correct")}
