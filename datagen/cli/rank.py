"""`datagen rank`."""

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
    run_options,
)
from datagen.cli.show import emit, progress, table

DEFAULT_K = 8  # AFT paper, appendix A
DEFAULT_PROBLEMS = 1_000


@click.command("rank")
@judge_options
@k_option(default=DEFAULT_K)
@option(
    "--problems",
    type=click.IntRange(min=1),
    help=f"Problems drawn from the dataset. [default: {DEFAULT_PROBLEMS:,} with a model, all with --candidates]",
)
@dataset_options_with(default="gsm8k")
@candidate_options
@model_options_with(temperature=1.0)  # AFT paper, appendix B
@limit_options
@run_options
@option("--dry-run", is_flag=True, help="Count calls, tokens and money; call nothing.")
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Have judges rate k candidates a problem, and rank them (GSM8K-RANK).

    \b
    Examples:
      datagen rank --judge gpt-4o-mini --model my-model --base-url http://localhost:8000/v1 \\
        --judge-base-url https://api.openai.com/v1 --out runs/rank
      datagen rank --judge steps --dataset gsm8k --split test --candidates example_model_solutions.jsonl \\
        --out runs/rank
    """
    from datagen.runs.rank import plan_rank, run_rank

    job = job_from(options, default_k=DEFAULT_K)
    from_model = job.generator is not None
    judges = judges_from(options)
    settings = rank_options(
        options,
        problems=options["problems"] or (DEFAULT_PROBLEMS if from_model else None),
        k=options["k"] if not from_model else None,
    )
    if options["dry_run"]:
        show_plans(plan_rank(job, judges, settings), as_json=options["as_json"])
        return
    with progress(quiet=options["quiet"]) as report:
        manifest = run_rank(job, judges, settings, format=options["format"], report=report)
    out = str(job.out)
    emit(summary(manifest, out=out), as_json=options["as_json"], show=lambda: show(manifest, out=out))
    fail_if_unreliable(manifest["reliability"], options["fail_under"])
    finish(manifest)


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    counts = manifest["counts"]
    names = ("problems", "groups", "candidates", "ranked", "missing", "judged_once", "prefilled")
    return {
        **{name: counts[name] for name in names},
        "judges": manifest["judges"],
        "pair_accuracy": manifest["reliability"]["pair_accuracy"]["accuracy"],
        "reliability": manifest["reliability"],
        "bad_rows": {
            "problems": counts["bad_problems"]["by_reason"],
            "candidates": counts["bad_candidates"]["by_reason"],
        },
        "failed": manifest["failures"]["failed"],
        "stopped": manifest["failures"]["stopped"],
        "ledger": manifest["failures"]["ledger"],
        "seconds": manifest["seconds"],
        "out": out,
    }


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    counts = manifest["counts"]
    rows = [
        ("problems", f"{counts['problems']:,}"),
        ("with candidates", f"{counts['groups']:,}"),
        ("candidates", f"{counts['candidates']:,}"),
        ("distinct texts judged, probes included", f"{counts['judged_once']:,}"),
        ("taken from the step judge (--prefill)", f"{counts['prefilled']:,}"),
        ("ranked", f"{counts['ranked']:,}"),
        ("missing: too few valid votes", f"{counts['missing']:,}"),
    ]
    table(f"ranked by {', '.join(manifest['judges'])}", ("", "n"), rows)
    click.echo()
    show_reliability(manifest["reliability"])
    click.echo(
        f"\nwritten to {out}: data/ (ranked groups), candidates/, ratings/ (every vote), probes/, manifest.json"
    )
