"""`datagen report`."""

import os
from pathlib import Path
from typing import Any

import click

from datagen.cli.options import config_option, option, output_options
from datagen.cli.show import emit, progress, silence_transformers


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Page to write. [default: DIR-report.html beside the run; report.html beside the first of several]",
)
@option("--title", metavar="TEXT", help="Title of the page. [default: the runs' names]")
@option(
    "--tokenizer",
    metavar="PATH|HUB ID",
    help="Measure texts in its tokens and draw their density (CV-loss paper, Fig. 3); without it in characters and "
    "words.",
)
@option(
    "--max-rows",
    type=click.IntRange(min=1),
    default=100_000,
    help="Texts to look through; of more, a sample of problems by --seed.",
)
@option(
    "--max-mb",
    type=click.FloatRange(min=0, min_open=True),
    default=40.0,
    help="Size of these texts in the page; of larger ones, a sample of problems by --seed.",
)
@option("--seed", type=int, default=0)
@option("--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Processes.")
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Write one HTML page about one or several runs: charts, costs, and a browser of their rows.

    The page is a single file that loads nothing: send it, open it, on a phone too.

    \b
    Examples:
      datagen report runs/rft
      datagen report runs/rft runs/rank --out runs.html
      datagen report runs/formulas runs/rft --tokenizer Qwen/Qwen2.5-0.5B
    """
    from datagen.runs.report_page import ReportOptions, default_out, write_report

    if options["tokenizer"] is not None:
        silence_transformers()
    names = ("tokenizer", "max_rows", "max_mb", "seed", "title", "workers")
    with progress(quiet=options["quiet"]) as report:
        found = write_report(
            options["runs"],
            out=options["out"] or default_out(options["runs"]),
            options=ReportOptions(**{name: options[name] for name in names}),
            report=report,
        )
    emit(found, as_json=options["as_json"], show=lambda: show(found))


def show(found: dict[str, Any]) -> None:  # Any: JSON
    """Where the page is, and what it holds."""
    texts = f"{found['texts']:,} texts of {found['problems']:,} {found['unit']}"
    if found["texts"] < found["texts_in_all"]:
        texts += f", a sample of {found['texts_in_all']:,} of {found['problems_in_all']:,}"
    click.echo(f"{found['figures']} charts, {texts}")
    click.echo(f"{found['out']} written, {found['bytes'] / 1e6:.1f} MB")
