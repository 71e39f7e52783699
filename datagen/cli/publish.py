"""`datagen publish`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import config_option, option, output_options
from datagen.cli.printable import printable
from datagen.cli.show import emit, progress
from datagen_schemas.errors import DataError

if TYPE_CHECKING:
    from datagen.publish.checks import Check
    from datagen.runs.publish import Plan

_FILES_SHOWN = 20
_SIGNS = {"ok": "ok     ", "note": "note   ", "refused": "refused"}


@click.command("publish")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@option("--repo", required=True, metavar="OWNER/NAME", help="Data set on the Hub; made if it is not there.")
@option("--private", is_flag=True, help="Make it visible to OWNER only.")
@option("--revision", metavar="BRANCH", help="Branch to commit to; made from main if it is not there. [default: main]")
@option("--yes", is_flag=True, help="Do not ask.")
@option("--dry-run", is_flag=True, help="Write what would be sent to --out, and touch no network.")
@option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for --dry-run.")
@option("--overwrite", is_flag=True, help="Replace an earlier dry run in --out.")
@option("--license", metavar="ID", help="Licence, as the Hub spells it; needed where that of a source is not known.")
@option("--language", multiple=True, metavar="CODE", help="Language of the texts, where the sources do not tell (en).")
@option("--part", "parts", multiple=True, metavar="NAME", help="Data set of the run. [default: data, candidates, ...]")
@option("--against", multiple=True, metavar="NAME|PATH", help="Test set to compare with, beside those of the sources.")
@option(
    "--allow",
    multiple=True,
    type=click.Choice(["overlap", "secrets"]),
    help="overlap: publish rows that overlap a test set (the card says so); secrets: what looks like one is none.",
)
@option(
    "--about",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Markdown file with your own words for the card.",
)
@option("--workers", type=click.IntRange(min=1), default=2, help="Processes that compare with test sets.")
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Check a run, and publish it on the Hugging Face Hub with a card, for `datasets.load_dataset`.

    Checked are the manifest, every row, the licences of the sources, overlap with their test sets, secrets, and the
    size. What would be sent is shown before it is. The token is that of HF_TOKEN or of `hf auth login`.

    \b
    Examples:
      datagen publish runs/rft --repo you/gsm8k-rft --dry-run --out runs/rft-hub
      datagen publish runs/rft --repo you/gsm8k-rft --private
    """
    if options["dry_run"] != (options["out"] is not None):
        raise click.UsageError("--dry-run and --out go together: --out is the folder that a dry run writes.")
    from datagen.publish.checks import Refused
    from datagen.runs.publish import PublishJob, run_publish

    as_json = options["as_json"]
    job = PublishJob(
        run=options["run"],
        repo=options["repo"],
        private=options["private"],
        revision=options["revision"],
        license=options["license"],
        language=options["language"],
        parts=options["parts"],
        against=options["against"],
        allow=frozenset(options["allow"]),
        about=options["about"],
        out=options["out"],
        overwrite=options["overwrite"],
        workers=options["workers"],
    )
    if not options["yes"] and job.out is None and not sys.stdin.isatty():
        raise DataError(
            "nobody is there to be asked whether to publish. Add --yes, or look first with --dry-run --out."
        )

    def on_checks(checks: "Sequence[Check]") -> None:
        if not as_json:
            show_checks(checks)

    def confirm(plan: "Plan") -> bool:
        if not as_json or not options["yes"]:
            show_plan(plan, err=as_json)
        if options["yes"] or not plan.changes:
            return True
        try:
            return click.confirm(f"Publish to {plan.repo}?", err=as_json)
        except click.Abort:  # Ctrl-C and Ctrl-D
            raise KeyboardInterrupt from None

    try:
        result = run_publish(
            job, confirm=confirm, on_checks=on_checks, reporting=partial(progress, quiet=options["quiet"])
        )
    except Refused as refused:
        if as_json:
            checks = [check._asdict() for check in refused.checks]
            emit({"repo": job.repo, "published": False, "checks": checks}, as_json=True, show=lambda: None)
        elif len(refused.checks) < _N_CHECKS:  # else they have been shown
            show_checks(refused.checks)
        raise
    except KeyboardInterrupt:
        click.secho(
            f"datagen: interrupted; {job.repo} is as it was, or complete. Run the same command again to go on: files "
            "that have arrived are not sent twice.",
            fg="yellow",
            err=True,
        )
        raise click.exceptions.Exit(130) from None
    emit(result, as_json=as_json, show=lambda: show(result))


_N_CHECKS = 6


def show_checks(checks: "Sequence[Check]") -> None:
    """One line each."""
    for check in checks:
        click.echo(f"{_SIGNS[check.state]}  {check.name}: {printable(check.line)}")


def show_plan(plan: "Plan", *, err: bool = False) -> None:
    """What would be sent, and where."""
    by = f" as {plan.user}" if plan.user else ""
    click.echo(f"\n{plan.url}{by}: {plan.visibility}; revision {plan.revision}; licence {plan.license}", err=err)
    _show_files([file._asdict() for file in plan.files], plan.changes._asdict(), err=err)
    if plan.left_out:
        click.echo(f"left out: {', '.join(plan.left_out)} (--part NAME publishes one)", err=err)
    sent = len(plan.changes.sent)
    what = (
        f"{sent} of {len(plan.files)} files, {_size(plan.sent_bytes)}"
        if plan.changes
        else "nothing: all of it is there"
    )
    click.echo(f"to send: {what}", err=err)


def _show_files(files: Sequence[dict[str, Any]], changes: dict[str, Sequence[str]], *, err: bool) -> None:  # Any: JSON
    state = {path: name for name, paths in changes.items() for path in paths}
    rows = [
        (
            file["path"],
            "" if file["rows"] is None else f"{file['rows']:,}",
            _size(file["bytes"]),
            state.get(file["path"], ""),
        )
        for file in files
    ]
    rows += [(path, "", "", "removed") for path in changes.get("removed", ())]
    if len(rows) > _FILES_SHOWN:
        rows = [*rows[: _FILES_SHOWN - 1], (f"... and {len(rows) - _FILES_SHOWN + 1:,} more", "", "", "")]
    width = max(len(row[0]) for row in rows)
    for path, n, size, what in rows:
        click.echo(f"  {path:<{width}}  {n:>12}{' rows' if n else '     '}  {size:>10}  {what}".rstrip(), err=err)


def _size(n: int) -> str:
    return f"{n / 1e6:,.1f} MB" if n >= 1e5 else f"{n / 1e3:,.1f} kB"


def show(result: dict[str, Any]) -> None:  # Any: JSON
    """Where it is now."""
    if result["dry_run"]:
        click.echo("")
        _show_files(result["files"], {}, err=False)
        if result["left_out"]:
            click.echo(f"left out: {', '.join(result['left_out'])} (--part NAME publishes one)")
        click.echo(f"written to {result['out']}, licence {result['license']}; nothing was sent")
        return
    if not result["published"]:
        click.echo("not published")
        return
    sent = len(result["changes"]["new"]) + len(result["changes"]["changed"])
    done = f"{sent} files sent" if sent or result["changes"]["removed"] else "all of it was there already"
    click.echo(f"{done}: {result['url']} ({result['visibility']}), commit {(result['commit'] or '')[:12]}")
    main = result["files"][0]["path"].rpartition("/")[2].partition("-")[0]
    click.echo(f'datasets.load_dataset("{result["repo"]}", split="{main}") opens it')
