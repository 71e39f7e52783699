"""The published files, whole."""

import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import orjson
import pytest

from datagen.readers.candidates import ProblemIndex, read_candidates
from datagen.readers.read import DatasetSpec, read_problems
from datagen_schemas.problem import Problem


def problems_of(path: Path) -> list[Problem]:
    return list(read_problems(DatasetSpec(name=str(path))))


@pytest.mark.parametrize(("file", "n", "n_with_commas", "n_negative"), [("train", 7473, 79, 3), ("test", 1319, 14, 2)])
def test_all_8792_gsm8k_golds_parse(data: Path, file: str, n: int, n_with_commas: int, n_negative: int) -> None:
    problems = problems_of(data / "gsm8k" / f"{file}.jsonl")
    published = [orjson.loads(line) for line in (data / "gsm8k" / f"{file}.jsonl").read_bytes().splitlines()]
    assert len(problems) == n == len(published)
    golds = [row["answer"].rsplit("#### ", 1)[1] for row in published]
    # The slow, obvious reading; every published gold is an integer.
    assert [problem.answer for problem in problems] == [str(int(gold.replace(",", ""))) for gold in golds]
    assert sum("," in gold for gold in golds) == n_with_commas
    assert sum(problem.answer.startswith("-") for problem in problems) == n_negative
    assert [problem.question for problem in problems] == [row["question"] for row in published]
    assert [problem.rationale for problem in problems] == [row["answer"] for row in published]
    assert {problem.split for problem in problems} == {file}
    assert {problem.source for problem in problems} == {f"{file}.jsonl"}
    assert len({problem.id for problem in problems}) == n


def test_a_folder_of_splits_gives_the_split_that_was_asked_for(data: Path) -> None:
    spec = DatasetSpec(name=str(data / "gsm8k"), split="test")
    assert [p.id for p in read_problems(spec)] == [p.id for p in problems_of(data / "gsm8k" / "test.jsonl")]


def by_hand(equation: str) -> Fraction:
    """Value of '( ( 4.0 + 13.0 ) * 15.0 )': the innermost pair of parentheses first."""

    def operate(match: re.Match[str]) -> str:
        a, b = Fraction(match[1]), Fraction(match[3])
        match match[2]:
            case "+":
                return str(a + b)
            case "-":
                return str(a - b)
            case "*":
                return str(a * b)
            case _:
                return str(a / b)

    while "(" in equation:
        equation = re.sub(r"\( (-?[\d./]+) ([-+*/]) (-?[\d./]+) \)", operate, equation)
    return Fraction(equation)


def test_the_answers_of_all_1000_svamp_problems_are_those_of_their_equations_but_for_one(data: Path) -> None:
    problems = problems_of(data / "svamp" / "SVAMP.json")
    assert len(problems) == 1000
    # 642 published bodies end with a full stop and 358 without; joined, none lacks it, and only chal-410 has two,
    # as it was published.
    well_joined = [bool(re.search(r"[^.]\. [A-Z][^.]*$", problem.question)) for problem in problems]
    assert sum(well_joined) == 999
    assert "154 cards left.. How many" in problems[well_joined.index(False)].question
    metas = [orjson.loads(problem.meta) for problem in problems]
    assert [meta["ID"] for meta in metas] == [f"chal-{i}" for i in range(1, 1001)]
    pairs = list(zip(problems, metas, strict=True))
    disagreeing = [meta["ID"] for problem, meta in pairs if by_hand(meta["Equation"]) != Fraction(problem.answer)]
    # Four apples, two picked, three new ones: published with the equation (4 - 2) + 3 and the answer 1.
    assert disagreeing == ["chal-680"]


@pytest.mark.parametrize(("file", "split"), [("dev", "validation"), ("test", "test")])
def test_all_508_aqua_problems_have_five_choices_and_a_letter(data: Path, file: str, split: str) -> None:
    problems = problems_of(data / "aqua" / f"{file}.json")
    published = [orjson.loads(line) for line in (data / "aqua" / f"{file}.json").read_bytes().splitlines()]
    assert len(problems) == 254
    assert [problem.answer for problem in problems] == [row["correct"] for row in published]
    assert {problem.split for problem in problems} == {split}
    for problem, row in zip(problems, published, strict=True):
        assert problem.choices is not None
        labelled = [f"{letter}){choice}" for letter, choice in zip("ABCDE", problem.choices, strict=True)]
        assert labelled == [re.sub(r"^(.\)) ", r"\1", option) for option in row["options"]]


def test_all_5276_published_replies_find_their_problem(data: Path) -> None:
    problems = problems_of(data / "gsm8k" / "test.jsonl")
    path = data / "gsm8k" / "example_model_solutions.jsonl"
    replies = list(read_candidates(path, ProblemIndex(problems)))
    assert len(replies) == 5276
    assert Counter(reply.model for reply in replies) == {
        "6b_finetuning": 1319,
        "6b_verification": 1319,
        "175b_finetuning": 1319,
        "175b_verification": 1319,
    }
    assert [reply.problem_id for reply in replies] == [problem.id for problem in problems for _ in range(4)]
    published = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    by_hand = [
        (m, row[m]["solution"], row[m]["is_correct"]) for row in published for m in row if "_" in m and m[0] in "16"
    ]
    assert [(reply.model, reply.response, reply.is_correct) for reply in replies] == by_hand


def test_ids_are_the_same_in_another_process_for_another_file_name(data: Path, tmp_path: Path) -> None:
    source = data / "gsm8k" / "test.jsonl"
    copy = tmp_path / "elsewhere" / "renamed.json"
    copy.parent.mkdir()
    copy.write_bytes(source.read_bytes())
    code = (
        "import sys; from datagen.readers.read import DatasetSpec, read_problems\n"
        "sys.stdout.write('\\n'.join(p.id for p in read_problems(DatasetSpec(name=sys.argv[1], limit=500))))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n") == [problem.id for problem in problems_of(source)][:500]
