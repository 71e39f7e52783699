"""Repairs of a row that lose nothing and add nothing; whatever needs a judgement stays as it is.

- a missing column that has a default, or may be null, gets that; null where a default is meant becomes the default
- a whole number written as 3.0 becomes 3 where an integer is wanted, up to 2^53
- a number written as text becomes that number, if the number says exactly what the text says
- an integer becomes text where text is wanted, such as an id
- a column that the record does not have goes, if it is null
- columns come in the record's order

CSV has nothing but text: there, an empty field is null where null is allowed, and lists and objects are JSON.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, get_args, get_origin

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_EXACT = 2**53  # beyond it a float does not stand for one integer
_MISSING = object()


class Fix(NamedTuple):
    """What was repaired in a row."""

    column: str
    what: str


class Fixed(NamedTuple):
    """A row, and what was repaired in it."""

    values: dict[str, Any]  # Any: whatever a row holds
    fixes: tuple[Fix, ...]


def fix_row(values: Mapping[str, Any], record: type[BaseModel], *, is_csv: bool = False) -> Fixed:  # Any: a row
    """The row with all repairs that are possible; others may be needed before it is a valid one."""
    fixes: list[Fix] = []
    return Fixed(_object(values, record, "", fixes, is_csv=is_csv), tuple(fixes))


def _object(
    values: Mapping[str, Any], record: type[BaseModel], at: str, fixes: list[Fix], *, is_csv: bool
) -> dict[str, Any]:  # Any: a row
    fixed: dict[str, Any] = {}  # Any: a row
    is_ours = record.model_config.get("extra") == "forbid"  # others' rows have what they like
    for name, field in record.model_fields.items():
        column = at + name
        value = values.get(name, _MISSING)
        if value is _MISSING:
            value = _absent(field) if is_ours else _MISSING
            if value is not _MISSING:
                fixes.append(Fix(column, f"missing, now {_shown(value)}"))
                fixed[name] = value
            continue
        if value is None and not _is_nullable(field.annotation) and not field.is_required():
            value = field.get_default(call_default_factory=True)
            fixes.append(Fix(column, f"null, now {_shown(value)}"))
        fixed[name] = _value(value, field.annotation, column, fixes, is_csv=is_csv)
    for name, value in values.items():
        if name in fixed or name in record.model_fields:
            continue
        if value is None and is_ours:
            fixes.append(Fix(at + name, "null, and no column of the record: left out"))
        else:
            fixed[name] = value
    return fixed


def _value(value: Any, annotation: Any, column: str, fixes: list[Fix], *, is_csv: bool) -> Any:  # Any: a row, typing
    """The value as its annotation wants it, if nothing is lost by that; else as it is."""
    if is_csv and value == "" and _is_nullable(annotation):
        return None
    if value is None:
        return None
    wanted = next((option for option in _options(annotation) if option is not type(None)), annotation)
    new: Any = value
    if is_csv and isinstance(value, str) and (get_origin(wanted) is tuple or _is_record(wanted)):
        value = new = _from_json(value)
    if get_origin(wanted) is tuple and isinstance(value, list | tuple):
        inner = get_args(wanted)[0]
        return [_value(item, inner, f"{column}[{i}]", fixes, is_csv=False) for i, item in enumerate(value)]
    if _is_record(wanted) and isinstance(value, Mapping):
        return _object(value, wanted, f"{column}.", fixes, is_csv=False)
    if wanted is int:
        new = _integer(value)
    elif wanted is float:
        new = _float(value)
    elif wanted is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        new = value.lower() == "true"
    elif wanted is str and type(value) is int:
        new = str(value)
    if new is not value and not is_csv:
        fixes.append(Fix(column, f"{_kind(value)}, now {_kind(new)}"))
    return new


def _integer(value: Any) -> Any:  # Any: a row
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value) and -(2**63) <= int(value) < 2**63:
        return int(value)
    return value


def _float(value: Any) -> Any:  # Any: a row
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
        if math.isfinite(number) and Decimal(repr(number)) == Decimal(value):
            return number
    return value


def _from_json(text: str) -> Any:  # Any: JSON
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _absent(field: FieldInfo) -> Any:  # Any: a default
    if not field.is_required():
        return field.get_default(call_default_factory=True)
    return None if _is_nullable(field.annotation) else _MISSING


def _options(annotation: Any) -> tuple[Any, ...]:  # Any: typing
    from types import UnionType

    return get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)


def _is_nullable(annotation: Any) -> bool:  # Any: typing
    return type(None) in _options(annotation)


def _is_record(annotation: Any) -> bool:  # Any: typing
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _kind(value: object) -> str:
    names: dict[type, str] = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
    return names.get(type(value), "null" if value is None else type(value).__name__)


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)
