"""`datagen sample`."""

from typing import Any

import click

from datagen.cli.generation import finish, generate_options, k_option, plan_and_exit
from datagen.cli.job import job_from
from datagen.cli.rft import show_statistics
from datagen.cli.show import emit, progress

DEFAULT_K = 8  # candidates a question in AFT, section 5.1


@click.command("sample")
@k_option(default=DEFAULT_K)
@generate_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Sample k solutions per problem and verify them.

    \b
    Example: datagen sample --dataset gsm8k -k 8 --model NAME --base-url http://localhost:8000/v1 --out runs/samples
    """
    from datagen.runs.sample import run_sample

    job = job_from(options, default_k=DEFAULT_K)
    if options["dry_run"]:
        plan_and_exit(job, as_json=options["as_json"])
    with progress(quiet=options["quiet"]) as report:
        # With a model, k is what was sampled; files of candidates are cut only if asked to.
        k = options["k"] if job.generator is None else None
        manifest = run_sample(job, k=k, format=options["format"], report=report)
    statistics, failures = manifest["statistics"], manifest["failures"]
    result = {
        **{name: statistics[name] for name in ("problems", "candidates", "correct", "wrong", "unknown")},
        "problems_solved": statistics["problems_solved"],
        "failed": failures["failed"],
        "stopped": failures["stopped"],
        "ledger": failures.get("ledger"),
        "out": str(job.out),
    }

    def show() -> None:
        show_statistics(statistics)
        click.echo(f"\n{statistics['candidates']:,} candidates written to {job.out}/data")

    emit(result, as_json=options["as_json"], show=show)
    finish(manifest)
