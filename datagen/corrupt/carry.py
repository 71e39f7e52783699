"""An error made at one step and carried consistently through the rest, to another final answer.

Either the result of a step is wrong (the only false equation), or one of its operands is misread and its result
recomputed (no false equation at all). All that follows is right for the wrong number.
"""

import random
from collections.abc import Collection, Iterator
from fractions import Fraction
from itertools import count

from datagen.corrupt.consequences import Consequences, consequences, recomputed, replaced
from datagen.corrupt.edit import NO_EQUATION, NO_PLAIN_SITE, NOT_PLAIN, Draft, Edit, Unusable, edited, starts
from datagen.corrupt.new_number import wrong_number
from datagen.corrupt.numbers import is_repeated
from datagen.corrupt.solution import Operand, Solution

PATIENCE = 20  # draws


def carried_errors(
    solution: Solution, rng: random.Random, *, stated: Collection[Fraction], final: Operand | None
) -> Iterator[Draft | Unusable]:
    """Drafts; endless.

    Args:
        solution: the text.
        rng: of this row.
        stated: values that the question gives.
        final: where the final answer stands; None where it is kept.
    """
    sites = [i for i, equation in enumerate(solution.equations) if equation.end <= solution.kept_from]
    if not sites:
        yield NO_EQUATION
        return
    last_use = {operand.value: i for i, equation in enumerate(solution.equations) for operand in equation.operands}
    carriers = [i for i in sites if last_use.get(solution.equations[i].result.value, i) > i]
    for n_draws in count():
        # An error in the last step has nothing to be carried through: only where no other one can be.
        i = rng.choice(carriers if carriers and n_draws < PATIENCE else sites)
        yield _draft(solution, i, rng, stated=stated, final=final)


def _draft(
    solution: Solution, i: int, rng: random.Random, *, stated: Collection[Fraction], final: Operand | None
) -> Draft | Unusable:
    equation = solution.equations[i]
    step = solution.step_of(equation.start) + 1
    if not equation.result.is_clear:
        return NO_PLAIN_SITE
    clear = [
        j for j, operand in enumerate(equation.operands) if operand.is_clear and not is_repeated(operand, solution)
    ]
    edits: list[Edit] | None
    # With the answer kept, only a false equation can show that the text is wrong.
    if final is not None and clear and rng.random() < 0.5:
        j = rng.choice(clear)
        site, kind, where = equation.operands[j], "operand carried", f"step {step}, operand {j + 1}"
        value = wrong_number(site.copies[0].text, rng)
        if value is None or sum(operand.value == site.value for operand in equation.operands) > 1:
            return NO_PLAIN_SITE
        new = recomputed(solution, equation, {site.value: value})
        if isinstance(new, Unusable):
            return new
        edits = replaced(site, value)
        result_edits = replaced(equation.result, new)
        if edits is None or result_edits is None or new == equation.result.value:
            return NOT_PLAIN
        root = [*edits, *result_edits]
    else:
        site, kind, where = equation.result, "result carried", f"step {step}, result"
        wrong = wrong_number(site.copies[0].text, rng)
        edits = None if wrong is None else replaced(site, wrong)
        if wrong is None or edits is None:
            return NO_PLAIN_SITE
        new, root = wrong, edits
    followed: Consequences | Unusable = consequences(solution, i, new, stated=stated, final=final)
    if isinstance(followed, Unusable):
        return followed
    return Draft(
        edited(solution.text, [*root, *followed.edits]),
        kind=kind,
        where=where,
        before=site.copies[-1].text,
        after=next(edit.text for edit in edits if edit.start == site.copies[-1].start),
        positions=starts([*root, *followed.edits]),
    )
