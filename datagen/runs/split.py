"""The `split` job: a data set in, its parts out, each a data set; no problem is in two of them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen import __version__
from datagen.mix.questions import problem_id_of, questions_of, text_at
from datagen.mix.split import DEFAULT_PARTS, Families, Part, names_of, nested_families, split_families
from datagen.progress import Report, Step, silent
from datagen.readers.dropped import Dropped, bad_row_policy
from datagen.readers.hub import KNOWN, hub_dataset
from datagen.readers.locate import SUFFIXES, locate
from datagen.readers.read import SYNTHETIC, DatasetSpec, read_problems
from datagen.readers.row import Row
from datagen.readers.rows import read_rows
from datagen.readers.shape import PROBLEM, shape_of
from datagen.readers.splits import BASE_SPLIT
from datagen.runs.out_place import refuse_inside
from datagen.runs.replies import Drops
from datagen.store.arrow_dataset import DatasetWriter, Format
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen.store.tables import copy_rows
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

Json = dict[str, Any]  # Any: JSON
PAPER = {"aft": {"train": "paper-train", "validation": "paper-validation", "test": "paper-test"}}
"""Papers whose split is known by name: part -> the split that `readers/splits.py` draws."""

STRATA = ("origin", "source", "problem.source")  # columns by which parts are alike, the first that is there
_NO_STRATUM = "none"
# What is not needed to tell which problem a row belongs to.
_NOT_NEEDED = frozenset(("provenance", "completion", "response", "responses", "equations", "candidates", "missing"))
_NOT_NEEDED |= {"chosen", "rejected", "rationale", "reference", "evidence"}


@dataclass(frozen=True)
class SplitOptions:
    """How to cut."""

    parts: tuple[Part, ...] = DEFAULT_PARTS  # none: only fractions of the whole
    fractions: tuple[float, ...] = ()  # of the train part, or of the first one, or of all; they lie inside each other
    paper: str | None = None  # a key of PAPER, in place of parts
    like: Path | None = None  # an earlier split, in place of parts: every problem goes where it is there
    stratify: str | None = None  # a column; None: the first of STRATA that is there; 'none': do not
    seed: int = 0


@dataclass(frozen=True)
class SplitJob:
    """From where to where."""

    data: DatasetSpec
    out: Path
    overwrite: bool = False
    command: str = ""


def run_split(job: SplitJob, options: SplitOptions, *, format: Format = "arrow", report: Report = silent) -> Json:
    """Write OUT/PART of every part and OUT/fraction-F of every fraction; returns the manifest. A finished run is kept.

    Rows keep their columns and their order. `datasets.load_from_disk(OUT)` opens all parts together.

    Raises:
        DataError: the data cannot be read, a row does not say which problem it belongs to, or the sizes do not fit.
    """
    started = time.monotonic()
    _check_paper(options)
    refuse_inside(job.out, [Path(job.data.name)])
    run = RunDirectory(job.out, _config(job, options, format), overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None:
        return finished
    drops = Drops()
    with run.reading():
        data = _open(job.data, options, drops)
        assigned = _assign(data, options, report=report)
        folders = _folders(assigned, options)
        run.clear(*folders)
        rows: dict[str, int] = {}
        for name, families in folders.items():
            rows[name] = data.write(run.path / name, format, [of in families for of in assigned.family_of_row])
            report(Step("write parts", len(rows), len(folders)))
    if format == "arrow":
        names = [name for name in folders if name in assigned.parts] or list(folders)
        (run.path / "dataset_dict.json").write_bytes(orjson.dumps({"splits": names}))

    counts = _counts(assigned, folders, rows, drops)
    facts = {"counts": counts, "strata": assigned.strata(), "seconds": round(time.monotonic() - started, 1)}
    return run.finish(command=job.command, card=_card(job, options, counts), facts=facts)


class _Data(NamedTuple):
    """Rows as far as they are needed, and how some of them are written."""

    rows: Callable[[], Iterator[tuple[Mapping[str, Any], str]]]  # with their place; Any: whatever a row holds
    write: Callable[[Path, Format, Sequence[bool]], int]  # folder, format, rows to keep -> rows written
    paper: Sequence[str] | None = None  # the part of every row, where a paper says it


class _Assigned(NamedTuple):
    """Which family every row belongs to, and which part every family is in."""

    family_of_row: list[str]
    stratum_of: dict[str, str]
    part_of: dict[str, str]  # without the families that are in no part
    parts: list[str]
    fractions: dict[float, frozenset[str]]

    def strata(self) -> dict[str, dict[str, int]]:
        """Stratum -> part -> families."""
        found: dict[str, Counter[str]] = {}
        for family, part in self.part_of.items():
            found.setdefault(self.stratum_of[family], Counter())[part] += 1
        return {name: dict(sorted(parts.items())) for name, parts in sorted(found.items())}


def _check_paper(options: SplitOptions) -> None:
    if options.paper is not None and options.paper not in PAPER:
        raise DataError(f"--paper {options.paper}: no such split. Choose from {', '.join(PAPER)}.")
    named = [part.name for part in options.parts]
    if twice := next((name for name in named if named.count(name) > 1), None):
        raise DataError(f"--part {twice}: there are two of that name.")


def _config(job: SplitJob, options: SplitOptions, format: Format) -> Json:
    local = Path(job.data.name)
    like = fingerprint(options.like) if options.like is not None else None
    parts = [[part.name, str(part.size)] for part in options.parts]
    file = fingerprint(local) if local.exists() else {}
    columns = dict(job.data.columns)
    drawn = PAPER[options.paper].values() if options.paper is not None else ()
    splits = sorted({BASE_SPLIT[split] for split in drawn}) if drawn else [job.data.split]
    return {
        "stage": "split",
        "datagen": __version__,
        "format": format,
        "inputs": [
            {"name": job.data.name, **file, "split": split, "format": job.data.format, "columns": columns}
            for split in splits
        ],
        "options": {**asdict(options), "parts": parts, "like": like},
        "skip_bad": job.data.skip_bad,
        "seed": options.seed,
    }


def _open(spec: DatasetSpec, options: SplitOptions, drops: Drops) -> _Data:
    """A paper's split, a problem set, or rows of any columns."""
    if options.paper is not None:
        return _of_paper(spec, PAPER[options.paper], seed=options.seed, drops=drops)
    path = Path(spec.name)
    if not path.exists():
        named = spec.name in KNOWN or spec.name.partition(":")[0] == SYNTHETIC
        if not named and (path.suffix in SUFFIXES or hub_dataset(spec.name) is None):
            raise DataError(f"{spec.name}: no such file or folder, and no data set of that name. Check the path.")
        return _of_problems(list(read_problems(spec, on_drop=drops)))
    files = locate(path, None if spec.split in BASE_SPLIT else spec.split).files
    first = next((row for row in read_rows(files) if isinstance(row, Row)), None)
    is_read = spec.format is not None or spec.columns or spec.split in BASE_SPLIT
    if is_read or (first is not None and shape_of(first.values) not in ("generic", PROBLEM)):
        return _of_problems(list(read_problems(spec, on_drop=drops)))
    needed = (options.stratify or "").partition(".")[0]
    return _of_rows(files, ignore=_NOT_NEEDED - {needed}, skip_bad=spec.skip_bad, drops=drops)


