"""`datagen stats`."""

from pathlib import Path
from typing import Literal

import click

from datagen.cli.rft import show_statistics
from datagen.cli.show import emit


@click.command("stats")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--dedup", type=click.Choice(["equations", "commutative", "exact"]), default="equations", show_default=True
)
@click.option("--keep-false-equations", is_flag=True, help="Count paths with a false equation as usable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def command(
    path: Path, dedup: Literal["equations", "commutative", "exact"], keep_false_equations: bool, as_json: bool
) -> None:
    """Count what a dataset of candidates holds: verdicts, distinct paths against k, pass@k.

    \b
    Example: datagen stats runs/rft
    """
    from datagen.runs.stats import candidate_statistics
    from datagen.select.statistics import Filter

    found = candidate_statistics(path, dedup=dedup, keep=Filter(keep_false_equations)).as_json()
    emit(found, as_json=as_json, show=lambda: show_statistics(found))
