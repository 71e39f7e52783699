"""What the rows of a data set are meant to be, told from their columns."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from datagen.readers.shape import PROBLEM, READERS, shape_of
from datagen.store.foreign_rows import FOR_TRAINERS, REPLIES, foreign_rows
from datagen_schemas.catalog import RECORDS
from datagen_schemas.errors import DataError

NEAR = 0.5  # columns in common, of all columns of both, from which rows were meant to be a record


class Told(NamedTuple):
    """What rows must be."""

    name: str | None  # None: rows of no record, of which nothing is asked
    model: type[BaseModel] | None  # None: those, or a problem set as --dataset reads it
    shape: str | None = None  # of a problem set
    is_guess: bool = False  # the nearest record: the columns are not quite its own


def told(
    columns: Collection[str],
    first: Mapping[str, Any] | None,  # Any: whatever a row holds
    *,
    where: str,
    record: str | None = None,
    is_ours: bool = False,
) -> Told:
    """What rows of these columns are meant to be.

    Args:
        columns: of the first rows.
        first: the first row; None if there is none.
        where: the data set, for messages.
        record: the name of a record, if it is known.
        is_ours: whether a command of ours wrote it. Then rows of no record are somebody's rows that it kept as they
            were, and right; else they may be a problem set, or rows for the trainers.

    Raises:
        DataError: no telling, or no record of that name.
    """
    if record is not None:
        if record not in RECORDS:
            raise DataError(f"no record named '{record}'. Known: {', '.join(RECORDS)}.")
        return Told(record, RECORDS[record])
    names = frozenset(columns)
    for name, model in RECORDS.items():
        if model.model_fields.keys() == names:
            return Told(name, model)
    if not is_ours and (foreign := foreign_rows(names, FOR_TRAINERS)) is not None:
        return Told(*foreign)
    near, name = max((_nearness(names, model), name) for name, model in RECORDS.items())
    shape = None if first is None or is_ours else _problem_shape(first)
    # Question, answer, choices and rationale are half of a problem's columns, and all that --dataset asks for.
    is_problem_set = shape is not None and name == "problem" and len(names ^ RECORDS[name].model_fields.keys()) > 1
    if near >= NEAR and not is_problem_set:
        return Told(name, RECORDS[name], is_guess=True)
    if is_ours:
        return Told(None, None)
    if (foreign := foreign_rows(names, REPLIES)) is not None:
        return Told(*foreign)
    if shape is not None:
        return Told(f"problems ({shape})", None, shape)
    listed = ", ".join(name if name.isprintable() else repr(name) for name in columns) or "none"
    raise DataError(f"{where}: columns {listed} are no record of datagen. Name one with --record; see: datagen schema")


def _nearness(names: frozenset[str], model: type[BaseModel]) -> float:
    own = model.model_fields.keys()
    return len(names & own) / len(names | own)


def _problem_shape(first: Mapping[str, Any]) -> str | None:  # Any: whatever a row holds
    """The shape of a problem set that `--dataset` reads without a column map."""
    shape = shape_of(first)
    if shape == "generic":
        return shape if {"question", "answer"} <= first.keys() else None
    return shape if shape in READERS and shape != PROBLEM else None
