"""`datagen augment` as a user types it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
from click.testing import CliRunner, Result

from datagen.augment.stated_numbers import numbers_of
from datagen.cli.main import main
from datagen.store.arrow_dataset import read_records
from datagen_schemas.augmented import AugmentationCount, Augmented, RejectedQuestion
from datagen_schemas.problem import Problem

SERVER = Path(__file__).parents[2] / "servers" / "scripted_server.py"
DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
GOLD = "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"
REWRITE = "Each hen gives 2 eggs a day. What do 3 hens give in 4 days?"
ADDED = "Suppose that the answer to this question is 24. Which number does x stand for?"
FOBAR = {
    f"A hen lays x eggs a day. How many eggs do 3 hens lay in 4 days? {ADDED}": "2",
    f"A hen lays 2 eggs a day. How many eggs do x hens lay in 4 days? {ADDED}": "3",
    f"A hen lays 2 eggs a day. How many eggs do 3 hens lay in x days? {ADDED}": "4",
}
SCRIPT: list[dict[str, Any]] = [  # Any: JSON
    {"system": "You reword", "asked": EGGS, "replies": [REWRITE]},
    {"system": "You turn", "asked": "How many eggs do 3 hens", "replies": ["3 hens lay 24 eggs in 4 days."]},
    {"system": "backwards", "asked": "lays x eggs", "replies": ["24 / 12 = 2\nThe answer is: 2"]},
    {"system": "backwards", "asked": "x hens", "replies": ["24 / 8 = 3\nThe answer is: 3"]},
    {"system": "backwards", "asked": "x days", "replies": ["24 / 6 = 5\nThe answer is: 5"]},
    {"system": "You solve", "asked": EGGS, "replies": ["2 * 3 * 4 = 24\nThe answer is: 24"]},
    {"system": "You solve", "asked": REWRITE, "replies": ["2 * 3 * 4 = 24\nThe answer is: 24"]},
]


class Server(NamedTuple):
    url: str

    process: subprocess.Popen[str]

    def samples(self) -> int:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as response:
            return int(json.load(response)["samples"])


class Start(Protocol):
    def __call__(self, script: list[dict[str, Any]], *, port: str = "0") -> Server: ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Starts a scripted model in a process of its own."""
    running: list[subprocess.Popen[str]] = []

    def start(script: list[dict[str, Any]], *, port: str = "0") -> Server:
        file = tmp_path / f"script-{len(running)}.json"
        file.write_text(json.dumps(script))
        command = [sys.executable, str(SERVER), "--script", str(file), "--port", port]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return Server(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process)

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of GSM8K in its shape: a file a split."""
    gsm8k = tmp_path / "copy"
    gsm8k.mkdir()
    (gsm8k / "train.jsonl").write_text(json.dumps({"question": EGGS, "answer": GOLD}) + "\n")
    pens = {"question": "Mia has 5 pens and buys 7. How many pens has she?", "answer": "5+7 = <<5+7=12>>12\n#### 12"}
    (gsm8k / "test.jsonl").write_text(json.dumps(pens) + "\n")
    return gsm8k


def run(tmp_path: Path, *arguments: object) -> Result:
    environment = {"DATAGEN_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    return CliRunner().invoke(main, ["augment", *map(str, arguments), "--quiet"], env=environment)


def found(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def asking(server: Server) -> list[str]:
    return ["--model", "m", "--base-url", server.url]


def questions_in(path: Path) -> dict[str, str]:
    return {problem.question: problem.answer for problem in read_records(path, Problem)}


def test_fobar_questions_need_no_model_and_no_method_named(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    value = found(run(tmp_path, "--questions-only", "--dataset", folder, "--out", out, "--json"))
    assert questions_in(out / "data") == FOBAR
    assert {name: value[name] for name in ("problems", "problems_masked", "questions", "accepted", "rows")} == {
        "problems": 1,
        "problems_masked": 1,
        "questions": 3,
        "accepted": 3,
        "rows": 3,
    }
    assert (value["rejected"], value["failed"], list(value["methods"])) == ({}, 0, ["FOBAR"])


def test_every_method_with_a_model_and_what_a_person_reads(folder: Path, tmp_path: Path, serve: Start) -> None:
    arguments = ["-k", "2", "--dataset", folder, "--out", tmp_path / "out", *asking(serve(SCRIPT))]
    value = found(run(tmp_path, *arguments, "--json"))
    assert list(value["methods"]) == ["AnsAug", "Rephrased", "SV", "FOBAR"]
    # two replies of each question are the same path; that x is 4 days is never found
    assert [of["solutions"] for of in value["methods"].values()] == [1, 1, 2, 2]
    assert value["rows"] == sum(of["solutions"] for of in value["methods"].values())
    assert value["questions"] == value["accepted"] + sum(value["rejected"].values()) == 8
    assert value["rejected"] == {"no solution is accepted": 2}
    assert value["rejected_solutions"] == {"same path as another": 6, "wrong": 4}
    counted = list(read_records(tmp_path / "out" / "originals", AugmentationCount))
    assert sum(of.solutions for of in counted) == value["rows"]
    printed = run(tmp_path, *arguments).stdout
    for words in ("AnsAug", "FOBAR", "questions made", "question rejected: no solution is accepted", "6 rows written"):
        assert words in printed


@pytest.mark.parametrize(("style", "ending"), [("metamath", "The answer is: 24"), ("gsm8k", "#### 24")])
def test_the_style_decides_how_solutions_end(
    style: str, ending: str, folder: Path, tmp_path: Path, serve: Start
) -> None:
    arguments = ["--method", "ansaug", "--style", style, "-k", "1", "--dataset", folder, "--out", tmp_path / "out"]
    found(run(tmp_path, *arguments, *asking(serve(SCRIPT)), "--json"))
    (row,) = read_records(tmp_path / "out" / "data", Augmented)
    assert row.response == f"2 * 3 * 4 = 24\n{ending}"


def test_a_dry_run_prices_both_stages_and_asks_nothing(folder: Path, tmp_path: Path, serve: Start) -> None:
    server = serve(SCRIPT)
    arguments = ["-k", "2", "--dataset", folder, "--out", tmp_path / "out", *asking(server), "--dry-run"]
    value = found(run(tmp_path, *arguments, "--json"))
    assert {name: of["samples"] for name, of in value.items()} == {"rewrite": 2, "solve": 16}
    printed = run(tmp_path, *arguments).stdout
    assert "nothing was asked" in printed
    assert "solve" in printed
    assert server.samples() == 0
    assert not (tmp_path / "out").exists()


def test_a_backward_test_set_is_made_of_the_test_split_with_sv_if_there_is_a_model(
    folder: Path, tmp_path: Path, serve: Start
) -> None:
    """And nobody is asked for a solution: one statement is all that costs."""
    arguments = ["--backward-test", "--dataset", folder, "--json"]
    value = found(run(tmp_path, *arguments, "--out", tmp_path / "rule"))
    assert (list(value["methods"]), value["against"], value["rows"]) == (["FOBAR"], [], 2)
    by_rule = questions_in(tmp_path / "rule" / "data")
    assert list(by_rule.values()) == ["5", "7"]
    assert all(question.startswith("Mia has ") for question in by_rule)
    server = serve([{"system": "You turn", "asked": "How many pens", "replies": ["She has 12 pens."]}])
    value = found(run(tmp_path, *arguments, "--out", tmp_path / "model", *asking(server)))
    assert {name: of["accepted"] for name, of in value["methods"].items()} == {"SV": 2, "FOBAR": 2}
    asks = "What is the value of the unknown variable x?"
    by_model = questions_in(tmp_path / "model" / "data")
    assert {question: x for question, x in by_model.items() if question not in by_rule} == {
        f"Mia has x pens and buys 7. She has 12 pens. {asks}": "5",
        f"Mia has 5 pens and buys x. She has 12 pens. {asks}": "7",
    }
    assert server.samples() == 1


@pytest.mark.parametrize("named", ["folder", "file"])
def test_a_copy_of_gsm8k_is_kept_apart_from_the_test_file_beside_it(named: str, folder: Path, tmp_path: Path) -> None:
    test = folder / "test.jsonl"
    test.write_text(json.dumps({"question": EGGS.replace("3", "5"), "answer": "#### 40"}) + "\n")
    mia = {"question": "Mia has 5 pens and buys 7. How many pens has she?", "answer": "5+7 = <<5+7=12>>12\n#### 12"}
    with (folder / "train.jsonl").open("a") as file:
        file.write(json.dumps(mia) + "\n")
    dataset = folder if named == "folder" else folder / "train.jsonl"
    arguments = ["--method", "fobar", "--questions-only", "--dataset", dataset]
    value = found(run(tmp_path, *arguments, "--out", tmp_path / "kept", "--json"))
    assert value["against"] == [str(test)]
    assert (value["accepted"], value["rejected"]) == (2, {"overlaps the test set": 3})
    rejected = list(read_records(tmp_path / "kept" / "rejected", RejectedQuestion))
    assert {row.evidence for row in rejected} == {f"fuzzy: {EGGS.replace('3', '5')}"}
    assert str(test) in run(tmp_path, *arguments, "--out", tmp_path / "kept").stdout
    value = found(run(tmp_path, *arguments, "--out", tmp_path / "all", "--against", "none", "--json"))
    assert (value["against"], value["accepted"], value["rejected"]) == ([], 5, {})
    assert "apart from a test set" in run(tmp_path, *arguments, "--out", tmp_path / "all", "--against", "none").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--candidates"),
        (["--backward-test", "--method", "ansaug"], "--backward-test goes with"),
        (["--questions-only", "--per-problem", "0"], "neither all, one, nor a number from 1"),
        (["--questions-only", "--per-problem", "some"], "neither all, one, nor a number from 1"),
        (["--questions-only", "--method", "backward"], "'fobar'"),
        (["--questions-only", "--most-similar-question", "0"], "--most-similar-question"),
        (["-k", "2", "--min-right", "3", "--model", "m"], "--min-right 3 is more than the 2 solutions"),
        (["--questions-only", "--method", "sv"], "--method sv needs a model that rewrites: --model NAME."),
        (["--questions-only", "--method", "rephrase"], "--rewrite-by rule"),
        (["--questions-only", "--against", "none", "--against", "gsm8k"], "--against none goes with no other"),
    ],
)
def test_wrong_usage_says_what_to_do(arguments: list[str], said: str, folder: Path, tmp_path: Path) -> None:
    result = run(tmp_path, *arguments, "--dataset", folder, "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "fobar", "--against", "no-such-file.jsonl"], "test set no-such-file.jsonl: no such file"),
        (["--method", "rephrase", "--rewrite-by", "rule"], "no other wording by rule"),
    ],
)
def test_what_cannot_be_made_is_one_line_on_stderr(
    arguments: list[str], said: str, folder: Path, tmp_path: Path
) -> None:
    result = run(tmp_path, *arguments, "--questions-only", "--dataset", folder, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_bad_row_stops_the_run_unless_it_is_passed_over(folder: Path, tmp_path: Path) -> None:
    with (folder / "train.jsonl").open("a") as file:
        file.write("{}\n")
    arguments = ["--questions-only", "--dataset", folder, "--out", tmp_path / "out"]
    result = run(tmp_path, *arguments)
    assert result.exit_code == 1
    assert "train.jsonl:2" in result.stderr
    assert "--skip-bad" in result.stderr
    assert found(run(tmp_path, *arguments, "--skip-bad", "--json"))["problems"] == 1


def test_failed_calls_exit_with_3_and_only_they_are_made_again(folder: Path, tmp_path: Path, serve: Start) -> None:
    """The server refuses what is not in its script: at first each backward question, later nothing."""
    server = serve([entry for entry in SCRIPT if entry["system"] != "backwards"])
    arguments = ["-k", "2", "--dataset", folder, "--out", tmp_path / "out", "--max-tries", "1", *asking(server)]
    first = run(tmp_path, *arguments, "--json")
    assert first.exit_code == 3, first.output
    value = json.loads(first.stdout)
    assert value["rejected"] == {"replies are missing": 6}
    assert (value["failed"], value["rows"], server.samples()) == (6 * 2, 2, 2 + 2 * 2)
    second = run(tmp_path, *arguments)
    assert (second.exit_code, server.samples()) == (3, 6)
    assert "question rejected: replies are missing" in second.stdout
    server.process.kill()
    server.process.wait()
    server = serve(SCRIPT, port=server.url.removesuffix("/v1").rpartition(":")[2])
    value = found(run(tmp_path, *arguments, "--json"))
    assert (value["failed"], value["rows"], server.samples()) == (0, 6, 6 * 2)


def test_a_killed_run_goes_on_and_writes_the_same_bytes(tmp_path: Path, serve: Start) -> None:
    """kill -9 while it rewrites, and again while it solves: what was answered is not asked again."""
    n, k, in_flight = 60, 2, 2
    file = tmp_path / "problems.jsonl"
    names = [f"{first}{second}la" for first in "ABCDEF" for second in "abcdefghij"]
    questions = [
        f"{name} has {i} pens and buys {i + 200}. How many pens has {name}?" for i, name in enumerate(names, 2)
    ]
    assert len(questions) == n
    file.write_text("".join(json.dumps({"question": q, "answer": "1+1=2\n#### 999"}) + "\n" for q in questions))
    script = [
        {"system": "You turn", "asked": "", "replies": ["She has 999 pens."]},
        {"system": "", "asked": "", "replies": ["200 + 799 = 999\nThe answer is: 200"]},
    ]
    server = serve(script)
    wanted = n + 4 * n * k  # a statement, and solutions of two questions of each kind

    def command(out: str) -> list[str]:
        options = ["--method", "sv", "--method", "fobar", "-k", str(k), "--max-in-flight", str(in_flight), "--quiet"]
        options += ["--most-similar-question", "100", "--dataset", str(file), "--out", str(tmp_path / out)]
        return [sys.executable, "-m", "datagen", "augment", *options, *asking(server)]

    environment = {**os.environ, "DATAGEN_HOME": str(tmp_path / "home")}
    for after in (n // 3, n + n * k):
        with subprocess.Popen(command("cut"), env=environment) as running:
            give_up_at = time.monotonic() + 60
            while server.samples() < after and running.poll() is None and time.monotonic() < give_up_at:
                time.sleep(0.002)
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL
        assert server.samples() < wanted
        assert not (tmp_path / "cut" / "manifest.json").exists()
    # Lost is only what was in flight, or answered and not yet on disk, when the process died.
    with closing(sqlite3.connect(tmp_path / "home" / "replies.sqlite")) as store:
        (kept,) = store.execute("select count(*) from reply").fetchone()
    assert n < kept < wanted
    before = server.samples()
    subprocess.run(command("cut"), env=environment, check=True, capture_output=True)
    assert server.samples() - before == wanted - kept
    asked = server.samples()
    subprocess.run(command("again"), env=environment, check=True, capture_output=True)
    assert server.samples() == asked
    subprocess.run(
        command("whole"), env={**environment, "DATAGEN_HOME": str(tmp_path / "other")}, check=True, capture_output=True
    )
    assert server.samples() == asked + wanted
    for part in ("data", "sv", "fobar", "questions", "rejected", "originals"):
        for data in (tmp_path / "cut" / part).glob("*.arrow"):
            assert data.read_bytes() == (tmp_path / "whole" / part / data.name).read_bytes(), part
    assert len(list(read_records(tmp_path / "cut" / "rejected", RejectedQuestion))) > 0


@pytest.mark.skipif(not (DATA / "gsm8k" / "test.jsonl").is_file(), reason="needs GSM8K: set DATAGEN_TEST_DATA")
def test_gsm8k_becomes_backward_questions_whose_answer_was_masked(tmp_path: Path) -> None:
    """Every question that is written is its original with one number exchanged; that number is the answer.

    Of the test problems; the counts of the training problems, which are six times as many, are in the README.
    """
    out = tmp_path / "out"
    arguments = ["--method", "fobar", "--questions-only", "--dataset", DATA / "gsm8k" / "test.jsonl", "--out", out]
    value = found(run(tmp_path, *arguments, "--most-similar-question", "100", "--against", "none", "--json"))
    assert value["problems"] == 1319
    assert value["problems_masked"] >= 0.99 * 1319
    assert value["questions"] == value["accepted"] + sum(value["rejected"].values())
    assert value["rows"] == value["accepted"]
    assert len(list(read_records(out / "rejected", RejectedQuestion))) == sum(value["rejected"].values()) + sum(
        value["problems_left_out"].values()
    )
    counted = list(read_records(out / "originals", AugmentationCount))
    assert (len(counted), sum(of.accepted for of in counted)) == (1319, value["accepted"])
    n_seen = 0
    for problem in read_records(out / "data", Problem):
        original = json.loads(problem.meta)["original_question"]
        masked = problem.question.rpartition(" Suppose that the answer to this question is ")[0]
        replaced = _replaced(original, masked, start=int(problem.id.rpartition("-")[2]))
        top, _, bottom = problem.answer.partition("/")
        x = Fraction(top) / Fraction(bottom or 1)
        # By another reader of numbers than the one that made the masks; half a dozen is two numbers to it.
        stated = numbers_of(replaced) | numbers_of(f"{replaced} of it") | numbers_of(replaced.replace(" ", ""))
        assert x in stated or prod(stated) == x, (replaced, masked)
        n_seen += 1
    assert n_seen == value["rows"]


def _replaced(original: str, masked: str, *, start: int) -> str:
    """The words of the original that are not in the masked question; all others are the same."""
    original = original.rstrip()
    assert original[:start] == masked[:start]
    n = len(os.path.commonprefix((original[start:][::-1], masked[start:][::-1])))
    end = len(original) - n
    while end < len(original) and original[end - 1].isalpha() and original[end].isalpha():
        end += 1
    return original[start:end]
