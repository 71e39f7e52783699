"""Jobs that are killed go on where they were; each is a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from datagen.requests.store import ReplyStore

if TYPE_CHECKING:
    from tests.datagen.requests.conftest import RunningServer

    StartServer = Callable[..., RunningServer]

# A job as a user runs it, in a process that can be killed: URL, store, rows.
JOB = """
import sys
from pathlib import Path
from datagen.models.openai_http import OpenAIHttp
from datagen.requests.fetch import fetch_replies
from datagen.requests.limits import Limits
from datagen.requests.request import Request, Sampling
from datagen.requests.store import ReplyStore
from datagen_prompts.template import Turn

url, path, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
limits = Limits(max_in_flight=8)
requests = (
    Request(f"row{i}", url, "m", "chat", (Turn("user", f"question {i}"),), Sampling(), 7, (0, 1)) for i in range(rows)
)
sys.stdout.write("started\\n")
sys.stdout.flush()
with ReplyStore(path) as store:
    fetched = fetch_replies(requests, OpenAIHttp(url, api_key=None, limits=limits), store, limits=limits, seed=0)
print(fetched.asked, fetched.cached, fetched.stored, len(fetched.failed), fetched.calls)
"""


def start_job(server: "RunningServer", path: Path, *, rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", JOB, server.url, str(path), str(rows)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def wait_for_answers(server: "RunningServer", count: int) -> None:
    while server.stats().get("answered", 0) < count:
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_job_continues_where_it_was(
    how: signal.Signals, start_server: "StartServer", tmp_path: Path
) -> None:
    server = start_server("--delay-s", "0.02", fresh=True)
    path = tmp_path / "replies.sqlite"
    for answers in (100, 200):
        process = start_job(server, path, rows=250)
        wait_for_answers(server, answers)
        sent_at = time.monotonic()
        os.kill(process.pid, how)
        _, complaint = process.communicate()
        assert process.returncode != 0
        if how is signal.SIGINT:
            assert complaint.rstrip().endswith("KeyboardInterrupt")
            assert time.monotonic() - sent_at < 2
    out, _ = start_job(server, path, rows=250).communicate()
    asked, cached, stored, failed, calls = map(int, out.split())
    assert (asked, cached + stored, failed) == (500, 500, 0)
    assert cached >= 2 * 150
    # Each interruption loses at most what was in flight, and what had come and was not committed yet.
    assert server.stats()["calls"] <= 250 + 2 * 2 * 8
    assert calls == stored / 2
    with ReplyStore(path) as store:
        assert len(store) == 500
