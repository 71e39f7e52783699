"""The rft job, from files to a run directory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from click.testing import CliRunner

from datagen.cli.main import main
from datagen.readers.read import DatasetSpec
from datagen.recipes.rft import RftOptions
from datagen.runs.replies import Generator, Job
from datagen.runs.rft import run_rft
from datagen.runs.sample import run_sample
from datagen.runs.stats import candidate_statistics
from datagen.select.statistics import Filter
from datagen.store.arrow_dataset import read_records
from datagen.store.validate import validate
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError, StoreError
from datagen_schemas.example import Example


def job(files: Any, out: Path, **changes: Any) -> Job:  # Any: the fixture of conftest.py; fields of Job
    plain = Job(dataset=DatasetSpec(str(files.problems)), out=out, candidates=(files.replies,), command="datagen rft")
    return replace(plain, **changes)


def test_distinct_correct_paths_join_the_gold_ones(files: Any, tmp_path: Path) -> None:
    manifest = run_rft(job(files, tmp_path / "out"), RftOptions())
    examples = list(read_records(tmp_path / "out" / "data", Example))
    assert [(example.source, example.equations) for example in examples] == [
        ("gold", ("3*2=6", "6*4=24")),
        ("sampled", ("2*4=8", "8*3=24")),
        ("sampled", ("3*2=6", "6*4=24")),
        ("gold", ("5+7=12",)),
    ]
    # Of the two paths with this list, the later one is farther from the other path kept: it is longer than that one
    # by more characters (each an insertion) than the earlier one has in all.
    assert examples[1].sample == 2
    statistics = manifest["statistics"]
    counted = {name: statistics[name] for name in ("candidates", "correct", "wrong", "unknown", "false_equations")}
    assert counted == {"candidates": 6, "correct": 4, "wrong": 2, "unknown": 0, "false_equations": 1}
    assert (statistics["distinct"], statistics["problems_solved"], len(statistics["never_solved"])) == (2, 1, 1)
    counts = manifest["counts"]
    assert counts["dropped"] == {"false equation": 1, "same path as another": 1, "wrong": 2}
    assert counts["selected"] + sum(counts["dropped"].values()) == counts["candidates"] == 6


def test_the_output_opens_with_datasets_and_passes_validation(files: Any, tmp_path: Path) -> None:
    run_rft(job(files, tmp_path / "out"), RftOptions())
    opened = datasets.load_from_disk(str(tmp_path / "out" / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened["prompt"][0] == "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?\n"
    assert [part.rows for part in validate(tmp_path / "out")] == [6, 4]


def test_a_path_with_the_text_of_the_gold_one_is_written_once(files: Any, tmp_path: Path) -> None:
    with files.replies.open("a") as file:
        question = "Mia has 5 pens and buys 7. How many has she?"
        for response in ("She has 5+7 = <<5+7=12>>12  pens.\n#### 12\n", "Mia has 7+5 = <<7+5=12>>12 pens.\n#### 12"):
            file.write(json.dumps({"question": question, "response": response, "model": "m"}) + "\n")
    counts = run_rft(job(files, tmp_path / "out"), RftOptions())["counts"]
    examples = list(read_records(tmp_path / "out" / "data", Example))
    assert [(example.source, example.equations) for example in examples[3:]] == [
        ("gold", ("5+7=12",)),
        ("sampled", ("7+5=12",)),
    ]
    assert counts["dropped"]["same text as the gold path"] == 1
    assert counts["selected"] + sum(counts["dropped"].values()) == counts["candidates"] == 8
    alone = run_rft(job(files, tmp_path / "alone"), RftOptions(with_gold=False))["counts"]
    assert (alone["rows"], "same text as the gold path" in alone["dropped"]) == (4, False)


def test_the_gold_path_is_counted_by_every_command_that_knows_it(files: Any, tmp_path: Path) -> None:
    counted = run_rft(job(files, tmp_path / "rft"), RftOptions())["statistics"]
    # Two gold paths and a new one at k = 1 (a false equation is none); the gold path is sampled second at k = 3.
    assert [point["with_gold"] for point in counted["distinct_at_k"]] == [3 / 2, 3 / 2, 3 / 2]
    assert candidate_statistics(tmp_path / "rft").as_json() == counted
    sampled = run_sample(job(files, tmp_path / "sample"))["statistics"]
    assert (sampled["distinct_at_k"], sampled["problems_with_gold"]) == (counted["distinct_at_k"], 2)
    assert candidate_statistics(tmp_path / "sample").as_json()["problems_with_gold"] == 0


def test_without_gold_paths_there_is_no_column_for_them(files: Any, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in files.problems.read_text().splitlines()]
    bare = [{"question": row["question"], "answer": row["answer"].split("#### ")[1]} for row in rows]
    # A problem that nobody answered is in no mean.
    bare.append({"question": "How many are 2 and 2?", "answer": "4"})
    files.problems.write_text("".join(json.dumps(row) + "\n" for row in bare))
    arguments = ["--dataset", str(files.problems), "--candidates", str(files.replies), "--quiet"]
    for command, *more in (["rft", *arguments], ["sample", *arguments]):
        made = CliRunner().invoke(main, [command, *more, "--out", str(tmp_path / command)])
        assert made.exit_code == 0, made.output
        assert "with the gold path" not in made.stdout
        lines = [line.split() for line in made.stdout.splitlines()]
        assert ["problems", "without", "candidates", "1", "left", "out", "below"] in lines
        assert ["distinct", "paths", "2", "1.00", "a", "problem"] in lines
        assert ["problems", "solved", "1", "50.0", "%"] in lines
        assert ["1", "0.50", "40.0", "%"] in lines  # k, distinct paths, pass@k: (4/5 + 0/1) / 2


def test_false_equations_stay_if_asked_for(files: Any, tmp_path: Path) -> None:
    manifest = run_rft(
        job(files, tmp_path / "out"), RftOptions(keep=Filter(keep_false_equations=True), with_gold=False)
    )
    assert (manifest["counts"]["selected"], manifest["counts"]["gold"]) == (3, 0)


def test_only_the_first_k_candidates_of_each_problem_count(files: Any, tmp_path: Path) -> None:
    manifest = run_rft(job(files, tmp_path / "out"), RftOptions(k=1))
    assert manifest["statistics"]["candidates"] == 2


def test_two_files_are_one_selection_and_samples_are_numbered_through(files: Any, tmp_path: Path) -> None:
    run_rft(job(files, tmp_path / "out", candidates=(files.replies, files.replies)), RftOptions())
    candidates = list(read_records(tmp_path / "out" / "candidates", Candidate))
    assert [candidate.sample for candidate in candidates] == [*range(10), *range(2)]
    assert len(list(read_records(tmp_path / "out" / "data", Example))) == 4


@pytest.mark.parametrize("workers", [2, 3])
def test_bytes_do_not_depend_on_the_number_of_workers(files: Any, tmp_path: Path, workers: int) -> None:
    rows = [json.loads(line) for line in files.replies.read_text().splitlines()]
    problems = tmp_path / "many.jsonl"
    replies = tmp_path / "many_replies.jsonl"
    with problems.open("w") as p, replies.open("w") as r:
        for i in range(120):
            for line in files.problems.read_text().splitlines():
                row = json.loads(line)
                p.write(json.dumps({**row, "question": f"({i}) {row['question']}"}) + "\n")
            for row in rows:
                r.write(json.dumps({**row, "question": f"({i}) {row['question']}"}) + "\n")
    for n in (1, workers):
        many = Job(
            dataset=DatasetSpec(str(problems)), out=tmp_path / f"out{n}", candidates=(replies,), workers=n, command="x"
        )
        run_rft(many, RftOptions())
    for folder in ("data", "candidates"):
        for file in sorted((tmp_path / "out1" / folder).iterdir()):
            other = tmp_path / f"out{workers}" / folder / file.name
            assert file.read_bytes() == other.read_bytes(), f"{folder}/{file.name}"


def test_a_finished_run_is_not_done_again(files: Any, tmp_path: Path) -> None:
    first = run_rft(job(files, tmp_path / "out"), RftOptions())
    written = (tmp_path / "out" / "data" / "data-00000-of-00001.arrow").stat().st_mtime_ns
    assert run_rft(job(files, tmp_path / "out"), RftOptions()) == first
    assert (tmp_path / "out" / "data" / "data-00000-of-00001.arrow").stat().st_mtime_ns == written


def test_other_input_in_the_same_place_is_another_run(files: Any, tmp_path: Path) -> None:
    run_rft(job(files, tmp_path / "out"), RftOptions())
    with files.replies.open("a") as file:
        file.write(files.replies.read_text().splitlines()[0] + "\n")
    with pytest.raises(StoreError, match="other options or inputs"):
        run_rft(job(files, tmp_path / "out"), RftOptions())


def test_what_a_cut_run_left_is_replaced(files: Any, tmp_path: Path) -> None:
    run_rft(job(files, tmp_path / "out"), RftOptions())
    expected = (tmp_path / "out" / "data" / "data-00000-of-00001.arrow").read_bytes()
    (tmp_path / "out" / "manifest.json").unlink()
    (tmp_path / "out" / "data" / "data-00000-of-00001.arrow").write_bytes(b"cut")
    run_rft(job(files, tmp_path / "out"), RftOptions())
    assert (tmp_path / "out" / "data" / "data-00000-of-00001.arrow").read_bytes() == expected


def test_a_bad_reply_is_an_error_with_its_line_or_a_counted_drop(files: Any, tmp_path: Path) -> None:
    with files.replies.open("a") as file:
        file.write('{"question": "Who?", "response": "5"}\n')
    with pytest.raises(DataError, match=r"replies\.jsonl.*7"):
        run_rft(job(files, tmp_path / "out"), RftOptions())
    spec = DatasetSpec(str(files.problems), skip_bad=True)
    manifest = run_rft(job(files, tmp_path / "out2", dataset=spec), RftOptions())
    assert sum(manifest["counts"]["bad_candidates"]["by_reason"].values()) == 1
    assert manifest["statistics"]["candidates"] == 6


def test_a_job_without_replies_is_refused(files: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no replies"):
        job(files, tmp_path / "out", candidates=())


def test_generator_settings_name_the_endpoint_in_one_spelling() -> None:
    for url in ("http://LOCALHOST:8000", "http://localhost:8000/v1/"):
        assert Generator(model="m", k=1, base_url=url).config()["endpoint"] == "http://localhost:8000/v1"
