"""The command as a process of its own, for the Hub's library reads its settings when it is imported."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

REPO = Path(__file__).parents[3]
DATA = Path(os.environ.get("DATAGEN_TEST_DATA") or REPO.parent / "shared" / "data") / "gsm8k"
TOKEN = "hf_" + "c" * 34
SYNTHETIC = ["examples", "--dataset", "synthetic:200", "--answers", "gold", "--fraction", "1", "--fraction", "0.5"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    command = [sys.executable, str(REPO / "tests/servers/hub_server.py"), "--token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


@pytest.fixture(scope="module")
def environment(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "DATAGEN_"))}
    return kept | {
        "HF_ENDPOINT": server,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": str(folder / "hf"),
        "DATAGEN_HOME": str(folder / "datagen"),
    }


Datagen = Callable[..., "subprocess.CompletedProcess[str]"]


class Asked(NamedTuple):
    """A process that asked before it did anything: what stood up to the question, and after it."""

    code: int
    shown: str
    then: str


@pytest.fixture(scope="module")
def datagen(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Datagen:
    folder = tmp_path_factory.mktemp("work")

    def call(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "datagen", *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environment | variables, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert TOKEN not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    call.folder = folder  # type: ignore[attr-defined]  # where the runs are
    assert call(*SYNTHETIC, "--out", "made", "--quiet").returncode == 0
    return call


def control(server: str, what: str, content: object = None) -> Any:  # Any: JSON
    data = None if what == "log" else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{server}/control/{what}", data=data)) as answer:
        body = answer.read()
    return json.loads(body) if body else None


LOAD = """
import sys
from itertools import zip_longest

from datasets import load_dataset, load_from_disk

repo, run, *parts = sys.argv[1:]
for part in parts:
    there = load_dataset(repo, None if part == "data" else part, split="train")
    here = load_from_disk(f"{run}/{part}")
    assert there.features == here.features, part
    assert all(a == b for a, b in zip_longest(there, here)), part
    print(part, there.num_rows)
