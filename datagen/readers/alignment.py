"""Alignment groups of any origin: ours, lists of responses with scores, right and wrong lists, or preference pairs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from datagen.readers.dropped import Dropped
from datagen.readers.locate import locate
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedGroup

SHAPES = "prompt, responses, scores; or prompt, correct, incorrect (lists); or prompt, chosen, rejected"


def read_alignment_groups(path: Path, *, split: str | None = None) -> Iterator[AlignmentGroup]:
    """The groups of a run, file or folder, in order.

    Besides the columns of AlignmentGroup these shapes are read: responses with scores and nothing else; lists of
    correct and incorrect responses, scored 1 and 0; a chosen and a rejected response, which are a group of two. A
    `reference`, for L_VFT, is taken where there is one.

    Raises:
        DataError: there are no such rows, or one of them is bad.
    """
    files, _ = locate(path, split)
    for row in read_rows(files):
        if isinstance(row, Dropped):
            raise DataError(f"{row.where}: {row.reason}: {row.detail}. Fix the row.")
        yield _group(row)


def _group(row: Row) -> AlignmentGroup:
    values = row.values
    record: type[AlignmentGroup] = AlignmentGroup
    if "sources" in values and "problem_id" in values:
        fields: Mapping[str, object] = values
        if "origin" in values:  # of a mixture
            record = MixedGroup
    else:
        responses, scores = _responses(row)
        fields = {
            "prompt": _text(row, "prompt"),
            "responses": responses,
            "scores": scores,
            "problem_id": str(values.get("problem_id", row.row_index)),
            "sources": [str(values.get("source", "unknown"))] * len(responses),
            "reference": _text(row, "reference") if values.get("reference") is not None else None,
        }
    try:
        return record.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "row"
        raise DataError(f"{row.where}: {at}: {first['msg']}. Fix the row.") from error


def _responses(row: Row) -> tuple[list[str], Sequence[object]]:
    names = row.values.keys()
    if {"responses", "scores"} <= names:
        return _texts(row, "responses"), _list(row, "scores")
    if {"correct", "incorrect"} <= names:
        right, wrong = _texts(row, "correct"), _texts(row, "incorrect")
        return [*right, *wrong], [1.0] * len(right) + [0.0] * len(wrong)
    if {"chosen", "rejected"} <= names:
        return [_text(row, "chosen"), _text(row, "rejected")], [1.0, 0.0]
    raise DataError(f"{row.where}: columns {', '.join(sorted(names))} are no alignment data. Needed: {SHAPES}.")


def _list(row: Row, name: str) -> Sequence[object]:
    value = row.values[name]
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DataError(f"{row.where}: {name} is no list. Needed: {SHAPES}.")
    return value


def _texts(row: Row, name: str) -> list[str]:
    texts = [text for text in _list(row, name) if isinstance(text, str)]
    if len(texts) != len(_list(row, name)):
        raise DataError(f"{row.where}: {name} holds something else than texts. Render chat messages as text first.")
    return texts


def _text(row: Row, name: str) -> str:
    text = row.values.get(name)
    if not isinstance(text, str):
        raise DataError(f"{row.where}: {name} is no text. Render chat messages as text first. Needed: {SHAPES}.")
    return text
