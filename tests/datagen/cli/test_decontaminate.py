"""`datagen decontaminate`: rows in, rows and a report out."""

import json
from pathlib import Path
from typing import Any

import datasets
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main
from datagen.readers.read import DatasetSpec
from datagen.runs.decontaminate import contamination_of
from datagen.store.arrow_dataset import DatasetWriter, read_records
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen.store.validate import validate
from datagen_schemas.candidate import Candidate
from datagen_schemas.example import Example
from datagen_schemas.provenance import Provenance

Row = dict[str, Any]  # Any: whatever a row holds
EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
PENS = "Mia has 5 pens and buys 7 more of them in a shop. How many pens has Mia now?"
OTHER = "A train of 9 cars has 12 windows in each of them. How many windows are there?"
SOURCE = Provenance.of_stage("made", package_version="0")


def lines(file: Path, rows: list[Row]) -> Path:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return file


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    return lines(tmp_path / "test.jsonl", [{"question": EGGS, "answer": "24"}, {"question": PENS, "answer": "12"}])


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """Rows 1 and 3 overlap the test set; row 2 is of the problem of row 1."""
    return lines(
        tmp_path / "train.jsonl",
        [
            {"problem_id": "a", "question": OTHER, "n": 1},
            {"problem_id": "b", "question": EGGS.lower(), "n": 2.5, "note": "x"},
            {"problem_id": "b", "question": "Told in other words altogether, who can see it?", "n": None},
            {"problem_id": "c", "question": PENS.replace("Mia", "Bo"), "n": 4},
        ],
    )


def run(data: Path, *arguments: object, out: str = "out") -> Result:
    options = ["--out", str(data.parent / out), "--workers", "1", "--quiet"]
    return CliRunner().invoke(main, ["decontaminate", str(data), *map(str, arguments), *options])


def rows_in(folder: Path) -> list[Row]:
    opened = datasets.load_from_disk(str(folder))
    assert isinstance(opened, datasets.Dataset)
    rows: list[Row] = opened.to_list()
    return rows


def report(data: Path, out: str = "out") -> Row:
    found: Row = json.loads((data.parent / out / "contamination.json").read_text())
    return found


def test_rows_that_overlap_and_all_of_their_problems_go(train: Path, test_file: Path) -> None:
    result = run(train, "--against", test_file, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["rows_in"], found["rows"], found["removed"]) == (4, 1, 3)
    assert found["by_how"] == {"exact": 1, "13-gram": 1, "fuzzy": 0}
    assert (found["overlapping"], found["variants"]) == (2, 1)
    out = train.parent / "out"
    assert rows_in(out / "data") == [{"problem_id": "a", "question": OTHER, "n": 1.0, "note": None}]
    assert [row["problem_id"] for row in rows_in(out / "removed")] == ["b", "b", "c"]
    assert [of.rows for of in validate(out)] == [1, 3]
    assert (out / "manifest.json").exists()


def test_the_report_has_every_match_with_both_texts(train: Path, test_file: Path) -> None:
    run(train, "--against", test_file)
    found = report(train)
    assert found["data"] == "train.jsonl"
    assert found["against"] == [
        {"name": "test.jsonl", "split": "test", "n_problems": 2, "sha256": fingerprint(test_file)["sha256"]}
    ]
    assert (found["rows"], found["overlapping"], found["removed"], found["n_removed"]) == (4, 2, True, 3)
    assert [(of["row"], of["problem_id"], of["how"], of["text"]) for of in found["matches"]] == [
        (1, "b", "exact", EGGS.lower()),
        (3, "c", "13-gram", PENS.replace("Mia", "Bo")),
    ]
    assert [(of["test_set"], of["test_text"]) for of in found["matches"]] == [
        ("test.jsonl", EGGS),
        ("test.jsonl", PENS),
    ]
    page = (train.parent / "out" / "contamination.html").read_text()
    assert page.count("<article>") == 2


def test_only_rows_go_if_only_rows_shall(train: Path, test_file: Path) -> None:
    assert run(train, "--against", test_file, "--rows-only").exit_code == 0
    assert [row["problem_id"] for row in rows_in(train.parent / "out" / "data")] == ["a", "b"]
    assert (report(train)["variants"], report(train)["n_removed"]) == (1, 2)


def test_keep_writes_all_rows_and_report_only_none(train: Path, test_file: Path) -> None:
    assert run(train, "--against", test_file, "--keep").exit_code == 0
    assert len(rows_in(train.parent / "out" / "data")) == 4
    assert report(train)["removed"] is False
    result = run(train, "--against", test_file, "--report-only", out="only")
    assert result.exit_code == 3
    assert not (train.parent / "only" / "data").exists()
    assert report(train, "only")["matches"] == report(train)["matches"]
    clean = lines(train.parent / "clean.jsonl", [{"question": OTHER}])
    assert run(clean, "--against", test_file, "--report-only", out="clean").exit_code == 0
    assert run(train, "--against", test_file, "--report-only", "--keep", out="x").exit_code == 2


