"""`datagen trace`."""

import os
from pathlib import Path
from typing import Any

import click

from datagen.cli.printable import printable_json, shortened
from datagen_schemas.errors import DataError


@click.command("trace")
@click.argument("dataset", type=click.Path(exists=True, path_type=Path))
@click.argument("row", type=click.IntRange(min=0), required=False)
@click.option(
    "--problem", "problem_id", metavar="ID", help="In place of ROW: the row of this problem, or a list of its rows."
)
@click.option("--full", is_flag=True, help="Texts at full length, and the prompt templates.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def command(dataset: Path, row: int | None, problem_id: str | None, full: bool, as_json: bool) -> None:
    """Tell where a row came from: its stages, reply, prompt, verdict, judge votes, parents and problem.

    DATASET is a run, a folder of it (runs/rft/candidates), or a file; ROW is counted from 0. Inputs are found where
    the manifests say, from this folder or beside the runs, replies in the reply store; what is gone is listed.

    \b
    Examples:
      datagen trace runs/mixed 1204
      datagen trace runs/rank/candidates --problem gsm8k-0-a93f00b2b8ea
    """
    # A data set that was read from the Hub is in its cache: a look is no reason to download it again.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from datagen.cli.trace_lines import lines_of
    from datagen.trace.records import trace
    from datagen.trace.tables import rows_of_problem

    if (row is None) == (problem_id is None):
        raise click.UsageError("Name a ROW, or a problem with --problem.")
    if problem_id is not None:
        rows = rows_of_problem(dataset, problem_id)
        if len(rows) != 1:
            _list(dataset, problem_id, rows, as_json=as_json)
            return
        row = rows[0].row
    assert row is not None
    found = trace(dataset, row)
    if as_json:
        click.echo(printable_json(found.as_json()))
    else:
        click.echo("\n".join(lines_of(found, full=full)))


def _list(dataset: Path, problem_id: str, rows: list[Any], *, as_json: bool) -> None:  # Any: rows, imported late
    if not rows:
        raise DataError(f"{dataset}: no row of problem {shortened(problem_id, most=80)}. Name a ROW, counted from 0.")
    if as_json:
        click.echo(printable_json({"rows": [{"row": of.row, **of.values} for of in rows]}))
        return
    click.echo(f"{len(rows):,} rows of {shortened(problem_id, most=80)}: name one of them")
    for of in rows:
        text = next(
            (of.values[name] for name in ("completion", "response", "rejected", "query") if name in of.values), ""
        )
        click.echo(f"  {of.row}  {shortened(str(text), most=100)}")
