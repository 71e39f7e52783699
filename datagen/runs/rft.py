"""The `rft` job: problems and replies in, a verified and deduplicated dataset out."""

import shutil
import time
from collections import Counter
from dataclasses import asdict
from typing import Any

from datagen.progress import Report, Step, silent
from datagen.recipes.rft import RftOptions, rft
from datagen.runs.replies import Job, collect_replies, load_problems, provenance_of
from datagen.runs.report import failures_json, is_short
from datagen.select.statistics import Statistics
from datagen.store.arrow_dataset import DatasetWriter, Format
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory
from datagen_schemas.candidate import Candidate
from datagen_schemas.example import Example

Manifest = dict[str, Any]  # Any: JSON


def run_rft(job: Job, options: RftOptions, *, format: Format = "arrow", report: Report = silent) -> Manifest:
    """Build D' in `job.out`; returns the manifest. A finished run is not done again, a cut one goes on.

    OUT/data holds the training examples (gold and selected), OUT/candidates every candidate with its verdict.
    """
    started = time.monotonic()
    run = RunDirectory(
        job.out,
        {"stage": "rft", "format": format, "options": asdict(options), **job.config()},
        overwrite=job.overwrite,
    )
    finished = run.manifest()
    if finished is not None and not is_short(finished):
        return finished
    with run.reading():
        problems, bad_problems = load_problems(job.dataset, report=report)
        replies = collect_replies(job, problems, run, report=report)
    run.clear("data", "candidates")

    statistics, dropped = Statistics(), Counter[str]()
    n_gold = 0
    with (
        DatasetWriter(run.data, Example, format=format) as examples,
        DatasetWriter(run.path / "candidates", Candidate, format=format) as candidates,
    ):
        for part in rft(
            problems,
            replies.groups,
            provenance=provenance_of(job, stage="rft"),
            options=options,
            workers=job.workers,
        ):
            candidates.write(part.candidates)
            examples.write(part.examples)
            for problem in part.statistics:
                statistics.add(problem)
            dropped += part.dropped
            n_gold += part.gold
            report(
                Step("verify and select", statistics.problems, len(problems), f"{statistics.candidates:,} candidates")
            )
    shutil.rmtree(run.path / ".spill", ignore_errors=True)

    facts = {
        "counts": {
            "problems": len(problems),
            "candidates": statistics.candidates,
            "gold": n_gold,
            "selected": examples.rows - n_gold,
            "rows": examples.rows,
            "dropped": dict(sorted(dropped.items())),
            "bad_problems": bad_problems.as_json(),
            "bad_candidates": replies.drops.as_json(),
        },
        "statistics": statistics.as_json(),
        "failures": failures_json(replies.fetched),
        "seconds": round(time.monotonic() - started, 1),
    }
    card = dataset_card(
        title="Rejection-sampled reasoning paths (RFT)",
        command=job.command,
        folders={"data": "training examples: gold paths and selected ones", "candidates": "every candidate, verified"},
        facts={
            "problems": len(problems),
            "candidates": statistics.candidates,
            "verified correct": statistics.correct,
            "correct, but with a false equation": statistics.false_equations,
            "distinct paths selected": examples.rows - n_gold,
            "gold paths": n_gold,
        },
    )
    return run.finish(command=job.command, card=card, facts=facts)
