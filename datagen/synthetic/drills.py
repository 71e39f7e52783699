"""Sheets of bare arithmetic for a model that starts from random weights.

Within problems a tiny model meets each sum and difference too rarely to learn it. A sheet has ten calculations for the
price of one problem, drawn as often as they occur in problems; after so many, wrong answers come from wrong plans.
"""

import functools
import re
from collections.abc import Iterator

from datagen.seeding import rng_for
from datagen.synthetic.problems import synthetic_problems
from datagen_schemas.problem import Problem

LINES = 10
_N_SOURCE = 12_000  # problems whose calculations are drawn from; they are of the split 'train'
_EQUATION = re.compile(r"<<([^<>]+)=([^<>]+)>>")


def arithmetic_drills(*, seed: int, n: int) -> Iterator[Problem]:
    """n sheets without a question; the rationale has the calculations, one a line, and the answer is the last result.

    Args:
        seed: another seed gives other sheets.
        n: how many.
    """
    calculations = _calculations(seed)
    for i in range(n):
        rng = rng_for(seed, "drill", str(i))
        sheet = [rng.choice(calculations) for _ in range(LINES)]
        yield Problem(
            id=f"drill-{seed}-{i}",
            question="",
            answer=sheet[-1][1],
            rationale="\n".join(f"{left}={right}" for left, right in sheet),
            choices=None,
            source="synthetic-drill",
            split="train",
        )


@functools.lru_cache(maxsize=1)  # seconds of work, whatever the number of sheets
def _calculations(seed: int) -> tuple[tuple[str, str], ...]:
    """Left and right side of every calculation of the source problems, with repetitions."""
    problems = synthetic_problems(seed=seed, split="train", n=_N_SOURCE, plan="random")
    found = (match for problem in problems for match in _EQUATION.finditer(problem.rationale or ""))
    return tuple((match[1], match[2]) for match in found)
