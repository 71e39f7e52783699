"""`datagen rft`."""

from typing import Any

import click

from datagen.cli.generation import finish, generate_options, k_option, plan_and_exit
from datagen.cli.job import job_from
from datagen.cli.options import option
from datagen.cli.show import emit, progress, table

DEFAULT_K = 100  # RFT paper, Table 1


@click.command("rft")
@k_option(default=DEFAULT_K)
@generate_options
@option(
    "--dedup",
    type=click.Choice(["equations", "commutative", "exact", "none"]),
    default="equations",
    help="What makes two paths the same: the equation list; the list with 2*3 = 3*2; the text; nothing.",
)
@option("--keep-false-equations", is_flag=True, help="Keep correct paths with an equation that does not hold.")
@option("--keep-unstated", is_flag=True, help="Keep paths that are right only by their last number.")
@option("--gold/--no-gold", default=True, help="Put the dataset's own paths beside the selected ones.")
@option("--train-prompt", default="plain", metavar="NAME|FILE", help="Template of the examples' prompt column.")
def command(**options: Any) -> None:  # Any: click's parsed values
    """Sample k paths per problem, verify them, keep the distinct correct ones (RFT).

    \b
    Examples:
      datagen rft --dataset gsm8k -k 100 --model NAME --base-url http://localhost:8000/v1 --out runs/rft
      datagen rft --dataset gsm8k --split test --candidates example_model_solutions.jsonl --out runs/rft
    """
    from datagen.recipes.rft import RftOptions
    from datagen.runs.rft import run_rft
    from datagen.select.statistics import Filter

    job = job_from(options, default_k=DEFAULT_K)
    if options["dry_run"]:
        plan_and_exit(job, as_json=options["as_json"])
    with progress(quiet=options["quiet"]) as report:
        manifest = run_rft(
            job,
            RftOptions(
                dedup=options["dedup"],
                keep=Filter(options["keep_false_equations"], options["keep_unstated"]),
                with_gold=options["gold"],
                train_prompt=options["train_prompt"],
                # With a model, k is what was sampled; files of candidates are cut only if asked to.
                k=options["k"] if job.generator is None else None,
            ),
            format=options["format"],
            report=report,
        )
    emit(
        summary(manifest, out=str(job.out)), as_json=options["as_json"], show=lambda: show(manifest, out=str(job.out))
    )
    finish(manifest)


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    statistics, counts = manifest["statistics"], manifest["counts"]
    names = ("candidates", "correct", "wrong", "unknown", "false_equations", "distinct", "problems", "problems_solved")
    return {
        **{name: statistics[name] for name in names},
        "selected": counts["selected"],
        "gold": counts["gold"],
        "rows": counts["rows"],
        "dropped": counts["dropped"],
        "bad_rows": {
            "problems": counts["bad_problems"]["by_reason"],
            "candidates": counts["bad_candidates"]["by_reason"],
        },
        "distinct_at_k": statistics["distinct_at_k"],
        "pass_at_k": statistics["pass_at_k"],
        "published_verdicts": statistics["published_verdicts"],
        "disagreements_with_publisher": statistics["disagreements_with_publisher"],
        "failed": manifest["failures"]["failed"],
        "stopped": manifest["failures"]["stopped"],
        "ledger": manifest["failures"].get("ledger"),
        "seconds": manifest["seconds"],
        "out": out,
    }


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    statistics, counts = manifest["statistics"], manifest["counts"]
    show_statistics(statistics)
    click.echo()
    dropped = ", ".join(f"{n:,} {reason}" for reason, n in counts["dropped"].items()) or "nothing"
    click.echo(
        f"{counts['rows']:,} rows: {counts['gold']:,} gold, {counts['selected']:,} selected; dropped: {dropped}"
    )
    click.echo(f"written to {out}: data/ (training examples), candidates/ (every candidate), manifest.json")


def show_statistics(statistics: dict[str, Any]) -> None:  # Any: JSON
    """The tables of RFT: verdicts, distinct paths against k, pass@k, solve rates, and one line a model."""
    n = max(1, statistics["candidates"])
    without = statistics["problems_without_candidates"]
    rows = [
        ("problems", f"{statistics['problems']:,}", ""),
        *([("problems without candidates", f"{without:,}", "left out below")] if without else []),
        ("candidates", f"{statistics['candidates']:,}", ""),
        *((name, f"{statistics[name]:,}", f"{100 * statistics[name] / n:.1f} %") for name in ("correct", "wrong")),
        ("unknown", f"{statistics['unknown']:,}", f"{100 * statistics['unknown'] / n:.1f} %"),
        (
            "correct, with a false equation",
            f"{statistics['false_equations']:,}",
            f"{100 * statistics['false_equations'] / n:.1f} %",
        ),
        ("distinct paths", f"{statistics['distinct']:,}", f"{statistics['distinct_per_problem']:.2f} a problem"),
        (
            "problems solved",
            f"{statistics['problems_solved']:,}",
            f"{100 * statistics['problems_solved'] / max(1, statistics['problems'] - without):.1f} %",
        ),
        ("problems never solved", f"{len(statistics['never_solved']):,}", ""),
    ]
    table("candidates", ("", "n", ""), rows)
    if statistics["distinct_at_k"]:
        passes = {point["k"]: point for point in statistics["pass_at_k"]}
        has_gold = statistics.get("problems_with_gold") != 0  # manifests of earlier versions do not say
        click.echo()
        table(
            "per problem, of the first k candidates",
            ("k", "distinct paths", *(("with the gold path",) if has_gold else ()), "pass@k"),
            [
                (
                    f"{point['k']}",
                    f"{point['distinct']:.2f}",
                    *((f"{point['with_gold']:.2f}",) if has_gold else ()),
                    f"{100 * passes[point['k']]['pass']:.1f} %",
                )
                for point in statistics["distinct_at_k"]
            ],
        )
        click.echo()
        rates = statistics["solve_rates_percent"]
        table(
            "problems by solve rate, in percent",
            ("", *rates),
            [("problems", *(f"{count:,}" for count in rates.values()))],
        )
    if statistics["published_verdicts"]:
        n, differ = statistics["published_verdicts"], statistics["disagreements_with_publisher"]
        click.echo(f"\nthe publisher's own verdicts: {n:,}; ours differ on {differ:,}")
    if len(statistics["by_model"]) > 1:
        click.echo()
        models = statistics["by_model"].items()
        table(
            "by model",
            ("", "candidates", "correct"),
            [
                (name, f"{of['candidates']:,}", f"{100 * of['correct'] / of['candidates']:.1f} %")
                for name, of in models
            ],
        )
