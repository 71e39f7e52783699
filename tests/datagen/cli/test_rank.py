"""`datagen rank` and `datagen judge-check` as a user types them."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main
from datagen_schemas.rating import RankedGroup

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
GOLD = "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"
RIGHT = "One hen lays 2*4 = <<2*4=8>>8, three lay 8*3 = <<8*3=24>>24.\n#### 24"
WRONG = "3+2 = <<3+2=5>>5\n#### 5"
SERVER = Path(__file__).parents[2] / "servers" / "judge_server.py"


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """The options that name a small problem set, two replies and where to write."""
    problems, replies = tmp_path / "problems.jsonl", tmp_path / "replies.jsonl"
    problems.write_text(json.dumps({"question": EGGS, "answer": GOLD}) + "\n")
    replies.write_text("".join(json.dumps({"question": EGGS, "response": text}) + "\n" for text in (RIGHT, WRONG)))
    return ["--dataset", str(problems), "--candidates", str(replies), "--out", str(tmp_path / "rank"), "--quiet"]


@pytest.fixture
def judge() -> Iterator[str]:
    with subprocess.Popen([sys.executable, str(SERVER), "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.kill()


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"DATAGEN_HOME": str(tmp_path / "home"), "COLUMNS": "200"})


def test_rank_prints_what_a_machine_and_a_person_want(typed: list[str], tmp_path: Path) -> None:
    found = json.loads(run(tmp_path, "rank", "--judge", "steps", *typed, "--json").stdout)
    assert (found["groups"], found["candidates"], found["missing"], found["pair_accuracy"]) == (1, 2, 0, 1.0)
    printed = run(tmp_path, "rank", "--judge", "steps", *typed).stdout
    for words in ("correct, wrong", "100.0 %", "candidates by score", "reference, chars 0.1", "an empty reply"):
        assert words in printed
    assert run(tmp_path, "validate", str(tmp_path / "rank")).exit_code == 0


def test_a_judge_over_http_is_named_with_its_server(typed: list[str], judge: str, tmp_path: Path) -> None:
    result = run(tmp_path, "rank", "--judge", f"my-judge@{judge}", *typed, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["judges"] == ["my-judge"]
    assert found["reliability"]["votes"]["my-judge"]["valid"] == 3 * (2 + 5)
    assert found["ledger"]["calls"] > 0
    again = json.loads(run(tmp_path, "rank", "--judge", f"my-judge@{judge}", *typed, "--overwrite", "--json").stdout)
    assert again["ledger"]["calls"] == 0


def test_judge_check_recounts_a_run_and_fails_under_a_limit(typed: list[str], tmp_path: Path) -> None:
    ranked = json.loads(run(tmp_path, "rank", "--judge", "steps", *typed, "--json").stdout)
    out = str(tmp_path / "rank")
    checked = run(tmp_path, "judge-check", out, "--json", "--fail-under", "1")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout) == ranked["reliability"]


@pytest.mark.parametrize("command", ["rank", "judge-check"])
def test_fail_under_exits_with_3_and_says_why(command: str, typed: list[str], tmp_path: Path) -> None:
    replies = Path(typed[3])
    # the one that is right has a false equation, which costs it as much as the wrong answer costs the other one
    replies.write_text(
        "".join(
            json.dumps({"question": EGGS, "response": text}) + "\n"
            for text in ("3*2 = <<3*2=7>>7, then 6*4 = <<6*4=24>>24\n#### 24", "3*2 = <<3*2=6>>6 eggs\n#### 6")
        )
    )
    run(tmp_path, "rank", "--judge", "steps", *typed)
    arguments = [str(tmp_path / "rank")] if command == "judge-check" else ["--judge", "steps", *typed]
    result = run(tmp_path, command, *arguments, "--fail-under", "0.9")
    assert result.exit_code == 3
    assert "0.0 % of the known pairs" in result.stderr


def test_a_judge_is_checked_before_it_is_paid_for_more(judge: str, tmp_path: Path) -> None:
    result = run(
        tmp_path, "judge-check", "--judge", "j", "--base-url", judge, "--dataset", "synthetic:30", "--problems", "4",
        "--out", str(tmp_path / "check"), "--json", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["probes"]["groups"] == 4
    assert found["probes"]["reference"]["n"] == 4
    assert found["probes"]["reference"]["share"] == 1


def test_judge_check_takes_the_first_k_candidates_as_rank_does(typed: list[str], tmp_path: Path) -> None:
    for command in ("rank", "judge-check"):
        result = run(tmp_path, command, "--judge", "steps", "-k", "1", *typed, "--json", "--overwrite")
        found = json.loads(result.stdout)
        assert found.get("reliability", found)["candidates"] == 1, command


def test_a_dry_run_asks_nothing(typed: list[str], judge: str, tmp_path: Path) -> None:
    arguments = ["rank", "--judge", "j", "--judge-base-url", judge, *typed, "--dry-run", "--json"]
    planned = json.loads(run(tmp_path, *arguments).stdout)
    assert planned["judge j"]["samples"] == 3 * (2 + 5)
    assert not (tmp_path / "rank").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--judge steps"),
        (["--judge", "steps", "--judge", "steps"], "named twice"),
        (["--judge", "j@http://h/v1", "--judge", "j", "--base-url", "http://h"], "named twice"),
        (["--judge", "j", "--votes", "2", "--min-votes", "3"], "--min-votes 3 is more than --votes 2"),
        (["--judge", "j", "--fail-under", "2"], "--fail-under"),
    ],
)
def test_wrong_usage_says_what_to_do(typed: list[str], arguments: list[str], said: str, tmp_path: Path) -> None:
    result = run(tmp_path, "rank", *arguments, *typed)
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_papers_numbers_are_the_defaults() -> None:
    """AFT paper, appendix A: 1,000 problems, 8 candidates each, 3 ratings; candidates at temperature 1."""
    with click.Context(main) as ctx:
        command = main.get_command(ctx, "rank")
        assert command is not None
        defaults = {parameter.name: parameter.get_default(ctx) for parameter in command.params}
        helped = " ".join(command.get_help(ctx).split())
    assert (defaults["votes"], defaults["judge_temperature"], defaults["temperature"]) == (3, 1.0, 1.0)
    assert defaults["dataset"] == "gsm8k"
    assert "8 from a model" in helped
    assert "1,000 with a model" in helped
    assert list(RankedGroup.model_fields) == ["problem", "candidates", "missing"]


def test_a_killed_run_goes_on_and_writes_the_same_bytes(tmp_path: Path) -> None:
    """kill -9 in the middle of the judging: what was answered is not asked again, and the outcome is the same."""
    environment = {**os.environ, "DATAGEN_HOME": str(tmp_path / "home")}
    command = [sys.executable, str(SERVER), "--port", "0", "--delay-s", "0.02"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"

        def samples() -> int:
            with urllib.request.urlopen(address + "/stats") as response:
                return int(json.load(response)["samples"])

        def rank(out: str) -> list[str]:
            options = ["--dataset", "synthetic:24", "--problems", "24", "--max-in-flight", "2", "--quiet"]
            judge = ["--judge", "j", "--base-url", address + "/v1"]
            return [sys.executable, "-m", "datagen", "judge-check", *judge, *options, "--out", str(tmp_path / out)]

        with subprocess.Popen(rank("cut"), env=environment) as running:
            give_up_at = time.monotonic() + 60
            while samples() < 60 and time.monotonic() < give_up_at:
                time.sleep(0.01)
            running.kill()
        before = samples()
        assert not (tmp_path / "cut" / "manifest.json").exists()
        subprocess.run(rank("cut"), env=environment, check=True, capture_output=True)
        wanted = json.loads((tmp_path / "cut" / "manifest.json").read_text())["counts"]["judged_once"] * 3
        assert 60 <= before < wanted
        # what two workers had in flight, and what was answered but not yet on disk when the process died
        assert samples() <= wanted + wanted // 3
        fresh = {**environment, "DATAGEN_HOME": str(tmp_path / "other-home")}
        subprocess.run(rank("whole"), env=fresh, check=True, capture_output=True)
        server.kill()
    for folder in ("probes", "probe-ratings"):
        for file in (tmp_path / "cut" / folder).iterdir():
            assert file.read_bytes() == (tmp_path / "whole" / folder / file.name).read_bytes()


def test_a_configuration_file_uses_the_names_of_the_options(typed: list[str], tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[rank]\njudge = ["steps"]\nprobe-alpha = [0.2]\njson = true\n')
    found = json.loads(run(tmp_path, "rank", "--config", str(config), *typed).stdout)
    assert found["judges"] == ["steps"]
    assert list(found["reliability"]["probe_corrupted_pairs"]) == ["chars 0.2"]


def test_a_limit_passes_over_candidates_of_the_problems_beyond_it(typed: list[str], tmp_path: Path) -> None:
    problems = Path(typed[1])
    other = json.dumps({"question": "1 + 1?", "answer": "1+1 = <<1+1=2>>2\n#### 2"}) + "\n"
    problems.write_text(other + problems.read_text())
    with Path(typed[3]).open("a") as file:
        file.write(json.dumps({"question": "1 + 1?", "response": "1+1 = <<1+1=2>>2\n#### 2"}) + "\n")
    found = json.loads(run(tmp_path, "rank", "--judge", "steps", "--limit", "1", *typed, "--json").stdout)
    assert (found["problems"], found["candidates"], found["bad_rows"]["candidates"]) == (1, 1, {})


@pytest.mark.parametrize(
    "ignored",
    [
        ("--judge-prompt", "mine.jinja"),
        ("--judge-temperature", "0"),
        ("--judge-max-tokens", "9"),
        ("--judge-base-url", "http://127.0.0.1:9/v1"),
        ("--judge-backend", "openai"),
        ("--judge-api", "chat"),
        ("--votes", "3"),
        ("--max-asks", "2"),
        ("--plain-text",),
    ],
)
def test_what_the_step_judge_would_ignore_is_refused(
    ignored: tuple[str, ...], typed: list[str], tmp_path: Path
) -> None:
    result = run(tmp_path, "rank", "--judge", "steps", *ignored, *typed)
    assert (result.exit_code, result.stdout) == (2, "")
    message = f"{ignored[0]} is for judges that are models, and --judge steps asks none. Leave it out, or name a model"
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "rank").exists()


def test_what_is_set_for_all_commands_is_no_mistake(typed: list[str], tmp_path: Path) -> None:
    config = tmp_path / "all.toml"
    config.write_text('[rank]\njudge-temperature = 0.5\njudge-prompt = "mine.jinja"\n')
    assert run(tmp_path, "rank", "--judge", "steps", "--config", str(config), *typed).exit_code == 0


def test_a_judge_that_does_not_answer_is_named_in_one_line_with_its_options(typed: list[str], tmp_path: Path) -> None:
    with socket.socket() as free:  # a port at which nobody listens, once it is closed
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    result = run(tmp_path, "rank", "--judge", f"my-judge@{url}", "--max-tries", "1", *typed)
    assert result.exit_code == 1
    (line,) = (of for of in result.stderr.splitlines() if of.startswith("datagen:"))
    assert line.startswith(f"datagen: judge my-judge: {url}: Cannot connect")
    assert "Start the server or correct --judge-base-url, --judge or OPENAI_API_KEY" in line
