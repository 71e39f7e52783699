"""The problem of a row: in the data set that a run read, or in the ranked groups that it was given."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datagen.readers.locate import locate
from datagen.readers.read import SYNTHETIC, DatasetSpec, read_problems
from datagen.readers.splits import BASE_SPLIT
from datagen.store.lineage import Input
from datagen.trace.tables import files_of, record_name, row_at, rows_where
from datagen_schemas.errors import DatagenError

_READ_ID = re.compile(r"[a-z0-9]+-([0-9]+)-[0-9a-f]{12}")


class FoundProblem(NamedTuple):
    """A problem and where it stands."""

    values: dict[str, Any]  # Any: a row of Problem
    place: str
    row: int | None
    is_row: bool  # of one of our own data sets, where it may have a way of its own


def find_problem(problem_id: str, of: Input, path: Path | None, config: Mapping[str, Any]) -> FoundProblem | None:
    """The problem in an input that has problems; None if it is not there.

    Args:
        problem_id: which.
        of: the input: a data set, or ranked groups.
        path: where it is now; None for a named data set.
        config: of the run, for the column map.  Any: JSON

    Raises:
        DatagenError: the data set cannot be read.
    """
    if path is not None and (found := _among_ours(problem_id, path)) is not None:
        return found
    name = str(path or of.dataset or of.name)
    if of.role == "ranked" or (of.role == "input" and not _is_read_by(problem_id, name)):
        return None
    dataset = config.get("dataset")
    columns = dataset.get("columns") if of.role == "dataset" and isinstance(dataset, Mapping) else None
    spec = DatasetSpec(
        name,
        split=of.split,
        columns=columns if isinstance(columns, Mapping) else {},
        format=of.format,
        skip_bad=True,
    )
    problem = next((found for found in read_problems(spec, on_drop=lambda _: None) if found.id == problem_id), None)
    if problem is None:
        return None
    place = of.dataset or of.name
    if path is not None:
        files = locate(path, BASE_SPLIT.get(of.split or "", of.split)).files
        place = str(files[0] if len(files) == 1 else path)
    read = _READ_ID.fullmatch(problem_id)
    return FoundProblem(problem.model_dump(), place, int(read[1]) if read else None, False)


def _is_read_by(problem_id: str, name: str) -> bool:
    """Whether a reader may have given the id: the rows of a mixture or split need not be problems at all."""
    return _READ_ID.fullmatch(problem_id) is not None or name.partition(":")[0] == SYNTHETIC


def _among_ours(problem_id: str, path: Path) -> FoundProblem | None:
    """In rows of Problem, or in ranked groups, without reading the others."""
    try:
        files = files_of(path)
        first = row_at(files, 0)
    except DatagenError:  # not one table: the readers know more of it
        return None
    kind = None if first is None else record_name(list(first))
    column = {"problem": "id", "ranked-group": "problem"}.get(kind or "")
    if column is None:
        return None
    found = next(rows_where(files, column, problem_id), None)
    if found is None:
        return None
    values = found.values if column == "id" else found.values["problem"]
    return FoundProblem(values, str(path), found.row, column == "id")
