"""`datagen rft`, `stats` and `validate` in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "datagen", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **environment}
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    question = "Mia has 5 pens and buys 7. How many has she?"
    (tmp_path / "p.jsonl").write_text(
        json.dumps({"question": question, "answer": "5 and 7: 5+7 = <<5+7=12>>12\n#### 12"})
    )
    replies = ["5+7 = <<5+7=12>>12\n#### 12", "7+5 = <<7+5=12>>12\n#### 12", "5*7 = <<5*7=35>>35\n#### 35"]
    rows = [{"question": question, "response": reply} for reply in replies]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_json_is_one_object_with_the_promised_names(folder: Path) -> None:
    result = run("rft", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "o", "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    expected = {
        "candidates": 3,
        "correct": 2,
        "wrong": 1,
        "unknown": 0,
        "false_equations": 0,
        "distinct": 2,
        "problems": 1,
        "problems_solved": 1,
        "out": "o",
    }
    assert {name: found[name] for name in expected} == expected


def test_the_table_shows_the_same_numbers_and_stderr_the_progress(folder: Path) -> None:
    result = run("rft", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "o", cwd=folder)
    assert "3 rows: 1 gold, 2 selected; dropped: 1 wrong" in result.stdout
    assert "verify and select: 1 done" in result.stderr
    quiet = run("rft", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "o2", "--quiet", cwd=folder)
    assert quiet.stderr == ""


def test_sample_takes_the_first_k_of_files_of_candidates_however_k_is_given(folder: Path) -> None:
    (folder / "c.toml").write_text("k = 2\n")
    given = ("sample", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--json", "--out")
    every = json.loads(run(*given, "all", cwd=folder).stdout)
    assert (every["candidates"], every["wrong"]) == (3, 1)
    for result in (
        run(*given, "o1", "-k", "2", cwd=folder),
        run(*given, "o2", cwd=folder, DATAGEN_K="2"),
        run(*given, "o3", "--config", "c.toml", cwd=folder),
    ):
        found = json.loads(result.stdout)
        assert (found["candidates"], found["correct"], found["wrong"]) == (2, 2, 0)
    other = run(*given, "o1", "-k", "1", cwd=folder)  # another k is another run
    assert other.returncode == 1
    assert "other options" in other.stderr


def test_options_come_from_the_environment_and_from_a_file(folder: Path) -> None:
    (folder / "c.toml").write_text('dedup = "commutative"\ncandidates = ["r.jsonl"]\n')
    arguments = ("rft", "--config", "c.toml", "--out", "o", "--json")
    result = run(*arguments, cwd=folder, DATAGEN_DATASET="p.jsonl")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["selected"] == 1


def test_an_unknown_name_in_the_file_is_wrong_usage(folder: Path) -> None:
    (folder / "c.toml").write_text('dedub = "exact"\n')
    result = run("rft", "--config", "c.toml", "--dataset", "p.jsonl", "--out", "o", cwd=folder)
    assert result.returncode == 2
    assert "dedub" in result.stderr


def test_stats_and_validate_read_what_rft_wrote(folder: Path) -> None:
    run("rft", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "o", cwd=folder)
    stats = json.loads(run("stats", "o", "--json", cwd=folder).stdout)
    assert (stats["candidates"], stats["correct"], stats["distinct"]) == (3, 2, 2)
    valid = json.loads(run("validate", "o", "--json", cwd=folder).stdout)
    assert [(part["record"], part["rows"]) for part in valid["datasets"]] == [("candidate", 3), ("example", 3)]


def test_validate_refuses_a_run_that_lost_rows(folder: Path) -> None:
    run("rft", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "o", cwd=folder)
    manifest = folder / "o" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 3', '"rows": 4'))
    result = run("validate", "o", cwd=folder)
    assert result.returncode == 3
    assert "3 rows, but the manifest says 4" in result.stdout


def test_an_unfinished_run_is_not_valid(folder: Path) -> None:
    run("rft", "--dataset", "p.jsonl", "--candidates", "r.jsonl", "--out", "o", cwd=folder)
    (folder / "o" / "manifest.json").unlink()
    result = run("validate", "o", cwd=folder)
    assert result.returncode == 3
    assert "not finished" in result.stdout
