"""What a run was made from: the inputs that its manifest names, where they are now, and the problem sets at the roots.

Paths stand in a manifest as they were typed. They are looked for from the current folder, then beside the run, so that
runs that were moved together are still found. An input that has changed since, or is gone, is said to be so; nothing
here fails for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from datagen.readers.hub import KNOWN
from datagen.readers.locate import NO_SPLIT, locate
from datagen.readers.read import SYNTHETIC, DatasetSpec, read_problems
from datagen.readers.shape import READERS
from datagen.readers.splits import BASE_SPLIT
from datagen.store.run_directory import Json, fingerprint
from datagen_schemas.errors import DatagenError
from datagen_schemas.problem import Problem

PUBLISHED = (
    "datagen.json"  # what `datagen publish` puts beside the data: the manifests of all runs, the last one's last
)
FILES = ("candidates", "ranked", "negatives")  # lists of fingerprints in a configuration
ROWS: frozenset[str] = frozenset(("dataset", "problems", "candidates", "ranked", "negatives", "input"))
"""The roles of what ends up in a run's rows; the others are only compared with them."""

State = Literal["unchanged", "same size", "changed", "missing", "not recorded"]
# Above this, equal sizes are taken for equal bytes, unless asked: a trace of one row is not to read gigabytes.
MOST_BYTES_TO_HASH = 32_000_000
MOST_FOLDERS_UP = 4


class Input(NamedTuple):
    """Something that a run read, as its manifest says it."""

    role: str  # dataset, problems, candidates, ranked, negatives, input, against, assess or exclude
    name: str  # of the data set, or the path as it was typed
    path: Path | None  # of a local file or folder; None for a name, such as gsm8k
    sha256: str | None
    split: str | None
    format: str | None
    bytes: int | None = None
    limit: int | None = None
    dataset: str | None = None  # an input of a mixture that is no file: gsm8k, a Hub id; `name` is the user's for it


class Found(NamedTuple):
    """Where an input is now."""

    path: Path | None
    state: State


def manifest_of(folder: Path) -> dict[str, Any] | None:  # Any: JSON
    """The manifest of a finished run, also of one that was published; None if there is no readable one."""
    manifest = _read(folder / "manifest.json")
    if manifest is not None:
        return manifest
    runs = (_read(folder / PUBLISHED) or {}).get("runs")
    last = runs[-1] if isinstance(runs, list) and runs else None
    found = last.get("manifest") if isinstance(last, dict) else None
    return found if isinstance(found, dict) else None


def config_of(folder: Path) -> dict[str, Any] | None:  # Any: JSON
    """The configuration of the run in a folder, finished or not; None if there is no readable one."""
    found = (manifest_of(folder) or {}).get("config")
    return found if isinstance(found, dict) else _read(folder / "run.json")


def _read(path: Path) -> dict[str, Any] | None:  # Any: JSON
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return content if isinstance(content, dict) else None


def run_of(path: Path) -> Path | None:
    """The run directory that a path is, or lies in; None for data that no run of ours wrote."""
    return next((folder for folder in (path, *path.parents[:2]) if config_of(folder) is not None), None)


def inputs_of(config: Json) -> list[Input]:
    """What a run read, each thing once: the data set first, then files in the order of the command line.

    Args:
        config: the configuration in a manifest, of any stage.
    """
    return list(dict.fromkeys(_inputs(config)))


def _inputs(config: Json) -> Iterator[Input]:
    if isinstance(dataset := config.get("dataset"), Mapping):
        file = dataset.get("file") or config.get("dataset_file")
        yield _dataset("dataset", dataset, file if isinstance(file, Mapping) else {})
    elif isinstance(dataset, str):
        yield _dataset("dataset", {"name": dataset}, {})
    for role in FILES:
        for file in _listed(config.get(role)):
            yield _file(role, file)
    for file in _listed(config.get("inputs")):
        yield _file("input", file)
    for of in _listed(config.get("problems")):
        yield _dataset("problems", of, of["file"] if isinstance(of.get("file"), Mapping) else of)
    rewriting = config.get("rewriting")
    against = rewriting.get("against") if isinstance(rewriting, Mapping) else config.get("against")
    for of in _listed(against):
        yield _dataset("against", of, of["file"] if isinstance(of.get("file"), Mapping) else of)
    # `eval` has the configuration of a run of `sample` for each model.
    for model in _listed(config.get("models")):
        yield from _inputs(model)
    if isinstance(assess := config.get("assess"), Mapping):
        for role, name in (("assess", "candidates"), ("exclude", "exclude")):
            for file in _listed(assess.get(name)):
                yield _file(role, file)


def _listed(value: object) -> list[Json]:
    """The objects of a list, or the object itself; a configuration of another version may hold anything."""
    values = value if isinstance(value, list | tuple) else [value]
    return [of for of in values if isinstance(of, Mapping)]


def _dataset(role: str, of: Json, file: Json) -> Input:
    return Input(
        role=role,
        name=str(of.get("name") or file.get("path") or ""),
        path=Path(path) if (path := _text(file, "path")) else None,
        sha256=_text(file, "sha256"),
        split=_text(of, "split"),
        format=_text(of, "format"),
        bytes=size if isinstance(size := file.get("bytes"), int) else None,
        limit=limit if isinstance(limit := of.get("limit"), int) else None,
        dataset=_text(of, "dataset"),
    )


