"""The `rank` job: candidates and judges in, ranked groups and every vote out."""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.annotate import Group as ReplyGroup
from datagen.annotate import annotated, in_tasks
from datagen.parallel import ordered_map
from datagen.progress import Report, Step, silent
from datagen.rank.probes import probe_groups, source_of
from datagen.rank.reliability import PREFILLED, Reliability
from datagen.rank.votes import Group
from datagen.readers.candidates import ProblemIndex, read_candidates
from datagen.recipes.gsm8k_rank import RankedPart, RankOptions, draw, rank, to_be_asked
from datagen.requests.fetch import Fetched
from datagen.requests.ledger import Ledger, load_prices
from datagen.requests.plan import Plan, plan_requests
from datagen.requests.store import ReplyStore
from datagen.runs.judges import JudgeSpec, Panel
from datagen.runs.replies import Job, collect_replies, load_problems, provenance_of
from datagen.runs.report import is_short, merged_failures_json
from datagen.runs.rft import Manifest
from datagen.sample import stored_replies
from datagen.store.arrow_dataset import DatasetWriter, Format, read_records, to_batch
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import MissingCandidate, RankedCandidate, RankedGroup, Rating

GROUPS_PER_BATCH = 100
FOLDERS = {
    "data": "ranked groups: a problem's candidates, best first, with every judge's votes and evidence",
    "candidates": "what was ranked, with its verdict",
    "ratings": "every vote, also those without a readable rating",
    "probes": "the judges' ranking of the probes: the reference, an empty reply, corrupted references",
    "probe-ratings": "every vote on the probes",
}


class CandidatePart(NamedTuple):
    """The candidates of some neighbouring problems."""

    candidates: pa.RecordBatch
    problems: int  # with at least one candidate
    to_judge: int  # distinct texts that need a judge's word