def test_lines_stay_as_they_are_and_parquet_keeps_its_types(train: Path, test_file: Path) -> None:
    assert run(train, "--against", test_file, "--rows-only", "--as", "jsonl").exit_code == 0
    kept = [json.loads(line) for line in train.read_text().splitlines()]
    written = [json.loads(line) for line in (train.parent / "out" / "data" / "data.jsonl").read_text().splitlines()]
    assert written == [kept[0], kept[2]]
    again = run(train.parent / "out" / "data", "--against", test_file, "--as", "parquet", out="../again")
    assert again.exit_code == 0, again.output
    table = pq.read_table(next((train.parent / "again" / "data").glob("*.parquet")))
    assert table.to_pylist()[0]["n"] == 1.0


def test_columns_of_several_types_are_an_error_that_says_what_to_do(test_file: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "mixed.jsonl", [{"question": OTHER, "n": 1}, {"question": OTHER, "n": "one"}])
    result = run(data, "--against", test_file)
    assert result.exit_code == 1
    assert "--as jsonl" in result.stderr
    assert not (tmp_path / "out").exists()
    assert run(data, "--against", test_file, "--as", "jsonl").exit_code == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_data_sets_of_ours_keep_their_record(workers: str, test_file: Path, tmp_path: Path) -> None:
    def example(i: int, question: str) -> Example:
        return Example(
            prompt=f"Question: {question}\nAnswer:",
            completion=" #### 1",
            problem_id=f"p-{i // 2}",
            source="gold",
            answer="1",
            equations=(),
            sample=None,
            model=None,
            provenance=SOURCE,
        )

    # Short, so that with the words of the prompt it would not be similar enough.
    short = "How many is 2 and 3?"
    examples = [example(i, question) for i, question in enumerate([OTHER, OTHER, short, "Told otherwise."])]
    with DatasetWriter(tmp_path / "run" / "data", Example) as writer:
        writer.write_records(examples, Example)
    tests = lines(tmp_path / "short.jsonl", [{"question": short, "answer": "5"}])
    result = run(tmp_path / "run" / "data", "--against", tests, "--workers", workers, out="../out")
    assert result.exit_code == 0, result.output
    assert list(read_records(tmp_path / "out" / "data", Example)) == examples[:2]
    assert list(read_records(tmp_path / "out" / "removed", Example)) == examples[2:]


def test_candidates_are_compared_by_the_problems_of_their_run(test_file: Path, tmp_path: Path) -> None:
    problems = lines(tmp_path / "problems.jsonl", [{"question": q, "answer": "1"} for q in (OTHER, EGGS)])
    replies = lines(tmp_path / "replies.jsonl", [{"question": q, "response": "#### 1"} for q in (OTHER, EGGS, EGGS)])
    files = ["--dataset", str(problems), "--candidates", str(replies), "--out", str(tmp_path / "rft")]
    made = CliRunner().invoke(main, ["rft", *files, "--workers", "1", "--quiet"])
    assert made.exit_code == 0, made.output
    result = run(tmp_path / "rft" / "candidates", "--against", test_file, "--json", out="../out")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["by_how"]["exact"] == 2
    assert len(list(read_records(tmp_path / "out" / "data", Candidate))) == 1
    # The same rows outside their run say nothing of their questions, unless somebody does.
    (tmp_path / "rft" / "candidates").rename(tmp_path / "alone")
    result = run(tmp_path / "alone", "--against", test_file, out="lost")
    assert result.exit_code == 1
    assert "--problems" in result.stderr
    assert not (tmp_path / "lost").exists()
    result = run(tmp_path / "alone", "--against", test_file, "--problems", problems, "--json", out="found")
    assert json.loads(result.stdout)["overlapping"] == 2


