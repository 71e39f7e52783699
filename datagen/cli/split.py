"""`datagen split`."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import command_line, config_option, option, output_options, stack
from datagen.cli.show import emit, progress, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.mix.split import Part


def _fractions(_: click.Context, __: click.Parameter, values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if not 0 < value <= 1:  # refuses "nan" too
            raise click.BadParameter(f"{value} is not in (0, 1]")
    return values


def _parts(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> "tuple[Part, ...]":
    from datagen.mix.split import REST, Part

    found: list[Part] = []
    for value in values:
        name, _equals, size = value.partition("=")
        if not name or name.startswith((".", "fraction-")) or not name.replace("-", "").replace("_", "").isalnum():
            raise click.BadParameter(f"'{name}' is no name for a part. Letters, digits, - and _ are.")
        if size == REST:
            found.append(Part(name, None))
            continue
        try:
            number = Fraction(size)
        except (ValueError, ZeroDivisionError) as error:
            raise click.BadParameter(f"'{value}' is not NAME=SHARE, NAME=PROBLEMS or NAME=rest.") from error
        if not (0 < number < 1 or (number >= 1 and number.denominator == 1)):
            raise click.BadParameter(f"'{value}': a share is between 0 and 1, a number of problems is 1 or more.")
        found.append(Part(name, number if number < 1 else int(number)))
    if sum(part.size is None for part in found) > 1:
        raise click.BadParameter("only one part can take the rest.")
    return tuple(found)


_cuts = stack(
    option(
        "--part",
        "parts",
        multiple=True,
        callback=_parts,
        metavar="NAME=SIZE",
        help="A part and its share of the problems, their number, or 'rest' (repeatable). [default: train=0.9, "
        "validation=0.05, test=0.05; with --fraction alone: none]",
    ),
    option(
        "--fraction",
        "fractions",
        multiple=True,
        type=float,
        callback=_fractions,
        help="Share of the problems of the train part, or of all where there are no parts: OUT/fraction-F; "
        "repeatable, and the smaller ones lie inside the larger.",
    ),
    option(
        "--paper",
        type=click.Choice(["aft"]),
        help="A paper's split, in place of --part. aft: GSM8K as 7,473 / 400 / 919; --seed 0 is that of "
        "--split paper-validation.",
    ),
    option(
        "--like",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="An earlier split, in place of --part: every problem goes where it is there.",
    ),
    option(
        "--stratify",
        metavar="COLUMN|none",
        help="Column whose values all parts have in like shares. [default: origin or the problem's source, where rows "
        "have one]",
    ),
)

_reading = stack(
    option("--split", help="Split of DATA to read, where it has several."),
    option(
        "--column", "columns", multiple=True, metavar="OUR=THEIRS", help="Column of another name, of problem sets."
    ),
    option("--skip-bad", is_flag=True, help="Drop bad rows, counted and listed in the manifest, instead of stopping."),
)

_outputs = stack(
    option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory to write."),
    option("--overwrite", is_flag=True, help="Replace the run in --out."),
    option("--seed", type=int, default=0),
    option("--as", "format", type=click.Choice(["arrow", "parquet"]), default="arrow", help="Files to write."),
)


@click.command("split")
@click.argument("data")
@_cuts
@_reading
@_outputs
@config_option
@output_options
def command(data: str, **options: Any) -> None:  # Any: click's parsed values
    """Split a data set by problem: its rewrites, candidates and pairs all go where it goes.

    DATA is a run or data set of any command, a file of rows with a question or problem_id, or a problem set as
    --dataset takes it. Sizes are exact, in problems; parts are alike in their shares of sources.

    \b
    Examples:
      datagen split runs/mixed --out runs/parts
      datagen split runs/mixed --part train=rest --part validation=400 --out runs/parts
      datagen split runs/rft --fraction 0.1 --fraction 0.4 --out runs/subsets
      datagen split gsm8k --paper aft --out runs/gsm8k-aft
      datagen split runs/groups --like runs/parts --out runs/group-parts
    """
    from datagen.mix.split import DEFAULT_PARTS
    from datagen.readers.read import DatasetSpec
    from datagen.runs.split import SplitJob, SplitOptions, run_split

    given = [name for name in ("parts", "paper", "like") if options[name]]
    if len(given) > 1:
        raise click.UsageError("--part, --paper and --like each say what the parts are. Choose one.")
    columns: dict[str, str] = {}
    for pair in options["columns"]:
        ours, equals, theirs = pair.partition("=")
        if not (ours and equals and theirs):
            raise click.BadParameter(f"'{pair}' is not OUR=THEIRS, such as question=Problem", param_hint="--column")
        columns[ours] = theirs
    job = SplitJob(
        DatasetSpec(data, split=options["split"], columns=columns, skip_bad=options["skip_bad"]),
        options["out"],
        overwrite=options["overwrite"],
        command=command_line(),
    )
    chosen = SplitOptions(
        options["parts"] or (() if options["fractions"] or options["paper"] or options["like"] else DEFAULT_PARTS),
        options["fractions"],
        options["paper"],
        options["like"],
        options["stratify"],
        options["seed"],
    )
    with progress(quiet=options["quiet"]) as report:
        manifest = run_split(job, chosen, format=options["format"], report=report)
    out = str(job.out)
    emit(summary(manifest, out=out), as_json=options["as_json"], show=lambda: show(manifest, out=out))


def summary(manifest: dict[str, Any], *, out: str) -> dict[str, Any]:  # Any: JSON
    """The numbers that a machine asks for."""
    counts = {name: value for name, value in manifest["counts"].items() if name != "bad_rows"}
    bad = {"rows": manifest["counts"]["bad_rows"]["by_reason"]}
    return {**counts, "strata": manifest["strata"], "bad_rows": bad, "seconds": manifest["seconds"], "out": out}


def show(manifest: dict[str, Any], *, out: str) -> None:  # Any: JSON
    """The numbers that a person asks for."""
    counts = manifest["counts"]
    parts = {**counts["parts"], **counts["fractions"]}
    shares = [f"{100 * of['problems'] / counts['problems']:.1f} %" for of in parts.values()]
    table(
        "",
        ("", "problems", "share", "rows"),
        [
            (f"{out}/{name}", f"{of['problems']:,}", share, f"{of['rows']:,}")
            for (name, of), share in zip(parts.items(), shares, strict=True)
        ],
    )
    click.echo()
    dropped = ", ".join(f"{n:,} {reason}" for reason, n in counts["dropped"].items())
    strata = [name for name in manifest["strata"] if name]
    alike = f"; alike in {', '.join(strata[:5])}{', ...' if len(strata) > 5 else ''}" if len(strata) > 1 else ""
    left_out = f"; left out: {dropped}" if dropped else ""
    click.echo(f"{counts['problems']:,} problems with {counts['in']:,} rows{alike}{left_out}")
