"""`datagen decontaminate`."""

import os
from pathlib import Path
from typing import Any

import click

from datagen.cli.options import command_line, config_option, option, output_options, stack
from datagen.cli.show import emit, progress, table

SHORT = 3
METHODS = ("exact", "ngram", "fuzzy")

_what_options = stack(
    option(
        "--against",
        multiple=True,
        required=True,
        metavar="NAME|PATH",
        help="Test set (repeatable): the test split of a known data set or Hub id, or a file or folder.",
    ),
    option(
        "--method",
        "methods",
        multiple=True,
        type=click.Choice(METHODS),
        default=METHODS,
        help="What counts as an overlap: equal text, words in a row, similar text (repeatable).",
    ),
    option("--ngram", type=click.IntRange(min=1), default=13, help="Words in a row that two texts must share."),
    option("--fuzzy", type=click.FloatRange(1, 100), default=90.0, help="Ratio from which two texts are similar."),
    option(
        "--text",
        multiple=True,
        metavar="COLUMN",
        help="Compare this column (repeatable), such as completion or problem.question. [default: the question]",
    ),
    option(
        "--problems",
        metavar="NAME|PATH",
        help="Where rows that only name their problem have their questions. [default: as the run's manifest says]",
    ),
    option(
        "--template",
        "templates",
        multiple=True,
        metavar="NAME|FILE",
        help="Template that prompts were made with; the built-in ones, and what all prompts share, are known.",
    ),
)
_result_options = stack(
    option("--rows-only", is_flag=True, help="Remove the rows that overlap, and not all rows of their problems."),
    option("--keep", is_flag=True, help="Write all rows; only report what overlaps."),
    option("--report-only", is_flag=True, help="Write no rows; exit with 3 if one overlaps."),
    option("--skip-bad", is_flag=True, help="Drop bad rows, counted and listed, instead of stopping."),
    option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory to write."),
    option("--overwrite", is_flag=True, help="Replace the run in --out."),
    option("--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Processes."),
    option(
        "--as", "format", type=click.Choice(["arrow", "parquet", "jsonl"]), default="arrow", help="Files to write."
    ),
)


@click.command("decontaminate")
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@_what_options
@_result_options
@config_option
@output_options
def command(data: Path, **options: Any) -> None:  # Any: click's parsed values
    """Remove the rows of a data set whose questions are in a test set.

    DATA is a run, a data set, or any file of rows with a question or prompt. OUT/data gets the rows that stay,
    OUT/removed the others, OUT/contamination.html shows each beside its test question.

    \b
    Examples:
      datagen decontaminate runs/rft --against gsm8k --out runs/clean
      datagen decontaminate train.jsonl --against test.jsonl --method ngram --ngram 8 --as jsonl --out runs/clean
      datagen decontaminate train.jsonl --against gsm8k --against svamp --report-only --out runs/overlap
    """
    from datagen.mix.contamination import Methods
    from datagen.readers.read import DatasetSpec
    from datagen.readers.test_sets import test_set
    from datagen.runs.decontaminate import DecontaminateJob, DecontaminateOptions, run_decontaminate

    if options["keep"] and options["report_only"]:
        raise click.UsageError("--keep writes all rows, and --report-only none: choose one.")
    chosen = options["methods"]
    methods = Methods(
        exact="exact" in chosen,
        ngram=options["ngram"] if "ngram" in chosen else None,
        fuzzy=options["fuzzy"] if "fuzzy" in chosen else None,
    )
    job = DecontaminateJob(
        data=data,
        against=tuple(map(test_set, options["against"])),
        out=options["out"],
        problems=None if options["problems"] is None else DatasetSpec(options["problems"]),
        workers=options["workers"],
        overwrite=options["overwrite"],
        command=command_line(),
    )
    settings = DecontaminateOptions(
        methods=methods,
        overlapping="keep" if options["keep"] else "report" if options["report_only"] else "remove",
        rows_only=options["rows_only"],
        text=options["text"],
        templates=options["templates"],
        skip_bad=options["skip_bad"],
    )
    with progress(quiet=options["quiet"]) as report:
        manifest = run_decontaminate(job, settings, format=options["format"], report=report)
    out = str(options["out"])
    emit(summary(manifest, out=out), as_json=options["as_json"], show=lambda: show(manifest, out=out))
    if options["report_only"] and manifest["counts"]["overlapping"]:
        click.get_current_context().exit(SHORT)


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    counts = dict(manifest["counts"])
    counts["bad_rows"] = counts["bad_rows"]["by_reason"]
    return {**counts, "against": manifest["tests"], "seconds": manifest["seconds"], "out": out}


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    counts, settings = manifest["counts"], manifest["config"]["options"]
    tests = ", ".join(f"{of['name']} ({of['n_problems']:,} questions)" for of in manifest["tests"])
    rows = [(how, f"{n:,}") for how, n in counts["by_how"].items()]
    rows += [("any of them", f"{counts['overlapping']:,}"), ("rows compared", f"{counts['rows_in']:,}")]
    click.echo(f"compared with {tests}")
    table("", ("overlap", "rows"), rows)
    if counts["without_question"]:
        click.echo(f"{counts['without_question']:,} rows have no question, and were not compared")
    if bad := sum(counts["bad_rows"]["by_reason"].values()):
        click.echo(f"{bad:,} bad rows dropped")
    if unread := sum(of.get("unread", 0) for of in manifest["tests"]):
        click.echo(f"{unread:,} rows of the test sets have no question that could be read")
    others = f"{counts['variants']:,} other rows of the same problems"
    if settings["overlapping"] == "remove":
        also = f" and {others}" if counts["removed"] > counts["overlapping"] else ""
        kept = f"; {others} stay" if settings["rows_only"] and counts["variants"] else ""
        click.echo(f"{counts['overlapping']:,} rows{also} removed{kept}")
    elif counts["variants"]:
        click.echo(f"nothing removed; there are {others}")
    if settings["overlapping"] != "report":
        click.echo(f"{counts['rows']:,} rows written to {out}/data")
    click.echo(f"side by side: {out}/contamination.html")
