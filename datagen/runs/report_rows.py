"""Which rows a report carries, and what they are about."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import orjson
import pyarrow as pa
from pydantic import ValidationError

from datagen.parallel import ordered_map
from datagen.progress import Report, Step, silent
from datagen.readers.read import SYNTHETIC, DatasetSpec, read_problems
from datagen.report.embed import Entry
from datagen.report.entries import Asked, asked_of, shown
from datagen.report.equations import Checked, checked_equations
from datagen.report.figure import at
from datagen.runs.report_inputs import ALONE, Part, Run
from datagen.seeding import rng_for
from datagen.select.statistics import Filter
from datagen.store.arrow_dataset import read_batches
from datagen.store.lineage import find_input, inputs_of
from datagen_schemas.candidate import Candidate
from datagen_schemas.catalog import RECORDS
from datagen_schemas.errors import DataError, DatagenError
from datagen_schemas.example import Example
from datagen_schemas.record import Record

Key = tuple[int, str]  # run, problem id; or of pairs and mixed rows, run and row
TEXTS_PER_REPORT = 500
ENTRIES_PER_TASK = 100
MANY_TEXTS = 5000


class Rows(NamedTuple):
    """The problems of all runs that are shown, with the number of their texts, in order; and how many there are."""

    chosen: dict[Key, int]
    texts: tuple[int, ...]  # of each run, in all
    problems: tuple[int, ...]


def chosen_rows(runs: Sequence[Run], *, max_rows: int, seed: int) -> Rows:
    """All problems, or as many of a seeded shuffle as have no more texts than `max_rows`."""
    found: dict[Key, int] = {}
    for i, run in enumerate(runs):
        for part in run.parts:
            for key, n in _sizes(i, part):
                found[key] = found.get(key, 0) + n
    texts = tuple(sum(n for key, n in found.items() if key[0] == i) for i in range(len(runs)))
    problems = tuple(sum(key[0] == i for key in found) for i in range(len(runs)))
    if sum(texts) <= max_rows:
        return Rows(found, texts, problems)
    keys = list(found)
    rng_for(seed, "report", "rows").shuffle(keys)
    kept: set[Key] = set()
    room = max_rows
    for key in keys:
        if found[key] > room:
            if kept:
                break  # not on to smaller ones: problems with few texts would be drawn more often
            continue
        kept.add(key)
        room -= found[key]
    return Rows({key: n for key, n in found.items() if key in kept}, texts, problems)


def _sizes(run: int, part: Part) -> Iterator[tuple[Key, int]]:
    row = 0
    for batch in read_batches(part.folder):
        for problem_id, n in zip(_problem_ids(batch, part.record), _n_texts(batch, part.record), strict=True):
            yield _key(run, part, problem_id, row), n
            row += 1


def _key(run: int, part: Part, problem_id: str, row: int) -> Key:
    return (run, f"{part.origin or ''}\x00{row}") if part.record in ALONE else (run, problem_id)


def _problem_ids(batch: pa.RecordBatch, record: str) -> list[str]:
    if record == "ranked-group":
        return [row["problem"]["id"] for row in batch.select(["problem"]).to_pylist()]
    if record == "problem":  # one that was made from another stands under that one
        rows = batch.select(["id", "meta"]).to_pylist()
        return [original_id(row["id"], row["meta"]) for row in rows]
    return [str(problem_id) for problem_id in batch.column("problem_id").to_pylist()]


def original_id(problem_id: str, meta: str) -> str:
    """The id of the problem that a problem was made from, else its own."""
    try:
        found = at(orjson.loads(meta), "original_id")
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, str) else problem_id


def _n_texts(batch: pa.RecordBatch, record: str) -> list[int]:
    if record in ("preference", "mixed-preference"):
        return [2] * batch.num_rows
    responses = ("responses",)
    names = {
        "ranked-group": ("candidates", "missing"),
        "alignment-group": responses,
        "mixed-group": responses,
    }.get(record, ())
    lengths = [[len(of or ()) for of in batch.column(name).to_pylist()] for name in names]
    return [sum(of) for of in zip(*lengths, strict=True)] if lengths else [1] * batch.num_rows


def entries_of(runs: Sequence[Run], rows: Rows, *, workers: int = 1, report: Report = silent) -> list[Entry]:
    """The chosen problems with their texts, in the order of the runs; equations checked, in `workers` processes."""
    entries: dict[Key, Entry] = {}
    n = 0
    for i, run in enumerate(runs):
        selection = _selection(i, run, rows.chosen) if run.stage == "rft" else None
        for part in run.parts:
            for key, record, row in _records(i, part, rows.chosen):
                found = shown(record, row=row, origin=part.origin)
                entry = entries.setdefault(key, Entry(i, found.problem_id, Asked()))
                entry.asked = entry.asked.filled(found.asked)
                cards = found.cards
                if selection is not None and isinstance(record, Candidate):
                    cards = tuple(replace(card, outcome=selection.outcome(record)) for card in cards)
                entry.cards += cards
                n += len(cards)
                if n % TEXTS_PER_REPORT == 0:
                    report(Step("read rows", n, None))
        if selection is not None:
            for (of, problem_id), entry in entries.items():
                if of == i:
                    entry.asked = entry.asked.filled(selection.asked.get(problem_id, Asked()))
    report(Step("read rows", n, n))
    _add_questions(runs, entries.values())
    ordered = [entries[key] for key in rows.chosen if key in entries]
    _check_equations(ordered, workers=workers, report=report)
    return ordered


def _check_equations(entries: Sequence[Entry], *, workers: int, report: Report) -> None:
    n_texts = sum(len(entry.cards) for entry in entries)
    parts = [entries[i : i + ENTRIES_PER_TASK] for i in range(0, len(entries), ENTRIES_PER_TASK)]
    texts = ([card.text for entry in part for card in entry.cards] for part in parts)
    done = 0
    # Processes take a second to start, in which one core checks some thousand texts.
    for part, found in zip(
        parts, ordered_map(_checked, texts, workers=workers if n_texts >= MANY_TEXTS else 1), strict=True
    ):
        equations = iter(found)
        for entry in part:
            entry.cards = [replace(card, equations=next(equations)) for card in entry.cards]
            done += len(entry.cards)
        report(Step("check equations", done, n_texts))


def _checked(texts: Sequence[str]) -> list[tuple[Checked, ...]]:
    return [checked_equations(text) for text in texts]


def _records(run: int, part: Part, chosen: Mapping[Key, int]) -> Iterator[tuple[Key, Record, int]]:
    """The rows that are shown, validated, each with its index."""
    record = RECORDS[part.record]
    first = 0
    for batch in read_batches(part.folder):
        ids = _problem_ids(batch, part.record)
        keys = [_key(run, part, problem_id, first + i) for i, problem_id in enumerate(ids)]
        wanted = [i for i, key in enumerate(keys) if key in chosen]
        found = batch if len(wanted) == batch.num_rows else batch.take(pa.array(wanted, pa.int64()))
        for i, value in zip(wanted, found.to_pylist(), strict=True):
            try:
                made = record.model_validate(value)
            except ValidationError as error:
                wrong = error.errors()[0]
                where = ".".join(map(str, wrong["loc"]))
                raise DataError(
                    f"{part.folder} row {first + i}: {where}: {wrong['msg']}. See what is needed with: datagen schema"
                ) from error
            yield keys[i], made, first + i
        first += batch.num_rows


class _Selection(NamedTuple):
    """What `rft` made of the candidates: the examples that it wrote, and by which filter."""

    samples: Mapping[str, set[int]]  # problem id -> selected ones
    asked: Mapping[str, Asked]
    keep: Filter

    def outcome(self, candidate: Candidate) -> str:
        """In the words of `dropped` in the manifest."""
        if candidate.sample in self.samples.get(candidate.problem_id, ()):
            return "selected"
        return self.keep.reason(candidate) or "same path as another"


def _selection(i: int, run: Run, chosen: Mapping[Key, int]) -> _Selection:
    samples: dict[str, set[int]] = {}
    asked: dict[str, Asked] = {}
    for part in run.main:
        if part.record != "example":
            continue
        for key, row, _ in _records(i, part, chosen):
            assert isinstance(row, Example)
            reference = row.completion if row.source == "gold" else None
            asked[key[1]] = asked.get(key[1], Asked()).filled(Asked(row.prompt, reference, row.answer))
            if row.sample is not None:
                samples.setdefault(row.problem_id, set()).add(row.sample)
    keep = at(run.manifest, "config", "options", "keep")
    names = {"keep_false_equations", "keep_unstated"} & (keep.keys() if isinstance(keep, dict) else set())
    return _Selection(samples, asked, Filter(**{name: bool(keep[name]) for name in names}))


def _add_questions(runs: Sequence[Run], entries: Collection[Entry]) -> None:
    """Candidates name their problem by its id alone: what it asks stands in another run, or in its problem set."""
    known: dict[str, Asked] = {}
    for entry in entries:
        if entry.asked.question is not None:
            known[entry.problem_id] = known.get(entry.problem_id, Asked()).filled(entry.asked)
    for i, run in enumerate(runs):
        lacking = {of.problem_id for of in entries if of.run == i and of.asked.question is None} - known.keys()
        if lacking:
            known |= _from_problem_set(run, lacking)
    for entry in entries:
        if entry.asked.question is None:
            entry.asked = entry.asked.filled(known.get(entry.problem_id, Asked()))


def _from_problem_set(run: Run, lacking: set[str]) -> dict[str, Asked]:
    """Problems by id, from the files that the manifest names, as far as they are still there.

    An id is made of a problem's text, so that a file that has changed since cannot give a wrong one. Nothing is
    downloaded for it.
    """
    found: dict[str, Asked] = {}
    config = run.manifest.get("config") or {}
    for of in inputs_of(config):
        if of.role != "dataset" or len(found) == len(lacking):
            continue
        name = str(find_input(of, run=run.path).path) if of.path is not None else of.name
        if of.path is None and of.name.partition(":")[0] != SYNTHETIC:
            continue
        columns = at(config, "dataset", "columns") or {}
        seed = at(config, "dataset", "seed") or at(config, "seed") or 0
        spec = DatasetSpec(
            name, split=of.split, limit=of.limit, columns=columns, format=of.format, skip_bad=True, seed=seed
        )
        try:
            for problem in read_problems(spec, on_drop=lambda _: None):
                if problem.id in lacking:
                    found[problem.id] = asked_of(problem)
        except DatagenError:  # the file is gone, or no problem set any more: the page says that it lacks the question
            continue
    return found
