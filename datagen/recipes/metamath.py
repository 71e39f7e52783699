"""MetaMath (Yu et al. 2023, arXiv:2309.12284): more questions and more solutions from the problems that there are.

Section 3: AnsAug samples further solutions of the same question (3.1); a rewrite of the question is kept if its
solutions reach the original answer (3.2); self-verification (Weng et al. 2022) and FOBAR (Jiang et al. 2023) ask
backwards for each of its numbers (3.3). Every question is asked of a model, and a solution is kept if it reaches the
answer of its question and shares no path with another. The merged dataset is the union of the four (3.4).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple

import pyarrow as pa
from rapidfuzz.fuzz import ratio

from datagen.annotate import annotated, in_tasks
from datagen.augment.duplicates import SAME, Existing, normalised
from datagen.augment.fobar import PerProblem, fobar_questions
from datagen.augment.question import BACKWARD, METHODS, Method, Question
from datagen.augment.rephrase import is_solved, rephrased_questions, reworded_questions
from datagen.augment.self_verification import sv_questions
from datagen.augment.statistics import Outcome
from datagen.mix.deciding_words import question_words
from datagen.mix.decontaminate import HeldOut, Overlap
from datagen.parallel import ordered_map
from datagen.recipes.rft import RftOptions, selected
from datagen.store.arrow_dataset import to_batch
from datagen.store.spill import Spilled
from datagen_schemas.augmented import Augmented
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

Style = Literal["metamath", "gsm8k"]

DUPLICATE = "repeats an existing question"
IN_TEST_SET = "overlaps the test set"
NOT_SOLVED = "too few solutions reach the original answer"
NO_SOLUTION = "no solution is accepted"
NOT_ANSWERED = "replies are missing"


@dataclass(frozen=True)
class AugmentOptions:
    """What is asked and what is kept."""

    methods: tuple[Method, ...] = METHODS
    per_problem: PerProblem = "all"  # backward questions of each kind
    style: Style = "metamath"
    k: int | None = None  # only the first k solutions of each question; None: all
    min_right: int | None = None  # of the k solutions of a rewrite; None: half of them
    most_similar: float = 95.0  # rapidfuzz ratio, 0 to 100, from which two solutions of a question are the same
    most_similar_question: float = SAME  # the same for questions
    select: RftOptions = field(default_factory=RftOptions)


class Rewrites(NamedTuple):
    """What was written about one problem, for the methods that need it."""

    rephrased: Sequence[Spilled] = ()
    statements: Sequence[Spilled] = ()
    wordings: Sequence[str] | None = None  # made by rule, in place of `rephrased`


class Solved(NamedTuple):
    """A question and its solutions that are kept; without any, the question has a reason."""

    question: Question
    solutions: list[Candidate]
    rejected: Counter[str]  # the other solutions, by reason


class AugmentPart(NamedTuple):
    """The result for some neighbouring questions."""

    rows: pa.RecordBatch
    outcomes: list[Outcome]


def made(problem: Problem, rewrites: Rewrites, *, options: AugmentOptions, seed: int) -> Iterator[Question]:
    """Every question that the methods make of one problem."""
    if "ansaug" in options.methods:
        yield Question("ansaug", problem, "ansaug", problem.question, problem.answer)
    if "rephrase" in options.methods:
        if rewrites.wordings is None:
            yield from rephrased_questions(problem, rewrites.rephrased)
        else:
            yield from reworded_questions(problem, rewrites.wordings)
    if "sv" in options.methods:
        yield from sv_questions(problem, rewrites.statements, per_problem=options.per_problem, seed=seed)
    if "fobar" in options.methods:
        yield from fobar_questions(problem, per_problem=options.per_problem, seed=seed)


def new(
    questions: Iterable[Question], *, originals: Sequence[Problem], held_out: HeldOut | None, options: AugmentOptions
) -> Iterator[Question]:
    """The same questions, with those rejected that are in a test set or that exist already.

    A question is in the test set if it overlaps it, or if the one that it was made from does: a rewrite hides the
    words of a test question and not the problem. Questions that are nearly the same are one if the words that decide
    them are: those that differ in a number are two problems. Backward questions of one problem differ in a word by
    design, so only an equal one counts among them. The words that ask for the unknown are in every backward question,
    so they count for neither.

    Args:
        questions: in order; the first of two that are the same is kept.
        originals: all problems; they exist already.
        held_out: the test set; None if there is none to keep apart from.
        options: how similar is the same.
    """
    existing = Existing(most_similar=options.most_similar_question)
    for problem in originals:
        existing.add(problem.id, problem.question, family=problem.id, deciding=_deciding(problem.question))
    overlaps: dict[str, Overlap | None] = {}
    if held_out is not None:
        overlaps = {problem.id: held_out.overlap(problem.question) for problem in originals}
    for question in questions:
        if question.reason is not None:
            yield question
            continue
        overlap = overlaps.get(question.original.id)
        if overlap is None and held_out is not None and question.method != "ansaug":
            overlap = held_out.overlap(question.own_text)
        if overlap is not None:
            yield question.rejected(IN_TEST_SET, f"{overlap.how}: {overlap.text}")
            continue
        if question.method == "ansaug":
            yield question
            continue
        # A masked number counts as what it stands for.
        deciding = _deciding(question.original.question if question.method in BACKWARD else question.text)
        repeated = existing.find(question.own_text, family=_family(question), deciding=deciding)
        if repeated is not None:
            yield question.rejected(DUPLICATE, f"{repeated.score:.0f} % {repeated.of}")
        else:
            existing.add(question.id, question.own_text, family=question.original.id, deciding=deciding)
            yield question


def augmented(
    questions: Iterable[Question],
    replies: Iterable[Sequence[Spilled]],
    *,
    forward: Provenance,
    backward: Provenance,
    options: AugmentOptions,
    workers: int = 1,
) -> Iterator[AugmentPart]:
    """The accepted solutions of questions, part by part and in order.

    Args:
        questions: those that were asked.
        replies: what was sampled for each.
        forward: what the replies to AnsAug and rephrased questions have in common.
        backward: the same for SV and FOBAR questions.
        options: what to keep.
        workers: processes; the result does not depend on it.
    """
    tasks = in_tasks(zip(questions, replies, strict=True))
    part = partial(_part, forward=forward, backward=backward, options=options)
    yield from ordered_map(part, tasks, workers=workers)


def _part(
    task: list[tuple[Question, Sequence[Spilled]]],
    *,
    forward: Provenance,
    backward: Provenance,
    options: AugmentOptions,
) -> AugmentPart:
    rows: list[Augmented] = []
    outcomes: list[Outcome] = []
    for question, replies in task:
        provenance = backward if question.method in BACKWARD else forward
        candidates = list(annotated(question.as_problem(), islice(replies, options.k), provenance=provenance))
        kept = solved(question, candidates, options=options)
        written = [_row(question, candidate, style=options.style) for candidate in kept.solutions]
        rows += written
        n_chars = sum(len(row.response) for row in written)
        outcomes.append(Outcome(kept.question, len(written), kept.rejected, n_chars))
    return AugmentPart(to_batch(rows, Augmented), outcomes)


def solved(question: Question, candidates: Sequence[Candidate], *, options: AugmentOptions) -> Solved:
    """The solutions of a question that are kept.

    A rewrite is kept if at least `min_right` of its `k` solutions reach the original answer (section 3.2).
    """
    reasons = Counter(str(options.select.keep.reason(candidate)) for candidate in candidates)
    n_usable = reasons.pop("None", 0)
    if question.method == "rephrase":
        right = sum(candidate.verdict == "correct" for candidate in candidates)
        n = options.k or len(candidates)
        m = options.min_right or max(1, (n + 1) // 2)
        if not is_solved(right, n=max(n, m), m=m):
            could_be = right + max(n, m) - len(candidates) >= m
            reasons["its question is rejected"] += n_usable
            reason = NOT_ANSWERED if could_be else NOT_SOLVED
            return Solved(question.rejected(reason, f"{right} of {len(candidates)}"), [], +reasons)
    paths = selected(candidates, options=options.select)
    distinct = _dissimilar(paths, most_similar=options.most_similar)
    reasons["same path as another"] += n_usable - len(paths)
    reasons["nearly the same text as another"] += len(paths) - len(distinct)
    if not distinct:
        question = question.rejected(NO_SOLUTION if candidates else NOT_ANSWERED)
    return Solved(question, distinct, +reasons)


def styled(response: str, *, answer: str, style: Style) -> str:
    """A solution that ends in 'The answer is: N' (MetaMath) or '#### N' (GSM8K), whichever way it ended before."""
    lines = response.rstrip().splitlines()
    if lines and lines[-1].lstrip().lower().startswith(("####", "the answer is")):
        lines.pop()
    return "\n".join([*lines, f"The answer is: {answer}" if style == "metamath" else f"#### {answer}"])


def _row(question: Question, candidate: Candidate, *, style: Style) -> Augmented:
    provenance = candidate.provenance
    return Augmented(
        type=question.type,
        query=question.text,
        response=styled(candidate.response, answer=question.answer, style=style),
        original_question=question.original.question,
        answer=question.answer,
        problem_id=question.original.id,
        provenance=provenance.model_copy(update={"parents": (*provenance.parents, *question.parents)}),
    )


def _dissimilar(candidates: Sequence[Candidate], *, most_similar: float) -> list[Candidate]:
    """The first of those that are nearly alike."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if all(ratio(candidate.response, other.response, score_cutoff=most_similar) == 0 for other in kept):
            kept.append(candidate)
    return kept


def _deciding(question: str) -> str:
    """Its numbers, and the words that turn a calculation round."""
    return question_words(normalised(question))


def _family(question: Question) -> str | None:
    """Whose questions this one is like by design."""
    return question.original.id if question.method in BACKWARD else None
