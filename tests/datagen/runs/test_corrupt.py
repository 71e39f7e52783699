"""The corrupt job, from files to a run directory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from datagen.corrupt.negatives import CorruptOptions
from datagen.readers.read import DatasetSpec
from datagen.runs.corrupt import Parents, run_corrupt
from datagen.runs.replies import Job
from datagen.store.arrow_dataset import read_records
from datagen.store.validate import validate
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError


def job(files: Any, out: Path, **changes: Any) -> Job:  # Any: the fixture of conftest.py; fields of Job
    plain = Job(dataset=DatasetSpec(str(files.problems)), out=out, command="datagen corrupt", needs_replies=False)
    return replace(plain, **changes)


def rows_of(out: Path) -> list[Candidate]:
    return list(read_records(out / "data", Candidate))


def test_gold_paths_are_corrupted_where_there_are_no_candidates(files: Any, tmp_path: Path) -> None:
    options = CorruptOptions(methods=("numbers", "chars"), alphas=(0.2, 0.4))
    manifest = run_corrupt(job(files, tmp_path / "out"), options)
    rows = rows_of(tmp_path / "out")
    assert [(row.sample, row.verdict_method) for row in rows] == [
        (0, "corrupted/numbers"),
        (1, "corrupted/chars"),
        (2, "corrupted/chars"),
    ] * 2
    assert len({row.problem_id for row in rows[:3]}) == len({row.problem_id for row in rows[3:]}) == 1
    assert all(row.provenance.parents == (row.problem_id, f"{row.problem_id}#gold") for row in rows)
    counts = manifest["counts"]
    assert (counts["problems"], counts["parents"], counts["candidates"], counts["rows"]) == (2, 2, 6, 6)
    assert counts["made"] == {"numbers": 2, "chars": 4}
    assert counts["not_made"] == {"numbers": {}, "chars": {}}
    assert counts["by_alpha"] == {"0.2": 2, "0.4": 2}


def test_of_candidates_only_the_correct_ones_are_corrupted(files: Any, tmp_path: Path) -> None:
    options = CorruptOptions(methods=("answer",))
    manifest = run_corrupt(job(files, tmp_path / "out", candidates=(files.replies,)), options)
    # Replies 0, 1, 2 and 3 of the five to the first problem say 24, and none to the second one says 12.
    rows = rows_of(tmp_path / "out")
    assert [row.provenance.parents[1].partition("#")[2] for row in rows] == ["0", "1", "2", "3"]
    assert {row.model for row in rows} == {"m"}
    assert manifest["counts"]["left_out"] == {"not correct": 2}


def test_all_of_them_and_the_gold_paths_if_asked_for(files: Any, tmp_path: Path) -> None:
    with_candidates = job(files, tmp_path / "out", candidates=(files.replies,))
    options = CorruptOptions(methods=("answer",), per_parent=2)
    run_corrupt(with_candidates, options, parents=Parents(of="all", gold=True))
    names = [row.provenance.parents[1].partition("#")[2] for row in rows_of(tmp_path / "out")]
    assert [name for i, name in enumerate(names) if i % 2 == 0] == ["gold", "0", "1", "2", "3", "4", "gold", "0"]


def test_every_negative_that_was_asked_for_is_made_or_counted(files: Any, tmp_path: Path) -> None:
    twice = job(files, tmp_path / "out", candidates=(files.replies, files.replies))
    manifest = run_corrupt(twice, CorruptOptions(methods=("chars", "carry"), alphas=(0.1, 1.0)))
    counts = manifest["counts"]
    missing = sum(sum(reasons.values()) for reasons in counts["not_made"].values())
    assert counts["rows"] + missing == 3 * counts["parents"] == 3 * 8
    # Everything becomes full stops: of the four texts and their repeats, four lengths are left.
    assert counts["by_alpha"]["1.0"] == 4
    assert counts["not_made"]["chars"]["same text as another"] >= 4
    texts = [row.response for row in rows_of(tmp_path / "out")]
    assert len(set(texts)) == len(texts)


def test_corrupted_candidates_are_not_corrupted_again_unless_asked_for(files: Any, tmp_path: Path) -> None:
    run_corrupt(job(files, tmp_path / "first"), CorruptOptions(methods=("operators",)))
    again = job(files, tmp_path / "second", candidates=(tmp_path / "first",))
    with pytest.raises(DataError, match="none of 2 candidates is verified correct.*--of all"):
        run_corrupt(again, CorruptOptions())
    assert run_corrupt(again, CorruptOptions(), parents=Parents(of="all"))["counts"]["rows"] == 2


def test_nothing_to_corrupt_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    problems.write_text(json.dumps({"question": "1 + 1?", "answer": "2"}) + "\n")
    without = Job(
        dataset=DatasetSpec(str(problems), format="generic"), out=tmp_path / "out", command="x", needs_replies=False
    )
    with pytest.raises(DataError, match="no problem has a solution.*--candidates"):
        run_corrupt(without, CorruptOptions())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["arrow", "parquet"])
def test_bytes_do_not_depend_on_the_number_of_workers(files: Any, tmp_path: Path, format: Any) -> None:
    problems = tmp_path / "many.jsonl"
    with problems.open("w") as file:
        for i in range(120):
            for line in files.problems.read_text().splitlines():
                row = json.loads(line)
                file.write(json.dumps({**row, "question": f"({i}) {row['question']}"}) + "\n")
    options = CorruptOptions(methods=("chars", "numbers", "operators", "steps", "answer", "carry"))
    for workers in (1, 2):
        many = job(files, tmp_path / f"out{workers}", dataset=DatasetSpec(str(problems)), workers=workers)
        run_corrupt(many, options, format=format)
    names = sorted(file.name for file in (tmp_path / "out1" / "data").iterdir())
    assert any(name.endswith(format) for name in names)
    for name in names:
        assert (tmp_path / "out1/data" / name).read_bytes() == (tmp_path / "out2/data" / name).read_bytes(), name


def test_a_seed_gives_the_same_rows_and_another_one_others(files: Any, tmp_path: Path) -> None:
    options = CorruptOptions(methods=("chars", "carry"))
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_corrupt(job(files, tmp_path / name, seed=seed), options)
    texts = {name: [row.response for row in rows_of(tmp_path / name)] for name in "abc"}
    assert texts["a"] == texts["b"] != texts["c"]


def test_the_output_opens_with_datasets_and_passes_validation(files: Any, tmp_path: Path) -> None:
    run_corrupt(job(files, tmp_path / "out"), CorruptOptions())
    opened = datasets.load_from_disk(str(tmp_path / "out" / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened["verdict"] == ["wrong", "wrong"]
    assert opened["corruption"][0]["alpha"] == 0.1
    assert [part.rows for part in validate(tmp_path / "out")] == [2]
    assert "by chars" in (tmp_path / "out" / "README.md").read_text()


def test_a_finished_run_is_not_done_again(files: Any, tmp_path: Path) -> None:
    first = run_corrupt(job(files, tmp_path / "out"), CorruptOptions())
    assert run_corrupt(job(files, tmp_path / "out"), CorruptOptions()) == first
