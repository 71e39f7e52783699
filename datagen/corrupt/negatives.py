"""Solutions in, negatives of known quality out: each one worse by construction (chars) or verified to be wrong.

With chars the text is damaged and need not be wrong: of GSM8K's correct replies, the answer can still be read and is
right in 96 % at alpha 0.01, 83 % at 0.05, 66 % at 0.1, 30 % at 0.3 and 16 % at 0.5. Below 0.1, the paper's own
example, a negative is hardly worse than its parent, and there is a warning.

A harder negative counts only if the equation and answer checks see that it is wrong: its final answer is another one,
or it has a false equation that its parent has not. Else it is drawn again, a bounded number of times.
"""

import hashlib
import logging
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from datagen import __version__
from datagen.annotate import annotate
from datagen.answers.check import Checked, check_answer
from datagen.answers.extract import extract_answer
from datagen.corrupt.answer import NOT_A_NUMBER, answer_number, changed_answers
from datagen.corrupt.carry import carried_errors
from datagen.corrupt.characters import corrupt_characters
from datagen.corrupt.edit import Draft, Unusable, kept_from
from datagen.corrupt.numbers import changed_numbers
from datagen.corrupt.operators import swapped_operators
from datagen.corrupt.solution import read_solution, stated_values
from datagen.corrupt.steps import changed_steps
from datagen.equations.find import find_equations
from datagen.seeding import rng_for
from datagen_schemas.candidate import Candidate
from datagen_schemas.corruption import Corruption, CorruptionMethod
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

log = logging.getLogger(__name__)

MAX_TRIES = 40  # draws for one negative
LEAST_ALPHA = 0.1  # below it there is a warning

NOT_WRONG = "neither another answer nor a false equation"
MADE_RIGHT = "it became right"
INCONSISTENT = "more than one equation became false"
SAME_TEXT = "same text as another"
KEPT_ANSWER = Unusable("the final line, which is kept, would have to change")


@dataclass(frozen=True)
class CorruptOptions:
    """What is done to each solution."""

    methods: tuple[CorruptionMethod, ...] = ("chars",)
    alphas: tuple[float, ...] = (0.1,)  # of chars; AFT's own example, Table 9
    per_parent: int = 1  # negatives of each harder method
    keep_answer: bool = False

    def __post_init__(self) -> None:
        """Refuse what can make nothing."""
        if any(not 0 < alpha <= 1 for alpha in self.alphas):
            raise ValueError(f"alpha must be in (0, 1], not {self.alphas}")
        if self.keep_answer and self.methods == ("answer",):
            raise ValueError("the method 'answer' changes the final line, which keep_answer keeps")
        if "chars" in self.methods and min(self.alphas, default=1) < LEAST_ALPHA:
            log.warning(
                "alpha %g: with so few characters replaced, nearly all negatives still show the right answer and are "
                "hardly worse than their parents. The paper's example is %g.",
                min(self.alphas),
                LEAST_ALPHA,
            )


class Parent(NamedTuple):
    """A solution to corrupt."""

    text: str
    sample: int | None  # None: the dataset's own
    provenance: Provenance


class Negatives(NamedTuple):
    """What was made of the solutions of one problem."""

    candidates: list[Candidate]
    not_made: Counter[tuple[str, str]]  # method and reason


def negatives(problem: Problem, parents: Sequence[Parent], *, options: CorruptOptions, seed: int) -> Negatives:
    """The corrupted copies of a problem's solutions; of equal texts, the first.

    For each parent each method in its order, and for chars each alpha. A draw depends on the seed, the problem and
    the parent's number alone.
    """
    made: list[Candidate] = []
    not_made: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()
    for parent in parents:
        name = "gold" if parent.sample is None else str(parent.sample)
        provenance = parent.provenance.model_copy(
            update={
                "stage": "corrupt",
                "seed": seed,
                "sample": parent.sample,
                "parents": (problem.id, f"{problem.id}#{name}"),
                "package_version": __version__,
            }
        )
        digest = hashlib.sha256(parent.text.encode()).hexdigest()
        for method, found in _corrupted(problem, parent.text, options=options, seed=seed, name=name):
            if isinstance(found, Draft) and found.text not in seen:
                seen.add(found.text)
                corruption = _record(found, method, parent=digest)
                made.append(
                    annotate(problem, found.text, sample=len(made), provenance=provenance, corruption=corruption)
                )
            else:
                not_made[method, SAME_TEXT if isinstance(found, Draft) else found.reason] += 1
    return Negatives(made, not_made)


