"""`datagen corrupt`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datagen.cli.corrupt import command
from datagen.store.arrow_dataset import read_records
from datagen_schemas.candidate import Candidate


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    rows = [
        {"question": "Mia has 5 pens and buys 7.", "answer": "5 + 7 = <<5+7=12>>12 pens.\n#### 12"},
        {"question": "Bo has 6 boxes of 9 pens.", "answer": "6 * 9 = <<6*9=54>>54 pens.\n#### 54"},
    ]
    file = tmp_path / "p.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def run(*arguments: str, problems: Path, out: str = "out") -> Result:
    where = ("--dataset", str(problems), "--out", str(problems.parent / out), "--workers", "1", "--quiet")
    return CliRunner().invoke(command, [*where, *arguments])


def rows(problems: Path, out: str = "out") -> list[Candidate]:
    return list(read_records(problems.parent / out / "data", Candidate))


def alphas(problems: Path) -> list[float | None]:
    return [row.corruption.alpha for row in rows(problems) if row.corruption is not None]


def test_alpha_alone_means_characters(problems: Path) -> None:
    result = run("--alpha", "0.5", "--alpha", "0.2", "--alpha", "0.5", "--json", problems=problems)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    expected = {
        "problems": 2,
        "parents": 2,
        "candidates": 4,
        "rows": 4,
        "made": {"chars": 4},
        "not_made": {"chars": {}},
        "by_alpha": {"0.5": 2, "0.2": 2},
    }
    assert {name: found[name] for name in expected} == expected
    assert alphas(problems) == [0.5, 0.2, 0.5, 0.2]


@pytest.mark.parametrize("arguments", [(), ("--method", "chars")])
def test_characters_are_the_default_and_a_tenth_of_them(problems: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, problems=problems).exit_code == 0
    assert alphas(problems) == [0.1, 0.1]


def test_the_table_says_what_was_not_made_and_why(problems: Path) -> None:
    result = run("--method", "answer", "--method", "numbers", "--keep-answer", problems=problems)
    assert result.exit_code == 0, result.output
    assert "answer not made: 2 the final line, which is kept, would have to change" in result.stdout
    assert "2 rows written to" in result.stdout
    assert all(
        row.response.endswith(f"\n#### {answer}") for row, answer in zip(rows(problems), ["12", "54"], strict=True)
    )


def test_per_parent_asks_for_several(problems: Path) -> None:
    result = run("--method", "numbers", "--per-parent", "3", "--json", problems=problems)
    assert json.loads(result.stdout)["made"] == {"numbers": 6}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--alpha", "0"), "(0, 1]"),
        (("--alpha", "1.5"), "(0, 1]"),
        (("--alpha", "nan"), "(0, 1]"),
        (("--method", "answer", "--keep-answer"), "--keep-answer"),
        (("--method", "numbers", "--alpha", "0.1"), "--method chars"),
        (("--method", "typos"), "typos"),
        (("--per-parent", "0"), "per-parent"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_written(
    problems: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run(*arguments, problems=problems)
    assert result.exit_code == 2
    assert message in result.output
    assert not (problems.parent / "out").exists()


def test_options_come_from_a_file_too(problems: Path) -> None:
    config = problems.parent / "c.toml"
    config.write_text('method = ["carry", "chars"]\nalpha = [0.3]\nkeep_answer = true\n')
    result = run("--config", str(config), "--json", problems=problems)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["by_alpha"] == {"0.3": 2}


def test_candidates_are_corrupted_if_correct(problems: Path) -> None:
    replies = problems.parent / "r.jsonl"
    texts = ("5 + 7 = 12 pens. The answer is 12.", "5 * 7 = 35 pens. The answer is 35.")
    question = "Mia has 5 pens and buys 7."
    replies.write_text("".join(json.dumps({"question": question, "response": text}) + "\n" for text in texts))
    arguments = ("--candidates", str(replies), "--method", "carry", "--json")
    assert json.loads(run(*arguments, problems=problems).stdout)["parents"] == 1
    result = run(*arguments, "--of", "all", "--gold", problems=problems, out="all")
    assert json.loads(result.stdout)["parents"] == 4
