"""The GSM8K split of the AFT paper (Wang et al. 2023, appendix A): 400 of the 1,319 test problems are for validation.

That leaves 7,473 for training, 400 for validation and 919 for testing. The paper does not say which 400, so they are
drawn here with a seed: every problem gets a number from the seed and its question, and the smallest 400 are taken. So
the draw depends on neither the order of the file nor its name.
"""

import hashlib
from collections.abc import Iterable

from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

N_VALIDATION = 400
BASE_SPLIT = {"paper-train": "train", "paper-validation": "test", "paper-test": "test"}
"""The published split that each of the paper's splits is drawn from."""


def paper_split(problems: Iterable[Problem], part: str, *, seed: int) -> Iterable[Problem]:
    """The problems of one of the paper's splits, in their own order.

    Args:
        problems: those of the published split, `BASE_SPLIT[part]`; all of them.
        part: 'paper-train', 'paper-validation' or 'paper-test'.
        seed: another seed draws other 400; keep it for all runs that are compared.

    Raises:
        DataError: the problems are not GSM8K's, or no more than 400.
    """
    problems = (_of_gsm8k(problem, part) for problem in problems)
    if part != "paper-train":
        problems = list(problems)
        if len(problems) <= N_VALIDATION:
            raise DataError(
                f"{part}: {N_VALIDATION} of GSM8K's 1319 test problems are needed, here are {len(problems)} in all. "
                "Name GSM8K's test set, or another --split."
            )
        by_draw = sorted(problems, key=lambda problem: draw(problem, seed=seed))
        validation = {problem.id for problem in by_draw[:N_VALIDATION]}
        problems = [p for p in problems if (p.id in validation) == (part == "paper-validation")]
    return (problem.model_copy(update={"split": part}) for problem in problems)


def _of_gsm8k(problem: Problem, part: str) -> Problem:
    if not problem.id.startswith("gsm8k-"):
        raise DataError(f"{part}: a split of GSM8K, and problem {problem.id} is none of it. Choose another --split.")
    return problem


def draw(problem: Problem, *, seed: int) -> tuple[bytes, str]:
    """The problem's lot; its id only tells equal questions apart."""
    return hashlib.sha256(f"{seed}\x1f{problem.question}".encode()).digest(), problem.id
