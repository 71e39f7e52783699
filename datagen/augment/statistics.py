"""What augmentation made of a set of problems: counts by method and by original, lengths and diversity gain."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import mean
from typing import Any, NamedTuple

from datagen.augment.diversity import text_distance_gain
from datagen.augment.question import METHODS, PROBLEM_REASONS, TYPES, Question
from datagen_schemas.augmented import AugmentationCount, ReasonCount
from datagen_schemas.problem import Problem


class Outcome(NamedTuple):
    """What became of one question."""

    question: Question  # with its reason, if it is not in the dataset
    accepted: int  # its solutions in the dataset
    rejected: Counter[str]  # its other solutions, by reason
    chars: int  # of its accepted solutions, as they are written


def totals(outcomes: Sequence[Outcome], *, n_problems: int) -> dict[str, Any]:  # Any: JSON
    """The numbers of all methods together: `questions` is `accepted` and all of `rejected`.

    `problems_masked` counts the problems with a backward question, used or not; `problems_left_out` counts a problem
    once for each reason, however many methods give it.
    """
    left_out = {(of.question.original.id, of.question.reason) for of in outcomes if of.question.reason is not None}
    problems = Counter(reason for _, reason in left_out)
    reasons = Counter(of.question.reason for of in outcomes if of.question.reason is not None)
    made = [of.question for of in outcomes if of.question.reason not in PROBLEM_REASONS]
    return {
        "problems": n_problems,
        "problems_masked": len({question.original.id for question in made if question.is_masked}),
        "questions": len(made),
        "accepted": sum(question.reason is None for question in made),
        "rejected": {reason: n for reason, n in sorted(reasons.items()) if reason not in PROBLEM_REASONS},
        "problems_left_out": {reason: n for reason, n in sorted(problems.items()) if reason in PROBLEM_REASONS},
        "rejected_solutions": dict(sorted(sum((of.rejected for of in outcomes), Counter[str]()).items())),
    }


def by_method(
    outcomes: Sequence[Outcome], *, originals: Sequence[Problem], seed: int
) -> dict[str, dict[str, Any]]:  # Any: JSON
    """The numbers of each method that made anything, by its type in MetaMathQA.

    `questions` is `accepted` and all of `rejected`; `problems_left_out` counts the problems of which none was made.
    The diversity gain and the mean length are those of the accepted questions.
    """
    texts = [problem.question for problem in originals]
    found: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        mine = [outcome for outcome in outcomes if outcome.question.method == method]
        if not mine:
            continue
        reasons = Counter(of.question.reason for of in mine if of.question.reason is not None)
        accepted = [of for of in mine if of.question.reason is None]
        solutions = sum(of.accepted for of in mine)
        questions = [of.question.text for of in accepted]
        gain = text_distance_gain(questions, texts, seed=seed)
        found[TYPES[method]] = {
            "problems": len({of.question.original.id for of in mine if of.question.reason not in PROBLEM_REASONS}),
            "problems_left_out": {reason: n for reason, n in sorted(reasons.items()) if reason in PROBLEM_REASONS},
            "questions": sum(of.question.reason not in PROBLEM_REASONS for of in mine),
            "accepted": len(accepted),
            "rejected": {reason: n for reason, n in sorted(reasons.items()) if reason not in PROBLEM_REASONS},
            "solutions": solutions,
            "rejected_solutions": dict(sorted(sum((of.rejected for of in mine), Counter[str]()).items())),
            "mean_question_chars": round(mean(map(len, questions)), 1) if questions else None,
            "mean_solution_chars": round(sum(of.chars for of in mine) / solutions, 1) if solutions else None,
            "diversity_gain": None if gain is None else {"mean": round(gain.mean, 4), "n": gain.n},
        }
    return found


def by_original(outcomes: Iterable[Outcome]) -> Iterator[AugmentationCount]:
    """The counts of each method and problem, in the order of the questions."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.question.original.id, outcome.question.type), []).append(outcome)
    for (problem_id, _), mine in groups.items():
        reasons = Counter(of.question.reason for of in mine if of.question.reason is not None)
        yield AugmentationCount(
            problem_id=problem_id,
            type=mine[0].question.type,
            questions=sum(of.question.reason not in PROBLEM_REASONS for of in mine),
            accepted=sum(of.question.reason is None for of in mine),
            rejected=tuple(ReasonCount(reason=reason, n=n) for reason, n in sorted(reasons.items())),
            solutions=sum(of.accepted for of in mine),
        )
