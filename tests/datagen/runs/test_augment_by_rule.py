"""The questions of the `augment` job that a rule makes: no model is asked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datagen.models.embeddings import embed
from datagen.readers.read import DatasetSpec, read_problems
from datagen.recipes.metamath import AugmentOptions
from datagen.runs.augment import run_augment
from datagen.runs.replies import Job
from datagen.runs.rewriting import Rewriting
from datagen.store.arrow_dataset import read_records
from datagen_schemas.augmented import RejectedQuestion
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem
from datagen_trainers.tiny import build_model, build_tokenizer

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
PENS = "Mia has 5 pens and buys 7. How many pens has she?"
ADDED = "Suppose that the answer to this question is 24. Which number does x stand for?"


def test_each_number_is_asked_for_and_the_answer_is_what_was_masked(job: Job) -> None:
    manifest = run_augment(job, AugmentOptions(("fobar",)), questions_only=True)
    found = list(read_records(job.out / "data", Problem))
    assert [(one.question.split(" Suppose")[0], one.answer) for one in found] == [
        ("A hen lays x eggs a day. How many eggs do 3 hens lay in 4 days?", "2"),
        ("A hen lays 2 eggs a day. How many eggs do x hens lay in 4 days?", "3"),
        ("A hen lays 2 eggs a day. How many eggs do 3 hens lay in x days?", "4"),
    ]
    assert all(one.question.endswith(ADDED) for one in found)
    counts = manifest["counts"]
    assert [counts[name] for name in ("problems", "problems_masked", "questions", "accepted")] == [1, 1, 3, 3]


def test_the_questions_are_a_dataset_that_the_other_commands_read(job: Job) -> None:
    run_augment(job, AugmentOptions(("fobar",)), questions_only=True)
    again = list(read_problems(DatasetSpec(str(job.out))))
    assert [one.answer for one in again] == ["2", "3", "4"]


def test_questions_that_overlap_a_test_set_are_dropped_and_listed(job: Job, tmp_path: Path) -> None:
    """The first problem stands in the test set with other numbers; none of its questions is made, and no AnsAug."""
    long = "On Monday morning Ann walks along the river for {} minutes and then runs for {} minutes. How long is that?"
    rows = [(long.format(20, 15), 35), (EGGS, 24)]
    Path(job.dataset.name).write_text(
        "".join(json.dumps({"question": q, "answer": f"#### {a}"}) + "\n" for q, a in rows)
    )
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps({"question": long.format(30, 25), "answer": "#### 55"}) + "\n")
    rewriting = Rewriting(against=(DatasetSpec(str(test)),))
    manifest = run_augment(job, AugmentOptions(("ansaug", "fobar")), rewriting=rewriting, questions_only=True)
    assert manifest["methods"]["AnsAug"]["rejected"] == {"overlaps the test set": 1}
    assert manifest["methods"]["FOBAR"]["rejected"] == {"overlaps the test set": 2}
    assert manifest["against"] == [str(test)]
    rejected = list(read_records(job.out / "rejected", RejectedQuestion))
    assert {row.evidence for row in rejected} == {f"fuzzy: {long.format(30, 25)}"}
    assert {problem.question for problem in read_records(job.out / "data", Problem)} >= {EGGS}


def test_a_backward_test_set_rules_out_its_own_problems_and_not_all_that_ask_alike(job: Job, tmp_path: Path) -> None:
    """Any two FOBAR questions with one answer share the fifteen words that ask for x."""
    other = job.dataset.name.replace("p.jsonl", "other.jsonl")
    question = (
        "Six cats chase 8 mice, each cat the same ones. How many tails run around if we count cats and mice twice?"
    )
    Path(other).write_text(json.dumps({"question": question, "answer": "#### 24"}) + "\n")
    for name, dataset in (("own", job.dataset), ("other", DatasetSpec(other))):
        made = replace(job, dataset=dataset, out=tmp_path / name)
        run_augment(made, AugmentOptions(("fobar",)), questions_only=True)
    against = Rewriting(against=(DatasetSpec(str(tmp_path / "other")),))
    kept = replace(job, out=tmp_path / "kept")
    counts = run_augment(kept, AugmentOptions(("fobar",)), rewriting=against, questions_only=True)["counts"]
    assert (counts["accepted"], counts["rejected"]) == (3, {})
    against = Rewriting(against=(DatasetSpec(str(tmp_path / "own")),))
    with pytest.raises(DataError, match="3 overlaps the test set"):
        run_augment(job, AugmentOptions(("fobar",)), rewriting=against, questions_only=True)


def test_synthetic_problems_are_rephrased_by_rule(job: Job) -> None:
    spec = DatasetSpec("synthetic:20")
    rewriting = Rewriting(by="rule", n=2)
    options = AugmentOptions(("rephrase",), most_similar_question=100.0)
    run_augment(replace(job, dataset=spec), options, rewriting=rewriting, questions_only=True)
    originals = {problem.id: problem for problem in read_problems(spec)}
    found = list(read_records(job.out / "data", Problem))
    assert len(found) >= 20
    for problem in found:
        original = originals[problem.id.split("/")[0]]
        assert problem.answer == original.answer
        assert problem.question != original.question


def test_an_encoder_measures_the_papers_diversity_gain_beside_ours(job: Job, tmp_path: Path) -> None:
    """Against the formula of section 3.5 written out: the mean squared distance to the nearest original."""
    tokenizer = build_tokenizer([" hen", " eggs", " day", " many", " lay", " days", " How", " in"], max_number=30)
    build_model(tokenizer, seed=1, hidden=32, layers=2, max_length=128).save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    with Path(job.dataset.name).open("a") as file:
        file.write(json.dumps({"question": PENS, "answer": "#### 12"}) + "\n")
    encoder = str(tmp_path / "encoder")
    manifest = run_augment(job, AugmentOptions(("fobar",)), questions_only=True, embedding_model=encoder)
    added = embed([problem.question for problem in read_records(job.out / "data", Problem)], model=encoder)
    originals = embed([EGGS, PENS], model=encoder)
    distances = [min(float(((one - other) ** 2).sum()) for other in originals) for one in added]
    assert manifest["methods"]["FOBAR"]["embedding_gain"] == pytest.approx(sum(distances) / len(distances), rel=1e-5)
    assert sum(distances) > 0


def test_methods_that_need_a_model_say_so(job: Job) -> None:
    with pytest.raises(DataError, match="rephrase and sv need a model"):
        run_augment(job, AugmentOptions(("sv",)), questions_only=True)


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
