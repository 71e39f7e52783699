"""What a mixture is made of: data sets of ours and of others, each opened as a stream of rows of one record."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from datagen.mix.foreign_rows import check_columns, from_foreign
from datagen.mix.own_rows import CONVERTED, Origin, Unusable, mixed_from
from datagen.mix.questions import frames_of
from datagen.readers.dropped import BadRow, Dropped
from datagen.readers.hub import KNOWN, hub_dataset, read_hub
from datagen.readers.locate import SUFFIXES, locate, split_name
from datagen.readers.read import SYNTHETIC, DatasetSpec, read_problems
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen.readers.shape import PROBLEM, shape_of
from datagen.store.lineage import config_of, find_input, inputs_of, run_of
from datagen.store.run_directory import fingerprint
from datagen.store.tables import record_of_columns
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedExample, MixedGroup, MixedPreference
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.record import Record

KEPT: Mapping[type[Record], type[Record]] = {
    AlignmentGroup: MixedGroup,
    MixedGroup: MixedGroup,
    Preference: MixedPreference,
    MixedPreference: MixedPreference,
}
"""Records that a mixture of nothing else keeps, and what its rows are."""

_ROW_OF_ID = re.compile(r"-(\d+)-[0-9a-f]{12}\Z")  # of a problem that a reader numbered


@dataclass(frozen=True)
class MixInput:
    """One data set that goes in."""

    name: str
    path: str  # a folder or file, a known data set, or a Hub id
    split: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)  # our column -> theirs

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        """What decides its rows."""
        local = Path(self.path)
        file = fingerprint(local) if local.exists() else {"dataset": self.path}
        return {"name": self.name, **file, "split": self.split, "columns": dict(sorted(self.columns.items()))}


class Opened(NamedTuple):
    """A data set whose first row has been looked at."""

    of: MixInput
    record: type[Record] | None  # None: foreign rows
    rows: Iterator[Row | Dropped]
    problems: Iterator[Problem] | None  # in place of rows, where a reader makes problems of them


def default_name(path: str) -> str:
    """What a data set is called that was given no name: the run's folder, the file without its suffix, the Hub id."""
    local = Path(path)
    if not local.exists():
        return path
    if local.is_file():
        return local.stem
    local = local.absolute()
    return local.parent.name if local.name == "data" else local.name


def open_input(of: MixInput, *, skip_bad: bool, on_drop: Callable[[Dropped], None]) -> Opened:
    """Open a data set and tell what its rows are.

    Args:
        of: which.
        skip_bad: drop bad problems instead of failing at the first; bad rows of other kinds come out of `read_input`.
        on_drop: told of every problem that is dropped.

    Raises:
        DataError: there is no such data set, it is empty or not finished, or it holds what cannot be mixed.
    """
    check_columns(of.columns)
    local = Path(of.path)
    hub = None if local.suffix in SUFFIXES else hub_dataset(of.path)
    if not local.exists() and (of.path in KNOWN or of.path.partition(":")[0] == SYNTHETIC):
        spec = DatasetSpec(of.path, split=of.split, skip_bad=skip_bad)
        return Opened(of, Problem, iter(()), read_problems(spec, on_drop=on_drop))
    if not local.exists() and hub is None:
        raise DataError(f"{of.path}: no such file or folder, and no data set of that name. Check the path.")
    rows: Iterator[Row | Dropped]
    if local.exists():
        rows = read_rows(locate(local, of.split).files)
    else:
        assert hub is not None
        rows = read_hub(hub, split_name(of.split or "train"))
    head: list[Row | Dropped] = []
    first = None
    for row in rows:
        head.append(row)
        if isinstance(row, Row):
            first = row
            break
    rows = chain(head, rows)
    record = None if first is None or of.columns else record_of_columns(list(first.values))
    if record is not None:
        if record not in CONVERTED and record not in KEPT:
            raise DataError(
                f"{of.path}: rows of {record.__name__} cannot be mixed. Make examples of them (datagen rft) or groups "
                "(datagen groups)."
            )
        return Opened(of, record, rows, None)
    if first is not None and not of.columns and shape_of(first.values) not in ("generic", PROBLEM):
        spec = DatasetSpec(of.path, split=of.split, skip_bad=skip_bad)
        return Opened(of, Problem, iter(()), read_problems(spec, on_drop=on_drop))
    return Opened(of, None, rows, None)


