"""Arrow schemas, derived from the records so that the two cannot drift apart."""

from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

SCALARS: dict[type, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def arrow_schema(record: type[BaseModel]) -> pa.Schema:
    """Arrow schema of a record: one field per attribute, in order of declaration."""
    return pa.schema([arrow_field(name, info.annotation) for name, info in record.model_fields.items()])


def arrow_field(name: str, annotation: Any) -> "pa.Field[pa.DataType]":  # Any: whatever typing makes
    """Arrow field of one attribute; nullable if the annotation allows None."""
    options = get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)
    inner, *rest = (option for option in options if option is not NoneType)
    if rest:
        raise TypeError(f"{name}: {annotation} is a union. Split the field, or give it one type.")
    return pa.field(name, arrow_type(name, inner), nullable=NoneType in options)


def arrow_type(name: str, annotation: Any) -> pa.DataType:
    """Arrow type of an annotation without None."""
    if annotation in SCALARS:
        return SCALARS[annotation]
    if get_origin(annotation) is Literal and all(isinstance(choice, str) for choice in get_args(annotation)):
        return pa.string()
    if get_origin(annotation) is tuple:
        return pa.list_(arrow_type(name, get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(list(arrow_schema(annotation)))
    raise TypeError(f"{name}: no Arrow type for {annotation}. Add one to SCALARS in {__name__}.")
