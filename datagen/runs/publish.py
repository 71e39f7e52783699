"""The `publish` job: a run in, a data set on the Hub that `datasets.load_dataset` opens; or the same in a folder."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen import __version__
from datagen.mix.questions import question_of
from datagen.progress import Report, Step, silent
from datagen.publish.card import CardFacts, card
from datagen.publish.card_numbers import failed_replies, never_asked_of
from datagen.publish.checks import (
    Allowed,
    Check,
    Refused,
    check_licence,
    check_manifest,
    check_overlap,
    check_schema,
    check_secrets,
    check_size,
)
from datagen.publish.history import history_of
from datagen.publish.hub import INDEX, MAIN_BRANCH, Changes, Hub, Remote, check_names
from datagen.publish.licences import Source, source_of
from datagen.publish.overlap import Compared, compared, held_out_of, is_here, report_of
from datagen.publish.parts import MAIN, Part, Parts, parts_of
from datagen.publish.public import public_json
from datagen.publish.secrets import Finding, in_text, keys_in_use
from datagen.publish.shards import Shard, shard_of, write_shards
from datagen.publish.staging import dry_run_folder, staging, staging_home
from datagen.publish.survey import Survey, survey
from datagen.readers.read import DatasetSpec
from datagen.readers.test_sets import test_set
from datagen.runs.decontaminate import contamination_of
from datagen.store.lineage import replies_of, sources_of
from datagen.store.validate import check
from datagen_schemas.errors import DataError

Json = dict[str, Any]  # Any: JSON
CARD = "README.md"


@dataclass(frozen=True)
class PublishJob:
    """What is published, and where."""

    run: Path
    repo: str
    private: bool = False
    revision: str | None = None
    license: str | None = None
    language: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    against: tuple[str, ...] = ()  # test sets, beside those that are known to go with the sources
    allow: frozenset[Allowed] = frozenset()
    about: Path | None = None  # the publisher's own words for the card
    out: Path | None = None  # write the folder there, and touch no network
    overwrite: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse names that nothing can have."""
        check_names(self.repo, self.revision)


class Plan(NamedTuple):
    """What would be sent, for the question whether to do it."""

    repo: str
    url: str
    user: str | None
    revision: str
    visibility: str
    license: str
    files: tuple[Shard, ...]
    changes: Changes
    left_out: tuple[str, ...]

    @property
    def sent_bytes(self) -> int:
        """Of the files that are not there as they are."""
        return sum(file.bytes for file in self.files if file.path in self.changes.sent)


class Examined(NamedTuple):
    """A run that may be published."""

    checks: tuple[Check, ...]
    facts: CardFacts
    parts: Parts


def run_publish(
    job: PublishJob,
    *,
    confirm: Callable[[Plan], bool],
    on_checks: Callable[[Sequence[Check]], None] = lambda _: None,
    reporting: Callable[[], AbstractContextManager[Report]] = lambda: nullcontext(silent),
) -> Json:
    """Check a run, write its shards and card, and send them in one commit; or leave them in `job.out`.

    Args:
        job: what and where.
        confirm: asked with what would be sent; no network is used to change anything before it says yes.
        on_checks: told what the checks found, before anything is written.
        reporting: opened for each stretch of work between the two, and told how far it is.

    Raises:
        Refused: a check says no.
        DatagenError: the run cannot be read, or the Hub cannot be written.
    """
    started = time.monotonic()
    hub = Hub(job.repo, revision=job.revision) if job.out is None else None
    with reporting() as report:
        if hub is not None:
            _refuse_public(job, hub.look(report))  # before minutes of work for nothing
        examined = examine(job, report=report)
    on_checks(examined.checks)
    if any(of.state == "refused" for of in examined.checks):
        raise Refused(examined.checks)
    result: Json = {
        "repo": job.repo,
        "license": examined.facts.license,
        "checks": [of._asdict() for of in examined.checks],
        "left_out": list(examined.parts.left_out),
        "dry_run": hub is None,
    }
    if hub is None:
        assert job.out is not None
        with reporting() as report, dry_run_folder(job.out, overwrite=job.overwrite) as folder:
            files = build(examined, folder, report=report)
        done: Json = {"published": False, "out": str(job.out)}
    else:
        with staging() as folder:
            with reporting() as report:
                files = build(examined, folder, report=report)
                remote = hub.look(report)
                _refuse_public(job, remote)
                plan = _plan(job, hub, remote, examined, files, hub.changes(remote, files, folder))
            done = {"published": False}
            if confirm(plan):
                with reporting() as report:
                    done = _send(job, hub, remote, files, folder, report=report)
    return {**result, **_files(files), **done, "seconds": round(time.monotonic() - started, 1)}


