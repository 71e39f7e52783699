"""`datagen groups` as it is typed."""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from click.testing import CliRunner, Result

from datagen.cli.groups import command
from datagen_schemas.errors import DataError


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that name one problem, a right and a wrong reply, and a folder to write."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.jsonl").write_text(json.dumps({"question": "5+7?", "answer": "5+7 = <<5+7=12>>12\n#### 12"}) + "\n")
    replies = [{"question": "5+7?", "response": f"It is {n}.\n#### {n}"} for n in (12, 13, 14)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in replies))
    return ["--dataset", "p.jsonl", "--candidates", "r.jsonl", "--workers", "1", "--out", "o"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def printed(result: Result) -> dict[str, Any]:  # Any: JSON
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)  # Any: JSON
    return found


def test_the_json_has_the_numbers_that_machines_ask_for(typed: list[str]) -> None:
    found = printed(run(*typed, "--json", "--quiet"))
    expected = {"problems": 1, "groups": 1, "responses": 4, "positives": 2, "negatives": 2, "dropped": {}, "pairs": 4}
    assert {name: found[name] for name in expected} == expected
    assert (found["feedback"], found["rows"], found["gold"]) == ("binary", 1, 1)


def test_pairs_are_written_instead_of_groups(typed: list[str]) -> None:
    found = printed(run(*typed, "--json", "--as", "preference", "--max-pairs", "3", "--files", "parquet"))
    assert (found["rows"], found["pairs"], found["pairs_beyond_limit"]) == (3, 3, 1)
    rows = datasets.Dataset.from_parquet("o/data/data-00000-of-00001.parquet")
    assert isinstance(rows, datasets.Dataset)
    assert rows.column_names[:3] == ["prompt", "chosen", "rejected"]


def test_people_get_a_table_and_the_place(typed: list[str]) -> None:
    output = run(*typed, "--max-negatives", "1").stdout
    assert "alignment groups, binary feedback" in output
    assert "candidates left out: 1 beyond the limit" in output
    assert output.rstrip().endswith("1 rows written to o/data")


def test_defaults_come_from_the_environment_and_from_a_file(
    typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAGEN_MAX_NEGATIVES", "1")
    monkeypatch.setenv("DATAGEN_AS", "parquet")  # means the files of other commands
    (tmp_path / "c.toml").write_text("[groups]\nmax-positives = 1\n")
    found = printed(run(*typed, "--json", "--config", "c.toml"))
    assert (found["positives"], found["negatives"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "o"], "--candidates, --ranked or --negatives"),
        (["--candidates", "r.jsonl", "--out", "o"], "--dataset"),
        (["--ranked", ".", "--limit", "3", "--out", "o"], "are for --dataset"),
        (["--dataset", "p.jsonl", "--candidates", "r.jsonl", "--feedback", "ranked", "--out", "o"], "--ranked"),
        (["--dataset", "p.jsonl", "--candidates", "r.jsonl", "--min-gap", "1", "--out", "o"], "ranked feedback"),
        (["--ranked", ".", "--negative-score", "bad", "--out", "o"], "neither a rating"),
        (["--ranked", ".", "--as", "arrow", "--out", "o"], "'group', 'preference'"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_which_option(typed: list[str], arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert not Path("o").exists()


def test_a_folder_without_a_dataset_is_no_ranked_group(typed: list[str]) -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match="no dataset here"):
        run("--ranked", "empty", "--out", "o", "--quiet")
