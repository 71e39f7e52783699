"""What is known of a data set and the test sets of its sources: from the run's own report, else compared now."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen.readers.read import DatasetSpec
from datagen.readers.shape import READERS
from datagen.readers.test_sets import TEST, known_test_set
from datagen.store.lineage import Input
from datagen.store.run_directory import fingerprint

Json = Mapping[str, Any]  # Any: JSON


class Held(NamedTuple):
    """Test sets that a data set must be kept apart from."""

    specs: tuple[DatasetSpec, ...]
    made_from: tuple[str, ...]
    """Sources that are a test split themselves."""
    without: tuple[str, ...]
    """Sources of which no test set is known."""


class Compared(NamedTuple):
    """The rows of one data set that overlap a test set."""

    part: str
    against: tuple[str, ...]
    rows: int
    overlapping: int
    by_how: Mapping[str, int]
    removed: int  # that overlapped, and are not in it any more
    from_report: bool  # of the run, rather than compared for this


def held_out_of(sources: Sequence[Input]) -> Held:
    """The test sets that go with problem sets: the test split beside a known one, or the set itself if it is one."""
    specs: dict[tuple[str, str | None], DatasetSpec] = {}  # a file is one test set, however its split is called
    made_from, without = [], []
    for source in sources:
        name = str(source.path) if source.path is not None else source.name
        shape = source.format if source.format in READERS and source.format != "generic" else None
        spec = DatasetSpec(name, split=source.split, format=shape if source.path is not None else None)
        title = Path(source.name).name if source.path is not None else source.name
        if source.split == TEST:
            made_from.append(title)
            if source.path is None or source.path.exists():
                specs.setdefault(_place(spec), spec)
        elif (test := known_test_set(spec)) is not None:
            specs.setdefault(_place(test), test)
        else:
            without.append(title)
    return Held(tuple(specs.values()), tuple(made_from), tuple(without))


def _place(spec: DatasetSpec) -> tuple[str, str | None]:
    return spec.name, None if Path(spec.name).is_file() else spec.split


def is_here(spec: DatasetSpec) -> bool:
    """Whether a test set can be read without a network."""
    return Path(spec.name).exists() or spec.name.partition(":")[0] == "synthetic"


def report_of(run: Path, specs: Sequence[DatasetSpec]) -> dict[str, Any] | None:  # Any: JSON
    """The run's own contamination report, if it has one and that is of all these test sets; None otherwise."""
    try:
        found = orjson.loads((run / "contamination.json").read_bytes())
        against = found["against"]
        compared = {of["sha256"] for of in against} | {(of["name"], of["split"]) for of in against}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_known = all(_key(spec) in compared for spec in specs)
    return found if is_known and isinstance(found, dict) else None


def _key(spec: DatasetSpec) -> object:
    path = Path(spec.name)
    return fingerprint(path)["sha256"] if path.exists() else (spec.name, spec.split)


def compared(found: Json, *, part: str, from_report: bool) -> Compared:
    """A contamination report in short. What a run removed is not in its data any more."""
    removed = bool(found.get("removed"))
    overlapping = int(found["overlapping"])
    return Compared(
        part,
        tuple(_title(of) for of in found["against"]),
        rows=int(found["rows"]) - (int(found.get("n_removed", overlapping)) if removed else 0),
        overlapping=0 if removed else overlapping,
        by_how=dict(found["by_how"]),
        removed=int(found.get("n_removed", overlapping)) if removed else 0,
        from_report=from_report,
    )


def _title(of: Json) -> str:
    path = Path(str(of["name"]))
    name = f"{path.parent.name}/{path.name}" if path.is_absolute() else str(of["name"])
    return f"{name} ({of['split'] or 'all'}, {of['n_problems']:,} questions)"
