"""What a job may cost: it stops before the limit, and what cannot be counted counts as the most it can be."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from datagen.models.openai_http import OpenAIHttp
from datagen.models.scripted import Scripted
from datagen.requests.fetch import fetch_replies
from datagen.requests.ledger import Ledger, Price, Prices
from datagen.requests.limits import Limits
from datagen.requests.plan import plan_requests
from datagen.requests.request import Request, Sampling
from datagen.requests.store import ReplyStore
from datagen_prompts.template import Turn
from datagen_schemas.errors import DataError, ServerError

if TYPE_CHECKING:
    from tests.datagen.requests.conftest import RunningServer

FREE = Prices("2025", {})
FAST = Limits(max_in_flight=8, backoff_s=0.001)


def requests_for(n: int, *, endpoint: str = "scripted") -> list[Request]:
    return [
        Request(f"row{i}", endpoint, "m", "chat", (Turn("user", f"q{i}"),), Sampling(max_tokens=5), 7, (0,))
        for i in range(n)
    ]


def test_max_cost_is_never_exceeded_and_the_rest_is_counted(store: ReplyStore) -> None:
    # 5 completion tokens at most, of which 1 is used; USD 1 a token, the prompt free.
    prices = Prices("2025", {(None, "m"): Price(Decimal(0), Decimal(1_000_000))})
    requests = requests_for(50, endpoint="http://127.0.0.1/v1")
    limits = replace(FAST, max_cost_usd=20.5)
    fetched = fetch_replies(requests, Scripted(lambda *_: "word"), store, limits=limits, seed=0, ledger=Ledger(prices))
    assert fetched.stopped == "max-cost reached"
    # The 17th call could make it 16 + 5 = 21 dollars.
    assert (fetched.asked, fetched.stored, fetched.skipped, fetched.failed) == (50, 16, 34, ())
    assert fetched.ledger.cost_usd == Decimal(16)


def test_max_cost_without_a_price_is_refused_before_any_call(store: ReplyStore) -> None:
    backend = Scripted({"a": "b"})
    with pytest.raises(DataError, match="DATAGEN_PRICES"):
        fetch_replies(
            requests_for(1, endpoint="http://127.0.0.1/v1"),
            backend,
            store,
            limits=replace(FAST, max_cost_usd=1),
            seed=0,
            ledger=Ledger(FREE),
        )
    assert backend.calls == []


def test_max_tokens_total_stops_too(store: ReplyStore) -> None:
    requests = requests_for(50)
    # A call: a prompt of at most 8 tokens (1 used), and at most 5 of completion (1 used).
    limits = replace(FAST, max_tokens_total=60)
    fetched = fetch_replies(requests, Scripted(lambda *_: "word"), store, limits=limits, seed=0, ledger=Ledger(FREE))
    assert fetched.stopped == "max-tokens-total reached"
    assert fetched.ledger.prompt_tokens + fetched.ledger.completion_tokens <= 60
    assert fetched.stored == 24  # 2 each; with 24 done, 48 + 13 is more than 60


@pytest.mark.parametrize(
    ("limits", "stopped"),
    [
        # 4 samples of 5 tokens at most, and a prompt of 8 + 2 // 3; USD 1 a token of completion, the prompt free.
        (replace(FAST, max_tokens_total=27), "max-tokens-total is 27 and one call of 4 samples may use 28"),
        (replace(FAST, max_cost_usd=19.5), "max-cost is 19.5 USD and one call of 4 samples may cost 20"),
    ],
)
def test_a_limit_below_one_call_says_so(limits: Limits, stopped: str, store: ReplyStore) -> None:
    prices = Prices("2025", {(None, "m"): Price(Decimal(0), Decimal(1_000_000))})
    requests = [replace(of, samples=(0, 1, 2, 3)) for of in requests_for(3, endpoint="http://127.0.0.1/v1")]
    backend = Scripted(lambda *_: "word")
    fetched = fetch_replies(requests, backend, store, limits=limits, seed=0, ledger=Ledger(prices))
    assert (fetched.stopped, fetched.skipped, backend.calls) == (stopped, 12, [])
    enough = replace(FAST, max_tokens_total=28, max_cost_usd=20)
    fetched = fetch_replies(requests, backend, store, limits=enough, seed=0, ledger=Ledger(prices))
    assert (fetched.stopped, fetched.stored) == ("max-cost reached", 4)


@pytest.mark.parametrize("kind", ["cut", "reset", "502", "504"])
def test_a_call_cut_on_the_way_back_counts_as_the_most_it_can_have_used(
    kind: str, server: "RunningServer", store: ReplyStore
) -> None:
    # A call: some tokens of prompt and 512 of completion at most.
    limits = replace(server.limits, max_tokens_total=2_000, max_in_flight=4)
    fetched = server.fetch([f"[[{kind}]] {i}" for i in range(12)], store, k=1, limits=limits)
    assert (fetched.stored, fetched.stopped) == (0, "max-tokens-total reached")
    assert server.stats()["calls"] == 3  # 4 * 512 is more than 2,000
    uncounted = fetched.ledger.as_dict()["uncounted"]
    assert uncounted["calls"] == 3
    assert 3 * 512 < uncounted["tokens_at_most"] <= 2_000
    assert fetched.asked == len(fetched.failed) + fetched.skipped == 12


def test_stages_that_share_a_ledger_share_what_may_have_been_charged(
    server: "RunningServer", store: ReplyStore
) -> None:
    limits = replace(server.limits, max_tokens_total=2_000, max_tries=1)
    ledger = Ledger(FREE)
    for stage in range(3):
        fetch_replies(
            server.requests([f"[[cut]] {stage} {i}" for i in range(2)], k=1),
            OpenAIHttp(server.url, api_key=None, limits=limits),
            store,
            limits=limits,
            seed=0,
            ledger=ledger,
        )
    assert (server.stats()["calls"], ledger.uncounted_calls) == (3, 3)


def test_a_job_that_ends_with_an_error_says_what_it_may_have_cost(server: "RunningServer", store: ReplyStore) -> None:
    limits = replace(server.limits, max_tries=1, max_in_flight=1)
    prompts = ["good", *(f"[[cut]] {i}" for i in range(30))]
    with pytest.raises(ServerError, match=r"Tokens used: 17\. .* no token counts: 20, of 1\d,\d{3} tokens at most\.$"):
        server.fetch(prompts, store, k=1, limits=limits)


def test_a_plan_counts_what_a_job_would_ask_and_asks_nothing(server: "RunningServer", store: ReplyStore) -> None:
    prompts = [f"question {i}" for i in range(10)]
    server.fetch(prompts[:4], store, k=3)
    before = server.stats()["calls"]
    prices = Prices("2025", {(None, "m"): Price(Decimal(1), Decimal(2))})
    plan = plan_requests(server.requests(prompts, k=5), store, samples_per_call=2, prices=prices)
    # 4 rows lack 2 samples (1 call), 6 rows lack 5 (3 calls); 8 + 10 // 3 tokens a prompt, 512 a sample.
    assert (plan.samples, plan.cached, plan.to_ask, plan.calls) == (50, 12, 38, 4 + 18)
    assert (plan.prompt_tokens_estimate, plan.completion_tokens_max) == (22 * 11, 38 * 512)
    assert plan.cost_usd_max == Decimal(22 * 11 + 2 * 38 * 512) / 1_000_000
    assert plan_requests(server.requests(prompts, k=5), store, prices=FREE).cost_usd_max is None
    assert server.stats()["calls"] == before
