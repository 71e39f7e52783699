"""The steps of a solution: `<<10*.5=5>> <<5*7=35>> #### 35`, or those of a program: `<<divide(n0,n1)>>`.

As in appendix H of "Beyond accuracy optimization: computer-vision losses for large language model fine-tuning", which
this package calls the CV-loss paper.
"""

import json
import re
from functools import lru_cache
from typing import NamedTuple

from datagen.equations.evaluate import NotArithmetic, postfix
from datagen.equations.find import find_equations
from datagen.equations.normalise import commutative
from datagen.equations.tokens import tokenise
from datagen_schemas.problem import Problem

COMMUTATIVE_OPERATIONS = frozenset({"add", "multiply"})  # of MathQA's programs
_ANNOTATION = re.compile(r"<<([^<>]*)>>")
_OPERATION = re.compile(r"([a-z_][a-z_0-9]*)\(([^()]*)\)")


class Step(NamedTuple):
    """One step. Its operands and operators, in reading order, are those before the result; empty if unknown."""

    text: str  # normalised: two steps are the same step if these are equal
    commuted: str  # equal for steps that differ in nothing but the order in which terms or factors stand
    expression: str  # `commuted`, without the result
    operands: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()


def find_steps(text: str) -> tuple[Step, ...]:
    """Steps of a text in reading order, repetitions and all.

    Programs where the annotations hold operations; else equations as `Candidate.equations` has them: normalised
    (.5 is 0.5, 24.0 is 24), a chain a=b=c in two, and where a text annotates nothing, those of the running text.
    The paper's models were trained to annotate; a model that was not would otherwise have no step at all.
    """
    if "<<" in text:
        operations = [found for found in map(_operation, _ANNOTATION.findall(text)) if found is not None]
        if operations:
            return tuple(operations)
    return tuple(_equation(equation.normalised) for equation in find_equations(text))


def gold_steps(problem: Problem) -> tuple[Step, ...]:
    """Steps of the gold path; MathQA's is its program (`linear_formula`), not the crowd-sourced rationale."""
    program = json.loads(problem.meta).get("linear_formula")
    if isinstance(program, str):
        operations = [_operation(part) for part in program.split("|")]
        return tuple(operation for operation in operations if operation is not None)
    return () if problem.rationale is None else find_steps(problem.rationale)


@lru_cache(maxsize=1 << 15)
def _operation(text: str) -> Step | None:
    """`divide(n0, n1)`; None if the text is no operation."""
    match = _OPERATION.fullmatch("".join(text.split()).lower())
    if match is None:
        return None
    name, operands = match[1], tuple(match[2].split(","))
    ordered = sorted(operands) if name in COMMUTATIVE_OPERATIONS else operands
    key = f"{name}({','.join(ordered)})"
    return Step(match[0], key, key, operands, (name,))


@lru_cache(maxsize=1 << 15)
def _equation(normalised: str) -> Step:
    left, _, _ = normalised.partition("=")
    key = commutative(normalised)
    tokens = tokenise(left)
    try:
        postfix(tokens)
    except NotArithmetic:  # an unknown, a word: its operands cannot be told
        return Step(normalised, key, key)
    operands = tuple(token.text for token in tokens if token.kind == "num")
    operators = tuple(token.text for token in tokens if token.kind in ("op", "%"))
    return Step(normalised, key, commutative(left), operands, operators)
