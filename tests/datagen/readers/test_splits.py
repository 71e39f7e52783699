import random
from collections.abc import Callable
from pathlib import Path

import pytest

from datagen.readers.read import DatasetSpec, read_problems
from datagen.readers.splits import paper_split
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem


def problems(n: int) -> list[Problem]:
    return [
        Problem(
            id=f"gsm8k-{i}-x", question=f"{i}?", answer="1", rationale=None, choices=None, source="s", split="test"
        )
        for i in range(n)
    ]


def position(problem_id: str) -> int:
    return int(problem_id.split("-")[1])


def ids(part: str, of: list[Problem], *, seed: int = 0) -> list[str]:
    return [problem.id for problem in paper_split(of, part, seed=seed)]


def test_validation_and_test_are_400_and_the_rest_in_file_order() -> None:
    everything = problems(1319)
    validation, test = ids("paper-validation", everything), ids("paper-test", everything)
    assert (len(validation), len(test)) == (400, 919)  # appendix A of the AFT paper
    assert sorted(validation + test) == sorted(problem.id for problem in everything)
    assert [position(i) for i in validation] == sorted(position(i) for i in validation)


def test_the_draw_is_the_same_in_any_order_and_another_with_another_seed() -> None:
    everything = problems(1319)
    shuffled = random.Random(5).sample(everything, 1319)
    drawn = set(ids("paper-validation", everything))
    assert set(ids("paper-validation", shuffled)) == drawn
    other = set(ids("paper-validation", everything, seed=1))
    # Two independent draws of 400 from 1,319 share 121 on average, with a standard deviation of 7.8.
    assert 80 < len(drawn & other) < 165


def test_too_few_problems_are_an_error() -> None:
    with pytest.raises(DataError, match="400 of GSM8K's 1319 test problems are needed, here are 400 in all"):
        list(paper_split(problems(400), "paper-test", seed=0))


def test_the_paper_s_split_of_gsm8k_is_disjoint_and_complete(data: Path) -> None:
    def read(split: str, **options: int) -> list[Problem]:
        return list(read_problems(DatasetSpec(str(data / "gsm8k"), split=split, **options)))  # type: ignore[arg-type]

    train, validation, test = (read(f"paper-{part}") for part in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (7473, 400, 919)
    assert {p.id for p in validation} | {p.id for p in test} == {p.id for p in read("test")}
    assert {p.split for p in validation} == {"paper-validation"}
    assert [p.id for p in read("paper-validation", limit=7)] == [p.id for p in validation[:7]]
    assert {p.id for p in read("paper-validation", paper_split_seed=1)} != {p.id for p in validation}
    assert [p.id for p in read("paper-validation", seed=1)] == [p.id for p in validation]


def test_only_gsm8k_has_the_paper_s_split(write_lines: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="paper-train: a split of GSM8K, and problem generic-0-.* is none of it"):
        list(read_problems(DatasetSpec(str(write_lines({"question": "1?", "answer": "1"})), split="paper-train")))
    with pytest.raises(DataError, match="synthetic:9: no split 'paper-test'"):
        list(read_problems(DatasetSpec("synthetic:9", split="paper-test")))
