"""`datagen augment`."""

from dataclasses import replace
from typing import Any

import click

from datagen.cli.generation import finish, generate_options, k_option
from datagen.cli.job import job_from
from datagen.cli.judging import show_plans
from datagen.cli.options import option
from datagen.cli.show import emit, progress, table

DEFAULT_K = 4


def _per_problem(_: click.Context, __: click.Parameter, value: str) -> str | int:
    if value in ("all", "one"):
        return value
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise click.BadParameter(f"'{value}' is neither all, one, nor a number from 1")


@click.command("augment")
@option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(["ansaug", "fobar"]),
    help="Repeatable. ansaug: further solutions of the same questions; fobar: each number of a question masked, and "
    "asked for.",
)
@option("--per-problem", default="all", callback=_per_problem, metavar="all|one|N", help="Backward questions.")
@option("--questions-only", is_flag=True, help="Write the questions (fobar) and ask no model.")
@option("--backward-test", is_flag=True, help="The same from the dataset's test split: a backward test set.")
@option("--style", type=click.Choice(["metamath", "gsm8k"]), default="metamath", help="How solutions end.")
@option("--most-similar", type=click.FloatRange(0, 100), default=95.0, help="Drop solutions as similar as this (%).")
@k_option(default=DEFAULT_K)
@generate_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Make further questions and solutions from problems (MetaMath): ansaug and fobar.

    \b
    Examples:
      datagen augment --method fobar --questions-only --dataset gsm8k --out runs/backward-questions
      datagen augment --method ansaug --method fobar -k 4 --dataset gsm8k --model NAME --out runs/augmented
    """
    from datagen.recipes.metamath import AugmentOptions, Method
    from datagen.runs.augment import plan_augment, run_augment

    questions_only = options["questions_only"] or options["backward_test"]
    methods: tuple[Method, ...] = options["methods"] or (("fobar",) if questions_only else ("ansaug", "fobar"))
    if questions_only and methods != ("fobar",):
        raise click.UsageError("--questions-only and --backward-test make questions: they go with --method fobar.")
    job = job_from(options, default_k=DEFAULT_K, needs_replies=not questions_only)
    if options["backward_test"] and job.dataset.split is None:
        job = replace(job, dataset=replace(job.dataset, split="test"))
    chosen = AugmentOptions(
        methods=methods,
        per_problem=options["per_problem"],
        style=options["style"],
        most_similar=options["most_similar"],
    )
    if options["dry_run"]:
        show_plans(plan_augment(job, chosen, questions_only=questions_only), as_json=options["as_json"])
        return
    with progress(quiet=options["quiet"]) as report:
        manifest = run_augment(job, chosen, questions_only=questions_only, format=options["format"], report=report)
    counts = manifest["counts"]
    names = ("problems", "problems_masked", "questions", "accepted", "accepted_by_type", "rejected_questions")
    value = {name: counts[name] for name in (*names, "rejected_solutions", "rows")}
    value["rejected"] = counts["rejected_questions"] | counts["rejected_solutions"]
    value |= {"failed": manifest["failures"]["failed"], "seconds": manifest["seconds"], "out": str(job.out)}

    def show() -> None:
        rows = [(name.replace("_", " "), f"{counts[name]:,}") for name in ("problems", "problems_masked", "questions")]
        rows += [(f"accepted, {kind}", f"{n:,}") for kind, n in counts["accepted_by_type"].items()]
        rows += [(f"question rejected: {reason}", f"{n:,}") for reason, n in counts["rejected_questions"].items()]
        rows += [(f"solution rejected: {reason}", f"{n:,}") for reason, n in counts["rejected_solutions"].items()]
        table("augmented", ("", "n"), rows)
        click.echo(f"\n{counts['rows']:,} rows written to {job.out}/data")

    emit(value, as_json=options["as_json"], show=show)
    finish(manifest)
