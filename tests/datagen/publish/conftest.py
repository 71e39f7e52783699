"""A Hub on loopback, and small runs to publish on it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from datagen.readers.read import DatasetSpec
from datagen.runs.replies import Job
from datagen.runs.write_examples import ExampleOptions, run_examples
from datagen.store.arrow_dataset import DatasetWriter
from datagen.store.run_directory import RunDirectory
from datagen_schemas.example import Example
from datagen_schemas.provenance import Provenance

REPO = Path(__file__).parents[3]
TOKEN = "hf_" + "t" * 34


class LoopbackHub(NamedTuple):
    """The process, and how to talk to it."""

    url: str
    token: str = TOKEN

    def control(self, what: str, content: object = None) -> Any:  # Any: JSON
        data = None if what == "log" else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/control/{what}", data=data)
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def calls(self, method: str, *parts: str) -> list[dict[str, Any]]:
        return [
            call
            for call in self.control("log")
            if call["method"] == method and all(part in call["path"] for part in parts)
        ]


@pytest.fixture(scope="module")
def hub_process() -> Iterator[LoopbackHub]:
    command = [sys.executable, str(REPO / "tests/servers/hub_server.py"), "--token", TOKEN, "--org", "team"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield LoopbackHub(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        process.kill()


@pytest.fixture
def hub_server(hub_process: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LoopbackHub:
    """The Hub that this process talks to, empty."""
    from huggingface_hub import constants

    hub_process.control("reset")
    monkeypatch.setenv("HF_ENDPOINT", hub_process.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("DATAGEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # read when the library was imported
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return hub_process


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run: training examples of ten built-in problems."""
    job = Job(
        dataset=DatasetSpec("synthetic:10"),
        out=tmp_path / "examples",
        needs_replies=False,
        command="datagen examples --dataset synthetic:10 --out examples",
    )
    run_examples(job, ExampleOptions(answers="gold"))
    return job.out


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished run whose completions are the given texts."""

    def make(*completions: str, name: str = "made", command: str = "datagen examples", **config: Any) -> Path:  # JSON
        dataset: dict[str, Any] = {
            "name": "synthetic:10",
            "split": None,
            "limit": None,
            "columns": {},
            "format": None,
            "file": None,
        }
        out = RunDirectory(tmp_path / name, {"stage": "examples", "dataset": dataset, "seed": 0, **config})
        provenance = Provenance.of_stage("examples", package_version="0")
        with DatasetWriter(out.data, Example) as rows:
            for i, text in enumerate(completions):
                row = Example(
                    prompt="How many?\n",
                    completion=text,
                    problem_id=f"p{i}",
                    source="gold",
                    answer="1",
                    equations=(),
                    sample=None,
                    model=None,
                    provenance=provenance,
                )
                rows.write_records([row], Example)
        out.finish(command=command, card="# x\n", facts={"counts": {"rows": len(completions)}})
        return out.path

    return make
