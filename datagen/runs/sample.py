"""The `sample` job: problems x k -> verified candidates."""

import shutil
import time
from functools import partial
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from datagen.annotate import Group, annotated, in_tasks
from datagen.parallel import ordered_map
from datagen.progress import Report, Step, silent
from datagen.runs.replies import Job, collect_replies, load_problems, provenance_of
from datagen.runs.report import failures_json, is_short
from datagen.runs.rft import Manifest
from datagen.select.paths import gold_path
from datagen.select.statistics import ProblemStatistics, Statistics, problem_statistics
from datagen.store.arrow_dataset import DatasetWriter, Format, to_batch
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory
from datagen_schemas.candidate import Candidate
from datagen_schemas.provenance import Provenance


class SamplePart(NamedTuple):
    """The candidates of some neighbouring problems."""

    candidates: pa.RecordBatch
    statistics: list[ProblemStatistics]


def run_sample(job: Job, *, k: int | None = None, format: Format = "arrow", report: Report = silent) -> Manifest:
    """Write the first k candidates of each problem, or all, with their verdicts to `job.out`; returns the manifest."""
    started = time.monotonic()
    cut = {} if k is None else {"k": k}
    run = RunDirectory(job.out, {"stage": "sample", "format": format, **cut, **job.config()}, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None and not is_short(finished):
        return finished
    with run.reading():
        problems, bad_problems = load_problems(job.dataset, report=report)
        replies = collect_replies(job, problems, run, report=report)
    run.clear("data")
    statistics = Statistics()
    tasks = in_tasks((p, list(islice(r, k))) for p, r in zip(problems, replies.groups, strict=True))
    function = partial(_sample_part, provenance=provenance_of(job, stage="sample"))
    with DatasetWriter(run.data, Candidate, format=format) as candidates:
        for part in ordered_map(function, tasks, workers=job.workers):
            candidates.write(part.candidates)
            for problem in part.statistics:
                statistics.add(problem)
            report(Step("verify", statistics.problems, len(problems), f"{statistics.candidates:,} candidates"))
    shutil.rmtree(run.path / ".spill", ignore_errors=True)
    facts = {
        "counts": {
            "problems": len(problems),
            "candidates": statistics.candidates,
            "rows": candidates.rows,
            "bad_problems": bad_problems.as_json(),
            "bad_candidates": replies.drops.as_json(),
        },
        "statistics": statistics.as_json(),
        "failures": failures_json(replies.fetched),
        "seconds": round(time.monotonic() - started, 1),
    }
    card = dataset_card(
        title="Sampled and verified reasoning paths",
        command=job.command,
        folders={"data": "every candidate with its verdict"},
        facts={"problems": len(problems), "candidates": candidates.rows, "verified correct": statistics.correct},
    )
    return run.finish(command=job.command, card=card, facts=facts)


def _sample_part(task: list[Group], *, provenance: Provenance) -> SamplePart:
    groups = [(problem, list(annotated(problem, replies, provenance=provenance))) for problem, replies in task]
    return SamplePart(
        to_batch([candidate for _, candidates in groups for candidate in candidates], Candidate),
        [problem_statistics(problem.id, candidates, gold=gold_path(problem)) for problem, candidates in groups],
    )
