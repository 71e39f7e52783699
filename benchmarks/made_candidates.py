"""Candidates for benchmarks, made from GSM8K's own solutions: reworded, with operands swapped and steps regrouped."""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

from datagen.readers.read import DatasetSpec, read_problems
from datagen.seeding import rng_for
from datagen_schemas.problem import Problem

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
_SUM_OR_PRODUCT = re.compile(r"<<([\d.]+)([+*])([\d.]+)=([\d.]+)>>")
_WORDINGS = {
    "so": ("so", "thus", "this means that", "which is why"),
    "then": ("then", "after that", "next", "from there"),
    "total": ("total", "sum", "whole amount", "overall number"),
    "the": ("the", "this", "the", "the"),
    "he": ("he", "he", "the man", "he"),
    "she": ("she", "she", "the woman", "she"),
    "there": ("there", "there", "here", "in this case there"),
    "has": ("has", "owns", "is left with", "holds"),
    "is": ("is", "equals", "comes to", "makes"),
    "in": ("in", "during", "within", "in"),
    "each": ("each", "every", "each single", "any one"),
    "a": ("a", "one", "a", "a single"),
}
_WORD = re.compile(r"[A-Za-z]+")


def gsm8k(split: str = "train") -> list[Problem]:
    """GSM8K's problems from DATAGEN_TEST_DATA (a folder that holds gsm8k/train.jsonl and gsm8k/test.jsonl)."""
    return list(read_problems(DatasetSpec(str(DATA / "gsm8k" / f"{split}.jsonl"))))


def candidates(problem: Problem, n: int, *, seed: int) -> Iterator[str]:
    """n solutions that reach the problem's answer: a few equation lists, each in many wordings."""
    assert problem.rationale is not None
    rng = rng_for(seed, problem.id)
    for _ in range(n):
        yield _reword(_regroup(problem.rationale, rng), rng)


def _regroup(text: str, rng: random.Random) -> str:
    """Swap the operands of some sums and products; now and then do the first step twice."""
    text = _SUM_OR_PRODUCT.sub(lambda m: rng.choice((m[0], m[0], f"<<{m[3]}{m[2]}{m[1]}={m[4]}>>")), text)
    lines = text.split("\n")
    if len(lines) > 2 and rng.random() < 0.15:
        lines.insert(1, lines[0])
    return "\n".join(lines)


def _reword(text: str, rng: random.Random) -> str:
    def other(match: re.Match[str]) -> str:
        return rng.choice(_WORDINGS.get(match[0].lower(), (match[0],)))

    return _WORD.sub(other, text)
