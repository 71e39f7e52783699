"""Self-consistency: the answer that most of k samples give (Wang et al. 2023, arXiv:2203.11171; AFT, Fig. 2d)."""

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import comb

from datagen.answers.check import check_answer
from datagen.answers.latex import LatexJudge
from datagen.answers.number import parse_number

MAX_SUBSETS = 200  # of k samples each; beyond this many they are drawn


def answer_classes(
    answers: Sequence[str | None], *, choices: Sequence[str] | None = None, latex: LatexJudge | None = None
) -> list[int | None]:
    """The class of each answer, numbered in order of appearance; None for a candidate without an answer.

    Numbers are equal as numbers (0.5, 1/2). What exact comparison cannot decide goes to the judge that also decides
    verdicts, each new text against the first answer of every class; without a judge it is a class of its own.
    """
    firsts: list[str] = []
    known: dict[str | Fraction, int] = {}
    found: list[int | None] = []
    for answer in answers:
        if answer is None:
            found.append(None)
            continue
        key = _key(answer, choices)
        if key not in known:
            same = (i for i, first in enumerate(firsts) if _is_same(answer, first, choices=choices, latex=latex))
            known[key] = next(same, len(firsts))
            if known[key] == len(firsts):
                firsts.append(answer)
        found.append(known[key])
    return found


def _key(answer: str, choices: Sequence[str] | None) -> str | Fraction:
    value = None if choices else parse_number(answer)
    return answer if value is None else value


def _is_same(one: str, other: str, *, choices: Sequence[str] | None, latex: LatexJudge | None) -> bool:
    """Whether two answers that do not have the same key are equal."""
    if choices or isinstance(_key(one, None), Fraction) and isinstance(_key(other, None), Fraction):
        return False
    return check_answer(f"\\boxed{{{one}}}", other, latex=latex, fallback=False).verdict == "correct"


def majority(classes: Sequence[int | None]) -> int | None:
    """Position of the first candidate of the largest class; of several equally large ones, the first seen wins.

    None if no candidate has an answer.
    """
    counts = Counter(found for found in classes if found is not None)
    if not counts:
        return None
    largest = max(counts.values())
    return next(i for i, found in enumerate(classes) if found is not None and counts[found] == largest)


def majority_at_k(
    classes: Sequence[int | None],
    is_correct: Sequence[bool],
    k: int,
    *,
    rng: random.Random,
    subsets: int = MAX_SUBSETS,
) -> float:
    """Chance that the majority of k of the n samples is correct: maj@k of one problem.

    The mean over subsets of k samples, each in the order in which they were drawn: over all subsets where there are
    at most `subsets`, else over that many random ones. Samples are exchangeable, so every subset is as good as the
    first k; the mean has the same expectation as the first k alone, and less noise, just as unbiased pass@k.

    Args:
        classes: of `answer_classes`.
        is_correct: the verdict on each.
        k: how many vote, at most n.
        rng: draws the subsets.
        subsets: the most subsets to look at.
    """
    n = len(classes)
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} is not between 1 and n = {n}")
    if comb(n, k) <= subsets:
        chosen = list(combinations(range(n), k))
    else:
        chosen = [tuple(sorted(rng.sample(range(n), k))) for _ in range(subsets)]
    right = 0
    for subset in chosen:
        winner = majority([classes[i] for i in subset])
        right += winner is not None and is_correct[subset[winner]]
    return right / len(chosen)
