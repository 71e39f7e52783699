"""Jobs that must account for every row, whatever the server does; the server is a process of its own."""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from datagen.models.openai_http import OpenAIHttp
from datagen.models.scripted import Scripted
from datagen.requests.failure import FailedRow, RequestFailed
from datagen.requests.fetch import Fetched, Progress, fetch_replies
from datagen.requests.ledger import Ledger, Prices
from datagen.requests.limits import Limits
from datagen.requests.request import Reply, Request, Sampling
from datagen.requests.store import ReplyStore
from datagen_prompts.template import Turn
from datagen_schemas.errors import ServerError

if TYPE_CHECKING:
    from tests.datagen.requests.conftest import RunningServer

    StartServer = Callable[..., RunningServer]

FREE = Prices("2025", {})
FAST = Limits(max_in_flight=8, backoff_s=0.001)


def requests_for(prompts: list[str], *, k: int, endpoint: str = "scripted") -> list[Request]:
    return [
        Request(f"row{i}", endpoint, "m", "chat", (Turn("user", prompt),), Sampling(max_tokens=5), 7, tuple(range(k)))
        for i, prompt in enumerate(prompts)
    ]


def is_accounted_for(fetched: Fetched) -> bool:
    failed = sum(len(row.samples) for row in fetched.failed)
    return fetched.asked == fetched.cached + fetched.stored + failed + fetched.skipped


PASSING = ["429", "429-after", "429-date", "500", "503-html", "hang", "cut", "reset", "not-json", "html", "no-choices"]
PASSING += ["empty-choices", "null", "odd-text", "error-200", "drip", "one-null"]


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_passes_costs_no_row(kind: str, server: "RunningServer", store: ReplyStore) -> None:
    prompts = [f"[[{kind} 1]] question {i}" if i % 2 else f"question {i}" for i in range(10)]
    fetched = server.fetch(prompts, store, k=2)
    assert (fetched.asked, fetched.stored, fetched.failed, fetched.cached) == (20, 20, (), 0)
    assert len(store) == 20
    stats = server.stats()
    assert stats[kind] == 5
    assert stats["calls"] == fetched.calls
    assert all(stats["calls_of"][prompt] >= (2 if i % 2 else 1) for i, prompt in enumerate(prompts))


LASTING = [
    ("429", "rate_limited"),
    ("500", "server_error"),
    ("503-html", "server_error"),
    ("error-200", "server_error"),
    ("400", "refused"),
    ("filtered", "refused"),
    ("hang", "timeout"),
    ("drip", "timeout"),
    ("cut", "transport"),
    ("reset", "transport"),
    ("not-json", "bad_reply"),
    ("html", "bad_reply"),
    ("no-choices", "bad_reply"),
    ("odd-text", "bad_reply"),
    ("empty-choices", "empty"),
    ("null", "empty"),
]


@pytest.mark.parametrize(("kind", "named"), LASTING)
def test_a_row_that_always_fails_takes_no_neighbour(
    kind: str, named: str, server: "RunningServer", store: ReplyStore
) -> None:
    prompts = [f"question {i}" for i in range(12)]
    prompts[5] = f"[[{kind}]] question 5"
    limits = replace(server.limits, max_tries=2, read_timeout_s=0.25, connect_timeout_s=0.25)
    fetched = server.fetch(prompts, store, k=3, limits=limits)
    assert [(row.row, row.samples, row.kind) for row in fetched.failed] == [("row5", (0, 1, 2), named)]
    assert "\n" not in fetched.failed[0].message
    assert fetched.stored == 33 == len(store)
    assert is_accounted_for(fetched)
    again = server.fetch(prompts, store, k=3, limits=limits)
    assert (again.cached, again.stored, len(again.failed)) == (33, 0, 1)


def test_all_faults_at_once_leave_every_row_stored_once(start_server: "StartServer", store: ReplyStore) -> None:
    faults = ["500", "cut", "reset", "not-json", "empty-choices", "429-after", "hang", "null"]
    options = [option for fault in faults for option in ("--fault", fault)]
    server = start_server(*options, "--fault-rate", "0.5", fresh=True)
    prompts = [f"question {i}" for i in range(100)]
    fetched = server.fetch(prompts, store, k=4)
    assert (fetched.stored, fetched.failed, len(store)) == (400, (), 400)
    stats = server.stats()
    assert sum(stats[fault] for fault in faults) > 25
    assert fetched.ledger.retries == fetched.calls - 100 == stats["calls"] - 100


def test_a_finished_job_run_again_calls_nobody(server: "RunningServer", store: ReplyStore) -> None:
    prompts = [f"question {i}" for i in range(20)]
    server.fetch(prompts, store, k=5)
    before = server.stats()["calls"]
    again = server.fetch(prompts, store, k=5)
    assert (again.calls, again.cached, again.stored) == (0, 100, 0)
    assert server.stats()["calls"] == before
    assert again.ledger.cost_usd == 0


