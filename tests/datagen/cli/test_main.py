"""The command as a user meets it: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from datagen.cli.main import COMMANDS, main
from datagen.cli.schema import NAMES
from datagen_schemas.catalog import RECORDS


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "datagen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_one_line_help_and_an_example(name: str) -> None:
    with click.Context(main) as ctx:
        command = main.get_command(ctx, name)
    assert command is not None
    assert command.get_short_help_str(limit=200)
    assert "Example" in (command.help or "")
    assert f"datagen {name}" in (command.help or "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from datagen.cli.main import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print([m for m in ('torch','datasets','pyarrow','pydantic','aiohttp','openai','rich') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_a_mistyped_command_is_wrong_usage_with_a_suggestion() -> None:
    result = run("rfd")
    assert result.returncode == 2
    assert "Did you mean 'rft'?" in result.stderr


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    empty, replies = tmp_path / "empty.jsonl", tmp_path / "replies.jsonl"
    empty.write_text("")
    replies.write_text("")
    result = run("rft", "--dataset", str(empty), "--candidates", str(replies), "--out", str(tmp_path / "o"))
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert "empty.jsonl" in result.stderr


def test_a_job_without_replies_is_wrong_usage() -> None:
    result = run("rft", "--dataset", "synthetic:5", "--out", "o")
    assert result.returncode == 2
    assert "--model" in result.stderr
    assert "--candidates" in result.stderr


def test_schema_names_are_the_records() -> None:
    assert set(NAMES) == set(RECORDS)


def test_schema_prints_json_schema() -> None:
    assert json.loads(run("schema", "candidate").stdout)["title"] == "Candidate"


def test_doctor_never_shows_a_key() -> None:
    result = run("doctor", "--json", OPENAI_API_KEY="sk-very-secret-1234", HF_TOKEN="")
    found = json.loads(result.stdout)
    assert found["keys"] == {"OPENAI_API_KEY": "set", "HF_TOKEN": "not set"}
    assert "secret" not in result.stdout + result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str) -> None:
    assert "_DATAGEN_COMPLETE" in run("completion", shell).stdout


def test_completion_knows_the_options() -> None:
    words = {"COMP_WORDS": "datagen rft --ded", "COMP_CWORD": "2", "_DATAGEN_COMPLETE": "bash_complete"}
    assert "--dedup" in run(**words).stdout


def test_an_option_that_is_needed_is_missed() -> None:
    for command, named, missing in (("examples", "--dataset", "--out"), ("corrupt", "--out", "--dataset")):
        done = run(command, named, "x")
        assert (done.returncode, f"Missing option '{missing}'" in done.stderr) == (2, True)


def test_a_file_without_rights_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("locked")
    def locked() -> None:
        raise PermissionError(13, "Permission denied", "runs/locked")

    monkeypatch.setitem(sys.modules, "locked", SimpleNamespace(command=locked))
    monkeypatch.setitem(COMMANDS, "locked", "locked")
    done = CliRunner().invoke(main, ["locked"])
    assert done.exit_code == 1
    assert done.stderr == "datagen: runs/locked: Permission denied. Change its rights, or name another place.\n"
