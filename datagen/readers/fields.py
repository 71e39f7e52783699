"""What every dataset's file takes from a published row, and how it says that a row does not have it."""

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from datagen.answers.number import canonical, parse_number
from datagen.readers.dropped import BadRow

Values = Mapping[str, object]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Fields(NamedTuple):
    """A problem without its id and its place: what one row says."""

    question: str
    answer: str
    rationale: str | None
    choices: tuple[str, ...] | None
    meta: dict[str, object]


def value_of(row: Values, column: str) -> object:
    """The column's value, which must be there."""
    value = row.get(column)
    if value is None:
        found = ", ".join(row) or "nothing"
        raise BadRow("missing column", f"no {column!r}, only {found}" if column not in row else f"{column!r} is null")
    return value


def text_of(row: Values, column: str) -> str:
    """The column's text, which must be there and not be blank."""
    value = value_of(row, column)
    if not isinstance(value, str):
        raise BadRow("not text", f"{column!r} is {shown(value)}")
    if not value.strip():
        raise BadRow("empty text", f"{column!r} is blank")
    return value


def texts_of(row: Values, column: str) -> tuple[str, ...]:
    """The column's list of texts."""
    value = value_of(row, column)
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise BadRow("not a list of texts", f"{column!r} is {shown(value)}")
    return tuple(value)


def optional_text(row: Values, column: str) -> str | None:
    """The column's text, if there is any."""
    value = row.get(column)
    return value if isinstance(value, str) and value.strip() else None


def rest_of(row: Values, *used: str) -> dict[str, object]:
    """What else the row says."""
    return {column: value for column, value in row.items() if column not in used and value not in (None, "")}


def exact_text(value: object, column: str) -> str:
    """A number or text as text, without ever passing through a float that cannot hold it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float):
        # JSON readers turn integers beyond 64 bits into floats: from 2**53 on, what the file said is lost.
        if not math.isfinite(value) or abs(value) >= 2**53:
            raise BadRow("unparsable gold", f"{column!r} is {value!r}, not exact as a JSON number: quote it")
        return repr(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise BadRow("unparsable gold", f"{column!r} is {shown(value)}")


def gold_number(text: str) -> str:
    """Canonical text of a gold answer that must be a number."""
    number = parse_number(text)
    if number is None:
        raise BadRow("unparsable gold", f"{shown(text)} is no number")
    return canonical(number)


def gold_letter(value: object, choices: Sequence[str], column: str) -> str:
    """Letter of a gold answer given as a letter, in either case."""
    letter = value.strip().upper() if isinstance(value, str) else ""
    if len(letter) != 1 or letter not in LETTERS[: len(choices)]:
        raise BadRow("unparsable gold", f"{column!r} is {shown(value)}, no letter of the {len(choices)} choices")
    return letter


def gold_position(text: str, choices: Sequence[str], column: str) -> str:
    """Letter of a gold answer given as the text of one choice."""
    hits = [i for i, choice in enumerate(choices) if choice.strip() == text.strip()]
    if len(hits) != 1:
        raise BadRow("unparsable gold", f"{column!r} is {shown(text)}, which is {len(hits)} of the choices")
    return LETTERS[hits[0]]


def as_json(meta: Mapping[str, object]) -> str:
    """`meta` as canonical JSON; what JSON cannot say (dates, decimals) is written as text."""
    return json.dumps(meta, ensure_ascii=False, sort_keys=True, default=str)


def shown(value: object, *, width: int = 60) -> str:
    """A value in an error message: one line, never long."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."
