"""`datagen groups`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import (
    candidate_options,
    command_line,
    config_option,
    dataset_options,
    option,
    output_options,
    stack,
)
from datagen.cli.show import emit, progress, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.groups.build import Feedback
    from datagen.runs.groups import GroupsJob


class Score(click.ParamType[float | str]):
    """A rating, or the word alpha."""

    name = "RATING|alpha"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        # Any: text, or a number from a TOML file
        """A number as one."""
        if value == "alpha":
            return "alpha"
        try:
            return float(value)
        except ValueError:
            self.fail(f"'{value}' is neither a rating from 1 to 10 nor 'alpha'", param, ctx)


_inputs = stack(
    dataset_options,
    candidate_options,
    option(
        "--ranked",
        multiple=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Ranked groups: a run of `datagen rank` (repeatable); its problems need no --dataset.",
    ),
    option(
        "--negatives",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="Corrupted replies: a run of `datagen corrupt` (repeatable).",
    ),
)

_choices = stack(
    option(
        "--feedback",
        type=click.Choice(["auto", "binary", "ranked"]),
        default="auto",
        help="Scores 1 and 0 by the answer check, or the judge's; auto: ranked if --ranked is given.",
    ),
    option(
        "--gold/--no-gold",
        default=None,
        help="The dataset's own path as a response, rated 10 where the judge did not rate it. [default: binary: yes; "
        "ranked: only if the judge rated it]",
    ),
    option(
        "--max-positives",
        type=click.IntRange(min=1),
        metavar="N",
        help="Correct ones a problem at most; the gold path stays first (binary).",
    ),
    option("--max-negatives", type=click.IntRange(min=1), metavar="N", help="Wrong ones a problem at most (binary)."),
    option(
        "--max-responses",
        type=click.IntRange(min=2),
        metavar="N",
        help="Responses a problem at most; a best and a worst one stay (ranked).",
    ),
    option("--min-gap", type=click.FloatRange(min=0), default=0.0, help="Closer scores are ties (ranked)."),
    option(
        "--negative-score",
        type=Score(),
        default=1.0,
        help="Of corrupted replies that the judge did not rate (ranked); alpha: 10 (1 - alpha), at least 1.",
    ),
    option("--keep-false-equations", is_flag=True, help="Correct paths with a false equation are positives (binary)."),
    option("--keep-unstated", is_flag=True, help="So are paths that are right only by their last number (binary)."),
    option("--train-prompt", default="plain", metavar="NAME|FILE", help="Template of the prompt column."),
    option(
        "--references",
        is_flag=True,
        help="A row for the gold path of each problem without a group, too: AFT's loss learns those as well (Eq. 4).",
    ),
    option("--max-pairs", type=click.IntRange(min=1), metavar="N", help="Pairs a problem at most (--as preference)."),
)

# `--as` means the file format elsewhere, so it has an environment variable of its own here.
_outputs = stack(
    option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory to write."),
    option("--overwrite", is_flag=True, help="Replace the run in --out."),
    option("--seed", type=int, default=0),
    option("--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Processes."),
    click.option(
        "--as",
        "rows",
        type=click.Choice(["group", "preference"]),
        default="group",
        show_default=True,
        envvar="DATAGEN_GROUPS_AS",
        help="Groups for AFT, or pairs (prompt, chosen, rejected) for DPO and other preference trainers.",
    ),
    option("--files", type=click.Choice(["arrow", "parquet"]), default="arrow", help="Files to write."),
)


@click.command("groups")
@_inputs
@_choices
@_outputs
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Group good and bad responses to each problem, for alignment training (AFT) or preference trainers.

    \b
    Examples:
      datagen groups --dataset gsm8k --candidates runs/samples --out runs/groups
      datagen groups --ranked runs/rank --negatives runs/corrupt --out runs/groups
      datagen groups --ranked runs/rank --as preference --out runs/pairs
    """
    from datagen.groups.build import GroupOptions
    from datagen.runs.groups import run_groups
    from datagen.select.statistics import Filter

    job = _job(options)
    try:
        chosen = GroupOptions(
            feedback=_feedback(options["feedback"], is_ranked=bool(options["ranked"])),
            keep=Filter(options["keep_false_equations"], options["keep_unstated"]),
            **{name: options[name] for name in _PASSED_ON},
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    with progress(quiet=options["quiet"]) as report:
        manifest = run_groups(job, chosen, format=options["files"], report=report)
    emit(
        summary(manifest, out=str(job.out)), as_json=options["as_json"], show=lambda: show(manifest, out=str(job.out))
    )


_PASSED_ON = (
    "rows",
    "gold",
    "train_prompt",
    "max_positives",
    "max_negatives",
    "max_responses",
    "min_gap",
    "negative_score",
    "max_pairs",
    "references",
    "seed",
)

# The shared option is required; here the problems may also come with the ranked groups.
next(parameter for parameter in command.params if parameter.name == "dataset").required = False


def _job(options: dict[str, Any]) -> "GroupsJob":  # Any: click's parsed values
    from datagen.readers.read import DatasetSpec
    from datagen.runs.groups import GroupsJob

    if not (options["candidates"] or options["ranked"] or options["negatives"]):
        raise click.UsageError("Name responses: --candidates, --ranked or --negatives.")
    if options["dataset"] is None and not options["ranked"]:
        raise click.UsageError("Name the problems that the candidates answer: --dataset.")
    spec = None
    if options["dataset"] is not None:
        spec = DatasetSpec(
            name=options["dataset"],
            split=options["split"],
            limit=options["limit"],
            columns=options["columns"],
            format=options["row_format"],
            skip_bad=options["skip_bad"],
        )
    elif any(options[name] for name in ("split", "limit", "columns", "row_format")):
        raise click.UsageError("--split, --limit, --column and --format are for --dataset.")
    return GroupsJob(
        out=options["out"],
        dataset=spec,
        candidates=options["candidates"],
        ranked=options["ranked"],
        negatives=options["negatives"],
        workers=options["workers"],
        overwrite=options["overwrite"],
        skip_bad=options["skip_bad"],
        command=command_line(),
    )


def _feedback(wanted: str, *, is_ranked: bool) -> "Feedback":
    if wanted == "ranked" and not is_ranked:
        raise click.UsageError("--feedback ranked needs the judge's scores: --ranked.")
    return "binary" if wanted == "binary" or not is_ranked else "ranked"


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    counts = manifest["counts"]
    numbers = {name: value for name, value in counts.items() if not name.startswith("bad_")}
    bad = {name: counts[f"bad_{name}"]["by_reason"] for name in ("problems", "candidates")}
    return {
        "feedback": manifest["feedback"],
        **numbers,
        "bad_rows": bad,
        "seconds": manifest["seconds"],
        "out": out,
    }


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    counts = manifest["counts"]
    n = max(1, counts["groups"])
    names = ("responses", "positives", "negatives", "gold", "pairs")
    labels = {"positives": "verified correct, or gold", "negatives": "wrong", "gold": "gold paths added"}
    rows = [
        ("problems", f"{counts['problems']:,}", ""),
        ("candidates", f"{counts['candidates']:,}", ""),
        (
            "groups",
            f"{counts['groups']:,}",
            f"{100 * counts['groups'] / max(1, counts['problems']):.1f} % of problems",
        ),
        *((labels.get(name, name), f"{counts[name]:,}", f"{counts[name] / n:.2f} a group") for name in names),
    ]
    table(f"alignment groups, {manifest['feedback']} feedback", ("", "n", ""), rows)
    click.echo()
    for name, what in (("dropped", "problems without a group"), ("dropped_responses", "candidates left out")):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in counts[name].items()) or "none"
        click.echo(f"{what}: {reasons}")
    if counts["references"]:
        click.echo(f"gold paths of problems without a group: {counts['references']:,} rows")
    if counts["pairs_beyond_limit"]:
        click.echo(f"pairs left out: {counts['pairs_beyond_limit']:,} beyond --max-pairs")
    click.echo(f"{counts['rows']:,} rows written to {out}/data")