"""


def test_published_replies_load_with_no_code_of_ours(
    datagen: Datagen, environment: dict[str, str], tmp_path: Path
) -> None:
    if not DATA.exists():
        pytest.skip(f"no GSM8K in {DATA}: set DATAGEN_TEST_DATA")
    run = tmp_path / "rft"
    replies = DATA / "example_model_solutions.jsonl"
    made = datagen(
        "rft", "--dataset", str(DATA / "test.jsonl"), "--limit", "100", "--candidates", str(replies), "--out", str(run)
    )
    assert made.returncode == 0, made.stderr
    refused = datagen("publish", str(run), "--repo", "me/rft", "--yes", "--quiet")
    assert refused.returncode == 1
    assert "made from a test split (test.jsonl)" in refused.stderr
    done = datagen("publish", str(run), "--repo", "me/rft", "--yes", "--allow", "overlap", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["published"] and result["license"] == "mit"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", LOAD, "me/rft", str(run), "data", "candidates"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.splitlines() == [f"data {result['files'][0]['rows']}", "candidates 400"]


def test_a_killed_upload_goes_on_where_it_was(datagen: Datagen, server: str, environment: dict[str, str]) -> None:
    control(server, "reset")
    folder: Path = datagen.folder  # type: ignore[attr-defined]  # set by the fixture
    control(server, "faults", [{"path": "/lfs/", "method": "PUT", "after": 1, "slow": 60}])  # the second file
    command = [sys.executable, "-m", "datagen", "publish", "made", "--repo", "me/killed", "--yes", "--quiet"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        _wait_for(server, "/lfs/", n=4)  # what is wanted, two files, and the word that the first one is there
        process.kill()
    assert list((Path(environment["DATAGEN_HOME"]) / "publish").iterdir())
    control(server, "faults", [])
    done = datagen("publish", "made", "--repo", "me/killed", "--yes", "--quiet")
    assert done.returncode == 0, done.stderr
    puts = [call for call in control(server, "log") if call["method"] == "PUT"]
    arrived = [call["path"] for call in puts if call["status"] == 200]
    assert len(puts) == 3
    assert len(set(arrived)) == len(arrived) == 2  # neither of them twice
    assert not list((Path(environment["DATAGEN_HOME"]) / "publish").iterdir())


def _wait_for(server: str, path: str, *, n: int = 1) -> None:
    for _ in range(600):
        if sum(path in call["path"] for call in control(server, "log")) >= n:
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody called {path}")


def test_ctrl_c_says_how_to_go_on(datagen: Datagen, server: str, environment: dict[str, str]) -> None:
    control(server, "reset")
    control(server, "faults", [{"path": "/lfs/", "slow": 60}])
    folder: Path = datagen.folder  # type: ignore[attr-defined]  # set by the fixture
    command = [sys.executable, "-m", "datagen", "publish", "made", "--repo", "me/cut", "--yes", "--quiet"]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        _wait_for(server, "/lfs/")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.strip() == (
        "datagen: interrupted; me/cut is as it was, or complete. Run the same command again to go on: files that have "
        "arrived are not sent twice."
    )
    assert not list((Path(environment["DATAGEN_HOME"]) / "publish").iterdir())


def ask(datagen: Datagen, environment: dict[str, str], *options: str, say: bytes | signal.Signals) -> Asked:
    """Publish with a terminal to read from, and answer the question with keys or a signal."""
    folder: Path = datagen.folder  # type: ignore[attr-defined]  # set by the fixture
    person, terminal = pty.openpty()
    command = [sys.executable, "-m", "datagen", "publish", "made", "--repo", "me/asked", "--quiet", *options]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        shown = b""
        while not shown.endswith(b"Publish to me/asked? [y/N]: ") and (
            more := os.read(process.stdout.fileno(), 1 << 16)
        ):
            shown += more
        for _ in range(5):
            if isinstance(say, bytes):
                os.write(person, say)
            else:
                time.sleep(0.5)  # lost, if it comes after the question is written and before the answer is waited for
                process.send_signal(say)
            try:
                rest, _ = process.communicate(timeout=20)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            process.kill()
            raise AssertionError(shown)
    os.close(person)
    os.close(terminal)
    return Asked(process.returncode, shown.decode(), rest.decode())


def changed(server: str) -> list[str]:
    return [call["path"] for call in control(server, "log") if call["method"] not in ("GET", "HEAD")]


def test_nobody_who_could_be_asked_is_one_line(datagen: Datagen, server: str) -> None:
    control(server, "reset")
    nobody = datagen("publish", "made", "--repo", "me/asked")
    assert nobody.returncode == 1
    assert nobody.stderr == (
        "datagen: nobody is there to be asked whether to publish. Add --yes, or look first with --dry-run --out.\n"
    )
    assert control(server, "log") == []


@pytest.mark.parametrize("keys", [b"\n", b"what?\nn\n"])
def test_who_says_no_or_nothing_sends_nothing(
    keys: bytes, datagen: Datagen, server: str, environment: dict[str, str]
) -> None:
    control(server, "reset")
    asked = ask(datagen, environment, say=keys)
    assert asked.code == 0
    assert "/datasets/me/asked as me: public, a new repository; revision main; licence apache-2.0" in asked.shown
    assert "data/train-00000-of-00001.parquet" in asked.shown
    assert asked.then.rstrip().endswith("not published")
    assert changed(server) == []


def test_who_says_yes_publishes_and_is_not_asked_for_what_is_there(
    datagen: Datagen, server: str, environment: dict[str, str]
) -> None:
    control(server, "reset")
    asked = ask(datagen, environment, say=b"y\n")
    assert asked.code == 0, asked
    assert "3 files sent" in asked.then or "4 files sent" in asked.then, asked
    assert any("/commit/main" in path for path in changed(server))
    before = changed(server)
    again = ask(datagen, environment, say=b"n\n")
    assert (again.code, changed(server)) == (0, before)
    assert "all of it was there already" in again.shown
    assert "Publish to" not in again.shown


@pytest.mark.parametrize("say", [signal.SIGINT, b"\x04"])
def test_leaving_the_question_is_an_interruption_that_sends_nothing(
    say: bytes | signal.Signals, datagen: Datagen, server: str, environment: dict[str, str]
) -> None:
    control(server, "reset")
    asked = ask(datagen, environment, "--json", say=say)
    assert asked.code == 130, asked
    assert "datagen: interrupted; me/asked is as it was" in asked.then
    assert "Traceback" not in asked.then
    assert changed(server) == []
    assert not list((Path(environment["DATAGEN_HOME"]) / "publish").iterdir())


def test_mistakes_are_one_line_or_a_usage(datagen: Datagen, tmp_path: Path) -> None:
    alone = datagen("publish", "made", "--repo", "me/x", "--dry-run")
    assert (alone.returncode, "--dry-run and --out go together" in alone.stderr) == (2, True)
    offline = datagen("publish", "made", "--repo", "me/x", "--yes", HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stderr.count("\n")) == (1, 1)
    assert offline.stderr.startswith("datagen: HF_HUB_OFFLINE is set")
    dry = datagen(
        "publish", "made", "--repo", "me/x", "--dry-run", "--out", str(tmp_path / "x"), "--json", "--quiet",
        HF_HUB_OFFLINE="1", HF_TOKEN="",
    )  # fmt: skip
    assert dry.returncode == 0, dry.stderr
    assert json.loads(dry.stdout)["dry_run"] is True
    bad = datagen(
        "publish", "made", "--repo", "me/x", "--license", "free", "--dry-run", "--out", "y", "--json", "--quiet"
    )
    assert bad.returncode == 1
    checks = {check["name"]: check["state"] for check in json.loads(bad.stdout)["checks"]}
    assert checks["licence"] == "refused"