def _file(role: str, of: Json) -> Input:
    return _dataset(role, of, of)


def _text(of: Json, name: str) -> str | None:
    value = of.get(name)
    return value if isinstance(value, str) else None


def find_input(of: Input, *, run: Path, always_hash: bool = False) -> Found:
    """Where an input is now, and whether it is still what the run read.

    Args:
        of: what a manifest says.
        run: the folder of that run.
        always_hash: compare SHA-256 however large it is; else files of more than 32 MB count by size.
    """
    if of.path is None:
        return Found(None, "not recorded")
    first: Found | None = None
    for path in _places(of.path, run):
        if not path.exists():
            continue
        found = Found(path, _state(of, path, always_hash=always_hash))
        if found.state != "changed":
            return found
        first = first or found
    return first or Found(None, "missing")


def _places(written: Path, run: Path) -> Iterator[Path]:
    """As it was typed; then that path, and its last parts, from the run's parent folders."""
    yield written
    above = run.absolute().parents[:MOST_FOLDERS_UP]
    parts = [part for part in written.parts if part not in ("/", "..", ".")]
    tails = [Path(*parts[at:]) for at in range(len(parts))]
    yield from (folder / tail for tail in tails for folder in above)


def _state(of: Input, path: Path, *, always_hash: bool) -> State:
    if of.sha256 is None:
        return "not recorded"
    try:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        if of.bytes is not None and of.bytes != size:
            return "changed"
        if of.bytes is not None and size > MOST_BYTES_TO_HASH and not always_hash:
            return "same size"
        return "unchanged" if fingerprint(path)["sha256"] == of.sha256 else "changed"
    except OSError:  # it cannot be read: nothing can be said for it
        return "changed"


def sources_of(folder: Path) -> list[Input]:
    """The problem sets at the roots of a run, through all earlier runs that are still on disk, each once.

    A local file's `path` is where it is now, `split` the one that was read, and `format` what its rows are: a known
    data set's name (of our own problems, the name of the set that they say they are from), or 'generic'. Inputs that
    may hold problems and cannot be followed, being gone, are there under the role that they had.

    Args:
        folder: of a run, or of a data set in it.
    """
    roots = _roots(folder, seen=set())
    # Other replies need problems beside them, so what is lost with these brings no problem set of its own.
    return _each_once(of for of in roots if of.role not in FILES or (of.role == "ranked" and _is_lost(of)))


def replies_of(folder: Path) -> list[Input]:
    """The replies at the roots of a run that no run of ours wrote, through all earlier runs, each file once.

    A file's `path` is where it is now. What is gone is there as it was typed; it may have been a run of ours.
    """
    return _each_once(of for of in _roots(folder, seen=set()) if of.role in FILES)


def _is_lost(of: Input) -> bool:
    return of.path is None or not of.path.exists()


def _each_once(roots: Iterable[Input]) -> list[Input]:
    found: dict[tuple[str, str | None, str | None], Input] = {}
    for of in roots:
        found.setdefault((of.name, of.sha256, of.split), of)
    return list(found.values())


def _roots(folder: Path, *, seen: set[Path]) -> Iterator[Input]:
    """What ended up in a run's rows and was written by no run that is still on disk; what is gone, as it was typed."""
    run = run_of(folder)
    if run is None or run.resolve() in seen:
        return
    seen.add(run.resolve())
    for of in inputs_of(config_of(run) or {}):
        if of.role not in ROWS:
            continue
        if of.path is None:
            yield _named(of)
            continue
        path = find_input(of, run=run).path
        earlier = None if path is None else run_of(path)
        if path is None:
            yield of
        elif earlier is not None:
            yield from _roots(earlier, seen=seen)
        else:
            yield of._replace(path=path) if of.role in FILES else _recognised(of, path)


def _named(of: Input) -> Input:
    """A data set that has a name: its split is train unless one was asked for."""
    split = BASE_SPLIT.get(of.split or "", of.split)
    name = of.dataset or of.name
    return of._replace(name=name, split=split or "train", format=of.format or name.partition(":")[0])


def _recognised(of: Input, path: Path) -> Input:
    """A local file as what it is, told from its first problem."""
    split = BASE_SPLIT.get(of.split or "", of.split)
    try:
        split = locate(path, split).split
        spec = DatasetSpec(str(path), split=split if of.split else None, format=of.format, skip_bad=True, limit=1)
        first = next(iter(read_problems(spec, on_drop=lambda _: None)), None)
    except DatagenError:  # no problems that we know: a file with a column map, or replies
        first = None
    if first is not None and split == NO_SPLIT:
        split = first.split
    return of._replace(path=path, split=split, format=of.format or (None if first is None else _format_of(first)))


def _format_of(problem: Problem) -> str:
    """The shape that made a problem's id; of rows that came with ids of their own, the set that they say."""
    shape = problem.id.partition("-")[0]
    if shape in READERS or shape == SYNTHETIC:
        return shape
    return problem.source if problem.source in KNOWN else "generic"
