"""The same command again after whatever happened: it ends, keeps what there is, and pays for nothing twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from datagen.cli.main import main

SCRIPT = Path(__file__).parents[2] / "servers" / "chat_server.py"
QUICK = ("--max-tries", "2", "--workers", "1", "--quiet")


class Place(NamedTuple):
    """A working folder and a server."""

    folder: Path
    url: str
    server: "subprocess.Popen[str]"

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "DATAGEN_HOME": str(self.folder / "home")}
        command = [sys.executable, "-m", "datagen", *arguments]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True, cwd=self.folder, env=environment)

    def run(self, *arguments: str, code: int) -> str:
        environment = {"DATAGEN_HOME": str(self.folder / "home"), "COLUMNS": "200"}
        result = CliRunner().invoke(main, list(arguments), env=environment)
        assert result.exit_code == code, result.output
        return result.output

    def model(self) -> list[str]:
        return ["--model", "m", "--base-url", self.url, *QUICK]

    def calls(self) -> int:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as response:
            return int(json.load(response).get("calls", 0))

    def kill_server(self) -> None:
        self.server.kill()
        self.server.wait()

    def problems(self, name: str, questions: list[str]) -> str:
        rows = [{"question": of, "answer": f"<<{i}+1={i + 1}>>\n#### {i + 1}"} for i, of in enumerate(questions)]
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return name

    def manifest(self, out: str) -> dict[str, Any]:  # Any: JSON
        found: dict[str, Any] = json.loads((self.folder / out / "manifest.json").read_bytes())  # Any: JSON
        return found

    def files(self, out: str) -> dict[str, bytes]:
        folder = self.folder / out
        return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen([sys.executable, str(SCRIPT), "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Place(tmp_path, f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process)
        process.kill()


def test_rows_that_the_server_refuses_are_listed_and_the_job_finishes_every_time(place: Place) -> None:
    texts = [f"[[400]] {i}" if 50 <= i < 75 else f"What is {i} + 1?" for i in range(125)]
    command = ["rft", "--dataset", place.problems("p.jsonl", texts), "-k", "1", "--out", "o", *place.model()]
    for _ in range(3):
        assert "25 samples failed (25 refused)" in place.run(*command, code=3)
        manifest = place.manifest("o")
        assert manifest["counts"]["candidates"] == 100
        assert len(manifest["failures"]["rows"]) == 25


@pytest.mark.parametrize(
    "command",
    [
        ["rft", "-k", "2"],
        ["sample", "-k", "2"],
        ["augment", "--method", "ansaug", "-k", "2"],
        ["rank", "--candidates", "c.jsonl", "--judge", "m", *QUICK],
    ],
    ids=lambda command: command[0],
)
def test_a_short_run_keeps_its_rows_when_the_server_is_gone_at_the_next_try(place: Place, command: list[str]) -> None:
    questions = ["[[400]] 1 + 1?", "What is 1 + 1 + 0?", "What is 2 + 1?"]
    place.problems("p.jsonl", questions)
    replies = [{"question": of, "response": f"It is {i}.\n#### {i}"} for of in questions for i in range(2)]
    (place.folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in replies))
    asked = ["--judge-base-url", place.url] if command[0] == "rank" else place.model()
    command = [*command, "--dataset", "p.jsonl", "--out", "o", *asked]
    place.run(*command, code=3)
    before = place.files("o")
    assert any(name.startswith("data/") for name in before)
    place.kill_server()
    assert "Start the server" in place.run(*command, code=1)
    assert place.files("o") == before


def test_a_mistyped_command_with_overwrite_destroys_no_run(place: Place) -> None:
    place.problems("p.jsonl", ["What is 1 + 1?"])
    (place.folder / "bad.jsonl").write_text('{"question": 1}\n')
    place.run("rft", "--dataset", "p.jsonl", "-k", "1", "--out", "o", *place.model(), code=0)
    before = place.files("o")
    for wrong in (["--dataset", "bad.jsonl"], ["--dataset", "p.jsonl", "--limit", "1", "--base-url", place.url[:-4]]):
        place.run("rft", "-k", "1", "--out", "o", *place.model(), *wrong, "--overwrite", code=1)
        assert place.files("o") == before


@pytest.mark.parametrize("kind", ["cut", "504"])
def test_a_limit_of_tokens_holds_where_every_reply_is_lost_and_says_what_it_may_have_cost(
    place: Place, kind: str
) -> None:
    place.problems("p.jsonl", [f"[[{kind}]] {i}" for i in range(40)])
    command = ["rft", "--dataset", "p.jsonl", "-k", "1", *place.model(), "--max-tokens", "50"]
    place.run(*command, "--max-tokens-total", "1000", "--out", "o", code=3)
    assert 0 < place.calls() <= 1000 // 50
    uncounted = place.manifest("o")["failures"]["ledger"]["uncounted"]
    assert uncounted["calls"] == place.calls()
    assert 50 * place.calls() < uncounted["tokens_at_most"] <= 1000
    before = place.calls()
    message = place.run(*command, "--out", "unlimited", code=1)
    said = re.search(r"brought no token counts: (\d+), of ", message)
    assert said is not None
    assert place.calls() - before <= int(said[1]) < place.calls() - before + 20  # those that were on their way
    assert len(message.splitlines()) == 1


def test_a_limit_below_one_call_says_what_helps_and_it_does(place: Place) -> None:
    place.problems("p.jsonl", ["What is 1 + 1?", "What is 2 + 1?"])
    command = ["sample", "--dataset", "p.jsonl", "-k", "4", "--out", "o", *place.model()]
    poor = [*command, "--max-tokens-total", "2000"]  # a call: 4 replies of 512 tokens at most, and the prompt
    said = place.run(*poor, code=3)
    assert re.search(r"max-tokens-total is 2,000 and one call of 4 samples may use 2,1\d\d; raise the limit, ", said)
    assert "or lower --samples-per-call, or lower --max-tokens." in said
    assert "again" not in said
    assert place.calls() == 0
    place.run(*poor, "--samples-per-call", "1", code=0)
    assert place.calls() == 8
    place.run(*command, "--max-tokens-total", "2300", "--seed", "1", "--overwrite", code=0)
    assert place.calls() == 10


def test_a_second_process_on_the_same_out_pays_for_nothing(place: Place) -> None:
    place.problems("p.jsonl", ["[[hang]]", "What is 1 + 1?"])
    command = ["rft", "--dataset", "p.jsonl", "-k", "1", "--out", "o", *place.model()]
    with place.start(*command) as first:
        give_up_at = time.monotonic() + 30
        while place.calls() < 2 and time.monotonic() < give_up_at:
            time.sleep(0.02)
        message = place.run(*command, code=1)
        assert (
            message
            == "datagen: o: another datagen is writing there now. Wait until it ends, or choose another --out.\n"
        )
        assert place.calls() == 2
        first.send_signal(signal.SIGKILL)
    message = place.run(*command, "--read-timeout", "0.3", code=3)
    assert "1 samples failed (1 timeout)" in message
    assert ".lock" not in place.files("o")


def test_a_finished_run_whose_data_were_deleted_is_built_again_from_what_was_paid_for(place: Place) -> None:
    place.problems("p.jsonl", ["What is 1 + 1?"])
    command = ["rft", "--dataset", "p.jsonl", "-k", "1", "--out", "o", *place.model()]
    place.run(*command, code=0)
    before = place.files("o")
    for file in (place.folder / "o" / "data").iterdir():
        file.unlink()
    place.run(*command, code=0)
    after = place.files("o")
    assert {name for name in before if before[name] != after.get(name)} == {"manifest.json"}  # its time
    assert place.calls() == 1


def test_a_data_set_by_another_path_is_the_same_run(place: Place) -> None:
    place.problems("p.jsonl", ["What is 1 + 1?"])
    for path in ("p.jsonl", "./p.jsonl", str(place.folder / "p.jsonl")):
        place.run("rft", "--dataset", path, "-k", "1", "--out", "o", *place.model(), code=0)
    assert place.calls() == 1
