"""What is wrong with a row, field by field: types are taken strictly, for a text '3' is no number."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, ValidationError

from datagen.store.fixes import fix_row

MAX_SHOWN = 60  # characters of a value


class Fault(NamedTuple):
    """One thing that is wrong with a row."""

    column: str  # 'provenance.model', 'responses[2]'; empty for the row as a whole
    message: str
    value: str  # as found, shortened
    fixable: bool = False


def faults(values: Mapping[str, Any], record: type[BaseModel], *, is_csv: bool = False) -> list[Fault]:
    """Everything that is wrong with a row, validators of the whole record included. Any: whatever a row holds.

    Args:
        values: the row.
        record: what it must be.
        is_csv: all values are texts, and are read as what their column wants before they are looked at.
    """
    if is_csv:
        read = fix_row(values, record, is_csv=True).values
        values = {name: value for name, value in read.items() if name in values}
    found = _strictly(values, record)
    if not found:
        return []
    left = {(of.column, of.message) for of in _strictly(fix_row(values, record).values, record)}
    return [of._replace(fixable=(of.column, of.message) not in left) for of in found]


def _strictly(values: Mapping[str, Any], record: type[BaseModel]) -> list[Fault]:  # Any: a row
    # As JSON: strict validation then takes a list for a tuple, which it does not of Python's objects.
    try:
        record.model_validate_json(orjson.dumps(values, default=_no_json), strict=True)
    except ValidationError as error:
        return [_fault(dict(of), values, record) for of in error.errors(include_url=False)]
    except TypeError as error:  # what orjson makes of integers beyond 64 bits
        return [Fault("", f"no JSON can hold it: {error}", "")]
    return []


def _no_json(value: object) -> dict[str, str]:
    """A date or bytes: an object is what no field of ours takes for its own."""
    return {"no JSON": type(value).__name__}


def _fault(error: Mapping[str, Any], values: Mapping[str, Any], record: type[BaseModel]) -> Fault:  # Any: pydantic's
    column = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).removeprefix(".")
    value = _at(values, error["loc"])
    kind = error["type"]
    if kind == "missing":
        return Fault(column, "missing", "")
    if kind == "extra_forbidden":
        return Fault(column, "no such column in the record", _shown(value))
    message = str(error["msg"]).removeprefix("Value error, ")
    return Fault(column, message[:1].lower() + message[1:], "" if not error["loc"] else _shown(value))


def _at(values: Any, loc: tuple[str | int, ...]) -> object:  # Any: a row
    """The value as it stands in the row; JSON has no NaN, so the error's own input may be another."""
    for part in loc:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
