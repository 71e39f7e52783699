"""`datagen judge-check`."""

from pathlib import Path
from typing import Any

import click

from datagen.cli.generation import finish, k_option
from datagen.cli.job import job_from
from datagen.cli.judging import (
    fail_if_unreliable,
    judge_options,
    judges_from,
    rank_options,
    show_plans,
    show_reliability,
)
from datagen.cli.options import (
    candidate_options,
    config_option,
    dataset_options_with,
    limit_options,
    model_options_with,
    option,
    output_options,
    run_options_with,
)
from datagen.cli.show import emit, progress

DEFAULT_PROBLEMS = 100


@click.command("judge-check")
@click.argument("run", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@judge_options
@k_option(default=8)
@option("--problems", type=click.IntRange(min=1), default=DEFAULT_PROBLEMS, help="Problems drawn from the dataset.")
@dataset_options_with(default="gsm8k")
@candidate_options
@model_options_with(temperature=1.0)
@limit_options
@run_options_with(default_out="runs/judge-check")
@option("--dry-run", is_flag=True, help="Count calls, tokens and money; call nothing.")
@config_option
@output_options
def command(run: Path | None, **options: Any) -> None:  # Any: click's parsed values
    """Say how far a judge can be trusted: of a finished run, or of a judge before it is paid for.

    \b
    Examples:
      datagen judge-check runs/rank
      datagen judge-check --judge my-judge --base-url http://localhost:8000/v1 --dataset gsm8k --out runs/judge-check
    """
    if run is not None:
        _recount(run, options)
        return
    from datagen.runs.rank import plan_rank, run_rank

    job = job_from(options, default_k=8, needs_replies=False)
    judges = judges_from(options)
    k = options["k"] if job.generator is None else None
    settings = rank_options(options, problems=options["problems"], k=k, probes=options["problems"])
    if options["dry_run"]:
        show_plans(plan_rank(job, judges, settings), as_json=options["as_json"])
        return
    with progress(quiet=options["quiet"]) as report:
        manifest = run_rank(job, judges, settings, format=options["format"], report=report)
    found = manifest["reliability"]
    value = {"judges": manifest["judges"], **found, "out": str(job.out)}
    emit(value, as_json=options["as_json"], show=lambda: show_reliability(found))
    fail_if_unreliable(found, options["fail_under"])
    finish(manifest)


def _recount(run: Path, options: dict[str, Any]) -> None:  # Any: click's parsed values
    """What the rows of a finished run say."""
    from datagen.runs.rank import reliability_of

    if options["judges"]:
        raise click.UsageError("Name a finished RUN, or a --judge to ask, not both.")
    found = reliability_of(run).as_json()
    emit(found, as_json=options["as_json"], show=lambda: show_reliability(found))
    fail_if_unreliable(found, options["fail_under"])
