"""The first half of the `augment` job: problems -> questions, with a model that rewrites and a test set kept out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datagen.augment.fobar import fobar_questions
from datagen.augment.question import Question
from datagen.augment.self_verification import statement_fields
from datagen.mix.decontaminate import HeldOut
from datagen.progress import Report, Step, silent
from datagen.readers.read import DatasetSpec, read_problems
from datagen.recipes.metamath import AugmentOptions, Rewrites, made, new
from datagen.requests.fetch import Fetched
from datagen.requests.ledger import Ledger
from datagen.requests.request import Request
from datagen.requests.store import ReplyStore
from datagen.runs.replies import Job, fetch
from datagen.sample import stored_replies
from datagen.store.run_directory import fingerprint
from datagen.synthetic.rewordings import rewordings
from datagen_prompts.template import PromptTemplate, load_prompt
from datagen_schemas.problem import Problem


@dataclass(frozen=True)
class Rewriting:
    """Who rewrites questions, what is asked, and what the questions are kept apart from."""

    by: Literal["model", "rule"] = "model"  # by rule: other wordings, of synthetic problems only
    n: int = 1  # rewrites, and tries of a statement, for each problem
    rephrase_prompt: str = "augment-rephrase"
    statement_prompt: str = "augment-statement"
    against: tuple[DatasetSpec, ...] = ()

    @cached_property
    def rephrase_template(self) -> PromptTemplate:
        """The prompt that asks for a rewrite."""
        return load_prompt(self.rephrase_prompt, fields=("question",))

    @cached_property
    def statement_template(self) -> PromptTemplate:
        """The prompt that asks for a final question and its answer as a statement."""
        return load_prompt(self.statement_prompt, fields=("question", "answer"))

    def config(self) -> dict[str, Any]:  # Any: JSON
        """What decides the questions."""
        return {
            "by": self.by,
            "n": self.n,
            "rephrase_prompt": self.rephrase_template.sha256,
            "statement_prompt": self.statement_template.sha256,
            "against": [
                {
                    "name": spec.name,
                    "split": spec.split,
                    "file": fingerprint(Path(spec.name)) if Path(spec.name).exists() else None,
                }
                for spec in self.against
            ],
        }


class Made(NamedTuple):
    """Questions in the order of their problems, rejected ones too, and what the rewriting took."""

    questions: list[Question]
    fetched: Fetched | None


def needs_model(options: AugmentOptions, rewriting: Rewriting) -> bool:
    """Whether questions are asked for that a model has to write."""
    return "sv" in options.methods or ("rephrase" in options.methods and rewriting.by == "model")


def make_questions(
    job: Job,
    problems: Sequence[Problem],
    options: AugmentOptions,
    rewriting: Rewriting,
    *,
    ledger: Ledger,
    report: Report = silent,
) -> Made:
    """Ask for rewrites and statements, and make the questions of every method.

    Raises:
        DataError: the test set cannot be read.
    """
    held_out = None
    if rewriting.against:
        # A test set may have rows that this package cannot use as problems; the others still count.
        tests = chain.from_iterable(read_problems(replace(spec, skip_bad=True)) for spec in rewriting.against)
        held_out = HeldOut(tests)
    fetched = None
    requests = list(rewrite_requests(job, problems, options, rewriting))
    if requests:
        total = len(requests) * rewriting.n
        fetched = fetch(job, requests, total=total, stage="rewrite", ledger=ledger, report=report)
    drafts = chain.from_iterable(
        made(problem, rewrites, options=options, seed=job.seed)
        for problem, rewrites in zip(problems, written(job, problems, options, rewriting), strict=True)
    )
    questions = []
    for question in new(drafts, originals=problems, held_out=held_out, options=options):
        questions.append(question)
        if len(questions) % 1000 == 0:
            report(Step("make questions", len(questions), None))
    report(Step("make questions", len(questions), len(questions)))
    return Made(questions, fetched)


def likely_questions(
    job: Job, problems: Sequence[Problem], options: AugmentOptions, rewriting: Rewriting
) -> Iterator[Question]:
    """About the questions that `make_questions` would make, without asking: an upper bound of what is to be solved.

    A rewrite that the store does not have is taken to be as long as its question, and a statement as the sentence that
    FOBAR adds; both are taken to pass. Duplicates and overlaps with a test set are not looked for.
    """
    for problem, rewrites in zip(problems, written(job, problems, options, rewriting), strict=True):
        yield from (
            question for question in made(problem, rewrites, options=options, seed=job.seed) if question.reason is None
        )
        if "rephrase" in options.methods and rewrites.wordings is None:
            for i in range(len(rewrites.rephrased), rewriting.n):
                yield Question("rephrase", problem, f"rephrase-{i}", f"{problem.question} ({i})", problem.answer)
        if "sv" in options.methods and not rewrites.statements and statement_fields(problem) is not None:
            for question in fobar_questions(problem, per_problem=options.per_problem, seed=job.seed):
                if question.reason is None:
                    yield question._replace(method="sv", text=f"{question.text} (sv)")


def rewrite_requests(
    job: Job, problems: Iterable[Problem], options: AugmentOptions, rewriting: Rewriting
) -> Iterator[Request]:
    """For each problem the rewrite and the statement that the methods need."""
    for problem in problems:
        yield from _requests(job, problem, options, rewriting).values()


def written(
    job: Job, problems: Iterable[Problem], options: AugmentOptions, rewriting: Rewriting
) -> Iterator[Rewrites]:
    """What there is for each problem: in the reply store, or by rule."""
    if rewriting.by == "rule":
        for problem in problems:
            yield Rewrites(wordings=rewordings(problem)[: rewriting.n])
        return
    if job.generator is None or not needs_model(options, rewriting):
        yield from (Rewrites() for _ in problems)
        return
    with ReplyStore(job.store_path) as store:
        for problem in problems:
            requests = _requests(job, problem, options, rewriting)
            found = dict(zip(requests, stored_replies(requests.values(), store), strict=True))
            yield Rewrites(found.get("rephrase", ()), found.get("statement", ()))


def _requests(job: Job, problem: Problem, options: AugmentOptions, rewriting: Rewriting) -> dict[str, Request]:
    """What is asked about one problem; nothing without a model."""
    generator = job.generator
    if generator is None:
        return {}
    asked: dict[str, tuple[PromptTemplate, dict[str, str] | None]] = {}
    if "rephrase" in options.methods and rewriting.by == "model":
        asked["rephrase"] = (rewriting.rephrase_template, {"question": problem.question})
    if "sv" in options.methods:
        asked["statement"] = (rewriting.statement_template, statement_fields(problem))
    found: dict[str, Request] = {}
    for name, (prompt, fields) in asked.items():
        if fields is not None:
            rows = [(f"{problem.id}/{name}", fields)]
            found[name] = next(generator.prompt_requests(rows, prompt=prompt, k=rewriting.n, seed=job.seed))
    return found