class ReadRow(NamedTuple):
    """A row of a data set, or why there is none."""

    row: int
    record: Record | None
    reason: str = ""  # why it cannot be used
    dropped: Dropped | None = None  # it is a bad row


def read_input(opened: Opened, *, mixed: bool, problems: Sequence[DatasetSpec]) -> Iterator[ReadRow]:
    """Every row: as a MixedExample, or, if not `mixed`, as the group or pair that it is.

    Args:
        opened: the data set.
        mixed: whether rows become those of a mixture of training examples.
        problems: the problem sets that candidates answer, where their own run does not say.
    """
    origin = _origin(opened, problems)
    if opened.problems is not None:
        for i, problem in enumerate(opened.problems):
            numbered = _ROW_OF_ID.search(problem.id)
            yield _converted(problem, origin, int(numbered[1]) if numbered else i)
        return
    for i, row in enumerate(opened.rows):
        if isinstance(row, Dropped):
            yield ReadRow(i, None, row.reason, row)
            continue
        try:
            if opened.record is None:
                yield ReadRow(row.row_index, from_foreign(row, origin=origin, columns=opened.of.columns))
                continue
            record = _validated(row, opened.record)
        except BadRow as bad:
            yield ReadRow(row.row_index, None, bad.reason, Dropped(row.where, bad.reason, bad.detail))
            continue
        yield _converted(record, origin, row.row_index) if mixed else _kept(record, origin, row.row_index)


def _converted(record: Record, origin: Origin, row: int) -> ReadRow:
    try:
        return ReadRow(row, mixed_from(record, origin=origin, row=row))
    except Unusable as error:
        return ReadRow(row, None, str(error))


def _kept(record: Record, origin: Origin, row: int) -> ReadRow:
    """A group or pair as it is, with its origin; one of an earlier mixture comes from there now."""
    values = {**record.model_dump(), "origin": origin.name, "origin_row": row}
    return ReadRow(row, KEPT[type(record)].model_validate(values))


def _validated(row: Row, record: type[Record]) -> Record:
    try:
        return record.model_validate(row.values)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "row"
        raise BadRow("bad value", f"{at}: {first['msg']}") from error


def _origin(opened: Opened, problems: Sequence[DatasetSpec]) -> Origin:
    name = opened.of.name
    run = run_of(Path(opened.of.path))
    config = config_of(run) if run is not None else None
    if opened.record is Candidate:
        return Origin(name, problems=_answered(opened.of, run, config, problems))
    options = config.get("options") if config is not None else None
    template = options.get("train_prompt") if isinstance(options, Mapping) else None
    if not isinstance(template, str) or opened.record is MixedExample:
        return Origin(name)
    try:
        return Origin(name, frames=frames_of(template))
    except DataError:  # a template file that is not there any more
        return Origin(name, frames=None)


def _answered(
    of: MixInput, run: Path | None, config: Mapping[str, Any] | None, given: Sequence[DatasetSpec]
) -> dict[str, Problem]:  # Any: JSON
    """The problems that candidates answer: those that were named, else those of the run that made the candidates."""
    specs = list(given)
    dataset = config.get("dataset") if config is not None else None
    if not specs and run is not None and config is not None and isinstance(dataset, Mapping):
        source = next(of for of in inputs_of(config) if of.role == "dataset")
        path = find_input(source, run=run).path
        if path is not None or source.path is None:
            specs.append(
                DatasetSpec(
                    str(path or source.name),
                    split=source.split,
                    limit=source.limit,
                    columns=dataset.get("columns") or {},
                    format=source.format,
                    skip_bad=True,
                )
            )
    if not specs:
        raise DataError(f"{of.path}: candidates, and no telling which problems they answer. Name them: --problems")
    found: dict[str, Problem] = {}
    for spec in specs:
        found |= {problem.id: problem for problem in read_problems(spec, on_drop=lambda _: None)}
    return found


def mixed_record(opened: Sequence[Opened]) -> type[Record]:
    """The record of a mixture: that for groups or pairs if all data sets hold these, else MixedExample.

    Raises:
        DataError: groups or pairs among other rows.
    """
    kept = {None if of.record is None else KEPT.get(of.record) for of in opened}
    if kept == {None}:
        return MixedExample
    if len(kept) == 1 and (record := kept.pop()) is not None:
        return record
    kinds = ", ".join(f"{of.of.name}: {of.record.__name__ if of.record else 'foreign'}" for of in opened)
    raise DataError(f"alignment groups and preference pairs are mixed with their like only ({kinds}).")
