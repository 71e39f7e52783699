"""The `mix` job: several data sets in, one training set without duplicates out."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen import __version__
from datagen.mix.combine import KINDS, Combined, CombineOptions, Row, Taken, Twin, combine, pairs_of_origins
from datagen.mix.foreign_rows import question_id
from datagen.mix.near_duplicates import Text, comparable
from datagen.mix.questions import built_in_frames, unframed
from datagen.mix.variants import RowVariants, Variants
from datagen.progress import Report, Step, silent
from datagen.readers.dropped import bad_row_policy
from datagen.readers.read import DatasetSpec
from datagen.runs.mix_inputs import MixInput, mixed_record, open_input, read_input
from datagen.runs.out_place import refuse_inside
from datagen.runs.replies import Drops
from datagen.store.arrow_dataset import DatasetWriter, Format
from datagen.store.card import dataset_card
from datagen.store.line_file import LineFile
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedExample, MixedGroup, MixedPreference, NearDuplicate
from datagen_schemas.preference import Preference
from datagen_schemas.record import Record

Json = dict[str, Any]  # Any: JSON
NEAR = "near-duplicates"
MAX_CONFLICTS_LISTED = 100  # in the manifest; all are counted


@dataclass(frozen=True)
class MixOptions:
    """What is kept, how much of it, and what is changed in it."""

    combine: CombineOptions = field(default_factory=CombineOptions)
    variants: Variants = field(default_factory=Variants)
    skip_bad: bool = False


@dataclass(frozen=True)
class MixJob:
    """From where to where."""

    inputs: tuple[MixInput, ...]
    out: Path
    problems: tuple[DatasetSpec, ...] = ()  # that candidates answer, where their own run does not say
    workers: int = 1
    overwrite: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        """Refuse a job without inputs, or with two of one name."""
        names = Counter(of.name for of in self.inputs)
        if not names:
            raise DataError("nothing to mix: name at least one data set.")
        if twice := [name for name, n in names.items() if n > 1]:
            raise DataError(f"two data sets are called {twice[0]!r}. Give each a name of its own: NAME=PATH.")


def run_mix(job: MixJob, options: MixOptions, *, format: Format = "arrow", report: Report = silent) -> Json:
    """Write the mixture to `job.out`; returns the manifest. A finished run is kept.

    OUT/data has rows of MixedExample; of MixedGroup or MixedPreference if all data sets hold groups, or pairs.
    OUT/near-duplicates has the pairs of which one row was left out, side by side. The order of
    `job.inputs` decides nothing: not a byte of these depends on it.

    Raises:
        DataError: an input cannot be read, or there are fewer rows than asked for, or none.
    """
    started = time.monotonic()
    inputs = sorted(job.inputs, key=lambda of: of.name)
    _check_names(options, {of.name for of in inputs})
    refuse_inside(job.out, (Path(of.path) for of in inputs))
    variants = RowVariants(options.variants, origins=[of.name for of in inputs], seed=options.combine.seed)
    run = RunDirectory(job.out, _config(job, inputs, options, format, variants), overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None:
        return finished
    run.clear("data", NEAR)
    spill = run.path / ".rows"
    with run.reading(), LineFile(spill) as lines:
        read = _read_all(job, inputs, options, lines, report=report)
        if read.is_grouped and options.variants != Variants():
            raise DataError("prompts, case and answer lines are changed in training examples only, not in groups.")
        if not read.rows:
            raise DataError(f"nothing to mix: {_reasons(read)}. Look at a data set with: datagen validate")
        combined = combine(
            read.rows,
            options.combine,
            origins=[of.name for of in inputs],
            texts=lambda rows: [_text_of(lines.line(row.at)) for row in rows],
            workers=job.workers,
            on_progress=lambda done, total: report(Step("compare", done, total)),
        )
        with DatasetWriter(run.data, read.record, format=format) as data:
            data.write_records(_records(combined.taken, lines, read, variants, report), read.record)
        if combined.near:
            with DatasetWriter(run.path / NEAR, NearDuplicate, format=format) as pairs:
                pairs.write_records(_near_duplicates(combined.near, lines), NearDuplicate)
    spill.unlink()

    sources = _sources(inputs, read, combined)
    counts = _counts(read, combined, variants, sources)
    facts = {
        "record": read.record.__name__,
        "counts": counts,
        "seconds": round(time.monotonic() - started, 1),
    }
    return run.finish(command=job.command, card=_card(job, read, counts), facts=facts)


class _Read(NamedTuple):
    """All rows of all inputs, and what was not one."""

    record: type[Record]
    rows: list[Row]
    n_in: Counter[str]
    unusable: dict[str, Counter[str]]  # input -> reason -> rows
    bad: Drops
    answers: dict[str, set[str]]  # question -> its answers

    @property
    def is_grouped(self) -> bool:
        """Whether the rows are groups or pairs."""
        return self.record is not MixedExample


def _check_names(options: MixOptions, names: set[str]) -> None:
    amounts = options.combine.amounts
    prompts = [of.origin for of in options.variants.prompts if of.origin is not None]
    for what, used in (("--cap", amounts.caps), ("--weight", amounts.weights), ("--train-prompt", prompts)):
        if unknown := sorted(set(used) - names):
            raise DataError(f"{what} {unknown[0]}: no data set of that name. There are {', '.join(sorted(names))}.")


def _config(
    job: MixJob, inputs: Sequence[MixInput], options: MixOptions, format: Format, variants: RowVariants
) -> Json:
    problems = [
        {**asdict(of), "file": fingerprint(Path(of.name)) if Path(of.name).exists() else None} for of in job.problems
    ]
    return {
        "stage": "mix",
        "datagen": __version__,
        "format": format,
        "inputs": [of.as_json() for of in inputs],
        "problems": sorted(problems, key=lambda of: str(of["name"])),
        "options": asdict(options),
        "prompts": variants.hashes(),
        "seed": options.combine.seed,
    }


def _read_all(
    job: MixJob, inputs: Sequence[MixInput], options: MixOptions, lines: LineFile, *, report: Report
) -> _Read:
    """Read the inputs one after another; their texts go to disk."""
    drops = Drops()
    drop = bad_row_policy(skip_bad=options.skip_bad, on_drop=drops)
    by_reason: dict[str, Drops] = {of.name: Drops() for of in inputs}
    opened = [open_input(of, skip_bad=options.skip_bad, on_drop=by_reason[of.name]) for of in inputs]
    read = _Read(mixed_record(opened), [], Counter(), {of.name: Counter() for of in inputs}, drops, {})
    for of in opened:
        name = of.of.name
        for row in read_input(of, mixed=not read.is_grouped, problems=job.problems):
            read.n_in[name] += 1
            if row.dropped is not None:
                drop(row.dropped)
            if row.record is None:
                read.unusable[name][row.reason] += 1
            else:
                read.rows.append(_spilled(row.record, origin=name, row=row.row, lines=lines, answers=read.answers))
            if read.n_in[name] % 1000 == 0:
                report(Step(f"read {name}", read.n_in[name], None))
        # Problems that a reader dropped never came here.
        problems = by_reason[name]
        for dropped in problems.listed:
            drops(dropped)
        read.unusable[name].update(problems.counts)
        read.n_in[name] += problems.counts.total()
        report(Step(f"read {name}", read.n_in[name], read.n_in[name]))
    return read


def _spilled(record: Record, *, origin: str, row: int, lines: LineFile, answers: dict[str, set[str]]) -> Row:
    """A row as it is decided on; its texts are appended to the file."""
    text, kind, parts = _of_record(record)
    if isinstance(record, MixedExample) and record.question is not None and record.answer is not None:
        answers.setdefault(question_id(record.question), set()).add(record.answer)
    content = hashlib.blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=16).digest()
    at = lines.add(orjson.dumps([*text, record.model_dump(mode="json")]))
    return Row(kind, origin, row, content, at, text.key(), text.block())


def _of_record(record: Record) -> tuple[Text, int, Sequence[str]]:
    """What is compared of a record, its place among the kinds, and all its texts."""
    match record:
        case MixedExample():
            question = record.question or unframed(record.prompt, built_in_frames())
            parts: Sequence[str] = (record.prompt, record.completion, record.problem_id, record.answer or "")
            return comparable(question, record.completion), KINDS.index(record.kind), parts
        case AlignmentGroup():
            scored = [f"{text}\x1f{score}" for text, score in zip(record.responses, record.scores, strict=True)]
            parts = (record.prompt, *scored, record.problem_id, record.reference or "")
            return comparable(record.prompt, "\n\n".join(sorted(scored))), 0, parts
        case Preference():
            parts = (record.prompt, record.chosen, record.rejected, record.problem_id)
            return comparable(record.prompt, f"{record.chosen}\n\n\n{record.rejected}"), 0, parts
        case _:
            raise TypeError(f"{type(record).__name__} is not mixed")


def _text_of(line: bytes) -> Text:
    return Text(*orjson.loads(line)[:2])


def _records(
    taken: Sequence[Taken], lines: LineFile, read: _Read, variants: RowVariants, report: Report
) -> Iterator[Record]:
    """The rows of the mixture, with what is changed in them."""
    for i, (row, copy) in enumerate(taken, 1):
        record = read.record.model_validate(orjson.loads(lines.line(row.at))[2])
        if isinstance(record, MixedExample):
            record = variants(record, key=row.content + copy.to_bytes(4, "big"))
        yield record
        if i % 1000 == 0 or i == len(taken):
            report(Step("write mixture", i, len(taken)))


def _near_duplicates(twins: Sequence[Twin], lines: LineFile) -> Iterator[NearDuplicate]:
    """Near duplicates side by side, for people to look at."""
    for twin in twins:
        ours, theirs = (_text_of(lines.line(row.at)) for row in (twin.row, twin.of))
        yield NearDuplicate(
            origin=twin.row.origin,
            origin_row=twin.row.row,
            stays_origin=twin.of.origin,
            stays_row=twin.of.row,
            question_ratio=twin.question_ratio,
            completion_ratio=twin.completion_ratio,
            question=ours.question,
            stays_question=theirs.question,
            completion=ours.completion,
            stays_completion=theirs.completion,
        )


def _sources(inputs: Sequence[MixInput], read: _Read, combined: Combined) -> dict[str, Json]:
    """What became of every row of each input; the numbers of an input add up."""
    out = Counter(taken.row.origin for taken in combined.taken)
    again = Counter(taken.row.origin for taken in combined.taken if taken.copy)
    exact = Counter(twin.row.origin for twin in combined.exact)
    near = Counter(twin.row.origin for twin in combined.near)
    duplicates_of = pairs_of_origins((*combined.exact, *combined.near))
    return {
        of.name: {
            "path": of.path,
            "in": read.n_in[of.name],
            "unusable": dict(sorted(read.unusable[of.name].items())),
            "duplicates": exact[of.name],
            "near_duplicates": near[of.name],
            "duplicates_of": duplicates_of.get(of.name, {}),
            "not_drawn": combined.not_drawn[of.name],
            "repeated": again[of.name],
            "out": out[of.name],
        }
        for of in inputs
    }


def _counts(read: _Read, combined: Combined, variants: RowVariants, sources: Mapping[str, Json]) -> Json:
    dropped: Counter[str] = Counter()
    for reasons in read.unusable.values():
        dropped.update(reasons)
    for name in ("duplicates", "near_duplicates", "not_drawn"):
        dropped[_SHOWN[name]] += sum(of[name] for of in sources.values())
    conflicts = sorted(question for question, answers in read.answers.items() if len(answers) > 1)
    kinds = Counter(KINDS[taken.row.kind] for taken in combined.taken) if not read.is_grouped else Counter[str]()
    return {
        "rows": len(combined.taken),
        "folders": {"data": len(combined.taken), **({NEAR: len(combined.near)} if combined.near else {})},
        "in": read.n_in.total(),
        "repeated": sum(taken.copy > 0 for taken in combined.taken),
        "sources": dict(sources),
        "kinds": {kind: kinds[kind] for kind in KINDS if kinds[kind]},
        "dropped": {reason: n for reason, n in sorted(dropped.items()) if n},
        "conflicting_answers": {"questions": len(conflicts), "ids": conflicts[:MAX_CONFLICTS_LISTED]},
        "variants": dict(sorted(variants.counts.items())),
        "bad_rows": read.bad.as_json(),
    }


_SHOWN = {"duplicates": "duplicate", "near_duplicates": "near duplicate", "not_drawn": "not drawn"}


def _reasons(read: _Read) -> str:
    counts: Counter[str] = Counter()
    for of in read.unusable.values():
        counts.update(of)
    return f"of {read.n_in.total():,} rows, " + ", ".join(f"{n:,} {why}" for why, n in counts.most_common())


def _card(job: MixJob, read: _Read, counts: Json) -> str:
    what = {MixedExample: "training examples", MixedGroup: "alignment groups", MixedPreference: "preference pairs"}
    return dataset_card(
        title=f"A mixture of {len(job.inputs)} data sets",
        command=job.command,
        folders={
            "data": f"{what[read.record]} of all data sets, shuffled",
            **(
                {NEAR: "rows that were left out, beside those that stay for them"} if NEAR in counts["folders"] else {}
            ),
        },
        facts={
            **{f"rows of {name}": f"{of['out']:,} of {of['in']:,}" for name, of in counts["sources"].items()},
            **{f"left out: {reason}": n for reason, n in counts["dropped"].items()},
            **counts["kinds"],
            "rows": counts["rows"],
        },
    )
