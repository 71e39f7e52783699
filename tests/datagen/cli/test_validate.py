"""`datagen validate`."""

import json
from pathlib import Path
from typing import Any

import datasets
import orjson
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main

Row = dict[str, Any]  # Any: whatever a row holds


def problem(i: int, **changed: object) -> Row:
    row: Row = {"id": f"p-{i}", "question": f"How many is {i}?", "answer": str(i), "rationale": None, "choices": None}
    return row | {"source": "made", "split": "train", "meta": "{}"} | changed


def write(file: Path, rows: list[Row]) -> Path:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["validate", "--quiet", *map(str, arguments)])


@pytest.fixture
def mendable(tmp_path: Path) -> Path:
    """Three problems with a mark, Windows line ends, a blank line, and slips that have one meaning."""
    rows = [problem(0, answer=0, note=None), problem(1), {k: v for k, v in problem(2).items() if k != "meta"}]
    lines = [orjson.dumps(row) for row in rows]
    file = tmp_path / "p.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([lines[0], b"", *lines[1:]]) + b"\r\n")
    return file


def test_valid_sets_take_a_line_each_and_exit_with_0(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.jsonl", [problem(0)]), write(tmp_path / "b.jsonl", [problem(1), problem(2)])
    result = run(a, b)
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [f"{a}: 1 rows of problem, all valid", f"{b}: 2 rows of problem, all valid"],
    )


def test_violations_are_printed_with_line_and_column_and_exit_with_3(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [problem(0), problem(1, answer=1), problem(2, split=None)])
    result = run(file)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0] == f"{file}: 3 rows of problem, 2 not valid (2 violations)"
    assert lines[1] == f"  {file}:2: answer: input should be a valid string (1)"
    assert lines[2] == f"  {file}:3: split: input should be a valid string (null)"
    assert lines[-1].startswith("1 of 2 violations can be repaired without loss")


def test_no_more_than_max_shown_are_printed_and_all_are_counted(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [problem(i, split=None) for i in range(30)])
    result = run(file, "--max-shown", 2)
    assert result.stdout.count("valid string (null)") == 2
    assert "and 28 more" in result.stdout
    assert " 30 " in result.stdout
    found = json.loads(run(file, "--max-shown", 2, "--json").stdout)
    assert (found["valid"], len(found["datasets"][0]["list"])) == (False, 30)
    assert found["datasets"][0]["by_column"][0]["n"] == 30
    assert [of["row"] for of in found["datasets"][0]["list"]] == list(range(30))


def test_a_value_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [problem(0, split=["\x1b[2J\x07 owned"], **{"\x1b[31mred": 1})])
    result = CliRunner().invoke(main, ["validate", "--quiet", str(file)], color=True)
    assert result.exit_code == 3
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout
    assert "red: no such column" in result.stdout


def test_fix_writes_a_copy_that_is_valid_and_lists_each_repair(mendable: Path, tmp_path: Path) -> None:
    before = mendable.read_bytes()
    out = tmp_path / "fixed.jsonl"
    result = run(mendable, "--fix", "--out", out, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(of["row"], of["column"], of["what"]) for of in found["list"]] == [
        (None, "", "byte order mark left out"),
        (None, "", "4 Windows line ends"),
        (None, "", "1 blank lines left out"),
        (0, "answer", "an integer, now text"),
        (0, "note", "null, and no column of the record: left out"),
        (2, "meta", "missing, now '{}'"),
    ]
    assert out.read_bytes() == b"".join(orjson.dumps(problem(i)) + b"\n" for i in range(3))
    assert mendable.read_bytes() == before
    assert run(out).exit_code == 0


@pytest.mark.parametrize("name", ["fixed.parquet", "fixed"])
def test_fix_writes_parquet_or_a_run(name: str, mendable: Path, tmp_path: Path) -> None:
    result = run(mendable, "--fix", "--out", tmp_path / name)
    assert result.exit_code == 0, result.output
    assert "6 repairs" in result.stdout
    assert run(tmp_path / name).exit_code == 0
    expected = [problem(i) for i in range(3)]
    if name == "fixed.parquet":
        assert pq.read_table(tmp_path / name).to_pylist() == expected
        return
    opened = datasets.load_from_disk(str(tmp_path / name / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened.to_list() == expected
    assert len((tmp_path / name / "fixes.jsonl").read_text().splitlines()) == 6
    assert run(mendable, "--fix", "--out", tmp_path / name).exit_code == 0  # it is done already


def test_fix_writes_nothing_if_anything_is_left(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [problem(0, answer=0), problem(1, split=None)])
    result = run(file, "--fix", "--out", tmp_path / "out.jsonl")
    assert result.exit_code == 3
    assert "nothing written" in result.stdout
    assert "split" in result.stdout
    assert "answer" not in result.stdout
    assert sorted(of.name for of in tmp_path.iterdir()) == ["a.jsonl"]


def test_fix_never_writes_over_its_input_or_unasked(mendable: Path, tmp_path: Path) -> None:
    before = mendable.read_bytes()
    assert run(mendable, "--fix", "--out", mendable, "--overwrite").exit_code == 1
    assert mendable.read_bytes() == before
    out = write(tmp_path / "out.jsonl", [])
    assert run(mendable, "--fix", "--out", out).exit_code == 1
    assert out.read_bytes() == b""
    assert run(mendable, "--fix", "--out", out, "--overwrite").exit_code == 0
    assert run(mendable, "--fix", "--out", tmp_path / "x.csv").exit_code == 1
    assert run(mendable, "--fix").exit_code == 2
    assert run(mendable, "--out", out).exit_code == 2


def test_csv_becomes_lines_with_types(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    text = 'answer,id,question,rationale,choices,source,split\r\n3,1,How many?,,"[""a"", ""b""]",made,train\r\n'
    file.write_bytes(text.encode())
    result = run(file, "--fix", "--out", tmp_path / "p.jsonl")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "p.jsonl").read_text()) == problem(
        0, id="1", question="How many?", answer="3", choices=["a", "b"]
    )


def test_rows_for_the_trainers_keep_their_own_columns(tmp_path: Path) -> None:
    row = {"prompt": "p", "responses": ["a", "b"], "scores": ["1", 0], "mine": {"x": [1]}}
    file = write(tmp_path / "g.jsonl", [row])
    assert run(file).exit_code == 3
    assert run(file, "--fix", "--out", tmp_path / "out.jsonl").exit_code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text()) == row | {"scores": [1.0, 0]}
    assert run(file, "--fix", "--out", tmp_path / "folder").exit_code == 1


def test_a_guess_is_said_to_be_one(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [{k: v for k, v in problem(0).items() if k != "source"}])
    assert "problem, told from the nearest columns" in run(file).stdout
