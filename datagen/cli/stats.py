"""`datagen stats`."""

from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

from datagen.cli.rft import show_statistics
from datagen.cli.show import emit, progress, silence_transformers, table


@click.command("stats")
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--dedup", type=click.Choice(["equations", "commutative", "exact"]), default="equations", show_default=True
)
@click.option("--keep-false-equations", is_flag=True, help="Count paths with a false equation as usable.")
@click.option(
    "--tokens",
    metavar="PATH|HUB ID",
    help="Count tokens instead: how unevenly each DATA uses this tokenizer's vocabulary, special tokens left out.",
)
@click.option(
    "--text",
    "part",
    type=click.Choice(["all", "answer"]),
    default="all",
    show_default=True,
    help="--tokens: of all text, or of what is learnt (completions, solutions).",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.svg",
    help="--tokens: draw the densities over token ids there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
@click.pass_context
def command(
    ctx: click.Context,
    data: tuple[str, ...],
    dedup: Literal["equations", "commutative", "exact"],
    keep_false_equations: bool,
    tokens: str | None,
    part: Literal["all", "answer"],
    out: Path | None,
    as_json: bool,
) -> None:
    """Count what a dataset of candidates holds: verdicts, distinct paths against k, pass@k.

    With --tokens, count tokens: DATA is then one or more of runs, folders of a data set, and problem sets as --dataset
    takes them.

    \b
    Examples:
      datagen stats runs/rft
      datagen stats runs/formulas runs/letters --tokens Qwen/Qwen2.5-0.5B --out tokens.svg
    """
    of_tokens = ("part", "out")
    for name in ("dedup", "keep_false_equations") if tokens is not None else of_tokens:
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = next(parameter.opts[0] for parameter in ctx.command.params if parameter.name == name)
            raise click.UsageError(f"{option} goes {'with' if name in of_tokens else 'without'} --tokens.")
    if tokens is not None:
        _tokens(data, tokens, part, out, as_json=as_json)
        return
    from datagen.runs.stats import candidate_statistics
    from datagen.select.statistics import Filter

    path, *more = map(Path, data)
    if more:
        raise click.UsageError("Name one dataset of candidates; several go with --tokens.")
    if not path.is_dir():
        raise click.UsageError(f"Directory '{path}' does not exist.")
    found = candidate_statistics(path, dedup=dedup, keep=Filter(keep_false_equations)).as_json()
    emit(found, as_json=as_json, show=lambda: show_statistics(found))


def _tokens(
    data: tuple[str, ...], tokenizer: str, part: Literal["all", "answer"], out: Path | None, *, as_json: bool
) -> None:
    from datagen.runs.token_stats import token_statistics

    silence_transformers()
    with progress(quiet=False) as report:
        found = token_statistics(tuple(dict.fromkeys(data)), tokenizer=tokenizer, part=part, out=out, report=report)
    emit(found, as_json=as_json, show=lambda: show_tokens(found))


def show_tokens(found: dict[str, Any]) -> None:  # Any: JSON
    """A line a data set."""
    header = ("", "tokens", "distinct", "of", "entropy, bits", "as if equal", "top 10", "top 100", "Gini")
    rows = [
        (
            of["name"],
            f"{of['n_tokens']:,}",
            f"{of['n_distinct']:,}",
            f"{of['n_vocabulary']:,}",
            f"{of['entropy_bits']:.2f}",
            f"{of['effective_tokens']:,.0f}",
            f"{100 * of['top_10']:.1f} %",
            f"{100 * of['top_100']:.1f} %",
            f"{of['gini']:.3f}",
        )
        for of in found["datasets"]
    ]
    table("tokens of answers" if found["text"] == "answer" else "tokens", header, rows)
    if found["out"] is not None:
        click.echo(f"drawing written to {found['out']}")