def _of_paper(spec: DatasetSpec, splits: Mapping[str, str], *, seed: int, drops: Drops) -> _Data:
    problems: list[Problem] = []
    parts: list[str] = []
    for part, split in splits.items():
        read = DatasetSpec(spec.name, split=split, format=spec.format, skip_bad=spec.skip_bad, paper_split_seed=seed)
        try:
            mine = list(read_problems(read, on_drop=drops))
        except DataError as error:
            raise DataError(
                f"--paper cuts GSM8K, and {spec.name} cannot be read as its train and test set ({error}) Name GSM8K; "
                "what was made from it follows with --like."
            ) from error
        problems += mine
        parts += [part] * len(mine)
    return _of_problems(problems)._replace(paper=parts)


def _of_problems(problems: Sequence[Problem]) -> _Data:
    def write(folder: Path, format: Format, keep: Sequence[bool]) -> int:
        with DatasetWriter(folder, Problem, format=format) as rows:
            rows.write_records((of for of, kept in zip(problems, keep, strict=True) if kept), Problem)
        return rows.rows

    return _Data(lambda: ((problem.model_dump(), problem.id) for problem in problems), write)


def _of_rows(files: Sequence[Path], *, ignore: frozenset[str], skip_bad: bool, drops: Drops) -> _Data:
    """Rows of a data set, which are copied as they are. A bad row has the index that it takes in its file."""
    drop = bad_row_policy(skip_bad=skip_bad, on_drop=drops)
    indices: list[int] = []

    def rows() -> Iterator[tuple[Mapping[str, Any], str]]:  # Any: whatever a row holds
        for row in read_rows(files, ignore=ignore):
            if isinstance(row, Dropped):
                drop(row)
            elif (empty := _empty_question(row.values)) is not None:
                drop(Dropped(row.where, "empty text", f"{empty!r} is empty, and nothing else names the problem"))
            else:
                indices.append(row.row_index)
                yield row.values, row.where

    def write(folder: Path, format: Format, keep: Sequence[bool]) -> int:
        kept = {index for index, is_kept in zip(indices, keep, strict=True) if is_kept}
        return copy_rows(files, folder, format=format, keep=kept.__contains__)

    return _Data(rows, write)


