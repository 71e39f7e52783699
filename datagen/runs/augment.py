"""The `augment` job: problems in, further questions and solutions out."""

import shutil
import time
from collections import Counter
from dataclasses import asdict

from datagen.progress import Report, Step, silent
from datagen.recipes.metamath import AugmentOptions, augmented, questions
from datagen.requests.plan import Plan, plan_requests
from datagen.requests.store import ReplyStore
from datagen.runs.replies import Job, collect_replies, load_problems, provenance_of
from datagen.runs.report import failures_json, is_short
from datagen.runs.rft import Manifest
from datagen.store.arrow_dataset import DatasetWriter, Format
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory
from datagen_schemas.augmented import Augmented
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem


def run_augment(
    job: Job,
    options: AugmentOptions,
    *,
    questions_only: bool = False,
    format: Format = "arrow",
    report: Report = silent,
) -> Manifest:
    """Write the questions to OUT/questions and their accepted solutions to OUT/data; returns the manifest.

    With `questions_only` no model is asked, and OUT/data holds the questions: problems that --dataset reads.

    Raises:
        DataError: a problem cannot be read, or there is no question to ask.
    """
    started = time.monotonic()
    config = {"stage": "augment", "format": format, "options": asdict(options), "questions_only": questions_only}
    run = RunDirectory(job.out, {**config, **job.config()}, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None and not is_short(finished):
        return finished
    run.clear("data", "questions", ".spill")
    with run.reading():
        problems, bad_problems = load_problems(job.dataset, report=report)
    made: list[Problem] = []
    rejected = Counter[str]()
    n_masked = 0
    for problem in problems:
        found = questions(problem, options=options, seed=job.seed)
        made.extend(found.made)
        rejected += found.rejected
        n_masked += any("/fobar-" in one.id for one in found.made)
    report(Step("make questions", len(problems), len(problems), f"{len(made):,} questions"))
    if not made:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(rejected.items()))
        shutil.rmtree(run.path, ignore_errors=True)
        raise DataError(
            f"{job.dataset.name}: no question can be made ({reasons}). Name another --method or --dataset."
        )
    with DatasetWriter(run.data if questions_only else run.path / "questions", Problem, format=format) as written:
        written.write_records(made, Problem)

    accepted, refused, n_rows = Counter[str](), Counter[str](), written.rows
    bad_candidates, fetched = None, None
    if not questions_only:
        replies = collect_replies(job, made, run, report=report)
        bad_candidates, fetched = replies.drops.as_json(), replies.fetched
        provenance = provenance_of(job, stage="augment")
        with DatasetWriter(run.data, Augmented, format=format) as rows:
            for part in augmented(made, replies.groups, provenance=provenance, options=options, workers=job.workers):
                rows.write(part.rows)
                accepted += part.accepted
                refused += part.rejected
                report(Step("verify", rows.rows, None))
            n_rows = rows.rows
        shutil.rmtree(run.path / ".spill", ignore_errors=True)
    facts = {
        "counts": {
            "problems": len(problems),
            "problems_masked": n_masked,
            "questions": len(made),
            "accepted": sum(accepted.values()),
            "accepted_by_type": dict(sorted(accepted.items())),
            "rejected_questions": dict(sorted(rejected.items())),
            "rejected_solutions": dict(sorted(refused.items())),
            "rows": n_rows,
            "bad_problems": bad_problems.as_json(),
            "bad_candidates": bad_candidates,
        },
        "failures": failures_json(fetched),
        "seconds": round(time.monotonic() - started, 1),
    }
    what = "backward questions with their answers" if questions_only else "solutions in MetaMathQA's columns"
    card = dataset_card(
        title="Augmented problems (MetaMath)",
        command=job.command,
        folders={"data": what} | ({} if questions_only else {"questions": "what was asked"}),
        facts={"problems": len(problems), "questions": len(made), "rows": n_rows},
    )
    return run.finish(command=job.command, card=card, facts=facts)


def plan_augment(job: Job, options: AugmentOptions, *, questions_only: bool = False) -> dict[str, Plan]:
    """What the run would ask for; calls nothing."""
    if questions_only or job.generator is None:
        return {}
    problems = load_problems(job.dataset).problems
    made = [one for problem in problems for one in questions(problem, options=options, seed=job.seed).made]
    with ReplyStore(job.store_path) as store:
        requests = job.generator.requests(made, seed=job.seed)
        return {"sample": plan_requests(requests, store, samples_per_call=job.generator.samples_per_call)}