def test_more_samples_ask_only_for_the_new_ones(server: "RunningServer", store: ReplyStore) -> None:
    prompts = ["one", "two"]
    server.fetch(prompts, store, k=5)
    early = store.get_many([request.reply_key(s) for request in server.requests(prompts, k=5) for s in range(5)])
    more = server.fetch(prompts, store, k=11)
    assert (more.cached, more.stored) == (10, 12)
    assert server.stats()["samples_of"] == {"one": 11, "two": 11}
    keys = [request.reply_key(s) for request in server.requests(prompts, k=11) for s in range(11)]
    late = store.get_many(keys)
    assert len(late) == 22
    assert {key: late[key] for key in early} == early


@pytest.mark.parametrize("n", ["ignore", "refuse", "cap"])
def test_a_server_without_n_is_asked_differently_and_every_sample_comes_once(
    n: str, start_server: "StartServer", store: ReplyStore
) -> None:
    server = start_server("--n", n, fresh=True)
    prompts = [f"question {i}" for i in range(30)]
    # On a busy machine a server may be slow, and a call that times out would be asked twice.
    fetched = server.fetch(prompts, store, k=7, limits=replace(server.limits, read_timeout_s=60))
    assert (fetched.stored, fetched.failed) == (210, ())
    keys = [request.reply_key(s) for request in server.requests(prompts, k=7) for s in range(7)]
    assert len({reply.text for reply in store.get_many(keys).values()}) == 210
    stats = server.stats()
    # No sample that the server made was thrown away, and only calls under way at the time were asked with n in vain.
    assert sum(stats["samples_of"].values()) == 210
    assert stats["calls"] - stats["answered"] <= 16
    assert fetched.ledger.completion_tokens == 7 * 210


def test_parameters_that_a_server_does_not_know_are_left_out(start_server: "StartServer", store: ReplyStore) -> None:
    server = start_server("--no-seed", "--new-max-tokens", "--n", "refuse", fresh=True)
    fetched = server.fetch(["a", "b", "c"], store, k=3)
    assert (fetched.stored, fetched.failed) == (9, ())


def test_a_server_with_a_rate_limit_costs_no_row(start_server: "StartServer", store: ReplyStore) -> None:
    server = start_server("--rps", "150", fresh=True)
    limits = replace(server.limits, max_tries=2, max_in_flight=64)
    fetched = server.fetch([f"question {i}" for i in range(400)], store, k=1, limits=limits)
    assert (fetched.stored, fetched.failed) == (400, ())
    assert server.stats()["429"] > 2  # more of them than tries


def test_no_more_calls_are_in_flight_than_allowed(start_server: "StartServer", store: ReplyStore) -> None:
    server = start_server("--delay-s", "0.05", fresh=True)
    prompts = [f"question {i}" for i in range(200)]
    server.fetch(prompts, store, k=1, limits=replace(server.limits, max_in_flight=150))
    # aiohttp's own limit would be 100.
    assert server.stats()["most_in_flight"] == 150


@pytest.mark.parametrize("kind", ["401", "403", "404", "quota", "redirect", "429-day"])
def test_a_server_that_refuses_everybody_ends_the_job_at_once(
    kind: str, server: "RunningServer", store: ReplyStore
) -> None:
    remedies = {"401": "OPENAI_API_KEY", "404": "--model", "quota": "balance", "429-day": "again in 1440 minutes"}
    with pytest.raises(ServerError, match=remedies.get(kind, server.url)) as raised:
        server.fetch([f"[[{kind}]] {i}" for i in range(2_000)], store, k=1)
    assert "\n" not in str(raised.value)
    assert server.stats()["calls"] <= 16 + 3  # one window, and the three that told
    with pytest.raises(ServerError):  # one row is enough to say so
        server.fetch([f"[[{kind}]]"], store, k=1)


def test_nobody_listening_ends_the_job_soon(store: ReplyStore) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        limits = Limits(backoff_s=0.05)
        requests = requests_for([f"question {i}" for i in range(7_473)], k=6, endpoint=url)
        start = time.monotonic()
        with pytest.raises(ServerError, match=f"{url}: .*Start the server or correct --base-url"):
            fetch_replies(requests, OpenAIHttp(url, api_key=None, limits=limits), store, limits=limits, seed=0)
        assert time.monotonic() - start < 5


def test_a_server_that_dies_in_the_middle_ends_the_job(store: ReplyStore) -> None:
    calls = iter(range(10_000))

    def script(request: Request, sample: int) -> str:
        if next(calls) >= 100:
            raise RequestFailed("transport", "connection refused", retryable=True, concerns_server=True)
        return "fine"

    backend = Scripted(script, max_samples=1)
    with pytest.raises(ServerError, match="connection refused"):
        fetch_replies(
            requests_for([f"question {i}" for i in range(5_000)], k=1),
            backend,
            store,
            limits=FAST,
            seed=0,
            ledger=Ledger(FREE),
        )
    assert len(store) == 100
    assert len(backend.calls) < 100 + 20 * 6 + 8 * 6


