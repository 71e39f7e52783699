"""`datagen corrupt`."""

from typing import Any

import click

from datagen.cli.job import job_from
from datagen.cli.options import (
    candidate_options,
    config_option,
    dataset_options,
    option,
    output_options,
    run_options,
    stack,
)
from datagen.cli.show import emit, progress, table

METHODS = ("chars", "numbers", "operators", "steps", "answer", "carry")
DEFAULT_ALPHA = 0.1  # AFT, Table 9


def _alphas(_: click.Context, __: click.Parameter, values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if not 0 < value <= 1:  # refuses "nan" too
            raise click.BadParameter(f"{value} is not in (0, 1]")
    return tuple(dict.fromkeys(values))


_corrupt_options = stack(
    option(
        "--method",
        multiple=True,
        type=click.Choice(METHODS),
        help="Repeatable. chars: characters become '.'; the others make one known error: in a number, an operator, a "
        "step, the final answer, or at one step and carried through the rest. [default: chars]",
    ),
    option(
        "--alpha",
        multiple=True,
        type=float,
        callback=_alphas,
        help=f"Share of characters that become '.', in (0, 1]; repeatable. [default: {DEFAULT_ALPHA}]",
    ),
    option(
        "--per-parent", type=click.IntRange(min=1), default=1, help="Negatives a solution of each method but chars."
    ),
    option("--keep-answer", is_flag=True, help="Keep the final line, byte for byte."),
    option("--of", type=click.Choice(["correct", "all"]), default="correct", help="Which candidates are corrupted."),
    option(
        "--gold/--no-gold",
        default=None,
        help="Corrupt the dataset's own solutions. [default: only if there are no --candidates]",
    ),
)


@click.command("corrupt")
@dataset_options
@candidate_options
@_corrupt_options
@run_options
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Corrupt solutions: negatives whose error is known.

    \b
    Examples:
      datagen corrupt --alpha 0.1 --alpha 0.5 --dataset gsm8k --out runs/negatives
      datagen corrupt --method carry --method numbers --dataset gsm8k --candidates replies.jsonl --out runs/negatives
    """
    from datagen.corrupt.negatives import CorruptOptions
    from datagen.runs.corrupt import Parents, run_corrupt

    methods = tuple(dict.fromkeys(options["method"])) or ("chars",)
    if options["alpha"] and "chars" not in methods:
        raise click.UsageError("--alpha is for --method chars: add it, or leave --alpha out.")
    if options["keep_answer"] and methods == ("answer",):
        raise click.UsageError("--method answer changes the final line, which --keep-answer keeps.")
    job = job_from({**options, "model": None}, default_k=1, needs_replies=False)
    with progress(quiet=options["quiet"]) as report:
        manifest = run_corrupt(
            job,
            CorruptOptions(
                methods=methods,
                alphas=options["alpha"] or (DEFAULT_ALPHA,),
                per_parent=options["per_parent"],
                keep_answer=options["keep_answer"],
            ),
            parents=Parents(of=options["of"], gold=options["gold"]),
            format=options["format"],
            report=report,
        )
    out = str(job.out)
    emit(summary(manifest, out=out), as_json=options["as_json"], show=lambda: show(manifest, out=out))


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    counts = manifest["counts"]
    numbers = {name: value for name, value in counts.items() if not name.startswith("bad_")}
    bad = {name: counts[f"bad_{name}"]["by_reason"] for name in ("problems", "candidates")}
    return {**numbers, "bad_rows": bad, "seconds": manifest["seconds"], "out": out}


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    counts = manifest["counts"]
    missing = {method: sum(reasons.values()) for method, reasons in counts["not_made"].items()}
    rows = [(method, f"{n:,}", f"{missing[method]:,}") for method, n in counts["made"].items()]
    table("negatives", ("method", "made", "not made"), rows)
    click.echo()
    for method, reasons in counts["not_made"].items():
        if reasons:
            click.echo(f"{method} not made: " + ", ".join(f"{n:,} {reason}" for reason, n in reasons.items()))
    if counts["by_alpha"]:
        click.echo("by alpha: " + ", ".join(f"{n:,} at {alpha}" for alpha, n in counts["by_alpha"].items()))
    left_out = counts["left_out"].get("not correct", 0)
    click.echo(
        f"{counts['parents']:,} solutions of {counts['problems']:,} problems corrupted"
        + (f"; {left_out:,} candidates left out, not verified correct" if left_out else "")
    )
    click.echo(f"{counts['rows']:,} rows written to {out}/data")
