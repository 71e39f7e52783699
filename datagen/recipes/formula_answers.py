"""Training data of "Beyond accuracy optimization: computer-vision losses for LLM fine-tuning", appendix H.

A prompt `Question: ... (Context: ...) Answer:`, and an answer that is formulas and no words, so that steps can be
compared one by one: `<<10*.5=5>> <<5*7=35>> #### 35` (GSM8K), `<<divide(n0,n1)>> <<multiply(#0,n2)>> #### 270`
(MathQA), or the letter of a choice (OpenBookQA, HellaSwag).
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from datagen import __version__
from datagen.answers.check import check_answer
from datagen.answers.number import canonical, parse_number
from datagen.equations.find import find_equations
from datagen.question_text import LETTERS, question_fields
from datagen_prompts.template import PromptTemplate
from datagen_schemas.example import Example
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

AnswerForm = Literal["formulas", "letter", "gold"]
PROMPT = "question-answer"
MAX_PROGRAM = 4_000  # characters; MathQA's longest has a tenth of that

NO_CHOICE = "no choice that is shown is the answer"

_ANNOTATION = re.compile(r"<<([^<>]*=[^<>]*)>>")
_CALL = re.compile(r"([a-z_]+)\(([^()]*)\)")
_ATOM = re.compile(r"n[0-9]+|const_[a-z0-9_.]+|#(?P<step>[0-9]+)|-?[0-9]*\.?[0-9]+")


class NotConverted(NamedTuple):
    """A problem that gives no example."""

    problem_id: str
    reason: str


class Written(NamedTuple):
    """A solution in the wanted form."""

    text: str
    steps: tuple[str, ...]  # by which one path is told from another


def example_of(problem: Problem, *, answers: AnswerForm, prompt: PromptTemplate) -> Example | NotConverted:
    """The problem as a training example, or why it is none.

    Args:
        problem: with what the form needs: an annotated solution or a program; choices; any solution.
        answers: 'formulas' (a program where there is one, else the solution's annotations), 'letter' of a choice, or
            'gold', the solution as it was published.
        prompt: shows the 'question' with its choices, and the 'context' where there is one.
    """
    written = _WRITERS[answers](problem)
    if isinstance(written, NotConverted):
        return written
    # In a form of ours, what our own check does not read as right could never be scored as right either.
    if answers != "gold" and not _is_read_back(written, problem):
        return NotConverted(problem.id, "the answer is not read back as right")
    provenance = Provenance.of_stage("examples", package_version=__version__, parents=(problem.id,))
    return Example(
        prompt=prompt.render_text(**question_fields(problem)),
        # The space is part of the completion: it belongs to the token that follows it, not to 'Answer:'.
        completion=f" {written.text}",
        problem_id=problem.id,
        source="gold",
        answer=problem.answer,
        equations=written.steps,
        sample=None,
        model=None,
        provenance=provenance.model_copy(update={"prompt_id": prompt.id, "prompt_sha256": prompt.sha256}),
    )


def _is_read_back(written: Written, problem: Problem) -> bool:
    return check_answer(written.text, problem.answer, choices=problem.choices).verdict == "correct"


def _formulas(problem: Problem) -> Written | NotConverted:
    meta = json.loads(problem.meta)
    answer = _final_answer(problem)
    if answer is None:
        return NotConverted(problem.id, NO_CHOICE)
    linear, nested = (str(meta.get(name, "")) for name in ("linear_formula", "annotated_formula"))
    if linear or nested:
        steps = program_steps(linear) or nested_steps(nested)
        if steps is None:
            return NotConverted(problem.id, "the program cannot be read")
        return _in_form(steps, answer, steps=steps)
    if problem.rationale is None:
        return NotConverted(problem.id, "no solution")
    annotations = tuple(_ANNOTATION.findall(problem.rationale))
    if not annotations:
        return NotConverted(problem.id, "no annotated formula in the solution")
    equations = find_equations(problem.rationale)
    if any(equation.holds is False for equation in equations):
        return NotConverted(problem.id, "a formula that does not hold")
    return _in_form(annotations, answer, steps=tuple(equation.normalised for equation in equations))


def _in_form(formulas: tuple[str, ...], answer: str, *, steps: tuple[str, ...]) -> Written:
    return Written(" ".join([*(f"<<{formula}>>" for formula in formulas), f"#### {answer}"]), steps)


def _final_answer(problem: Problem) -> str | None:
    """What stands behind ####: of a multiple-choice problem the choice's number, not its letter (appendix H)."""
    if not problem.choices:
        return problem.answer
    choices = dict(zip(LETTERS, problem.choices, strict=False))
    if problem.answer not in choices:
        return None
    text = choices[problem.answer]
    number = parse_number(text)
    return " ".join(text.split()) if number is None else canonical(number)


def _letter(problem: Problem) -> Written | NotConverted:
    if not problem.choices:
        return NotConverted(problem.id, "no choices")
    shown = LETTERS[: len(problem.choices)]
    return Written(problem.answer, ()) if problem.answer in shown else NotConverted(problem.id, NO_CHOICE)


def _gold(problem: Problem) -> Written | NotConverted:
    if problem.rationale is None:
        return NotConverted(problem.id, "no solution")
    return Written(problem.rationale, tuple(equation.normalised for equation in find_equations(problem.rationale)))


_WRITERS: Mapping[AnswerForm, Callable[[Problem], Written | NotConverted]] = {
    "formulas": _formulas,
    "letter": _letter,
    "gold": _gold,
}


def program_steps(linear: str) -> tuple[str, ...] | None:
    """Steps of MathQA's `linear_formula`, such as `divide(n0,n1)|subtract(const_1,#0)|`; None if one is malformed.

    An operand is a number of the question (n0), a constant, the result of an earlier step (#0), or a number.
    """
    if len(linear) > MAX_PROGRAM:
        return None
    steps = tuple("".join(step.split()) for step in linear.strip().strip("|").split("|"))
    return steps if all(_is_step(step, i) for i, step in enumerate(steps)) else None


def _is_step(step: str, i: int) -> bool:
    call = _CALL.fullmatch(step)
    if call is None:
        return False
    operands = [_ATOM.fullmatch(operand) for operand in call[2].split(",")]
    return all(operand is not None and int(operand["step"] or -1) < i for operand in operands)


def nested_steps(nested: str) -> tuple[str, ...] | None:
    """The same of MathQA's `annotated_formula`: inner calls come first, `f(g(1,2),3)` is g(1,2), f(#0,3).

    Equal calls become one step.
    """
    text = "".join(nested.split())
    steps: list[str] = []
    while len(text) <= MAX_PROGRAM and (call := _CALL.search(text)) is not None:
        text = re.sub(rf"(?<![a-z_]){re.escape(call[0])}", f"#{len(steps)}", text)
        steps.append(call[0])
    return program_steps("|".join(steps)) if steps and text == f"#{len(steps) - 1}" else None
