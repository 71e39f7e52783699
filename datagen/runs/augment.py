"""The `augment` job: problems in, further questions and solutions out.

A model is asked twice: for rewrites and statements, of which questions are made by rule, and for the solutions of
those questions. Both times only for what the reply store does not have.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datagen.augment.diversity import embedding_gain
from datagen.augment.question import BACKWARD, METHODS, TYPES, Question
from datagen.augment.statistics import Outcome, by_method, by_original, totals
from datagen.progress import Report, Step, silent
from datagen.question_text import question_text
from datagen.recipes.metamath import AugmentOptions, augmented
from datagen.requests.ledger import Ledger, load_prices
from datagen.requests.plan import Plan, plan_requests
from datagen.requests.request import Request
from datagen.requests.store import ReplyStore
from datagen.runs.replies import Job, Replies, collect_replies, load_problems, provenance_of
from datagen.runs.report import is_short, merged_failures_json
from datagen.runs.rewriting import Made, Rewriting, likely_questions, make_questions, needs_model, rewrite_requests
from datagen.runs.rft import Manifest
from datagen.store.arrow_dataset import DatasetWriter, Format
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory
from datagen_prompts.template import PromptTemplate, load_prompt
from datagen_schemas.augmented import AugmentationCount, Augmented, RejectedQuestion
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

FOLDERS: dict[str, str] = {
    "data": "solutions in MetaMathQA's columns, of all methods",
    **{str(method): f"those of type {TYPES[method]}" for method in METHODS},
    "questions": "what was asked: problems that --dataset reads",
    "rejected": "questions that are not used, each with its reason",
    "originals": "what each method made of each problem",
}


def run_augment(
    job: Job,
    options: AugmentOptions,
    *,
    rewriting: Rewriting | None = None,
    backward_prompt: str | None = "solve-backward",
    questions_only: bool = False,
    embedding_model: str | None = None,
    format: Format = "arrow",
    report: Report = silent,
) -> Manifest:
    """Write accepted solutions to OUT/data (see FOLDERS); returns the manifest.

    A finished run is not done again, a cut one goes on: every reply that was paid for is in the store.

    Args:
        job: problems, and the model that is asked.
        options: what is made and kept.
        rewriting: who rewrites questions; a model, unless it says else.
        backward_prompt: template for the solutions of SV and FOBAR questions; the generator's own is for the others.
            None asks for no such solutions: they are then in the candidate files.
        questions_only: ask for no solutions; OUT/data then holds the questions, problems that --dataset reads.
        embedding_model: Hub id or folder of an encoder; the diversity gain is measured with it as well.
        format: of the files.
        report: told how far it is.

    Raises:
        DataError: a problem cannot be read, there is no question to ask, or no model for what needs one.
    """
    started = time.monotonic()
    rewriting = rewriting or Rewriting()
    if needs_model(options, rewriting) and job.generator is None:
        raise DataError("rephrase and sv need a model that rewrites: name one (--model), or leave them out.")
    config = {
        "stage": "augment",
        "format": format,
        "options": asdict(options),
        "rewriting": rewriting.config(),
        "backward_prompt": None if backward_prompt is None else _backward(backward_prompt).sha256,
        "questions_only": questions_only,
        "embedding_model": embedding_model,
    }
    run = RunDirectory(job.out, {**config, **job.config()}, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None and not is_short(finished):
        return finished
    ledger = Ledger(load_prices())
    with run.reading():
        problems, bad_problems = load_problems(job.dataset, report=report)
        made = make_questions(job, problems, options, rewriting, ledger=ledger, report=report)
        asked = _usable(made, job)
        derived = [question.as_problem() for question in asked]
        replies = None
        if not questions_only:
            requests = partial(_solve_requests, job, asked, backward_prompt)
            known = [*derived, *_unused(made)]
            # AnsAug asks the original's own question, so that replies to the original are replies to it.
            aliases = {question.original.id: question.id for question in made.questions if question.method == "ansaug"}
            replies = collect_replies(
                job, derived, run, known=known, aliases=aliases, requests=requests, ledger=ledger, report=report
            )
    run.clear(*FOLDERS)
    with DatasetWriter(run.data if questions_only else run.path / "questions", Problem, format=format) as written:
        written.write_records(derived, Problem)
    outcomes = [Outcome(question, 0, Counter(), 0) for question in made.questions]
    n_rows = written.rows
    if replies is not None:
        solved = iter(_write_solutions(job, asked, replies, run, options, backward_prompt, format, report))
        outcomes = [next(solved) if of.question.reason is None else of for of in outcomes]
        n_rows = sum(of.accepted for of in outcomes)
        shutil.rmtree(run.path / ".spill", ignore_errors=True)
    with DatasetWriter(run.path / "rejected", RejectedQuestion, format=format) as rejected:
        unused = (of.question.as_rejected() for of in outcomes if of.question.reason is not None)
        rejected.write_records(unused, RejectedQuestion)
    with DatasetWriter(run.path / "originals", AugmentationCount, format=format) as originals:
        originals.write_records(by_original(outcomes), AugmentationCount)
    methods = by_method(outcomes, originals=problems, seed=job.seed)
    if embedding_model is not None:
        _add_embedding_gains(methods, outcomes, problems, model=embedding_model)
    fetched = {"rewrite": made.fetched, "solve": None if replies is None else replies.fetched}
    facts: dict[str, Any] = {  # Any: JSON
        "counts": {
            **totals(outcomes, n_problems=len(problems)),
            "rows": n_rows,
            "bad_problems": bad_problems.as_json(),
            "bad_candidates": None if replies is None else replies.drops.as_json(),
        },
        "methods": methods,
        "against": [f"{spec.name}:{spec.split}" if spec.split else spec.name for spec in rewriting.against],
        "failures": merged_failures_json({name: of for name, of in fetched.items() if of is not None}, ledger),
        "seconds": round(time.monotonic() - started, 1),
    }
    what = {"data": "questions with their answers"} if questions_only else {}
    card = dataset_card(
        title="Augmented problems (MetaMath)",
        command=job.command,
        folders={name: what.get(name, text) for name, text in FOLDERS.items() if (run.path / name).is_dir()},
        facts={name: facts["counts"][name] for name in ("problems", "questions", "accepted", "rows")},
    )
    return run.finish(command=job.command, card=card, facts=facts)


def plan_augment(
    job: Job,
    options: AugmentOptions,
    *,
    rewriting: Rewriting | None = None,
    backward_prompt: str = "solve-backward",
    questions_only: bool = False,
) -> dict[str, Plan]:
    """What the run would ask for, stage by stage; calls nothing (see `likely_questions`)."""
    rewriting = rewriting or Rewriting()
    if job.generator is None:
        return {}
    problems = load_problems(job.dataset).problems
    asked = [] if questions_only else list(likely_questions(job, problems, options, rewriting))
    stages = {
        "rewrite": rewrite_requests(job, problems, options, rewriting),
        "solve": _solve_requests(job, asked, backward_prompt),
    }
    with ReplyStore(job.store_path) as store:
        per_call = job.generator.samples_per_call
        plans = {name: plan_requests(of, store, samples_per_call=per_call) for name, of in stages.items()}
    return {name: planned for name, planned in plans.items() if planned.samples}


def _usable(made: Made, job: Job) -> list[Question]:
    """The questions to ask; that there is none is an error, unless replies are missing."""
    asked = [question for question in made.questions if question.reason is None]
    if asked or (made.fetched is not None and (made.fetched.failed or made.fetched.stopped)):
        return asked
    reasons = Counter(str(question.reason) for question in made.questions)
    listed = ", ".join(f"{n:,} {reason}" for reason, n in sorted(reasons.items()))
    raise DataError(f"{job.dataset.name}: no question can be made ({listed}). Name another --method or --dataset.")


def _unused(made: Made) -> Iterator[Problem]:
    """Rejected questions that candidate files may answer; their replies are passed over, not refused."""
    seen = {question.text for question in made.questions if question.reason is None}
    for question in made.questions:
        if question.reason is not None and question.text not in seen:
            seen.add(question.text)
            yield question.as_problem()


def _solve_requests(job: Job, questions: Iterable[Question], backward_prompt: str | None) -> Iterator[Request]:
    """One request per question, in their order: the generator's prompt forwards, the other one backwards."""
    generator = job.generator
    assert generator is not None
    forward = generator.template()
    backward = forward if backward_prompt is None else _backward(backward_prompt)
    for is_backward, group in groupby(questions, key=lambda question: question.method in BACKWARD):
        rows = ((question.id, {"question": question_text(question.as_problem())}) for question in group)
        prompt = backward if is_backward else forward
        k = 0 if is_backward and backward_prompt is None else generator.k
        yield from generator.prompt_requests(rows, prompt=prompt, k=k, seed=job.seed)


