"""Raw text of a model -> a candidate with its answer, equations and verdict."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TypeVar

from datagen.answers.check import check_answer
from datagen.answers.latex import LatexJudge
from datagen.equations.find import find_equations
from datagen.store.spill import Spilled
from datagen_schemas.candidate import Candidate
from datagen_schemas.corruption import Corruption
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

# Tasks and Arrow batches are cut by these numbers and never by the number of workers: bytes must not depend on it.
PROBLEMS_PER_TASK = 50
REPLIES_PER_TASK = 4000

Group = tuple[Problem, Sequence[Spilled]]
T = TypeVar("T")


def annotate(
    problem: Problem,
    response: str,
    *,
    sample: int,
    provenance: Provenance,
    latex: LatexJudge | None = None,
    corruption: Corruption | None = None,
) -> Candidate:
    """What is known about one response to a problem.

    Args:
        problem: what was asked, with its reference answer.
        response: the model's text, taken as data only.
        sample: index among the problem's candidates.
        provenance: where the response comes from.
        latex: decides answers that exact comparison cannot; without it they are 'unknown'.
        corruption: what was done to the response; a corrupted one is wrong whatever answer it still shows.
    """
    checked = check_answer(response, problem.answer, choices=problem.choices, latex=latex)
    equations = find_equations(response)
    return Candidate(
        problem_id=problem.id,
        sample=sample,
        response=response,
        answer=checked.answer,
        verdict=checked.verdict if corruption is None else "wrong",
        verdict_method=checked.method if corruption is None else f"corrupted/{corruption.method}",
        equations=tuple(equation.normalised for equation in equations),
        # An equation that cannot be evaluated (holds is None) is no evidence against the path.
        equations_hold=all(equation.holds is not False for equation in equations),
        model=provenance.model,
        provenance=provenance,
        corruption=corruption,
    )


def annotated(problem: Problem, replies: Iterable[Spilled], *, provenance: Provenance) -> Iterator[Candidate]:
    """The candidates of one problem, numbered in order of arrival over all their sources."""
    for i, reply in enumerate(replies):
        source = provenance.model_copy(
            update={
                "model": reply.model if reply.model is not None else provenance.model,
                "endpoint": reply.endpoint if reply.endpoint is not None else provenance.endpoint,
                "sample": reply.sample,
                "reply_key": reply.reply_key,
                "parents": (problem.id,),
            }
        )
        corruption = Corruption.model_validate(reply.corruption) if reply.corruption is not None else None
        yield annotate(
            problem, reply.response, sample=i, provenance=source, latex=_latex_judge(), corruption=corruption
        )


def in_tasks(groups: Iterable[tuple[T, Sequence[Spilled]]]) -> Iterator[list[tuple[T, Sequence[Spilled]]]]:
    """Problems with their replies, cut into pieces of work that take about equally long."""
    task: list[tuple[T, Sequence[Spilled]]] = []
    size = 0
    for asked, replies in groups:
        task.append((asked, replies))
        size += len(replies)
        if len(task) == PROBLEMS_PER_TASK or size >= REPLIES_PER_TASK:
            yield task
            task, size = [], 0
    if task:
        yield task


@cache
def _latex_judge() -> LatexJudge:
    """One judge a process: its own worker starts with the first answer that exact comparison cannot decide."""
    return LatexJudge()
