"""Defaults from a --config file, and what such a file must not hold."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main


def rft(place: Path, content: str) -> Result:
    """`datagen rft` with a configuration file that holds `content`."""
    (place / "c.toml").write_text(content)
    return CliRunner().invoke(main, ["rft", "--config", str(place / "c.toml"), "--out", str(place / "o")])


@pytest.mark.parametrize(
    "content",
    [
        "[rft]\ndataset = { name = 'gsm8k' }\n",  # in the command's own table
        "[rft.column]\nquestion = 'Problem'\n",
        "[column]\nquestion = 'Problem'\n",  # at the top, where the file has no table for the command
        "[dataset]\nname = 'gsm8k'\n",
    ],
)
def test_a_table_in_place_of_an_options_value_is_refused(content: str, tmp_path: Path) -> None:
    result = rft(tmp_path, content)
    name = "dataset" if "dataset" in content else "column"
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace(str(tmp_path), "").split())
    assert f"/c.toml: '{name}' is a table. Write it in one string, as the option takes it." in said
    assert not (tmp_path / "o").exists()


def test_the_table_of_another_command_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"question": "5+7?", "answer": "5+7 = 12. #### 12"}\n')
    (tmp_path / "r.jsonl").write_text('{"question": "5+7?", "response": "#### 12"}\n')
    others = "[rank]\njudge = 'steps'\n"
    content = f"dataset = '{tmp_path}/p.jsonl'\ncandidates = ['{tmp_path}/r.jsonl']\nworkers = 1\n{others}"
    result = rft(tmp_path, content)
    assert result.exit_code == 0, result.output


def test_an_option_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    result = rft(tmp_path, "[rft]\nno-such = 1\n")
    assert result.exit_code == 2
    assert "unknown option 'no_such'" in result.stderr
