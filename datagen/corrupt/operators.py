"""One operator of one equation swapped for another of + - * /; the numbers, the result too, stay."""

import random
from collections.abc import Iterator

from datagen.corrupt.edit import NO_EQUATION, Draft, Edit, Unusable, edited, starts
from datagen.corrupt.solution import Sign, Solution

NO_SITE = Unusable("no operator that can be changed by itself")

# How each style writes the four operators; the style is told from the sign that is replaced.
_STYLES = (
    {"+": "+", "-": "-", "*": "*", "/": "/"},
    {"+": "+", "-": "-", "*": "x", "/": "/"},
    {"+": "+", "-": "−", "*": "×", "/": "÷"},
    {"+": "+", "-": "-", "*": "\\times", "/": "\\div"},
    {"+": "plus", "-": "minus", "*": "times", "/": "divided by"},
)


def swapped_operators(solution: Solution, rng: random.Random) -> Iterator[Draft | Unusable]:
    """Drafts with one operator changed in the calculator annotation and in the running text alike; endless."""
    sites = [
        (equation, i)
        for equation in solution.equations
        if equation.is_checked and equation.end <= solution.kept_from
        for i, operation in enumerate(equation.operations)
        if operation.is_clear and all(_style(copy) is not None for copy in operation.copies)
    ]
    if not sites:
        yield NO_SITE if solution.equations else NO_EQUATION
        return
    while True:
        equation, i = rng.choice(sites)
        operation = equation.operations[i]
        operator = rng.choice([sign for sign in "+-*/" if sign != operation.operator])
        edits = [Edit(copy.start, copy.end, _written(operator, copy, solution.text)) for copy in operation.copies]
        yield Draft(
            edited(solution.text, edits),
            kind="operator",
            where=f"step {solution.step_of(equation.start) + 1}, operator {i + 1}",
            before=operation.copies[-1].text,
            after=edits[-1].text,
            positions=starts(edits),
        )


def _style(sign: Sign) -> dict[str, str] | None:
    """The style of a sign; None for what is not replaced by itself: a power, "of", "multiplied by"."""
    if sign.text == "X":
        return _STYLES[1]
    return next((style for style in _STYLES if style.get(sign.operator) == sign.text), None)


def _written(operator: str, copy: Sign, text: str) -> str:
    style = _style(copy)
    assert style is not None, "sites have a style"
    written = style[operator]
    # 12x5 as 12x5, but \times5 would be another command.
    return written + " " if written[-1].isalpha() and written != "x" and text[copy.end].isalnum() else written
