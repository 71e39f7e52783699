"""What must be so before a data set is published: each check says in one line what it found and what to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from datagen.publish.history import History
from datagen.publish.licences import Source, license_of
from datagen.publish.overlap import Compared, Held
from datagen.publish.secrets import ENVIRONMENT, Finding
from datagen.publish.survey import Survey
from datagen.report.never_asked import NeverAsked
from datagen.store.validate import Validation
from datagen_schemas.errors import DataError

State = Literal["ok", "note", "refused"]
Allowed = Literal["overlap", "secrets"]
LARGE_BYTES = 300_000_000_000  # beyond this, the Hub wants to be asked first
_SHOWN = 3  # findings in a line


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    line: str


class Refused(DataError):
    """At least one check says no; nothing was sent."""

    def __init__(self, checks: Sequence[Check]) -> None:
        """With all checks, so that they can be shown."""
        self.checks = tuple(checks)
        bad = [check for check in checks if check.state == "refused"]
        rest = f" ({len(bad) - 1} more of the checks above refuse it, too)" if len(bad) > 1 else ""
        super().__init__(f"not published: {bad[0].name}: {bad[0].line}{rest}")


def check_manifest(run: Path, history: History, *, failed: int, never_asked: Sequence[NeverAsked] = ()) -> Check:
    """Whether the run is finished, and its story can be told."""
    if not (run / "run.json").exists() and not (run / "manifest.json").exists():
        return Check("manifest", "refused", f"{run}: no run of datagen. Name the folder that a command wrote (--out).")
    if not (run / "manifest.json").exists():
        return Check(
            "manifest", "refused", f"{run}: this run is not finished. Finish it by running its command again."
        )
    if not history.runs:
        return Check("manifest", "refused", f"{run}/manifest.json cannot be read. Build the run again.")
    made = f"made by {len(history.runs)} run{'s' if len(history.runs) > 1 else ''}"
    line = f"{'stopped early' if never_asked else 'finished'}; {made}"
    missing = [f"{failed:,} replies are missing"] if failed else []
    doubts = [*history.doubtful, *missing, *map(str, never_asked)]
    return (
        Check("manifest", "note", f"{line}; {'; '.join(doubts)} (the card says so)")
        if doubts
        else Check("manifest", "ok", line)
    )


def check_schema(found: Validation) -> Check:
    """Whether each row is what it should be."""
    for of in found.data_sets:
        if of.violations:
            first = of.listed[0]
            where = f"{first.where}: {first.column + ': ' if first.column else ''}{first.message}"
            more = f" ({of.violations:,} in all)" if of.violations > 1 else ""
            return Check("schema", "refused", f"{where}{more}. See: datagen validate {of.path}")
    for finding in found.findings:
        return Check("schema", "refused", f"{finding.path}: {finding.message}.")
    rows = sum(of.rows for of in found.data_sets)
    names = dict.fromkeys(of.told.name or "rows without a record" for of in found.data_sets)
    return Check("schema", "ok", f"{rows:,} rows are valid: {', '.join(names)}")


def check_licence(sources: Sequence[Source], *, given: str | None) -> tuple[Check, str | None]:
    """Whether the sources may be published, and under what."""
    try:
        license = license_of(sources, given=given)
    except DataError as error:
        return Check("licence", "refused", str(error)), None
    listed = ", ".join(dict.fromkeys(f"{of.title} ({of.license or 'not known to us'})" for of in sources))
    how = "as you say" if given else "as follows from"
    return Check("licence", "ok", f"{license}, {how}{': ' if given else ' '}{listed or 'no known source'}"), license


def check_overlap(compared: Sequence[Compared], held: Held, *, allowed: bool, missing: Sequence[str] = ()) -> Check:
    """Whether rows repeat test questions, or are made of them."""
    if missing:
        return Check(
            "overlap",
            "refused",
            f"nothing was compared with {', '.join(missing)}, which is on the Hub and not here. Name a local copy "
            "with --against, or leave --dry-run out.",
        )
    rows, overlapping = sum(of.rows for of in compared), sum(of.overlapping for of in compared)
    against = ", ".join(dict.fromkeys(name for of in compared for name in of.against))
    if held.made_from or overlapping:
        what = f"made from a test split ({', '.join(held.made_from)})" if held.made_from else ""
        n = f"{overlapping:,} of {rows:,} rows overlap {against}" if overlapping else ""
        line = "; ".join(text for text in (what, n) if text)
        if allowed:
            return Check("overlap", "note", f"{line}: allowed, and the card says so")
        remedy = (
            "Publish what was made from the training split"
            if held.made_from
            else "Remove these rows with: datagen decontaminate"
        )
        return Check("overlap", "refused", f"{line}. {remedy}, or let the card say so with --allow overlap.")
    if held.without:
        names = ", ".join(held.without)
        line = f"no test set of {names} is known; name one with --against (the card says that there was none)"
        return Check("overlap", "note", f"{line}; none of {rows:,} rows overlaps {against}" if compared else line)
    removed = sum(of.removed for of in compared)
    line = f"none of {rows:,} rows overlaps {against}" + (f"; {removed:,} were removed before" if removed else "")
    return Check("overlap", "ok", line)


def check_secrets(findings: Sequence[Finding], *, allowed: bool) -> Check:
    """Whether anything looks like a key, or names a person's folder."""
    if not findings:
        return Check("secrets", "ok", "nothing looks like a key, a password or a path that names a person")
    listed = "; ".join(str(of) for of in findings[:_SHOWN])
    more = f"; {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
    if any(of.what == ENVIRONMENT for of in findings):
        return Check(
            "secrets", "refused", f"{listed}{more}. Build the data without it, and replace the key: it leaked."
        )
    if allowed:
        return Check("secrets", "note", f"{listed}{more}: allowed")
    return Check(
        "secrets", "refused", f"{listed}{more}. Take them out, or publish with --allow secrets if they are none."
    )


def check_size(surveys: Sequence[Survey], *, data_bytes: int, free_bytes: int) -> Check:
    """Whether there is something to publish, and room for it."""
    rows = sum(of.rows for of in surveys)
    line = f"{rows:,} rows, {data_bytes / 1e6:,.1f} MB before compression"
    if not surveys[0].rows:
        return Check("size", "refused", f"{surveys[0].part.folder} has no rows, so there is nothing to publish.")
    if data_bytes > free_bytes:
        return Check(
            "size",
            "refused",
            f"{line}, and {free_bytes / 1e6:,.1f} MB of disk are free for the shards. Free some, or set DATAGEN_HOME, "
            "or --out of a dry run, to a folder of another disk.",
        )
    if data_bytes > LARGE_BYTES:
        return Check(
            "size", "note", f"{line}: the Hub wants to be asked about more than 300 GB (datasets@huggingface.co)"
        )
    return Check("size", "ok", line)