def _send(job: PublishJob, hub: Hub, remote: Remote, files: Sequence[Shard], folder: Path, *, report: Report) -> Json:
    if not remote.exists:
        hub.create(private=job.private)
        remote = hub.look(report)
    if not remote.has_branch and hub.revision != MAIN_BRANCH:
        hub.create_branch()
        remote = hub.look(report)
    message = f"Publish {job.run.resolve().name} with datagen {__version__}"
    pushed = hub.push(remote, files, folder, message=message)
    return {
        "published": True,
        "url": pushed.url,
        "revision": hub.revision,
        "visibility": "private" if remote.private else "public",
        "commit": pushed.commit,
        "changes": {name: list(paths) for name, paths in pushed.changes._asdict().items()},
    }


def _plan(
    job: PublishJob, hub: Hub, remote: Remote, examined: Examined, files: Sequence[Shard], changes: Changes
) -> Plan:
    return Plan(
        repo=job.repo,
        url=hub.url,
        user=hub.user,
        revision=hub.revision + ("" if remote.has_branch or hub.revision == MAIN_BRANCH else " (new)"),
        visibility=_visibility(job, remote),
        license=examined.facts.license,
        files=tuple(files),
        changes=changes,
        left_out=examined.parts.left_out,
    )


def examine(job: PublishJob, *, report: Report = silent) -> Examined:
    """Run all checks; those that need what another one refuses are left out.

    Raises:
        DataError: the folder holds no data, or not the parts that were asked for.
    """
    history = history_of(job.run)
    failed, never_asked = failed_replies(history.runs), never_asked_of(history.runs)
    checks = [check_manifest(job.run, history, failed=failed, never_asked=never_asked)]
    if checks[0].state == "refused":
        raise Refused(checks)
    parts = parts_of(job.run, only=job.parts)
    checks.append(check_schema(check([job.run], max_listed=1, report=report)))
    if checks[-1].state == "refused":  # nothing below could be believed
        raise Refused(checks)
    inputs = sources_of(job.run)
    problems, replies = [source_of(of) for of in inputs], [source_of(of) for of in replies_of(job.run)]
    sources = list(dict.fromkeys((*problems, *replies)))
    licence, license = check_licence(sources, given=job.license)
    checks.append(licence)
    keys = keys_in_use()
    surveys = [_survey(part, keys, report) for part in parts.published]
    held = held_out_of(inputs)
    specs = (*held.specs, *(test_set(name) for name in job.against))
    missing = [] if job.out is None else [spec.name for spec in specs if not is_here(spec)]
    found = [] if missing or not specs else list(_compare(job, surveys, specs, report=report))
    checks.append(check_overlap(found, held, allowed="overlap" in job.allow, missing=missing))
    about = None if job.about is None else _words(job.about)
    facts = CardFacts(
        repo=job.repo,
        surveys=surveys,
        history=history,
        sources=sources,
        license=license or "",
        given_license=job.license,
        compared=found,
        made_from=held.made_from,
        without_test_set=held.without,
        language=job.language or (("en",) if problems and all(of.known is not None for of in problems) else ()),
        about=about,
        failed=failed,
        never_asked=never_asked,
    )
    findings = [*(finding for of in surveys for finding in of.findings), *_in_texts(job, facts, keys)]
    checks.append(check_secrets(findings, allowed="secrets" in job.allow))
    data_bytes = sum(file.stat().st_size for part in parts.published for file in part.folder.iterdir())
    room = job.out.absolute() if job.out is not None else staging_home()
    while not room.exists():
        room = room.parent
    checks.append(check_size(surveys, data_bytes=data_bytes, free_bytes=shutil.disk_usage(room).free))
    return Examined(tuple(checks), facts, parts)