def test_a_named_column_is_compared(test_file: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "d.jsonl", [{"question": OTHER, "deep": {"note": EGGS}}, {"question": EGGS, "deep": None}])
    assert run(data, "--against", test_file, "--text", "deep.note", "--json").exit_code == 0
    assert [of["row"] for of in report(data)["matches"]] == [0]
    assert report(data)["without_question"] == 1
    table = pa.Table.from_pylist([{"question": OTHER, "completion": text} for text in (OTHER, EGGS)])
    pq.write_table(table, tmp_path / "d.parquet")
    assert run(tmp_path / "d.parquet", "--against", test_file, "--text", "completion", out="p").exit_code == 0
    assert [of["row"] for of in report(data, "p")["matches"]] == [1]
    result = run(data, "--against", test_file, "--text", "nope", out="x")
    assert (result.exit_code, "nope" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "row",
    [
        {"question": EGGS},
        {"question": EGGS, "answer": None},
        {"prompt": f"Question: {EGGS}\nAnswer:"},
        {"problem_id": "x", "query": EGGS, "response": "24"},
    ],
)
def test_questions_of_a_test_set_count_whether_or_not_they_are_problems(row: Row, train: Path) -> None:
    tests = lines(train.parent / "bare.jsonl", [{"question": OTHER[::-1], "answer": "1"}, row, {"nothing": 1}])
    result = run(train, "--against", tests, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["by_how"]["exact"] == 1
    assert (found["against"][0]["n_problems"], found["against"][0]["unread"]) == (2, 1)


def test_test_sets_of_one_name_are_told_apart(train: Path, test_file: Path) -> None:
    for name in ("x", "y"):
        (train.parent / name).mkdir()
    a = lines(train.parent / "x" / "t.jsonl", [{"question": EGGS, "answer": "1"}])
    b = lines(train.parent / "y" / "t.jsonl", [{"question": PENS, "answer": "1"}])
    assert run(train, "--against", a, "--against", b, "--against", a).exit_code == 0
    assert report(train)["by_test_set"] == {"x/t.jsonl": 1, "y/t.jsonl": 1}


def test_what_publish_asks_for_is_what_the_report_says_and_writes_nothing(train: Path, test_file: Path) -> None:
    before = sorted(train.parent.rglob("*"))
    found = contamination_of(train, against=[DatasetSpec(str(test_file))], workers=1)
    assert sorted(train.parent.rglob("*")) == before
    run(train, "--against", test_file, "--report-only")
    for name in ("rows", "overlapping", "by_how", "matches", "variants", "removed"):
        assert found[name] == report(train)[name]


def test_a_finished_run_is_kept_and_another_one_refused(train: Path, test_file: Path) -> None:
    first = run(train, "--against", test_file, "--json")
    manifest = (train.parent / "out" / "manifest.json").read_bytes()
    assert run(train, "--against", test_file, "--json").stdout == first.stdout
    assert (train.parent / "out" / "manifest.json").read_bytes() == manifest
    assert run(train, "--against", test_file, "--rows-only").exit_code == 1
    assert run(train, "--against", test_file, "--rows-only", "--overwrite").exit_code == 0


def test_an_interrupted_run_is_done_again(train: Path, test_file: Path) -> None:
    run(train, "--against", test_file)
    out = train.parent / "out"
    (out / "manifest.json").unlink()
    (out / "data").rename(out / "data.partial")
    assert run(train, "--against", test_file).exit_code == 0
    assert sorted(of.name for of in out.iterdir() if of.is_dir()) == ["data", "removed"]


def test_bad_rows_stop_it_or_are_counted(test_file: Path, tmp_path: Path) -> None:
    data = tmp_path / "bad.jsonl"
    data.write_bytes(orjson.dumps({"question": OTHER}) + b"\n{oops}\n" + orjson.dumps({"question": EGGS}) + b"\n")
    assert run(data, "--against", test_file).exit_code == 1
    result = run(data, "--against", test_file, "--skip-bad", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["bad_rows"] == {"not JSON": 1}
    assert [of["row"] for of in report(data)["matches"]] == [2]
    assert [row["question"] for row in rows_in(tmp_path / "out" / "data")] == [OTHER]


def test_all_and_nothing_may_go(test_file: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "d.jsonl", [{"question": EGGS}])
    assert run(data, "--against", test_file).exit_code == 0
    assert rows_in(tmp_path / "out" / "data") == []
    data = lines(tmp_path / "e.jsonl", [{"question": OTHER}])
    assert run(data, "--against", test_file, out="none").exit_code == 0
    assert len(rows_in(tmp_path / "none" / "data")) == 1


def test_an_unfinished_run_is_no_input(test_file: Path, tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run", {"stage": "x"})
    result = run(tmp_path / "run", "--against", test_file, out="../out")
    assert (result.exit_code, "not finished" in result.stderr) == (1, True)


def test_the_table_has_a_line_a_method(train: Path, test_file: Path) -> None:
    result = run(train, "--against", test_file, "--method", "exact", "--method", "fuzzy", "--fuzzy", "70")
    shown = dict(line.rsplit(maxsplit=1) for line in result.stdout.splitlines() if line[-1:].isdecimal())
    assert {name.strip(): n for name, n in shown.items()} == {
        "exact": "1",
        "fuzzy": "1",
        "any of them": "2",
        "rows compared": "4",
    }
    assert "2 rows and 1 other rows of the same problems removed" in result.stdout
