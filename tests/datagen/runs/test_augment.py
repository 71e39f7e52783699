"""The `augment` job: questions by rule, solutions from files made for the test."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datagen.readers.read import DatasetSpec, read_problems
from datagen.recipes.metamath import AugmentOptions, styled
from datagen.runs.augment import run_augment
from datagen.runs.replies import Job
from datagen.store.arrow_dataset import read_records
from datagen_schemas.augmented import Augmented
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
GOLD = "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"
BACKWARD = "Suppose that the answer to this question is 24. Which number does x stand for?"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    problems = tmp_path / "p.jsonl"
    problems.write_text(json.dumps({"question": EGGS, "answer": GOLD}) + "\n")
    return Job(DatasetSpec(str(problems)), tmp_path / "out", needs_replies=False)


def answers(tmp_path: Path, *rows: tuple[str, str]) -> tuple[Path]:
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps({"question": q, "response": r}) + "\n" for q, r in rows))
    return (path,)


def test_each_number_is_asked_for_and_the_answer_is_what_was_masked(job: Job) -> None:
    manifest = run_augment(job, AugmentOptions(("fobar",)), questions_only=True)
    found = list(read_records(job.out / "data", Problem))
    assert [(one.question.split(" Suppose")[0], one.answer) for one in found] == [
        ("A hen lays x eggs a day. How many eggs do 3 hens lay in 4 days?", "2"),
        ("A hen lays 2 eggs a day. How many eggs do x hens lay in 4 days?", "3"),
        ("A hen lays 2 eggs a day. How many eggs do 3 hens lay in x days?", "4"),
    ]
    assert all(one.question.endswith(BACKWARD) for one in found)
    assert (manifest["counts"]["problems_masked"], manifest["counts"]["questions"]) == (1, 3)


def test_the_questions_are_a_dataset_that_the_other_commands_read(job: Job) -> None:
    run_augment(job, AugmentOptions(("fobar",)), questions_only=True)
    again = list(read_problems(DatasetSpec(str(job.out))))
    assert [one.answer for one in again] == ["2", "3", "4"]


def test_a_backward_solution_is_kept_if_it_reaches_the_masked_number(job: Job, tmp_path: Path) -> None:
    asked = f"A hen lays x eggs a day. How many eggs do 3 hens lay in 4 days? {BACKWARD}"
    right = "3 hens lay 24/4 = <<24/4=6>>6 a day, so one lays 6/3 = <<6/3=2>>2.\n#### 2"
    wrong = "24/3 = <<24/3=8>>8\n#### 8"
    more = "One hen: 24/3 = <<24/3=8>>8 in all, 8/4 = <<8/4=2>>2 a day.\n#### 2"
    rows = answers(tmp_path, (asked, right), (asked, wrong), (asked, right), (EGGS, GOLD), (asked, more))
    manifest = run_augment(replace(job, candidates=rows), AugmentOptions())
    found = list(read_records(job.out / "data", Augmented))
    assert [(one.type, one.answer) for one in found] == [("AnsAug", "24"), ("FOBAR", "2"), ("FOBAR", "2")]
    assert found[1].response == right.replace("#### 2", "The answer is: 2")
    assert {one.original_question for one in found} == {EGGS}
    counts = manifest["counts"]
    assert (counts["accepted"], counts["accepted_by_type"]) == (3, {"AnsAug": 1, "FOBAR": 2})
    assert counts["rejected_solutions"] == {"same path as another": 1, "wrong": 1}


def test_nearly_identical_solutions_are_one(job: Job, tmp_path: Path) -> None:
    """Other equations, so another path, but for one character the same text."""
    long = "The hens lay their eggs every single day of the four days that we look at, and so we count: "
    texts = [f"{long}{sum_} = <<{sum_}=24>>24\n#### 24" for sum_ in ("2*3*4", "2*4*3")]
    rows = answers(tmp_path, *((EGGS, text) for text in texts))
    options = AugmentOptions(("ansaug",), most_similar=95.0)
    assert run_augment(replace(job, candidates=rows), options)["counts"]["accepted"] == 1
    other = replace(job, candidates=rows, out=tmp_path / "all")
    assert run_augment(other, replace(options, most_similar=100.0))["counts"]["accepted"] == 2


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"question": "How many eggs are there?", "answer": "Many.\n#### 7"}, "no number to mask"),
        ({"question": "He has 5 pens and 5 pens more. How many?", "answer": "5+5=10\n#### 10"}, "stands elsewhere"),
    ],
)
def test_a_problem_without_a_question_is_counted_and_named(
    job: Job, tmp_path: Path, rows: dict[str, Any], reason: str
) -> None:
    Path(job.dataset.name).write_text(json.dumps(rows) + "\n")
    with pytest.raises(DataError, match=reason):
        run_augment(job, AugmentOptions(("fobar",)), questions_only=True)
    assert not job.out.exists()


@pytest.mark.parametrize("ending", ["#### 24", "The answer is: 24", "the answer is 24."])
def test_a_solution_ends_in_the_style_asked_for_however_it_ended_before(ending: str) -> None:
    assert styled(f"2*3*4 = 24\n{ending}\n", answer="24", style="metamath") == "2*3*4 = 24\nThe answer is: 24"
    assert styled(f"2*3*4 = 24\n{ending}", answer="24", style="gsm8k") == "2*3*4 = 24\n#### 24"