def _empty_question(row: Mapping[str, Any]) -> str | None:  # Any: whatever a row holds
    """The column that would tell which problem it is and is empty; None if there is none, or another one tells it."""
    empty = (name for name, value in row.items() if value is None or (isinstance(value, str) and not value.strip()))
    telling = next((name for name in empty if questions_of({name: "?"})), None)
    return None if telling is None or _found_names(row) else telling


def _names(row: Mapping[str, Any], where: str) -> list[str]:  # Any: whatever a row holds
    """What a row belongs to."""
    names = _found_names(row)
    if not names:
        raise DataError(
            f"{where}: no problem_id and no question, only {', '.join(row) or 'nothing'}. Name its columns with: "
            "datagen mix --column question=THEIRS"
        )
    return names


def _found_names(row: Mapping[str, Any]) -> list[str]:  # Any: whatever a row holds
    return names_of(problem_id_of(row), (*questions_of(row), *_meta_names(row)))


def _meta_names(row: Mapping[str, Any]) -> Iterable[str]:  # Any: whatever a row holds
    """The question that a problem of `augment` was made from."""
    try:
        meta = orjson.loads(row.get("meta") or "{}")
    except (orjson.JSONDecodeError, TypeError):
        return ()
    original = meta.get("original_question") if isinstance(meta, dict) else None
    return (original,) if isinstance(original, str) else ()


def _assign(data: _Data, options: SplitOptions, *, report: Report) -> _Assigned:
    families = Families()
    names_of_row: list[str] = []
    strata_of_row: list[str] = []
    for i, (row, where) in enumerate(data.rows(), 1):
        names = _names(row, where)
        families.add(names)
        names_of_row.append(names[0])
        strata_of_row.append(_stratum(row, options.stratify, where))
        if i % 1000 == 0:
            report(Step("read", i, None))
    if not names_of_row:
        raise DataError("no row to split. Look at the data set with: datagen validate")
    report(Step("read", len(names_of_row), len(names_of_row)))
    family_of_row = [families.family(name) for name in names_of_row]
    strata: dict[str, set[str]] = {}
    for family, stratum in zip(family_of_row, strata_of_row, strict=True):
        strata.setdefault(family, set()).add(stratum)
    stratum_of = {family: " + ".join(sorted(found)) for family, found in strata.items()}

    if data.paper is not None:
        part_of, parts = dict(zip(family_of_row, data.paper, strict=True)), list(dict.fromkeys(data.paper))
        if torn := next((f for f, part in zip(family_of_row, data.paper, strict=True) if part_of[f] != part), None):
            raise DataError(f"{torn}: its question is in two parts of the paper's split. Use --part.")
    elif options.like is not None:
        part_of, parts = _as_there(options.like, families, stratum_of)
    elif options.parts:
        part_of = split_families(stratum_of, options.parts, seed=options.seed)
        parts = [part.name for part in options.parts]
    else:
        part_of, parts = {}, []
    base = "train" if "train" in parts else parts[0] if parts else None
    within = {f: s for f, s in stratum_of.items() if base is None or part_of.get(f) == base}
    fractions = nested_families(within, options.fractions, seed=options.seed) if options.fractions else {}
    return _Assigned(family_of_row, stratum_of, part_of, parts, fractions)


