"""What a job would ask for and cost at most; calls nothing."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from datagen.requests.call import in_batches, split
from datagen.requests.ledger import Ledger, Prices, load_prices
from datagen.requests.limits import SAMPLES_PER_CALL, estimated_prompt_tokens, most_completion_tokens
from datagen.requests.request import Request
from datagen.requests.store import ReplyStore


class Plan(NamedTuple):
    """What a job would do."""

    samples: int
    cached: int
    to_ask: int
    calls: int
    prompt_tokens_estimate: int
    completion_tokens_max: int
    cost_usd_max: Decimal | None  # None: no price is known


def plan_requests(
    requests: Iterable[Request],
    store: ReplyStore,
    *,
    samples_per_call: int | None = None,
    prices: Prices | None = None,
) -> Plan:
    """What `fetch_replies` would do, without calling anything."""
    samples_per_call = samples_per_call or SAMPLES_PER_CALL
    ledger = Ledger(prices or load_prices())
    samples = to_ask = calls = prompt_tokens = completion_tokens = 0
    cost: Decimal | None = Decimal(0)
    for batch in in_batches(requests):
        keyed = [(request, {sample: request.reply_key(sample) for sample in request.samples}) for request in batch]
        missing = store.missing([key for _, keys in keyed for key in keys.values()])
        for request, keys in keyed:
            samples += len(request.samples)
            wanted = tuple(sample for sample in request.samples if keys[sample] in missing)
            for part in split(wanted, samples_per_call):
                prompt = estimated_prompt_tokens(request)
                completion = most_completion_tokens(replace(request, samples=part))
                price = ledger.price(request.endpoint, request.model)
                cost = None if price is None or cost is None else cost + price.cost_usd(prompt, completion)
                to_ask += len(part)
                calls += 1
                prompt_tokens += prompt
                completion_tokens += completion
    return Plan(samples, samples - to_ask, to_ask, calls, prompt_tokens, completion_tokens, cost)
