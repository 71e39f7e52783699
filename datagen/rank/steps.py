"""The built-in judge: 10 points, one off for each wrong step, never below 1; no model (AFT paper, Table 6).

A wrong step is an equation that is false; a final answer that is wrong or missing; where the answer is wrong, a result
that the reference solution does not know, which is how a wrong plan shows when its arithmetic is right; and text that
cannot be read, one step for every ten stray dots (what corruption by characters leaves behind). A wrong answer without
any equation gets 1, whatever words surround it; a right one without work loses a point.

It takes the answer's correctness as given, so its order of a right and a wrong candidate says little of its skill:
what it adds is the order among wrong ones. It cannot tell a sound step from an unsound one that computes the same
number.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from datagen.answers.check import check_answer
from datagen.answers.extract import extract_answer
from datagen.answers.number import canonical
from datagen.equations.evaluate import NotArithmetic, evaluate, number
from datagen.equations.find import TOLERANCE, Equation, find_equations
from datagen.equations.tokens import tokenise
from datagen_schemas.candidate import Candidate, Verdict
from datagen_schemas.problem import Problem

BEST = 10
WORST = 1
DOTS_PER_STEP = 10
MAX_NAMED = 8  # wrong steps that the evidence names; the rest are counted
MAX_QUOTED = 60
_LEAST_SHARE = Fraction(1, 50)  # of a line's characters; fewer stray dots than that are typing errors
_LEAST_WORDS = 3

# Dots with a use. What is left are stray ones.
_DOT = re.compile(
    r"""
      (?P<used>
        \b[^\W\d_](?:\.[^\W\d_]\b)+\.?          # a.m., U.S.
      | (?<=[\w)\]])\.{3}(?=\s|$)               # and so on...
      | (?<=[0-9])\.(?=[0-9])                   # 2.5
      | (?<![\w.])\.(?=[0-9])                   # .5
      | (?<=[\w%°$¢€£)\]}>'"’”*])\.(?=[\s'"’”)\]*>}]|$)  # the end of a sentence
      | (?<=[a-z0-9)>])\.(?=[A-Z])              # the same, without the space
      )
    | (?P<stray>\.)
    """,
    re.VERBOSE,
)
_ANNOTATION = re.compile(r"<<([^<>]*)>>")
_BROKEN_NUMBER = re.compile(r"\.(?![0-9])|\.[0-9]*\.")
_SENTENCE_END = re.compile(r"\n|(?<=[.!?])\s")
_STATES_ANSWER = re.compile(r"####|\\boxed|\banswer\b|^\W{0,4}A:", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")


class StepJudgement(NamedTuple):
    """A rating, what speaks against ten, and whether a reader could not see it differently."""

    rating: int
    evidence: str
    is_certain: bool


def judge_steps(problem: Problem, candidate: Candidate) -> StepJudgement:
    """Rate one candidate.

    Args:
        problem: with its answer and, if it has one, its reference solution.
        candidate: what is rated. Its verdict decides about its answer, except where it was corrupted: such a one is
            wrong by definition, which would settle every comparison with its original. There the text decides.
    """
    text = candidate.response
    if not text.strip():
        return StepJudgement(WORST, "It is empty.", True)
    if problem.rationale is not None and text.split() == problem.rationale.split():
        equations = find_equations(text)
        is_certain = bool(equations) and all(equation.holds for equation in equations)
        return StepJudgement(BEST, "It is the reference solution.", is_certain and _states_answer(problem, text))
    equations = find_equations(text)
    verdict = _verdict(problem, candidate)
    if verdict == "wrong" and not equations:
        # However many words there are: none is a step that could be checked, so that words alone earn nothing.
        return StepJudgement(WORST, f"It has no step that can be checked, and {_wrong_answer(problem, text)}.", False)
    wrong = [*_false(equations), *_unreadable(text, equations)]
    # A bare letter is a whole reply to a question with options that nobody explained.
    needs_work = not equations and (problem.choices is None or problem.rationale is not None)
    if needs_work and _is_workless(text):
        wrong.append("no work is shown")
    if verdict == "wrong":
        wrong += _foreign(equations, problem.rationale)
        wrong.append(_wrong_answer(problem, text))
    if wrong:
        return StepJudgement(max(WORST, BEST - len(wrong)), _evidence(wrong), False)
    all_hold = bool(equations) and all(equation.holds for equation in equations)
    is_certain = verdict == "correct" and all_hold and _states_answer(problem, text)
    holding = sum(equation.holds is True for equation in equations)
    answer = "correct" if verdict == "correct" else "undecided"
    return StepJudgement(
        BEST, f"No wrong step: {holding} of {len(equations)} equations hold, the final answer is {answer}.", is_certain
    )


def _verdict(problem: Problem, candidate: Candidate) -> Verdict:
    if candidate.corruption is None:
        return candidate.verdict
    return check_answer(candidate.response, problem.answer, choices=problem.choices).verdict


def _states_answer(problem: Problem, text: str) -> bool:
    """Whether the answer is marked as such, and not merely the last number of the text."""
    found = extract_answer(text, choices=problem.choices)
    return found is not None and found.method != "last_number"


def _false(equations: tuple[Equation, ...]) -> Iterator[str]:
    for equation in equations:
        if equation.holds is False:
            yield f"'{_quoted(equation.text)}' is false"


def _unreadable(text: str, equations: tuple[Equation, ...]) -> Iterator[str]:
    """Damaged text: annotations that are no equations any more, and lines full of dots."""
    damaged = {annotation for annotation in _ANNOTATION.findall(text) if _BROKEN_NUMBER.search(annotation)}
    # A link of a chain names itself, not its annotation; a false one was counted.
    false = [equation.text for equation in equations if equation.holds is False]
    for annotation in sorted(damaged):
        if not any(link in annotation for link in false):
            yield f"'<<{_quoted(annotation)}>>' cannot be read"
    n_stray = 0
    for line in text.splitlines():
        stray = sum(match.lastgroup == "stray" for match in _DOT.finditer(line))
        n_stray += stray if stray > 1 and stray >= _LEAST_SHARE * len(line) else 0
    for i in range(-(-n_stray // DOTS_PER_STEP)):
        more = "more " if i else ""
        yield f"{more}text that cannot be read"


def _foreign(equations: tuple[Equation, ...], rationale: str | None) -> Iterator[str]:
    """Results of equations that hold, and that the reference solution neither computes nor mentions; each once."""
    if not rationale:
        return
    known = _numbers(rationale)
    seen: set[Fraction] = set()
    for equation in equations:
        if equation.holds is not True:
            continue
        value = _result(equation)
        if value is None or value in seen or any(abs(value - one) < TOLERANCE for one in known):
            continue
        seen.add(value)
        yield f"'{_quoted(equation.text)}': the reference has no {canonical(value)}"


@lru_cache(maxsize=1 << 12)  # k candidates are held against one reference
def _numbers(rationale: str) -> frozenset[Fraction]:
    found: set[Fraction] = set()
    for token in tokenise(rationale):
        if token.kind == "num":
            try:
                found.add(Fraction(number(token.text)))
            except NotArithmetic:
                continue
    results = (_result(equation) for equation in find_equations(rationale))
    return frozenset(found | {value for value in results if value is not None})


def _result(equation: Equation) -> Fraction | None:
    try:
        return evaluate(equation.normalised.rpartition("=")[2])
    except NotArithmetic:
        return None


def _wrong_answer(problem: Problem, text: str) -> str:
    found = extract_answer(text, choices=problem.choices)
    if found is None:
        return "no final answer"
    return f"the final answer '{_quoted(found.text)}' is wrong"


def _is_workless(text: str) -> bool:
    """Nothing but an answer, or not even words."""
    work = [sentence for sentence in _SENTENCE_END.split(text) if not _STATES_ANSWER.search(sentence)]
    return sum(len(_WORD.findall(sentence)) for sentence in work) < _LEAST_WORDS


def _evidence(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - MAX_NAMED} more" if len(wrong) > MAX_NAMED else ""
    noun = "step" if len(wrong) == 1 else "steps"
    return f"{len(wrong)} wrong {noun}: {'; '.join(wrong[:MAX_NAMED])}{more}."


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 3] + "..."
