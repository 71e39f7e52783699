"""What runs cost, by stage and model: the ledgers in their manifests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from datagen.report.charts import Bar, bar_table, number
from datagen.report.figure import Figure, Json, at, count


class Cost(NamedTuple):
    """What one run asked of one model."""

    run: str
    stage: str
    model: str  # all of them, where an old manifest has one account for all
    use: str  # 'generator', 'judge', both, or nothing where it is not known
    endpoint: str | None
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None  # None: some price is not known
    seconds: float | None  # of the run, all models together
    prices_as_of: str | None

    @property
    def tokens(self) -> int:
        """Of prompts and replies."""
        return self.prompt_tokens + self.completion_tokens

    def as_json(self) -> Json:
        """For `--json`; the cost is exact text, and null if unknown."""
        names = ("run", "stage", "model", "use", "endpoint", "calls", "prompt_tokens", "completion_tokens")
        values = {name: getattr(self, name) for name in names}
        return {**values, "cost_usd": None if self.cost_usd is None else str(self.cost_usd)}


def costs_of(run: str, manifest: Mapping[str, Any]) -> Iterator[Cost]:  # Any: JSON
    """The ledger of one manifest, model by model; nothing for a stage that asked no model."""
    ledger = at(manifest, "failures", "ledger")
    if not isinstance(ledger, dict):
        return
    config = at(manifest, "config")
    uses = _uses(config)
    accounts = ledger.get("by_model")
    if not isinstance(accounts, list):  # written before there was one for each model
        endpoint = next(iter(uses))[1] if len(uses) == 1 else None
        accounts = [ledger | {"model": ", ".join(dict.fromkeys(model for model, _ in uses)), "endpoint": endpoint}]
    for account in accounts:
        model, endpoint = str(at(account, "model") or ""), at(account, "endpoint")
        cost = Cost(
            run,
            str(at(config, "stage") or ""),
            model,
            ", ".join(uses.get((model, endpoint), ())),
            endpoint if isinstance(endpoint, str) else None,
            count(at(account, "calls")),
            count(at(account, "prompt_tokens")),
            count(at(account, "completion_tokens")),
            _money(at(account, "cost_usd")),
            at(manifest, "seconds"),
            at(ledger, "prices_as_of"),
        )
        if cost.calls or cost.tokens:
            yield cost


def _uses(config: object) -> dict[tuple[str, object], list[str]]:
    """What each model at its endpoint was asked for."""
    found: dict[tuple[str, object], list[str]] = {}
    judges = at(config, "judges")
    for of, name, use in [
        (at(config, "generator"), "model", "generator"),
        *((judge, "judge", "judge") for judge in (judges if isinstance(judges, list) else ())),
    ]:
        model, endpoint = at(of, name), at(of, "endpoint")
        if model and endpoint:  # the step judge has none, and costs nothing
            uses = found.setdefault((str(model), endpoint), [])
            uses += [use] if use not in uses else []
    return found


def _money(value: object) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None


def cost_figure(costs: Sequence[Cost]) -> Figure | None:
    """Tokens and money of all runs; None if no model was asked."""
    if not costs:
        return None
    most = max(cost.tokens for cost in costs) or 1
    bars = [Bar(_name(cost), cost.tokens / most, f"{number(cost.tokens)} · {usd(cost.cost_usd)}") for cost in costs]
    header = ("run", "stage", "model", "used as", "calls", "prompt tokens", "reply tokens", "USD", "run, seconds")
    rows = [
        (
            cost.run,
            cost.stage,
            cost.model,
            cost.use,
            number(cost.calls),
            number(cost.prompt_tokens),
            number(cost.completion_tokens),
            usd(cost.cost_usd),
            "–" if cost.seconds is None else number(cost.seconds),
        )
        for cost in costs
    ]
    body = bar_table(bars, header=("stage and model", "tokens"), caption="Tokens by stage and model")
    return Figure("Cost by stage and model", body, _note(costs), header, rows, is_wide=True)


def usd(money: Decimal | None) -> str:
    """Money as text; never 0 where it is not known."""
    if money is None:
        return "price unknown"
    return f"${money:,.4f}".rstrip("0").rstrip(".") if money else "$0"


def _name(cost: Cost) -> str:
    asked = f"{cost.model} ({cost.use})" if cost.use else cost.model
    return f"{cost.run}: {asked or cost.stage}"


def _note(costs: Sequence[Cost]) -> str:
    tokens = sum(cost.tokens for cost in costs)
    note = f"{number(tokens)} tokens in {number(sum(cost.calls for cost in costs))} calls"
    if all(cost.cost_usd is not None for cost in costs):
        note += f", {usd(sum((cost.cost_usd or Decimal(0) for cost in costs), Decimal(0)))} in all."
    else:
        note += "; the price of some is not known, so there is no sum of money."
    note += " Replies that a run found in the store, its own of an interrupted try too, are not counted."
    dates = _dates(cost for cost in costs if cost.cost_usd)
    return note + (f" List prices as of {dates}." if dates else "")


def _dates(costs: Iterable[Cost]) -> str:
    return ", ".join(dict.fromkeys(cost.prices_as_of for cost in costs if cost.prices_as_of))
