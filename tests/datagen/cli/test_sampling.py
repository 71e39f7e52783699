"""`datagen rft` against a server: nothing lost, nothing paid for twice, the same bytes whatever happened."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SCRIPT = Path(__file__).parents[2] / "servers" / "chat_server.py"
N_PROBLEMS, K = 30, 6


class Place(NamedTuple):
    """A working folder and a server."""

    folder: Path
    url: str

    def command(self, *arguments: str) -> list[str]:
        shared = ["--dataset", "p.jsonl", "--model", "m", "--base-url", self.url, "--samples-per-call", "2"]
        return [sys.executable, "-m", "datagen", "rft", *shared, "--max-in-flight", "4", *arguments]

    def run(self, *arguments: str, home: str = "home") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DATAGEN_HOME": str(self.folder / home), "OPENAI_API_KEY": "sk-secret-77"}
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, cwd=self.folder, env=environment
        )

    def samples_served(self) -> int:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as response:
            return sum(json.load(response)["samples_of"].values())

    def data(self, out: str) -> dict[str, bytes]:
        files = [f for part in ("data", "candidates") for f in sorted((self.folder / out / part).iterdir())]
        return {f"{file.parent.name}/{file.name}": file.read_bytes() for file in files}


def write_problems(path: Path, questions: list[str]) -> None:
    rows = [
        {"question": question, "answer": f"<<{i}+1={i + 1}>>\n#### {i + 1}"} for i, question in enumerate(questions)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    write_problems(tmp_path / "p.jsonl", [f"What is {i} + 1?" for i in range(N_PROBLEMS)])
    command = [sys.executable, str(SCRIPT), "--port", "0", "--delay-s", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Place(tmp_path, f"http://127.0.0.1:{int(process.stdout.readline())}/v1")
        process.kill()


def parsed(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:  # Any: JSON
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)  # Any: JSON
    return found


def test_a_finished_job_asks_for_nothing_and_a_larger_k_for_the_difference(place: Place) -> None:
    assert parsed(place.run("-k", "3", "--out", "a", "--json"))["candidates"] == 3 * N_PROBLEMS
    assert place.samples_served() == 3 * N_PROBLEMS
    again = parsed(place.run("-k", "3", "--out", "b", "--json"))
    assert (again["candidates"], place.samples_served()) == (3 * N_PROBLEMS, 3 * N_PROBLEMS)
    assert place.data("a") == place.data("b")
    assert parsed(place.run("-k", str(K), "--out", "c", "--json"))["candidates"] == K * N_PROBLEMS
    assert place.samples_served() == K * N_PROBLEMS


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_cut_in_the_middle_goes_on_and_gives_the_same_bytes(place: Place, how: signal.Signals) -> None:
    whole = parsed(place.run("-k", str(K), "--out", "whole", "--json", home="other"))
    served = place.samples_served()
    environment = {**os.environ, "DATAGEN_HOME": str(place.folder / "home")}
    cut = subprocess.Popen(
        place.command("-k", str(K), "--out", "cut"),
        cwd=place.folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    with cut:
        while place.samples_served() < served + K * N_PROBLEMS // 3:
            assert cut.poll() is None, "it ended before it could be cut"
            time.sleep(0.02)
        cut.send_signal(how)
        assert cut.stderr is not None
        said = cut.stderr.read()
    assert cut.returncode == (-signal.SIGKILL if how is signal.SIGKILL else 130)
    assert how is signal.SIGKILL or "Run the same command again to continue" in said
    assert not (place.folder / "cut" / "manifest.json").exists()
    resumed = parsed(place.run("-k", str(K), "--out", "cut", "--json"))
    assert {**resumed, "out": 0, "seconds": 0, "ledger": 0} == {**whole, "out": 0, "seconds": 0, "ledger": 0}
    assert place.data("cut") == place.data("whole")
    # Asked twice is what was in flight (4 calls of 2 samples) or not yet on disk, and not what was served before.
    assert place.samples_served() - served - K * N_PROBLEMS < K * N_PROBLEMS // 3


def test_failed_rows_are_named_and_counted_and_only_they_are_asked_again(place: Place) -> None:
    questions = [f"What is {i} + 1?" for i in range(4)]
    write_problems(place.folder / "p.jsonl", [*questions, "What [[400]] is 4 + 1?"])
    result = place.run("-k", "2", "--out", "o", "--max-tries", "2", "--json")
    assert result.returncode == 3
    assert "2 samples failed" in result.stderr
    assert json.loads(result.stdout)["candidates"] == 8
    manifest = json.loads((place.folder / "o" / "manifest.json").read_text())
    (row,) = manifest["failures"]["rows"]
    assert row["row"].startswith("gsm8k-4-")
    assert row["samples"] == [0, 1]
    served = place.samples_served()
    assert place.run("-k", "2", "--out", "o", "--max-tries", "2", "--json").returncode == 3
    assert place.samples_served() == served


def test_the_key_is_written_nowhere(place: Place) -> None:
    result = place.run("-k", "1", "--out", "o")
    assert "sk-secret" not in result.stdout + result.stderr
    for file in (file for file in place.folder.rglob("*") if file.is_file()):
        assert b"sk-secret" not in file.read_bytes(), file


def test_a_dry_run_calls_nothing_and_an_unknown_price_is_unknown(place: Place) -> None:
    result = place.run("-k", "4", "--out", "o", "--dry-run", "--json")
    planned = parsed(result)
    assert (planned["to_ask"], planned["calls"], planned["cost_usd_max"]) == (4 * N_PROBLEMS, 2 * N_PROBLEMS, None)
    assert place.samples_served() == 0
    assert not (place.folder / "o").exists()


def test_nobody_listening_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    write_problems(tmp_path / "p.jsonl", ["What is 0 + 1?"])
    result = Place(tmp_path, "http://127.0.0.1:9/v1").run("-k", "1", "--out", "o", "--max-tries", "2", "--quiet")
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "127.0.0.1:9" in result.stderr