def test_a_bug_in_a_backend_keeps_its_traceback(store: ReplyStore) -> None:
    def script(request: Request, sample: int) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch_replies(requests_for(["a"], k=1), Scripted(script), store, limits=FAST, seed=0, ledger=Ledger(FREE))


def test_rows_with_the_same_prompt_share_replies_and_failures(store: ReplyStore) -> None:
    backend = Scripted({"same": ["a", "b"]})
    fetched = fetch_replies(
        requests_for(["same", "other", "same", "other"], k=2), backend, store, limits=FAST, seed=0, ledger=Ledger(FREE)
    )
    assert (fetched.stored, fetched.cached, fetched.asked) == (2, 2, 8)
    message = "no scripted reply to 'other'"
    assert fetched.failed == (
        FailedRow("row1", (0, 1), "refused", message),
        FailedRow("row3", (0, 1), "refused", message),
    )
    assert len(backend.calls) == 2


def test_requests_are_read_as_the_window_moves(store: ReplyStore) -> None:
    read = 0
    ahead: list[int] = []
    answered = 0

    def requests() -> Iterator[Request]:
        nonlocal read
        for request in requests_for([f"question {i}" for i in range(20_000)], k=1):
            read += 1
            yield request

    def script(request: Request, sample: int) -> str:
        nonlocal answered
        answered += 1
        ahead.append(read - answered)
        return "text"

    fetched = fetch_replies(requests(), Scripted(script), store, limits=FAST, seed=0, ledger=Ledger(FREE))
    assert fetched.stored == 20_000
    assert max(ahead) <= 2 * 1_024


def test_one_slow_call_holds_up_nobody(start_server: "StartServer", store: ReplyStore) -> None:
    server = start_server(fresh=True)
    limits = replace(server.limits, max_in_flight=4, read_timeout_s=1.0, max_tries=1)
    progress: list[Progress] = []
    fetch_replies(
        server.requests(["[[hang]]", *(f"question {i}" for i in range(300))], k=1),
        OpenAIHttp(server.url, api_key=None, limits=limits),
        store,
        limits=limits,
        seed=0,
        on_progress=progress.append,
        total=301,
    )
    assert progress[-1][:4] == (301, 301, 1, 0)
    assert len(store) == 300
    assert server.stats()["most_in_flight"] <= 4


@pytest.mark.parametrize("kind", ["400", "filtered"])
def test_rows_refused_for_what_they_say_end_no_job_however_many(
    kind: str, server: "RunningServer", store: ReplyStore
) -> None:
    prompts = [f"[[{kind}]] {i}" if 50 <= i < 75 else f"question {i}" for i in range(125)]
    limits = replace(server.limits, max_in_flight=1)
    for asked_before in (0, 100):
        fetched = server.fetch(prompts, store, k=1, limits=limits)
        assert (fetched.cached, fetched.stored) == (asked_before, 100 - asked_before)
        assert [row.row for row in fetched.failed] == [f"row{i}" for i in range(50, 75)]


def test_a_reply_of_thoughts_alone_is_paid_for_once(server: "RunningServer", store: ReplyStore) -> None:
    for _ in range(2):
        assert server.fetch(["[[thinking]] a", "b"], store, k=2).failed == ()
    assert server.stats()["calls"] == 2


def test_rpm_is_kept_across_retries(store: ReplyStore, server: "RunningServer") -> None:
    limits = replace(server.limits, rpm=1_200)  # bursts of 20, then 20 a second
    start = time.monotonic()
    fetched = server.fetch([f"[[500 1]] question {i}" for i in range(15)], store, k=1, limits=limits)
    assert fetched.calls == 30
    assert time.monotonic() - start >= 0.45  # 10 calls beyond the burst


def test_the_key_reaches_the_server_and_nothing_else(
    server: "RunningServer", store: ReplyStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = "sk-verysecret0123456789"
    caplog.set_level("DEBUG")
    fetched = server.fetch(
        ["fine", "[[500]]", "[[400]]"], store, k=2, limits=replace(server.limits, max_tries=2), key=key
    )
    assert fetched.stored == 2
    with pytest.raises(ServerError) as raised:
        server.fetch([f"[[leak]] {i}" for i in range(9)], store, k=1, key=key)
    assert "Incorrect API key provided: Bearer ***" in str(raised.value)
    with sqlite3.connect(store.path) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    files = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    for text in (dump, files.decode(errors="replace"), caplog.text, str(raised.value), repr(fetched.failed)):
        assert "verysecret" not in text


def test_the_same_job_gives_the_same_replies_whatever_the_window(tmp_path: Path, server: "RunningServer") -> None:
    prompts = [f"question {i}" for i in range(40)]
    keys = [request.reply_key(s) for request in server.requests(prompts, k=3) for s in range(3)]
    found: list[dict[str, Reply]] = []
    for in_flight in (1, 32):
        with ReplyStore(tmp_path / f"{in_flight}.sqlite") as store:
            server.fetch(prompts, store, k=3, limits=replace(server.limits, max_in_flight=in_flight))
            found.append(store.get_many(keys))
    assert found[0] == found[1]
    assert len(found[0]) == 120
