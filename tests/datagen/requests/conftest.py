"""A misbehaving server in a process of its own, and jobs against it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from datagen.models.openai_http import OpenAIHttp
from datagen.requests.fetch import Fetched, fetch_replies
from datagen.requests.limits import Limits
from datagen.requests.request import Request, Sampling
from datagen.requests.store import ReplyStore
from datagen_prompts.template import Turn

SCRIPT = Path(__file__).parents[2] / "servers" / "chat_server.py"


class RunningServer:
    """A server process, what it counts, and jobs for it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.limits = Limits(max_in_flight=16, backoff_s=0.02, read_timeout_s=2, connect_timeout_s=2)

    def stats(self) -> dict[str, Any]:  # Any: JSON
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as response:
            stats: dict[str, Any] = json.load(response)  # Any: JSON
        return stats

    def reset(self) -> None:
        urllib.request.urlopen(self.url.removesuffix("/v1") + "/reset").close()

    def requests(self, prompts: Sequence[str], *, k: int) -> list[Request]:
        return [
            Request(f"row{i}", self.url, "m", "chat", (Turn("user", prompt),), Sampling(), 7, tuple(range(k)))
            for i, prompt in enumerate(prompts)
        ]

    def fetch(
        self, prompts: Sequence[str], store: ReplyStore, *, k: int = 2, limits: Limits | None = None, key: str = ""
    ) -> Fetched:
        limits = limits or self.limits
        backend = OpenAIHttp(self.url, api_key=key, limits=limits)
        return fetch_replies(self.requests(prompts, k=k), backend, store, limits=limits, seed=0)


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers with the given options; one of each kind a session, all killed at the end."""
    processes: dict[tuple[str, ...], tuple[subprocess.Popen[str], RunningServer]] = {}

    def start(*options: str, fresh: bool = False) -> RunningServer:
        name = (*options, str(len(processes))) if fresh else options
        if name not in processes:
            command = [sys.executable, str(SCRIPT), "--port", "0", *options]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            processes[name] = process, RunningServer(f"http://127.0.0.1:{int(process.stdout.readline())}/v1")
        return processes[name][1]

    yield start
    for process, _ in processes.values():
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def server(start_server: Callable[..., RunningServer]) -> RunningServer:
    """A server with its counters at zero."""
    running = start_server()
    running.reset()
    return running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReplyStore]:
    """An empty store."""
    with ReplyStore(tmp_path / "replies.sqlite") as opened:
        yield opened
