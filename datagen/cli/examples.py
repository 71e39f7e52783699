"""`datagen examples`."""

from typing import Any

import click

from datagen.cli.job import job_from
from datagen.cli.options import config_option, dataset_options, option, output_options, run_options
from datagen.cli.show import emit, progress, table


def _fractions(_: click.Context, __: click.Parameter, values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if not 0 < value <= 1:  # refuses "nan" too
            raise click.BadParameter(f"{value} is not in (0, 1]")
    return values or (1.0,)


@click.command("examples")
@dataset_options
@option(
    "--answers",
    type=click.Choice(["formulas", "letter", "gold"]),
    default="formulas",
    help="formulas: <<5*7=35>> #### 35, or a program's steps, and no words; letter: of a choice; gold: as published.",
)
@option("--train-prompt", default="question-answer", metavar="NAME|FILE", help="Template of the prompt column.")
@option(
    "--fraction",
    "fractions",
    multiple=True,
    type=float,
    callback=_fractions,
    help="Share of the problems, drawn by --seed; repeatable, the smaller ones lie inside the larger. [default: 1]",
)
@run_options
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Write a dataset's own solutions as training examples, in the form that a paper trains on.

    OUT/data holds the examples of the largest --fraction, OUT/fraction-0.1 those of another one.

    \b
    Examples:
      datagen examples --dataset gsm8k --out runs/formulas
      datagen examples --dataset hellaswag --answers letter --out runs/letters
      datagen examples --dataset gsm8k --fraction 1 --fraction 0.4 --fraction 0.1 --out runs/subsets
    """
    from datagen.runs.write_examples import ExampleOptions, run_examples

    job = job_from({**options, "model": None, "candidates": ()}, default_k=1, needs_replies=False)
    with progress(quiet=options["quiet"]) as report:
        manifest = run_examples(
            job,
            ExampleOptions(options["answers"], options["train_prompt"], options["fractions"]),
            format=options["format"],
            report=report,
        )
    out = str(job.out)
    emit(summary(manifest, out=out), as_json=options["as_json"], show=lambda: show(manifest, out=out))


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    counts = manifest["counts"]
    numbers = {name: counts[name] for name in ("problems", "chosen", "rows", "folders", "dropped")}
    bad = {"problems": counts["bad_problems"]["by_reason"]}
    return {**numbers, "bad_rows": bad, "seconds": manifest["seconds"], "out": out}


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    counts = manifest["counts"]
    dropped = ", ".join(f"{n:,} {reason}" for reason, n in counts["dropped"].items()) or "nothing"
    click.echo(f"{counts['rows']:,} examples of {counts['chosen']:,} problems; left out: {dropped}")
    if len(counts["folders"]) > 1:
        table("", ("folder", "examples"), [(f"{out}/{name}", f"{n:,}") for name, n in counts["folders"].items()])
    click.echo(f"written to {out}/data")