def _record(draft: Draft, method: CorruptionMethod, *, parent: str) -> Corruption:
    return Corruption(
        method=method,
        kind=draft.kind,
        alpha=draft.alpha,
        realised_alpha=draft.realised_alpha,
        positions=draft.positions,
        where=draft.where,
        before=draft.before,
        after=draft.after,
        parent=parent,
    )


def _corrupted(
    problem: Problem, text: str, *, options: CorruptOptions, seed: int, name: str
) -> Iterator[tuple[CorruptionMethod, Draft | Unusable]]:
    """Every negative asked for, or why there is none, in order."""
    hard = None
    for method in options.methods:
        if method == "chars":
            for alpha in options.alphas:
                rng = rng_for(seed, problem.id, name)
                yield method, corrupt_characters(text, alpha=alpha, rng=rng, keep_answer=options.keep_answer)
            continue
        hard = hard or HardNegatives(problem, text, keep_answer=options.keep_answer)
        for found in hard.make(method, n=options.per_parent, rng=rng_for(seed, problem.id, name, method)):
            yield method, found


class _Facts(NamedTuple):
    """What the checks say of a text."""

    checked: Checked
    false_equations: tuple[str, ...]


class HardNegatives:
    """Makes harder negatives of one solution, which it reads once."""

    def __init__(self, problem: Problem, text: str, *, keep_answer: bool = False) -> None:
        """Find its steps, its final answer, and the false equations that it has already."""
        self._problem = problem
        self._solution = read_solution(text, kept_from=kept_from(text, keep_answer=keep_answer))
        self._keep_answer = keep_answer
        self._stated = stated_values(problem.question)
        self._answer = extract_answer(text, choices=problem.choices)
        self._parent = self._facts(text)

    def make(self, method: CorruptionMethod, *, n: int, rng: random.Random) -> Iterator[Draft | Unusable]:
        """n negatives with different texts; for each that could not be made, why."""
        seen = {self._solution.text}
        for _ in range(n):
            reasons: Counter[str] = Counter()
            for draft in islice(self._drafts(method, rng), MAX_TRIES):
                reason = draft.reason if isinstance(draft, Unusable) else self._why_not(draft, method, seen)
                if reason is None and isinstance(draft, Draft):
                    seen.add(draft.text)
                    yield draft
                    break
                reasons[reason or NOT_WRONG] += 1
            else:
                yield Unusable(reasons.most_common(1)[0][0])

    def _drafts(self, method: CorruptionMethod, rng: random.Random) -> Iterator[Draft | Unusable]:
        if method == "numbers":
            return changed_numbers(self._solution, rng)
        if method == "operators":
            return swapped_operators(self._solution, rng)
        if self._keep_answer and method in ("answer", "steps"):
            return iter([KEPT_ANSWER])  # the equations of changed steps are true: only the answer shows the error
        if method == "answer":
            choices = self._problem.choices
            return changed_answers(self._solution, rng, answer=self._answer, n_choices=len(choices or ()))
        final = None
        if not self._keep_answer:
            final = None if self._answer is None else answer_number(self._solution, self._answer)
            if final is None:
                return iter([NOT_A_NUMBER])
        follow = carried_errors if method == "carry" else changed_steps
        return follow(self._solution, rng, stated=self._stated, final=final)

    def _why_not(self, draft: Draft, method: CorruptionMethod, seen: Collection[str]) -> str | None:
        """Why a draft is no negative; None if it is one."""
        if draft.text in seen:
            return SAME_TEXT
        facts = self._facts(draft.text)
        if facts.checked.verdict == "correct" and self._parent.checked.verdict != "correct":
            return MADE_RIGHT
        is_other_answer = facts.checked.verdict == "wrong" and facts.checked.answer != self._parent.checked.answer
        n_false = (Counter(facts.false_equations) - Counter(self._parent.false_equations)).total()
        if method == "carry" and n_false > 1:
            return INCONSISTENT
        # An error that was carried to the end and does not arrive is not carried.
        if method in ("answer", "carry", "steps") and not self._keep_answer:
            return None if is_other_answer else NOT_WRONG
        return None if is_other_answer or n_false else NOT_WRONG

    def _facts(self, text: str) -> _Facts:
        checked = check_answer(text, self._problem.answer, choices=self._problem.choices)
        equations = find_equations(text)
        return _Facts(checked, tuple(equation.normalised for equation in equations if equation.holds is False))
