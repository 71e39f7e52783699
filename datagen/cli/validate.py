"""`datagen validate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import command_line, option
from datagen.cli.printable import printable
from datagen.cli.show import emit, progress, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.runs.fix import FixedData
    from datagen.store.validate import Checked, Validation

INVALID = 3


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@option("--record", help="Name of the record; told from the columns if not given (see: datagen schema).")
@option("--max-shown", type=click.IntRange(min=0), default=20, help="Violations to print of each data set.")
@click.option("--fix", is_flag=True, help="Write a repaired copy to --out, if nothing is lost by it.")
# Not by DATAGEN_OUT: that is the directory of a run, and this may be a file.
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE|DIR", help="--fix: .jsonl, .parquet, or a folder."
)
@option("--overwrite", is_flag=True, help="--fix: replace what is in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines, with every violation.")
@option("--quiet", is_flag=True, help="No progress.")
def command(paths: tuple[Path, ...], **options: Any) -> None:  # Any: click's parsed values
    """Check every row of data sets, and runs against their manifests; exit with 3 if anything is wrong.

    PATH is a file (jsonl, json, csv, parquet, Arrow), a folder of a data set, or a run. Lines count from 1, rows
    from 0.

    --fix repairs what has one meaning only: missing columns that have a default or may be null, 3.0 for 3, "3" for 3
    and 3 for "3" where the record says which, null columns that it does not have, the order of columns, and line ends.

    \b
    Examples:
      datagen validate runs/rft
      datagen validate groups.jsonl --record alignment-group --max-shown 100
      datagen validate problems.csv --fix --out problems.jsonl
    """
    from datagen.store.validate import check

    if options["fix"] != (options["out"] is not None):
        raise click.UsageError("--fix and --out go together: --out names the repaired copy.")
    if options["fix"]:
        _fix(paths, options)
        return
    with progress(quiet=options["quiet"] or options["as_json"]) as report:
        found = check(
            paths,
            record=options["record"],
            max_listed=None if options["as_json"] else options["max_shown"],
            report=report,
        )
    emit(found.as_json(), as_json=options["as_json"], show=lambda: show(found))
    if not found.is_valid:
        click.get_current_context().exit(INVALID)


def _fix(paths: tuple[Path, ...], options: dict[str, Any]) -> None:  # Any: click's parsed values
    from datagen.runs.fix import fix

    if len(paths) != 1:
        raise click.UsageError("--fix repairs one data set: name one PATH.")
    with progress(quiet=options["quiet"] or options["as_json"]) as report:
        done = fix(
            paths[0],
            out=options["out"],
            record=options["record"],
            overwrite=options["overwrite"],
            command=command_line(),
            max_listed=None if options["as_json"] else options["max_shown"],
            report=report,
        )
    emit(done.as_json(), as_json=options["as_json"], show=lambda: show_fixed(done, out=options["out"]))
    if done.left is not None:
        click.get_current_context().exit(INVALID)


def show(found: "Validation") -> None:
    """A line a data set; below it, what is wrong with it."""
    for checked in found.data_sets:
        name = checked.told.name or "no record of datagen"
        if checked.told.is_guess:
            name += ", told from the nearest columns"
        if not checked.violations:
            verdict = "columns not checked" if checked.told.name is None else "all valid"
            click.echo(f"{checked.path}: {checked.rows:,} rows of {name}, {verdict}")
            continue
        click.echo(
            f"{checked.path}: {checked.rows:,} rows of {name}, {checked.bad_rows:,} not valid ({checked.violations:,} "
            "violations)"
        )
        show_violations(checked)
    for finding in found.findings:
        click.secho(printable(f"{finding.path}: {finding.message}"), fg="red")
    fixable = sum(checked.fixable for checked in found.data_sets)
    if fixable:
        total = sum(checked.violations for checked in found.data_sets)
        click.echo(f"{fixable:,} of {total:,} violations can be repaired without loss: --fix --out FILE|DIR")


def show_violations(checked: "Checked") -> None:
    """The first violations, and how many there are of each kind."""
    for of in checked.listed:
        at = f"{of.column}: " if of.column else ""
        value = f" ({of.value})" if of.value else ""
        click.echo(printable(f"  {of.where}: {at}{of.message}{value}"))
    if len(checked.listed) < checked.violations:
        click.echo(f"  ... and {checked.violations - len(checked.listed):,} more; see --max-shown, or --json for all")
    kinds = [(printable(kind.column) or "(row)", kind.message, f"{kind.n:,}", kind.first) for kind in checked.kinds()]
    if len(kinds) < checked.violations:
        table("", ("column", "violation", "n", "first"), kinds)


def show_fixed(done: "FixedData", *, out: Path) -> None:
    """What was repaired, or what stands in the way."""
    if done.left is not None:
        click.echo(
            f"{done.path}: nothing written, for {done.left.violations:,} violations are left that need a decision"
        )
        show_violations(done.left)
        return
    rows = [(printable(kind.column) or "(file)", kind.what, f"{kind.n:,}", kind.first) for kind in done.kinds()]
    if rows:
        table("", ("column", "repaired", "n", "first"), rows)
    click.echo(f"{done.rows:,} rows of {done.told.name} written to {out}, {done.n_fixes:,} repairs")
