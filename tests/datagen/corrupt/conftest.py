"""What the tests of corruption share: real problems, and a slow reading of calculator annotations."""

import ast
import os
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from datagen.corrupt.negatives import CorruptOptions, Parent, negatives
from datagen.readers.read import DatasetSpec, read_problems
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
N_PROBLEMS = 300


@pytest.fixture(scope="session")
def gsm8k() -> list[Problem]:
    """The first problems of GSM8K's training set."""
    file = DATA / "gsm8k" / "train.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not there; DATAGEN_TEST_DATA names the folder of the data")
    return list(islice(read_problems(DatasetSpec(str(file))), N_PROBLEMS))


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    """Of a gold path."""
    return Provenance.of_stage("test", package_version="0")


Corrupt = Callable[..., list[Candidate]]


@pytest.fixture
def corrupt(provenance: Provenance) -> Corrupt:
    """The negatives of one text that answers a question."""

    def made(
        text: str,
        *methods: str,
        question: str = "?",
        answer: str = "0",
        choices: Sequence[str] | None = None,
        n: int = 1,
        seed: int = 0,
        keep_answer: bool = False,
    ) -> list[Candidate]:
        problem = Problem(
            id="p",
            question=question,
            answer=answer,
            rationale=text,
            choices=None if choices is None else tuple(choices),
            source="t",
            split="train",
        )
        options = CorruptOptions(
            methods=methods,  # type: ignore[arg-type]  # plain strings in tests
            per_parent=n,
            keep_answer=keep_answer,
        )
        return negatives(problem, [Parent(text, None, provenance)], options=options, seed=seed).candidates

    return made


class Annotation(NamedTuple):
    """A calculator annotation, read by Python's own parser and not by the code under test."""

    content: str
    holds: bool | None
    echo: str | None  # the number right after it

    @property
    def result(self) -> str:
        return self.content.rpartition("=")[2]


def read_annotations(text: str) -> list[Annotation]:
    found = []
    for match in re.finditer(r"<<([^<>]*)>>[ $]*([0-9][0-9,.]*[0-9]|[0-9])?", text):
        sides = [_value(side) for side in match[1].split("=")]
        holds = None if len(sides) < 2 or None in sides else len({round(float(side or 0), 2) for side in sides}) == 1
        found.append(Annotation(match[1], holds, match[2]))
    return found


@pytest.fixture(scope="session")
def annotations() -> Callable[[str], list[Annotation]]:
    """Reads the calculator annotations of a text."""
    return read_annotations


def _value(side: str) -> Fraction | None:
    try:
        return _walk(ast.parse(re.sub(r"(?<=[0-9]),(?=[0-9]{3})|\$", "", side).strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, ValueError):
        return None


def _walk(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return -_walk(node.operand) if isinstance(node.op, ast.USub) else _walk(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _walk(node.left), _walk(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
    raise ValueError(f"not arithmetic: {ast.dump(node)}")
