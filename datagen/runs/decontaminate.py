"""The `decontaminate` job: a data set and test sets in, the rows that overlap none of them out, with a report."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import orjson

from datagen import __version__
from datagen.mix.contamination import HeldOutSet, Methods
from datagen.mix.contamination_page import contamination_page
from datagen.mix.questions import Frame, frames_of
from datagen.progress import Report, Step, silent
from datagen.readers.dropped import bad_row_policy
from datagen.readers.locate import locate
from datagen.readers.read import DatasetSpec
from datagen.runs.contamination_scan import contamination_report, removed_rows, scan_rows
from datagen.runs.held_out import load_test_sets
from datagen.runs.out_place import refuse_inside
from datagen.runs.question_lookup import questions_by_id
from datagen.runs.replies import Drops
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen.store.tables import Kind, copy_rows

Json = dict[str, Any]  # Any: JSON
REPORT = "contamination.json"
PAGE = "contamination.html"
AS_LINES = "Keep rows as they are: --as jsonl"

Overlapping = Literal["remove", "keep", "report"]


@dataclass(frozen=True)
class DecontaminateOptions:
    """What is compared, and what becomes of the rows that overlap."""

    methods: Methods = field(default_factory=Methods)
    overlapping: Overlapping = "remove"  # keep: write all rows; report: write none
    # All rows of a problem go if one of them overlaps: a rewrite hides the words of a test question, which is all that
    # is compared, and not the problem.
    rows_only: bool = False
    text: tuple[str, ...] = ()  # columns to compare; the question, if none is named
    templates: tuple[str, ...] = ()  # that prompts were made with, besides the built-in ones
    skip_bad: bool = False

    def frames(self) -> tuple[Frame, ...]:
        """What the templates write around a question."""
        return tuple(frame for name in self.templates for frame in frames_of(name))

    def settings(self) -> Json:
        """For the report and the manifest."""
        return {**asdict(self.methods), **asdict(self), "methods": list(self.methods.names)}


@dataclass(frozen=True)
class DecontaminateJob:
    """From where to where."""

    data: Path
    against: tuple[DatasetSpec, ...]
    out: Path
    problems: DatasetSpec | None = None  # where rows that only name their problem have their questions
    workers: int = 1
    overwrite: bool = False
    command: str = ""

    def config(self) -> Json:
        """What decides the output."""
        return {
            "datagen": __version__,
            "inputs": [{"name": self.data.name, **fingerprint(self.data)}],
            "against": [_spec_json(spec) for spec in self.against],
            "problems": None if self.problems is None else _spec_json(self.problems),
        }


def _spec_json(spec: DatasetSpec) -> Json:
    path = Path(spec.name)
    return {"name": spec.name, "split": spec.split, "file": fingerprint(path) if path.exists() else None}


def run_decontaminate(
    job: DecontaminateJob, options: DecontaminateOptions, *, format: Kind = "arrow", report: Report = silent
) -> Json:
    """Write what overlaps no test set to OUT/data, the rest to OUT/removed, and the report; returns the manifest.

    Raises:
        DataError: an input cannot be read, or no row has a question.
    """
    started = time.monotonic()
    refuse_inside(job.out, [job.data])
    files = locate(job.data, None, default_split=None).files
    frames = options.frames()
    config = {
        "stage": "decontaminate",
        "format": format,
        "options": {**options.settings(), "frames": frames},
        **job.config(),
    }
    run = RunDirectory(job.out, config, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None:
        return finished
    run.clear("data", "removed", "data.partial", "removed.partial")
    drops = Drops()
    with run.reading():
        tests = load_test_sets(job.against, report=report)
        scan = scan_rows(
            files,
            tests,
            methods=options.methods,
            columns=options.text,
            frames=frames,
            lookup=partial(questions_by_id, job.data, problems=job.problems),
            workers=job.workers,
            on_bad=bad_row_policy(skip_bad=options.skip_bad, on_drop=drops),
            report=report,
        )
        removes = options.overlapping == "remove"
        removed = removed_rows(scan, rows_only=options.rows_only) if removes else frozenset()
        copies = {"keep": ("data",), "remove": ("data", "removed"), "report": ()}[options.overlapping]
        written: dict[str, int] = {}
        for name in copies:
            keep = partial(_is_in, removed, wanted=name == "removed")
            written[name] = copy_rows(files, run.path / name, format=format, keep=keep, remedy=AS_LINES)
            report(Step(f"write {name}", written[name], written[name]))
    found = contamination_report(
        scan, tests, methods=options.methods, data=job.data.name, settings=options.settings()
    ) | {"removed": removes, "n_removed": len(removed)}
    (run.path / REPORT).write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    (run.path / PAGE).write_bytes(contamination_page(found).encode("utf-8", "replace"))
    counted = ("overlapping", "by_how", "by_test_set", "test_problems", "problems", "variants", "without_question")
    counts: Json = {
        "rows_in": scan.rows,
        "rows": written.get("data", 0),
        "folders": written,
        "removed": len(removed),
        **{name: found[name] for name in counted},
        "distinct_questions": scan.distinct,
        "bad_rows": drops.as_json(),
    }
    facts = {"counts": counts, "tests": found["against"], "seconds": round(time.monotonic() - started, 1)}
    return run.finish(command=job.command, card=_card(job, options, counts, tests), facts=facts)


def contamination_of(
    data: Path,
    *,
    against: Sequence[DatasetSpec],
    methods: Methods | None = None,
    workers: int | None = None,
    report: Report = silent,
) -> Json:
    """What `contamination.json` would say of a data set; nothing is written.

    Args:
        data: a run, a folder of a data set, or a file.
        against: test sets; see `datagen.readers.test_sets`.
        methods: how to compare; all three by default.
        workers: processes, as many as there are cores by default.
        report: told how far it is.

    Raises:
        DataError: an input cannot be read, or no row has a question.
    """
    options = DecontaminateOptions(methods=methods or Methods(), overlapping="report")
    tests = load_test_sets(against, report=report)
    scan = scan_rows(
        locate(data, None, default_split=None).files,
        tests,
        methods=options.methods,
        lookup=partial(questions_by_id, data),
        workers=workers or os.cpu_count() or 1,
        on_bad=bad_row_policy(skip_bad=False, on_drop=None),
        report=report,
    )
    return contamination_report(scan, tests, methods=options.methods, data=data.name, settings=options.settings())


def _is_in(removed: frozenset[int], row: int, *, wanted: bool) -> bool:
    return (row in removed) == wanted


def _card(job: DecontaminateJob, options: DecontaminateOptions, counts: Json, tests: Sequence[HeldOutSet]) -> str:
    folders = {"data": "rows without overlap", "removed": "rows that overlap a test set, or belong to such a problem"}
    if options.overlapping == "keep":
        folders = {"data": "all rows, those that overlap a test set among them"}
    names = ", ".join(f"{test.name} ({test.split or 'all'}, {len(test.problems):,} questions)" for test in tests)
    return dataset_card(
        title=f"{job.data.name}, compared with test sets",
        command=job.command,
        folders={} if options.overlapping == "report" else folders,
        facts={
            "rows compared": counts["rows_in"],
            "compared with": names,
            **{f"overlap: {how}": n for how, n in counts["by_how"].items()},
            "removed": counts["removed"],
            "rows": counts["rows"],
        },
    )