def _words(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--about {file}: not a text in UTF-8 ({error}). Save it as one.") from error


def _survey(part: Part, keys: Sequence[str], report: Report) -> Survey:
    made = survey(part, keys=keys)
    report(Step(f"look at {part.name}", made.rows, made.rows))
    return made


def _compare(
    job: PublishJob, surveys: Sequence[Survey], specs: Sequence[DatasetSpec], *, report: Report
) -> Iterator[Compared]:
    """Each part that has questions, with all test sets; the main one by the run's own report where there is one."""
    for of in surveys:
        row = next(iter(of.examples.values()), None)
        if row is None or question_of(row) is None:
            continue
        if of.part.config == MAIN and (own := report_of(job.run, specs)) is not None:
            short = compared(own, part=of.part.name, from_report=True)
            if short.rows == of.rows:
                yield short
                continue
        found = contamination_of(of.part.folder, against=specs, workers=job.workers, report=report)
        yield compared(found, part=of.part.name, from_report=False)


def _in_texts(job: PublishJob, facts: CardFacts, keys: Sequence[str]) -> list[Finding]:
    """Secrets in the card and the index, as they would be published, and in the names of files."""
    texts = {CARD: card(facts), INDEX: _index(facts, ()).decode()}
    texts["the names of the parts"] = " ".join(of.part.name for of in facts.surveys)
    texts["--repo"] = job.repo
    return [finding for where, text in texts.items() for finding in in_text(text, where=where, keys=keys)]


def build(examined: Examined, folder: Path, *, report: Report = silent) -> list[Shard]:
    """Write everything that is published into a folder; returns its files."""
    files: list[Shard] = []
    for part in examined.parts.published:
        files += write_shards(part, folder)
        report(Step("write shards", len(files), None, part.name))
    report(Step("write shards", len(files), len(files)))
    (folder / INDEX).write_bytes(_index(examined.facts, files))
    (folder / CARD).write_text(card(examined.facts), encoding="utf-8")
    return [*files, *(shard_of(folder / name, path=name) for name in (CARD, INDEX))]


def _index(facts: CardFacts, files: Sequence[Shard]) -> bytes:
    """What made the data set, for machines: the runs' manifests, without paths that name people."""
    content = {
        "datagen": __version__,
        "license": facts.license,
        "files": [file._asdict() for file in files],
        "sources": [_source(of) for of in facts.sources],
        "made_from_test_split": list(facts.made_from),
        "overlap": [of._asdict() for of in facts.compared],
        "runs": [{"name": run.name, "stage": run.stage, "manifest": run.manifest} for run in facts.history.runs],
    }
    return orjson.dumps(public_json(content), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS) + b"\n"


def _source(of: Source) -> Json:
    known = of.known
    return {
        "name": of.name,
        "split": of.split,
        "is_replies": of.is_replies,
        "title": of.title,
        "license": of.license,
        "stated": known.stated if known is not None else None,
    }


def _refuse_public(job: PublishJob, remote: Remote) -> None:
    if job.private and remote.exists and remote.private is False:
        raise DataError(
            f"{job.repo} is public, so --private would be no protection. Make it private on the Hub, choose another "
            "--repo, or leave --private out."
        )


def _visibility(job: PublishJob, remote: Remote) -> str:
    if remote.exists:
        return "private, as the repository is" if remote.private else "public, as the repository is"
    return "private, a new repository" if job.private else "public, a new repository"


def _files(files: Sequence[Shard]) -> Json:
    return {
        "rows": sum(file.rows or 0 for file in files),
        "bytes": sum(file.bytes for file in files),
        "files": [file._asdict() for file in files],
    }
