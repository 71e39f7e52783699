"""A step dropped, repeated, or swapped with the next one, and the rest made to follow from that.

Moving whole lines about leaves every equation true and the stated answer right, which is no negative. So the error is
the one that a person makes: the steps after a forgotten one work on with the number that it should have changed, a
step done twice is done to its own result, and of two steps in the wrong order the second takes the first one's input.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from datagen.corrupt.consequences import consequences, recomputed, replaced
from datagen.corrupt.edit import AMBIGUOUS, NO_EQUATION, NOT_PLAIN, Draft, Edit, Unusable, edited, starts
from datagen.corrupt.solution import Equation, Operand, Solution, Step

NOT_ALONE = Unusable("no step with a single clear equation")
NO_PAIR = Unusable("no two steps of which the second takes the first one's result")
NOTHING_LEFT = Unusable("nothing would be left")


class _Site(NamedTuple):
    """A step with one equation."""

    n: int  # of the step
    i: int  # of the equation
    step: Step
    equation: Equation


def changed_steps(
    solution: Solution, rng: random.Random, *, stated: Collection[Fraction], final: Operand | None
) -> Iterator[Draft | Unusable]:
    """Drafts; endless.

    Args:
        solution: the text.
        rng: of this row.
        stated: values that the question gives.
        final: where the final answer stands; None where it is kept.
    """
    sites = _sites(solution)
    if not sites:
        yield NOT_ALONE if solution.equations else NO_EQUATION
        return
    while True:
        change = rng.choice((_dropped, _repeated, _swapped))
        yield change(solution, sites, rng, stated=stated, final=final)


def _sites(solution: Solution) -> list[_Site]:
    steps_of = [solution.step_of(equation.start) for equation in solution.equations]
    n_equations = Counter(steps_of)
    return [
        _Site(n, i, solution.steps[n], solution.equations[i])
        for i, n in enumerate(steps_of)
        if n_equations[n] == 1
        and solution.steps[n].end <= solution.kept_from
        and solution.equations[i].result.is_clear
    ]


def _dropped(
    solution: Solution,
    sites: list[_Site],
    rng: random.Random,
    *,
    stated: Collection[Fraction],
    final: Operand | None,
) -> Draft | Unusable:
    n, i, step, equation = rng.choice(sites)
    old = equation.result.value
    # A number that an earlier step made is what the later ones would go on with; else one that the question gives.
    made = {earlier.result.value for earlier in solution.equations[:i]}
    inputs = [operand.value for operand in equation.operands if operand.value != old]
    inputs = [value for value in inputs if value in made] or inputs
    if not inputs:
        return NOT_PLAIN
    text = solution.text
    start, end = step.start, step.end
    while end < len(text) and text[end].isspace():
        end += 1
    if not (text[:start] + text[end:]).strip():
        return NOTHING_LEFT
    followed = consequences(solution, i, rng.choice(inputs), stated=stated, final=final, skip=(start, end))
    if isinstance(followed, Unusable):
        return followed
    edits = [Edit(start, end, ""), *followed.edits]
    return _draft(solution, edits, "step dropped", f"step {n + 1}", text[step.start : step.end], "")


def _repeated(
    solution: Solution,
    sites: list[_Site],
    rng: random.Random,
    *,
    stated: Collection[Fraction],
    final: Operand | None,
) -> Draft | Unusable:
    n, i, step, equation = rng.choice(sites)
    clear = _single(equation)
    if not clear:
        return NOT_PLAIN
    old = equation.result.value
    again = _rewritten(solution, step, equation, {rng.choice(clear).value: old})
    if isinstance(again, Unusable):
        return again
    followed = consequences(solution, i, again.result, stated=stated, final=final, skip=(step.start, step.end))
    if isinstance(followed, Unusable):
        return followed
    text = solution.text
    gap = text[step.end :][: len(text[step.end :]) - len(text[step.end :].lstrip())] or "\n"
    before = text[step.start : step.end]
    edits = [Edit(step.end, step.end, gap + again.text), *followed.edits]
    return _draft(solution, edits, "step repeated", f"step {n + 1}", before, before + gap + again.text)


def _swapped(
    solution: Solution,
    sites: list[_Site],
    rng: random.Random,
    *,
    stated: Collection[Fraction],
    final: Operand | None,
) -> Draft | Unusable:
    pairs = [
        (first, second)
        for first, second in zip(sites, sites[1:], strict=False)
        if second.n == first.n + 1
        and sum(operand.value == first.equation.result.value for operand in second.equation.operands) == 1
        and first.equation.result.value != second.equation.result.value
    ]
    if not pairs:
        return NO_PAIR
    first, second = rng.choice(pairs)
    between = first.equation.result.value
    clear = _single(first.equation)
    taken = next(operand for operand in second.equation.operands if operand.value == between)
    if not clear or not taken.is_clear or between in stated:
        return NOT_PLAIN
    if _is_used_after(solution, second, between):
        return AMBIGUOUS
    start = rng.choice(clear).value
    earlier = _rewritten(solution, second.step, second.equation, {between: start})
    if isinstance(earlier, Unusable):
        return earlier
    later = _rewritten(solution, first.step, first.equation, {start: earlier.result})
    if isinstance(later, Unusable):
        return later
    region = (first.step.start, second.step.end)
    followed = consequences(solution, second.i, later.result, stated=stated, final=final, skip=region)
    if isinstance(followed, Unusable):
        return followed
    swaps = [Edit(*first.step, earlier.text), Edit(*second.step, later.text)]
    after = earlier.text + solution.text[first.step.end : second.step.start] + later.text
    where = f"steps {first.n + 1} and {second.n + 1}"
    before = solution.text[slice(*region)]
    return _draft(solution, [*swaps, *followed.edits], "steps swapped", where, before, after)


class _Rewritten(NamedTuple):
    text: str
    result: Fraction


def _rewritten(
    solution: Solution, step: Step, equation: Equation, values: Mapping[Fraction, Fraction]
) -> _Rewritten | Unusable:
    """A step's text with other values of some operands, and the result that follows."""
    result = recomputed(solution, equation, values)
    if isinstance(result, Unusable):
        return result
    old = equation.result.value
    pieces = [replaced(equation.result, result)]
    pieces += [replaced(operand, values[operand.value]) for operand in equation.operands if operand.value in values]
    edits: list[Edit] = []
    for piece in pieces:
        if piece is None:
            return NOT_PLAIN
        edits += piece
    # What the sentence says of these numbers beside its equation must follow, and can only where it is clear.
    for mention in solution.mentions:
        if step.start <= mention.start < step.end and mention.value in {old, *values}:
            return AMBIGUOUS
    shifted = [Edit(start - step.start, end - step.start, text) for start, end, text in edits]
    return _Rewritten(edited(solution.text[step.start : step.end], shifted), result)


def _single(equation: Equation) -> list[Operand]:
    """The operands whose value no other operand has, and not the result."""
    values = [operand.value for operand in equation.operands]
    return [
        operand
        for operand in equation.operands
        if operand.is_clear and values.count(operand.value) == 1 and operand.value != equation.result.value
    ]


def _is_used_after(solution: Solution, site: _Site, value: Fraction) -> bool:
    later = [operand for equation in solution.equations[site.i + 1 :] for operand in equation.operands]
    mentions = [n for n in (*solution.mentions, *solution.words, *solution.opaque) if n.start >= site.step.end]
    return value in {operand.value for operand in later} | {mention.value for mention in mentions}


def _draft(solution: Solution, edits: list[Edit], kind: str, where: str, before: str, after: str) -> Draft:
    return Draft(
        edited(solution.text, edits), kind=kind, where=where, before=before, after=after, positions=starts(edits)
    )
