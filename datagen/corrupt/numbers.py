"""One number of one step changed: an operand, or the result; what follows is left as it was."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from datagen.corrupt.consequences import replaced
from datagen.corrupt.edit import NO_EQUATION, NO_PLAIN_SITE, Draft, Edit, Unusable, edited, starts
from datagen.corrupt.new_number import wrong_number
from datagen.corrupt.solution import Operand, Solution, between


class _Site(NamedTuple):
    operand: Operand
    kind: str
    where: str


def changed_numbers(solution: Solution, rng: random.Random) -> Iterator[Draft | Unusable]:
    """Drafts with one number changed in the calculator annotation and in the running text alike; endless."""
    sites = _sites(solution)
    if not sites:
        yield NO_PLAIN_SITE if solution.equations else NO_EQUATION
        return
    while True:
        operand, kind, where = rng.choice(sites)
        edits = edits_to(operand, rng)
        if edits is None:
            yield NO_PLAIN_SITE
            continue
        yield Draft(
            edited(solution.text, edits),
            kind=kind,
            where=where,
            before=operand.copies[-1].text,
            after=next(edit.text for edit in edits if edit.start == operand.copies[-1].start),
            positions=starts(edits),
        )


def edits_to(operand: Operand, rng: random.Random) -> list[Edit] | None:
    """A wrong value in all the places of a number; None if it cannot be written in one of them."""
    # The copy with the fewest decimals decides: 6 in the annotation, $6.00 in the text.
    plainest = min(operand.copies, key=lambda copy: len(copy.text.partition(".")[2]))
    value = wrong_number(plainest.text, rng)
    return None if value is None else replaced(operand, value)


def _sites(solution: Solution) -> list[_Site]:
    sites: list[_Site] = []
    for equation in solution.equations:
        if not equation.is_checked or equation.end > solution.kept_from:
            continue
        n = solution.step_of(equation.start)
        for i, operand in enumerate(equation.operands):
            sites.append(_Site(operand, "operand", f"step {n + 1}, operand {i + 1}"))
        sites.append(_Site(equation.result, "result", f"step {n + 1}, result"))
    return [site for site in sites if site.operand.is_clear and not is_repeated(site.operand, solution)]


def is_repeated(operand: Operand, solution: Solution) -> bool:
    """Whether the step's prose repeats the number, which a change in the equation would contradict."""
    first = min(copy.start for copy in operand.copies)
    step = solution.steps[solution.step_of(first)]
    prose = (*between(solution.mentions, *step), *between(solution.words, *step))
    return any(n.value == operand.value for n in prose)