def run_rank(
    job: Job,
    judges: Sequence[JudgeSpec],
    options: RankOptions,
    *,
    format: Format = "arrow",
    report: Report = silent,
) -> Manifest:
    """Rank the candidates of a job into `job.out` (see FOLDERS); returns the manifest.

    A finished run is not done again, a cut one goes on: every vote that was paid for is in the reply store.

    Raises:
        DataError: the problems, candidates or a judge's prompt cannot be used.
        ValueError: a judge is named twice.
    """
    started = time.monotonic()
    panel = Panel(judges, seed=job.seed)
    config = {
        "stage": "rank",
        "format": format,
        "options": asdict(options),
        "judges": [spec.config() for spec in judges],
        **job.config(),
    }
    run = RunDirectory(job.out, config, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None and not is_short(finished):
        return finished
    ledger = Ledger(load_prices())
    with run.reading():
        loaded, bad_problems = load_problems(job.dataset, report=report)
        problems = draw(loaded, options.problems, seed=job.seed)
        replies = collect_replies(job, problems, run, known=loaded, ledger=ledger, report=report)
    provenance = provenance_of(job, stage="rank")
    tasks = in_tasks((p, list(islice(r, options.k))) for p, r in zip(problems, replies.groups, strict=True))
    n_groups = n_to_judge = 0
    drafts = run.path / ".spill" / "candidates"  # until every judge has answered: an earlier try's rows stay so long
    shutil.rmtree(drafts, ignore_errors=True)
    with DatasetWriter(drafts, Candidate, format=format) as candidates:
        part_of = partial(_candidate_part, provenance=provenance, prefill=options.prefill)
        for part in ordered_map(part_of, tasks, workers=job.workers):
            candidates.write(part.candidates)
            n_groups += part.problems
            n_to_judge += part.to_judge
            report(Step("verify", n_groups, len(problems), f"{candidates.rows:,} candidates"))

    probes = list(
        probe_groups(problems, n=options.probes, alphas=options.probe_alphas, seed=job.seed, provenance=provenance)
    )
    n_to_judge += _distinct(to_be_asked(probes, prefill=options.prefill))
    by_id = {problem.id: problem for problem in problems}
    with ReplyStore(job.store_path) as store:
        fetched: dict[str, Fetched] = {} if replies.fetched is None else {"sample": replies.fetched}
        with run.reading():
            fetched |= panel.ask(
                lambda: to_be_asked(chain(_groups(drafts, by_id), probes), prefill=options.prefill),
                store,
                ledger=ledger,
                seed=job.seed,
                total=n_to_judge,
                report=report,
            )
        run.clear(*FOLDERS)
        drafts.rename(run.path / "candidates")
        shutil.rmtree(run.path / ".spill", ignore_errors=True)
        readers = panel.readers(store)
        tally = Tally()
        ranking = rank(_groups(run.path / "candidates", by_id), readers, options=options)
        for ranked in _written(run, ("data", "ratings"), ranking, format=format):
            tally.add(ranked)
            report(Step("rank", tally.groups, n_groups, f"{tally.ranked:,} candidates"))
        probed = rank(probes, readers, options=options, source_of=source_of)
        for ranked in _written(run, ("probes", "probe-ratings"), probed, format=format):
            tally.add_probe(ranked)
    facts = {
        "counts": {
            "problems": len(problems),
            "problems_drawn_from": len(loaded),
            "groups": n_groups,
            "rows": n_groups,
            "problems_without_candidates": len(problems) - n_groups,
            "candidates": candidates.rows,
            "ranked": tally.ranked,
            "missing": tally.missing,
            "judged_once": n_to_judge,
            "prefilled": tally.prefilled,
            "bad_problems": bad_problems.as_json(),
            "bad_candidates": replies.drops.as_json(),
        },
        "judges": list(panel.specs),
        "reliability": tally.reliability.as_json(),
        "failures": merged_failures_json(fetched, ledger),
        "seconds": round(time.monotonic() - started, 1),
    }
    return run.finish(command=job.command, card=_card(job, facts, panel), facts=facts)


class Tally:
    """What is counted while groups are written."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.reliability = Reliability()
        self.groups = self.ranked = self.missing = self.prefilled = 0

    def add(self, part: RankedPart) -> None:
        """Count a group and its votes."""
        self.groups += 1
        self.ranked += len(part.group.candidates)
        self.missing += len(part.group.missing)
        self.prefilled += sum(rating.judge == PREFILLED for rating in part.ratings)
        self.reliability.add(part.group)
        repeated = repeats(part.group)
        for rating in part.ratings:
            if rating.sample not in repeated:
                self.reliability.add_rating(rating)

    def add_probe(self, part: RankedPart) -> None:
        """Count a group of probes; their votes are votes of the judges as well."""
        self.reliability.add_probe(part.group)
        for rating in part.ratings:
            self.reliability.add_rating(rating)


def reliability_of(path: Path) -> Reliability:
    """What the rows of a finished run say of its judges, counted again.

    Raises:
        DataError: there is no ranking in this folder.
    """
    found = Reliability()
    repeated: set[tuple[str, int]] = set()
    for group in read_records(path / "data", RankedGroup):
        found.add(group)
        repeated.update((group.problem.id, sample) for sample in repeats(group))
    if (path / "probes").is_dir():
        for group in read_records(path / "probes", RankedGroup):
            found.add_probe(group)
    for folder in ("ratings", "probe-ratings"):
        if (path / folder).is_dir():
            for rating in read_records(path / folder, Rating):
                if folder != "ratings" or (rating.problem_id, rating.sample) not in repeated:
                    found.add_rating(rating)
    return found


def repeats(group: RankedGroup) -> set[int]:
    """Samples whose text another one of the problem has: they share its votes, which count once."""
    seen: set[str] = set()
    found: set[int] = set()
    given: list[RankedCandidate | MissingCandidate] = [*group.candidates, *group.missing]
    for candidate in sorted(given, key=lambda one: one.sample):
        if candidate.response in seen:
            found.add(candidate.sample)
        seen.add(candidate.response)
    return found


def plan_rank(job: Job, judges: Sequence[JudgeSpec], options: RankOptions) -> dict[str, Plan]:
    """What the run would ask for; calls nothing.

    Candidates that are yet to be sampled are taken to be as long as the reference, and all different.
    """
    panel = Panel(judges, seed=job.seed)
    loaded = load_problems(job.dataset).problems
    problems = draw(loaded, options.problems, seed=job.seed)
    provenance = provenance_of(job, stage="rank")
    index = ProblemIndex(loaded)
    texts: dict[str, list[str]] = {problem.id: [] for problem in loaded}
    for path in job.candidates:
        for reply in read_candidates(path, index, skip_bad=True):
            texts[reply.problem_id].append(reply.response)
    probes = list(
        probe_groups(problems, n=options.probes, alphas=options.probe_alphas, seed=job.seed, provenance=provenance)
    )

    plans: dict[str, Plan] = {}
    with ReplyStore(job.store_path) as store:
        if job.generator is not None:
            requests = list(job.generator.requests(problems, seed=job.seed))
            plans["sample"] = plan_requests(requests, store, samples_per_call=job.generator.samples_per_call)
            for problem, sampled in zip(problems, stored_replies(requests, store), strict=True):
                likely = problem.rationale or problem.question
                unknown = (f"{likely} {i}" for i in range(job.generator.k - len(sampled)))
                texts[problem.id] += [*(reply.response for reply in sampled), *unknown]
        groups = [(problem, texts[problem.id][: options.k]) for problem in problems]
        groups += [(problem, [candidate.response for candidate in candidates]) for problem, candidates in probes]
        for label, judge in panel.models.items():
            asked = (judge.request(problem, text) for problem, of in groups for text in dict.fromkeys(of))
            plans[f"judge {label}"] = plan_requests(asked, store, samples_per_call=panel.specs[label].samples_per_call)
    return plans


def _candidate_part(task: list[ReplyGroup], *, provenance: Provenance, prefill: bool) -> CandidatePart:
    groups = [(problem, list(annotated(problem, replies, provenance=provenance))) for problem, replies in task]
    everyone = [candidate for _, candidates in groups for candidate in candidates]
    return CandidatePart(
        to_batch(everyone, Candidate),
        sum(bool(candidates) for _, candidates in groups),
        _distinct(to_be_asked(groups, prefill=prefill)),
    )


def _distinct(groups: Iterable[Group]) -> int:
    return sum(len({candidate.response for candidate in candidates}) for _, candidates in groups)


def _groups(folder: Path, problems: Mapping[str, Problem]) -> Iterator[Group]:
    """The candidates as they were written, problem by problem."""
    for problem_id, candidates in groupby(read_records(folder, Candidate), key=lambda one: one.problem_id):
        yield problems[problem_id], list(candidates)


def _written(
    run: RunDirectory, folders: tuple[str, str], parts: Iterable[RankedPart], *, format: Format
) -> Iterator[RankedPart]:
    """Write groups and ratings side by side, and hand them on."""
    groups_folder, ratings_folder = (run.path / name for name in folders)
    with (
        DatasetWriter(groups_folder, RankedGroup, format=format) as groups,
        DatasetWriter(ratings_folder, Rating, format=format) as ratings,
    ):
        waiting = iter(parts)
        while batch := list(islice(waiting, GROUPS_PER_BATCH)):
            groups.write(to_batch([part.group for part in batch], RankedGroup))
            ratings.write(to_batch([rating for part in batch for rating in part.ratings], Rating))
            yield from batch


def _card(job: Job, facts: Mapping[str, Any], panel: Panel) -> str:  # Any: JSON
    counts = facts["counts"]
    return dataset_card(
        title="Candidates ranked by a judge (GSM8K-RANK)",
        command=job.command,
        folders=FOLDERS,
        facts={
            "problems": counts["groups"],
            "candidates": counts["candidates"],
            "ranked": counts["ranked"],
            "missing": counts["missing"],
            "judges": ", ".join(panel.specs),
        },
    )
