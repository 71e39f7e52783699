"""What runs cost, by stage and model: the ledgers in their manifests."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from datagen.report.charts import Bar, bar_table, number
from datagen.report.figure import Figure, Json, at


class Cost(NamedTuple):
    """What one run asked of its models."""

    run: str
    stage: str
    models: tuple[str, ...]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None  # None: some price is not known
    seconds: float | None
    prices_as_of: str | None

    @property
    def tokens(self) -> int:
        """Of prompts and replies."""
        return self.prompt_tokens + self.completion_tokens


def cost_of(run: str, manifest: Json) -> Cost | None:
    """The ledger of one manifest; None for a stage that asks no model."""
    ledger = at(manifest, "failures", "ledger")
    if not isinstance(ledger, dict):
        return None
    config = manifest.get("config") or {}
    named = [at(config, "generator", "model"), *(at(judge, "judge") for judge in config.get("judges") or ())]
    usd = ledger.get("cost_usd")
    return Cost(
        run,
        str(config.get("stage", "")),
        tuple(dict.fromkeys(str(name) for name in named if name)),
        ledger.get("calls", 0),
        ledger.get("prompt_tokens", 0),
        ledger.get("completion_tokens", 0),
        None if usd is None else Decimal(usd),
        manifest.get("seconds"),
        ledger.get("prices_as_of"),
    )


def cost_figure(costs: Sequence[Cost]) -> Figure | None:
    """Tokens and money of all runs; None if no model was asked."""
    asked = [cost for cost in costs if cost.calls or cost.tokens]
    if not asked:
        return None
    most = max(cost.tokens for cost in asked) or 1
    bars = [Bar(_name(cost), cost.tokens / most, f"{number(cost.tokens)} · {usd(cost)}") for cost in asked]
    header = ("run", "stage", "models", "calls", "prompt tokens", "reply tokens", "USD", "seconds")
    rows = [
        (
            cost.run,
            cost.stage,
            ", ".join(cost.models),
            number(cost.calls),
            number(cost.prompt_tokens),
            number(cost.completion_tokens),
            usd(cost),
            "–" if cost.seconds is None else number(cost.seconds),
        )
        for cost in asked
    ]
    body = bar_table(bars, header=("stage and model", "tokens"), caption="Tokens by stage and model")
    return Figure("Cost by stage and model", body, _note(asked), header, rows, is_wide=True)


def usd(cost: Cost) -> str:
    """Money as text; never 0 where it is not known."""
    if cost.cost_usd is None:
        return "price unknown"
    return f"${cost.cost_usd:,.4f}".rstrip("0").rstrip(".") if cost.cost_usd else "$0"


def _name(cost: Cost) -> str:
    return f"{cost.run}: {', '.join(cost.models) or cost.stage}"


def _note(costs: Sequence[Cost]) -> str:
    tokens = sum(cost.tokens for cost in costs)
    note = f"{number(tokens)} tokens in {number(sum(cost.calls for cost in costs))} calls"
    if all(cost.cost_usd is not None for cost in costs):
        total = sum((cost.cost_usd or Decimal(0) for cost in costs), Decimal(0))
        note += f", ${total:,.4f}".rstrip("0").rstrip(".") + " in all."
    else:
        note += "; the price of some is not known, so there is no sum of money."
    if any(len(cost.models) > 1 for cost in costs):
        note += " A run keeps one account for all its models."
    dates = _dates(cost for cost in costs if cost.cost_usd)
    return note + (f" List prices as of {dates}." if dates else "")


def _dates(costs: Iterable[Cost]) -> str:
    return ", ".join(dict.fromkeys(cost.prices_as_of for cost in costs if cost.prices_as_of))