def _backward(name: str) -> PromptTemplate:
    return load_prompt(name, fields=("question",))


def _write_solutions(
    job: Job,
    asked: Sequence[Question],
    replies: Replies,
    run: RunDirectory,
    options: AugmentOptions,
    backward_prompt: str | None,
    format: Format,
    report: Report,
) -> list[Outcome]:
    """Write the accepted solutions, all together and by method, and say what became of each question."""
    forward = provenance_of(job, stage="augment")
    backward = forward
    if job.generator is not None and backward_prompt is not None:
        template = _backward(backward_prompt)
        backward = forward.model_copy(update={"prompt_id": template.id, "prompt_sha256": template.sha256})
    with ExitStack() as open_writers:
        merged = open_writers.enter_context(DatasetWriter(run.data, Augmented, format=format))
        each = {
            TYPES[method]: open_writers.enter_context(DatasetWriter(run.path / method, Augmented, format=format))
            for method in options.methods
        }
        outcomes: list[Outcome] = []
        for part in augmented(
            asked, replies.groups, forward=forward, backward=backward, options=options, workers=job.workers
        ):
            merged.write(part.rows)
            for kind, writer in each.items():
                writer.write(part.rows.filter(pc.equal(part.rows.column("type"), pa.scalar(kind))))
            outcomes += part.outcomes
            report(Step("verify", len(outcomes), len(asked), f"{merged.rows:,} solutions"))
    return outcomes


def _add_embedding_gains(
    methods: dict[str, dict[str, Any]],  # Any: JSON
    outcomes: Sequence[Outcome],
    problems: Sequence[Problem],
    *,
    model: str,
) -> None:
    """MetaMath's own diversity gain, beside the one that needs no model."""
    from datagen.models.embeddings import embed  # torch: only when asked for

    originals = embed([problem.question for problem in problems], model=model)
    for kind, numbers in methods.items():
        added = [of.question.text for of in outcomes if of.question.type == kind and of.question.reason is None]
        numbers["embedding_gain"] = embedding_gain(embed(added, model=model), originals) if added else None
