"""What follows from a changed number: the later operands, results and mentions that carry it, and the final answer.

Which later number carries a value is told by the value alone. That is safe only where the value is new with the step
that makes it: where the question or an earlier line has it too, the later one may mean either, and nothing is changed.
"""

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from datagen.corrupt.edit import AMBIGUOUS, NOT_EXACT, NOT_PLAIN, UNCONNECTED, Edit, Unusable
from datagen.corrupt.new_number import written_like
from datagen.corrupt.solution import Equation, Number, Operand, Solution
from datagen.equations.evaluate import NotArithmetic, evaluate


class Consequences(NamedTuple):
    """The edits that make a text follow from a changed number."""

    edits: tuple[Edit, ...]
    n_equations: int  # recomputed


class _Changed(NamedTuple):
    new: Fraction
    start: int  # of the line in which it is made
    end: int  # of the equation that makes it
    is_clear: bool


def consequences(
    solution: Solution,
    root: int,
    new: Fraction,
    *,
    stated: Collection[Fraction],
    final: Operand | None,
    skip: tuple[int, int] = (0, 0),
) -> Consequences | Unusable:
    """Carry a new result of one equation through the rest.

    Args:
        solution: the text.
        root: index of the equation whose result is another now; its own edits are the caller's.
        new: the result's new value.
        stated: values that the question gives.
        final: where the final answer stands; None where nothing follows it, as in a final line that is kept.
        skip: a part of the text that the caller rewrites.
    """
    equations = solution.equations
    known = _known(solution, stated)
    made = equations[root].result
    changed = {made.value: _changed_by(solution, root, new, known=known)}
    edits: list[Edit] = []
    n_equations = 0
    for i in range(root + 1, len(equations)):
        equation = equations[i]
        if equation.end > solution.kept_from:
            break
        if skip[0] <= equation.start < skip[1]:
            continue
        carried = [operand for operand in equation.operands if operand.value in changed]
        result = equation.result.value
        if not carried:
            if result in changed:
                # The same number by another way: from here on it may mean either.
                changed[result] = changed[result]._replace(is_clear=False)
            continue
        if not all(operand.is_clear and changed[operand.value].is_clear for operand in carried):
            return AMBIGUOUS
        value = recomputed(solution, equation, {operand.value: changed[operand.value].new for operand in carried})
        parts = [replaced(operand, changed[operand.value].new) for operand in carried]
        if isinstance(value, Unusable):
            return value
        parts.append(replaced(equation.result, value) if value != result else [])
        if not equation.result.is_clear or any(part is None for part in parts):
            return NOT_PLAIN
        edits += [edit for part in parts if part is not None for edit in part]
        n_equations += 1
        if value == result:
            if result in changed:
                changed[result] = changed[result]._replace(is_clear=False)
            continue
        follows = _changed_by(solution, i, value, known=known)
        earlier = changed.get(result)
        if earlier is not None:
            follows = follows._replace(is_clear=earlier.is_clear and earlier.new == value, start=earlier.start)
        changed[result] = follows
    followed = _follow_mentions(solution, changed, final=final, skip=skip)
    if isinstance(followed, Unusable):
        return followed
    return Consequences((*edits, *followed), n_equations)


def recomputed(solution: Solution, equation: Equation, values: Mapping[Fraction, Fraction]) -> Fraction | Unusable:
    """The exact result of an equation in which some operands have other values.

    The running text's expression, where it differs from the annotation's, must agree with it.
    """
    if _evaluated(solution, equation.expression, equation, {}) != equation.result.value:
        return NOT_EXACT  # rounded, wrong already, or in units that do not cancel
    result = _evaluated(solution, equation.expression, equation, values)
    outer = result if equation.outer is None else _evaluated(solution, equation.outer, equation, values)
    return NOT_EXACT if result is None or result != outer else result


def _evaluated(
    solution: Solution, span: tuple[int, int], equation: Equation, values: Mapping[Fraction, Fraction]
) -> Fraction | None:
    start, end = span
    text = solution.text[start:end]
    copies = [copy for operand in equation.operands for copy in operand.copies if start <= copy.start < end]
    for copy in sorted(copies, reverse=True):
        if copy.value in values:
            # In brackets, so that 2/3 is one operand; a new value that is written at all is a decimal.
            text = f"{text[: copy.start - start]}({values[copy.value]}){text[copy.end - start :]}"
    try:
        return evaluate(text)
    except NotArithmetic:
        return None


def replaced(operand: Operand, value: Fraction) -> list[Edit] | None:
    """The edits that put a value in all the places of a number; None if one of them cannot show it exactly."""
    texts = [written_like(value, copy.text) for copy in operand.copies]
    if not all(texts):
        return None
    return [Edit(copy.start, copy.end, text or "") for copy, text in zip(operand.copies, texts, strict=True)]


class _Known(NamedTuple):
    """Where a value is first to be met with."""

    stated: Collection[Fraction]  # in the question
    position: Mapping[Fraction, int]  # of the first number outside equations with this value
    equation: Mapping[Fraction, int]  # index of the first equation with this value


def _known(solution: Solution, stated: Collection[Fraction]) -> _Known:
    position: dict[Fraction, int] = {}
    for n in (*solution.mentions, *solution.opaque, *solution.words):
        position[n.value] = min(n.start, position.get(n.value, n.start))
    first: dict[Fraction, int] = {}
    for i, equation in enumerate(solution.equations):
        for operand in (*equation.operands, equation.result):
            first.setdefault(operand.value, i)
    return _Known(stated, position, first)


def _changed_by(solution: Solution, i: int, new: Fraction, *, known: _Known) -> _Changed:
    equation = solution.equations[i]
    old, line = equation.result.value, solution.line_start(equation.start)
    is_known = (
        old in known.stated
        or known.position.get(old, line) < line
        or known.equation[old] < i
        or any(operand.value == old for operand in equation.operands)
    )
    return _Changed(new, line, equation.end, not is_known)


def _follow_mentions(
    solution: Solution,
    changed: Mapping[Fraction, _Changed],
    *,
    final: Operand | None,
    skip: tuple[int, int],
) -> list[Edit] | Unusable:
    """The edits of the numbers outside equations, the final answer among them."""
    edits: list[Edit] = []
    answer = final.copies[-1] if final is not None else None
    if answer is not None and not skip[0] <= answer.start < skip[1]:
        written = _answer_edit(solution, answer, changed)
        if isinstance(written, Unusable):
            return written
        edits += written
    for n, is_editable in _outside(solution):
        change = changed.get(n.value)
        if change is None or n.start < change.start or n == answer or skip[0] <= n.start < skip[1]:
            continue
        if n.start >= solution.kept_from:
            continue
        text = written_like(change.new, n.text) if is_editable and change.is_clear else None
        if text is None:
            return AMBIGUOUS
        edits.append(Edit(n.start, n.end, text))
    return edits


def _outside(solution: Solution) -> Iterable[tuple[Number, bool]]:
    yield from ((n, True) for n in solution.mentions)
    yield from ((n, False) for n in (*solution.words, *solution.opaque))


def _answer_edit(solution: Solution, answer: Number, changed: Mapping[Fraction, _Changed]) -> list[Edit] | Unusable:
    """The final answer states the last result of its value: that is clear even where the question has the number."""
    change = changed.get(answer.value)
    last = max((e.end for e in solution.equations if e.result.value == answer.value), default=-1)
    if change is None or last != change.end:
        return UNCONNECTED
    if answer.start < last:
        return []  # the last result itself
    text = written_like(change.new, answer.text)
    return NOT_PLAIN if text is None else [Edit(answer.start, answer.end, text)]
