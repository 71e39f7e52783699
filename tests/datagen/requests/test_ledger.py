from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.requests.ledger import Ledger, Price, Prices, load_prices
from datagen.requests.request import Reply
from datagen_schemas.errors import DataError

HOST = "https://api.openai.com/v1"


def test_the_cost_is_exact() -> None:
    ledger = Ledger(Prices("2025", {("api.openai.com", "m"): Price(Decimal("0.15"), Decimal("0.60"))}))
    for _ in range(3):
        ledger.add_replies(HOST, "m", [Reply("", "stop", 7, 11), Reply("", "stop", 0, 2)])
    # 3 * (7 * 0.15 + 13 * 0.60) / 1e6
    assert ledger.cost_usd == Decimal("0.00002655")
    assert (ledger.prompt_tokens, ledger.completion_tokens) == (21, 39)


def test_an_unknown_price_is_unknown_and_not_nothing() -> None:
    ledger = Ledger(load_prices())
    assert ledger.cost_usd == 0  # nothing was asked
    ledger.add_replies(HOST, "gpt-4o-mini", [Reply("", "stop", 1, 1)])
    assert ledger.cost_usd is not None
    ledger.add_replies("http://127.0.0.1:8000/v1", "gpt-4o-mini", [Reply("", "stop", 1, 1)])
    assert ledger.cost_usd is None
    assert ledger.as_dict()["cost_usd"] is None


def test_replies_without_token_counts_make_the_cost_unknown_except_in_process() -> None:
    ledger = Ledger(load_prices())
    ledger.add_replies("transformers", "any", [Reply("", "stop", None, None), Reply("", "stop", 5, 5)])
    assert ledger.cost_usd == 0
    ledger.add_replies(HOST, "gpt-4o-mini", [Reply("", "stop", None, None)])
    assert ledger.cost_usd is None


TWO = Prices("2025", {(None, "a"): Price(Decimal("0.1"), Decimal("0.7")), (None, "b"): Price(Decimal(3), Decimal(5))})
CALLS = st.tuples(
    st.sampled_from(["http://one/v1", "http://two/v1"]),
    st.sampled_from(["a", "b", "no price"]),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 1000)),
    st.integers(0, 1000),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(CALLS))
def test_the_accounts_of_the_models_add_up_to_the_sums(
    calls: Sequence[tuple[str, str, bool, int | None, int]],
) -> None:
    ledger = Ledger(TWO)
    for endpoint, model, is_retry, prompt, completion in calls:
        ledger.add_call(endpoint, model, is_retry=is_retry)
        ledger.add_replies(endpoint, model, [Reply("", "stop", prompt, completion)])
    total = ledger.as_dict()
    accounts = total["by_model"]
    for name in ("calls", "retries", "prompt_tokens", "completion_tokens"):
        assert sum(of[name] for of in accounts) == total[name], name
    if all(of["cost_usd"] is not None for of in accounts):
        assert sum(Decimal(of["cost_usd"]) for of in accounts) == Decimal(total["cost_usd"])
    else:
        assert total["cost_usd"] is None
    for of in accounts:
        mine = [call for call in calls if call[:2] == (of["endpoint"], of["model"])]
        assert (of["calls"], of["completion_tokens"]) == (len(mine), sum(call[4] for call in mine))
    assert len(accounts) == len({call[:2] for call in calls})


def test_an_unknown_price_of_one_model_leaves_the_cost_of_another_known() -> None:
    ledger = Ledger(TWO)
    ledger.add_replies(HOST, "a", [Reply("", "stop", 1000, 0)])
    ledger.add_replies(HOST, "no price", [Reply("", "stop", 1, 1)])
    found = {of["model"]: of["cost_usd"] for of in ledger.as_dict()["by_model"]}
    assert found == {"a": "0.0001", "no price": None}
    assert ledger.cost_usd is None


def test_a_dated_model_has_the_price_of_its_family() -> None:
    prices = load_prices()
    assert prices.of(HOST, "gpt-4o-mini-2024-07-18") == prices.of(HOST, "gpt-4o-mini") is not None
    assert prices.of(HOST, "gpt-4o-audio") is None
    assert prices.of("https://gateway.example/v1", "gpt-4o-mini") is None


def test_the_users_own_table_replaces_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('as_of = "2030-01-01"\n[[price]]\nmodel = "mine"\ninput = 1\noutput = 2.5\n')
    monkeypatch.setenv("DATAGEN_PRICES", str(path))
    prices = load_prices()
    assert prices.as_of == "2030-01-01"
    assert prices.of("http://10.0.0.1/v1", "mine") == Price(Decimal(1), Decimal("2.5"))
    assert prices.of(HOST, "gpt-4o") is None


@pytest.mark.parametrize(
    "text",
    ["[[price]]\nmodel = 'm'\ninput = 1\n", "not toml", "[[price]]\nmodel='m'\ninput='x'\noutput=1\n", "\xff"]
    + ["[[price]]\nmodel='m'\ninput=-1\noutput=1\n"],
)
def test_an_unusable_table_is_an_error_that_names_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match="prices.toml"):
        load_prices(path)