def _stratum(row: Mapping[str, Any], column: str | None, where: str) -> str:  # Any: whatever a row holds
    if column == _NO_STRATUM:
        return ""
    if column is not None:
        found = text_at(row, column)
        if found is None:
            raise DataError(
                f"{where}: no text in the column {column!r} that is to be stratified by. Name another one."
            )
        return found
    # `source` of an Example is gold or sampled: of the row, not of the problem.
    columns = STRATA[:1] if "prompt" in row else STRATA
    return next((text for text in (text_at(row, name) for name in columns) if text is not None), "")


def _as_there(like: Path, families: Families, stratum_of: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Families in the parts of an earlier split; those that are not in it are in none."""
    file = like / "manifest.json"
    try:
        manifest = orjson.loads(file.read_bytes())
        parts = list(manifest["counts"]["parts"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"--like {like}: no finished run of datagen split. Name its folder.") from error
    part_of: dict[str, str] = {}
    for part in parts:
        for row in read_rows(locate(like / part, None).files, ignore=_NOT_NEEDED):
            if isinstance(row, Dropped):
                continue
            for name in _names(row.values, row.where):
                family = families.family(name)
                if family in stratum_of and part_of.setdefault(family, part) != part:
                    raise DataError(
                        f"--like {like}: the problem {family} is in {part_of[family]} and in {part} there, by way of "
                        "rows of this data set. Split both together: datagen mix, then datagen split."
                    )
    if not part_of:
        raise DataError(f"--like {like}: not one problem of this data set is in it.")
    return part_of, parts


def _folders(assigned: _Assigned, options: SplitOptions) -> dict[str, frozenset[str]]:
    """Folder -> its families."""
    by_part: dict[str, set[str]] = {part: set() for part in assigned.parts}
    for family, part in assigned.part_of.items():
        by_part[part].add(family)
    fractions = {f"fraction-{fraction:g}": assigned.fractions[fraction] for fraction in sorted(set(options.fractions))}
    return {**{part: frozenset(of) for part, of in by_part.items()}, **fractions}


def _counts(assigned: _Assigned, folders: Mapping[str, frozenset[str]], rows: Mapping[str, int], drops: Drops) -> Json:
    n_rows = Counter(assigned.family_of_row)
    in_parts = sum(rows[name] for name in assigned.parts)
    left_out = n_rows.total() - in_parts if assigned.parts else 0
    return {
        "rows": in_parts if assigned.parts else n_rows.total(),
        "in": n_rows.total(),
        "problems": len(assigned.stratum_of),
        "folders": dict(rows),
        "parts": {name: {"problems": len(folders[name]), "rows": rows[name]} for name in assigned.parts},
        "fractions": {
            name: {"problems": len(of), "rows": rows[name]}
            for name, of in folders.items()
            if name not in assigned.parts
        },
        "dropped": {"not in the other split": left_out} if left_out else {},
        "bad_rows": drops.as_json(),
    }


def _card(job: SplitJob, options: SplitOptions, counts: Json) -> str:
    parts = {**counts["parts"], **counts["fractions"]}
    what = f"the split of the {options.paper.upper()} paper" if options.paper else "parts without a common problem"
    return dataset_card(
        title=f"{Path(job.data.name).name}: {what}",
        command=job.command,
        folders={name: f"{of['rows']:,} rows of {of['problems']:,} problems" for name, of in parts.items()},
        facts={"problems": counts["problems"], "rows": counts["in"], **{n: of["rows"] for n, of in parts.items()}},
    )
