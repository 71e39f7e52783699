"""The `report` job: runs in, one self-contained HTML page out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.progress import Report, Step, silent
from datagen.report.costs import cost_figure
from datagen.report.distributions import token_figure
from datagen.report.embed import Embedded, Entry, embed
from datagen.report.page import GENERATOR, Across, RunSection, Sampled, page
from datagen.runs.report_counts import Tokeniser, costs, run_section
from datagen.runs.report_inputs import Run, names_of, open_run
from datagen.runs.report_rows import Rows, chosen_rows, entries_of
from datagen.seeding import rng_for
from datagen_schemas.errors import StoreError

Json = dict[str, Any]  # Any: JSON
MAX_ROWS = 100_000
MAX_MB = 40.0


@dataclass(frozen=True)
class ReportOptions:
    """How much the page carries, and what tokens are."""

    tokenizer: str | None = None
    max_rows: int = MAX_ROWS  # texts
    max_mb: float = MAX_MB  # of these texts as they stand in the page, in millions of bytes
    seed: int = 0  # of the sample, where not all fit
    title: str | None = None
    workers: int = 1


def write_report(paths: Sequence[Path], *, out: Path, options: ReportOptions, report: Report = silent) -> Json:
    """Write the page of some runs to a file; returns what it holds.

    Raises:
        DataError: a folder is no finished run, or its rows are not what they should be.
        StoreError: the file cannot be written, or it is something else's.
    """
    _refuse(out)
    _try(out)
    unique = list(dict.fromkeys(path.resolve() for path in paths))
    runs = [open_run(path, name) for path, name in zip(unique, names_of(unique), strict=True)]
    tokeniser = None if options.tokenizer is None else Tokeniser(options.tokenizer)
    sections: list[RunSection] = []
    occurrences = []
    for run in runs:
        section, occurring = run_section(run, tokeniser, report)
        sections.append(section)
        occurrences += occurring
    named = None if options.tokenizer is None else Path(options.tokenizer).name or options.tokenizer
    spent = [cost for run in runs for cost in costs(run)]
    across = Across(
        cost_figure(spent),
        token_figure(occurrences, tokenizer=named),
        is_told=all(run.manifest for run in runs),
    )
    rows = chosen_rows(runs, max_rows=options.max_rows, seed=options.seed)
    entries = entries_of(runs, rows, workers=options.workers, report=report)
    order = list(range(len(entries)))
    rng_for(options.seed, "report", "fit").shuffle(order)
    names = [run.name for run in runs]
    units = {run.unit for run in runs}
    unit = units.pop() if len(units) == 1 else "entries"
    embedded = embed(entries, runs=names, unit=unit, order=order, max_bytes=int(options.max_mb * 1_000_000))
    report(Step("compress", len(embedded.kept), len(embedded.kept)))
    sampled = _sampled(runs, rows, entries, embedded)
    text = page(
        sections,
        across=across,
        rows=embedded.base64,
        sampled=sampled,
        seed=options.seed,
        title=options.title or ", ".join(names),
    )
    _write(out, text)
    return {
        "out": str(out),
        "bytes": out.stat().st_size,
        "runs": names,
        "unit": unit,
        "figures": sum(len(section.figures) for section in sections)
        + sum(of is not None for of in (across.cost, across.tokens)),
        "costs": [cost.as_json() for cost in spent],
        "problems": sum(of.problems for of in sampled),
        "problems_in_all": sum(of.problems_in_all for of in sampled),
        "texts": sum(of.texts for of in sampled),
        "texts_in_all": sum(of.texts_in_all for of in sampled),
    }


def default_out(paths: Sequence[Path]) -> Path:
    """Beside the run, and never in it: whatever reads a run later compares all its files."""
    first = paths[0].resolve()
    return first.parent / (f"{first.name}-report.html" if len(paths) == 1 else "report.html")


def _sampled(runs: Sequence[Run], rows: Rows, entries: Sequence[Entry], embedded: Embedded) -> list[Sampled]:
    kept = [entries[i] for i in embedded.kept]
    return [
        Sampled(
            run.name,
            problems=sum(entry.run == i for entry in kept),
            problems_in_all=rows.problems[i],
            texts=sum(len(entry.cards) for entry in kept if entry.run == i),
            texts_in_all=rows.texts[i],
            unit=run.unit,
        )
        for i, run in enumerate(runs)
    ]


def _refuse(out: Path) -> None:
    """Before anything is read: a file that is not ours, and a place inside a run."""
    if out.is_dir():
        raise StoreError(f"{out} is a folder. Name a file, such as {out / 'report.html'}.")
    inside = next((folder for folder in out.absolute().parents if (folder / "run.json").exists()), None)
    if inside is not None:
        raise StoreError(f"{out} lies inside the run {inside}, which it would change. Write it beside the run.")
    if out.exists() and GENERATOR.encode() not in out.read_bytes()[:1000]:
        raise StoreError(f"{out} exists and is no report of datagen. Choose another --out.")


def _try(out: Path) -> None:
    """Whether it can be written, before minutes of work for nothing."""
    partial = _partial(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        partial.unlink()
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror}. Choose another --out.") from error


def _partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def _write(out: Path, text: str) -> None:
    partial = _partial(out)
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror}. Choose another --out.") from error
