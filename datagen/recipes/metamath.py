"""MetaMath (Yu et al. 2023, arXiv:2309.12284): more questions and more solutions from the problems that there are.

AnsAug samples further solutions of the same question; FOBAR (Jiang et al. 2023, arXiv:2308.07758) asks backwards for
each of its numbers. A solution is kept if it reaches the answer of its question and shares no path with another.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import orjson
import pyarrow as pa
from rapidfuzz.fuzz import ratio

from datagen.annotate import Group, annotated, in_tasks
from datagen.answers.number import parse_number
from datagen.augment.fobar import chosen, fobar_question, is_stated_elsewhere, masks
from datagen.parallel import ordered_map
from datagen.recipes.rft import RftOptions, selected
from datagen.store.arrow_dataset import to_batch
from datagen.store.spill import Spilled
from datagen_schemas.augmented import Augmented
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

Method = Literal["ansaug", "fobar"]
Style = Literal["metamath", "gsm8k"]
PerProblem = Literal["all", "one"] | int
TYPES: dict[str, Literal["AnsAug", "FOBAR"]] = {"ansaug": "AnsAug", "fobar": "FOBAR"}


@dataclass(frozen=True)
class AugmentOptions:
    """What is asked and what is kept."""

    methods: tuple[Method, ...] = ("ansaug", "fobar")
    per_problem: PerProblem = "all"  # backward questions
    style: Style = "metamath"
    most_similar: float = 95.0  # rapidfuzz ratio, 0 to 100, from which two solutions of a question are the same
    select: RftOptions = field(default_factory=RftOptions)


class Questions(NamedTuple):
    """The questions of one original problem."""

    original: Problem
    made: list[Problem]
    rejected: Counter[str]  # backward questions and problems that are left out, by reason


class AugmentPart(NamedTuple):
    """The result for some neighbouring questions."""

    rows: pa.RecordBatch
    accepted: Counter[str]  # by type
    rejected: Counter[str]  # solutions, by reason


def questions(problem: Problem, *, options: AugmentOptions, seed: int) -> Questions:
    """What is asked about one problem; each question is a problem of its own, and says what it was made from."""
    made: list[Problem] = []
    rejected = Counter[str]()
    if "ansaug" in options.methods:
        made.append(_derived(problem, "ansaug", "ansaug", problem.question, problem.answer))
    if "fobar" in options.methods:
        if problem.choices or parse_number(problem.answer) is None:
            rejected["answer is not a number"] += 1
            return Questions(problem, made, rejected)
        all_masks = masks(problem.question)
        if not all_masks:
            rejected["no number to mask"] += 1
        for masked in chosen(all_masks, per_problem=options.per_problem, seed=seed, problem_id=problem.id):
            if is_stated_elsewhere(masked, answer=problem.answer):
                rejected["its number stands elsewhere in the question"] += 1
                continue
            question = fobar_question(masked, answer=problem.answer)
            made.append(_derived(problem, "fobar", f"fobar-{masked.start}", question, masked.value))
    return Questions(problem, made, rejected)


def augmented(
    problems: Iterable[Problem],
    replies: Iterable[Sequence[Spilled]],
    *,
    provenance: Provenance,
    options: AugmentOptions,
    workers: int = 1,
) -> Iterator[AugmentPart]:
    """The accepted solutions of questions, part by part and in order.

    Args:
        problems: questions, as `questions` makes them.
        replies: what was sampled for each.
        provenance: what all replies have in common.
        options: what to keep.
        workers: processes; the result does not depend on it.
    """
    tasks = in_tasks(zip(problems, replies, strict=True))
    yield from ordered_map(partial(_part, provenance=provenance, options=options), tasks, workers=workers)


def _part(task: list[Group], *, provenance: Provenance, options: AugmentOptions) -> AugmentPart:
    rows: list[Augmented] = []
    accepted, rejected = Counter[str](), Counter[str]()
    for problem, replies in task:
        candidates = list(annotated(problem, replies, provenance=provenance))
        kept = selected(candidates, options=options.select)
        distinct = _dissimilar(kept, most_similar=options.most_similar)
        reasons = Counter(options.select.keep.reason(candidate) for candidate in candidates)
        n_usable = reasons.pop(None, 0)
        rejected += Counter({str(reason): n for reason, n in reasons.items()})
        rejected["same path as another"] += n_usable - len(kept)
        rejected["nearly the same text as another"] += len(kept) - len(distinct)
        origin = orjson.loads(problem.meta)
        for candidate in distinct:
            kind = TYPES[origin["method"]]
            accepted[kind] += 1
            rows.append(
                Augmented(
                    type=kind,
                    query=problem.question,
                    response=styled(candidate.response, answer=problem.answer, style=options.style),
                    original_question=origin["original_question"],
                    answer=problem.answer,
                    problem_id=origin["original_id"],
                    provenance=candidate.provenance,
                )
            )
    return AugmentPart(to_batch(rows, Augmented), accepted, +rejected)


def styled(response: str, *, answer: str, style: Style) -> str:
    """A solution that ends in 'The answer is: N' (MetaMath) or '#### N' (GSM8K), whichever way it ended before."""
    lines = response.rstrip().splitlines()
    if lines and lines[-1].lstrip().lower().startswith(("####", "the answer is")):
        lines.pop()
    return "\n".join([*lines, f"The answer is: {answer}" if style == "metamath" else f"#### {answer}"])


def _dissimilar(candidates: Sequence[Candidate], *, most_similar: float) -> list[Candidate]:
    """The first of those that are nearly alike."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if all(ratio(candidate.response, other.response, score_cutoff=most_similar) == 0 for other in kept):
            kept.append(candidate)
    return kept


def _derived(problem: Problem, method: str, name: str, question: str, answer: str) -> Problem:
    origin = {"method": method, "original_id": problem.id, "original_question": problem.question}
    return Problem(
        id=f"{problem.id}/{name}",
        question=question,
        answer=answer,
        rationale=None,
        choices=problem.choices if method == "ansaug" else None,
        source=problem.source,
        split=problem.split,
        meta=orjson.dumps(origin).decode(),
    )
