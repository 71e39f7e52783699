"""Rows of our own data sets as rows of a mixture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from datagen import __version__
from datagen.mix.questions import Frame, built_in_frames, unframed
from datagen.question_text import load_question_prompt, question_fields, question_text
from datagen.select.statistics import STRICT
from datagen_prompts.template import PromptTemplate
from datagen_schemas.augmented import Augmented
from datagen_schemas.candidate import Candidate
from datagen_schemas.example import Example
from datagen_schemas.mixed import MixedExample
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.record import Record

PROMPT = "plain"  # of rows that come with a question and no prompt


class Unusable(Exception):
    """A row that is well and cannot be trained on; the message is the reason, fit for counting."""


@dataclass(frozen=True)
class Origin:
    """The data set that rows come from, and what is needed to read them."""

    name: str
    problems: Mapping[str, Problem] = field(default_factory=dict)  # those that candidates answer
    prompt: PromptTemplate = field(default_factory=lambda: load_question_prompt(PROMPT))  # of rows without one
    frames: tuple[Frame, ...] | None = field(default_factory=built_in_frames)  # of examples; None: not known


def from_example(example: Example, *, origin: Origin, row: int) -> MixedExample:
    """A training example; its question is its prompt without the words of its template, where that is known."""
    frames = origin.frames
    return MixedExample(
        prompt=example.prompt,
        completion=example.completion,
        problem_id=example.problem_id,
        question=None if frames is None else unframed(example.prompt, frames).strip(),
        answer=example.answer,
        kind=example.source,
        origin=origin.name,
        origin_row=row,
        provenance=example.provenance,
    )


def from_augmented(augmented: Augmented, *, origin: Origin, row: int) -> MixedExample:
    """An augmented question with its response."""
    return MixedExample(
        prompt=origin.prompt.render_text(question=augmented.query, context=""),
        completion=augmented.response,
        problem_id=augmented.problem_id,
        question=augmented.query,
        answer=augmented.answer,
        kind=augmented.type,
        origin=origin.name,
        origin_row=row,
        provenance=augmented.provenance,
    )


def from_candidate(candidate: Candidate, *, origin: Origin, row: int) -> MixedExample:
    """A verified candidate, if RFT would train on it.

    Raises:
        Unusable: it is wrong, has a false equation, does not state its answer, or answers an unknown problem.
    """
    reason = STRICT.reason(candidate)
    if reason is not None:
        raise Unusable(reason)
    problem = origin.problems.get(candidate.problem_id)
    if problem is None:
        raise Unusable("its problem is not known")
    return MixedExample(
        prompt=origin.prompt.render_text(**question_fields(problem)),
        completion=candidate.response,
        problem_id=candidate.problem_id,
        question=question_text(problem),
        answer=problem.answer,
        kind="sampled",
        origin=origin.name,
        origin_row=row,
        provenance=candidate.provenance,
    )


def from_problem(problem: Problem, *, origin: Origin, row: int) -> MixedExample:
    """A problem with the data set's own solution.

    Raises:
        Unusable: it has none.
    """
    if problem.rationale is None:
        raise Unusable("no solution")
    prompt = origin.prompt
    return MixedExample(
        prompt=prompt.render_text(**question_fields(problem)),
        completion=problem.rationale,
        problem_id=problem.id,
        question=question_text(problem),
        answer=problem.answer,
        kind="gold",
        origin=origin.name,
        origin_row=row,
        provenance=Provenance.of_stage("mix", package_version=__version__, parents=(problem.id,)).model_copy(
            update={"prompt_id": prompt.id, "prompt_sha256": prompt.sha256}
        ),
    )


def from_mixed(mixed: MixedExample, *, origin: Origin, row: int) -> MixedExample:
    """A row of an earlier mixture: it comes from there now, and that mixture knows where it came from before."""
    return mixed.model_copy(update={"origin": origin.name, "origin_row": row})


def mixed_from(record: Record, *, origin: Origin, row: int) -> MixedExample:
    """A row of any of our records that can be mixed.

    Raises:
        Unusable: it is well and cannot be trained on.
    """
    convert: Callable[..., MixedExample] = CONVERTED[type(record)]
    return convert(record, origin=origin, row=row)


CONVERTED: Mapping[type[Record], Callable[..., MixedExample]] = {
    Example: from_example,
    Augmented: from_augmented,
    Candidate: from_candidate,
    Problem: from_problem,
    MixedExample: from_mixed,
}
"""The records of which a mixture of training examples can be made."""
