"""What a job used: calls, tokens, and money where the price is known."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from datagen.requests.request import Reply
from datagen_schemas.errors import DataError

# Engines in this process: their calls cost nothing. Any other endpoint, also one on this machine, is priced by the
# table or not at all: what stands behind a URL is unknown.
IN_PROCESS = frozenset({"transformers", "vllm", "scripted"})

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_MILLION = Decimal(1_000_000)


class Price(NamedTuple):
    """USD per million tokens."""

    input: Decimal
    output: Decimal

    def cost_usd(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Cost of so many tokens."""
        return (self.input * prompt_tokens + self.output * completion_tokens) / _MILLION


class Prices(NamedTuple):
    """A dated price table."""

    as_of: str
    by_host_and_model: Mapping[tuple[str | None, str], Price]

    def of(self, endpoint: str, model: str) -> Price | None:
        """Price of a model at an endpoint; None if unknown. `gpt-4o-2024-08-06` has the price of `gpt-4o`."""
        if endpoint in IN_PROCESS:
            return Price(Decimal(0), Decimal(0))
        for name in (model, _DATED.sub("", model)):
            for host in (urlsplit(endpoint).hostname, None):
                if (price := self.by_host_and_model.get((host, name))) is not None:
                    return price
        return None


def load_prices(path: Path | None = None) -> Prices:
    """The table in `path`, else in the file named by DATAGEN_PRICES, else the built-in one.

    Raises:
        DataError: the file cannot be read, or an entry is incomplete.
    """
    own = path or (Path(os.environ["DATAGEN_PRICES"]) if os.environ.get("DATAGEN_PRICES") else None)
    try:
        text = (own or resources.files("datagen.requests") / "prices.toml").read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"price table {own}: {error}. Name a readable TOML file in DATAGEN_PRICES.") from error
    prices: dict[tuple[str | None, str], Price] = {}
    for number, entry in enumerate(table.get("price", []), start=1):
        try:
            price = Price(Decimal(str(entry["input"])), Decimal(str(entry["output"])))
            if not (price.input >= 0 and price.output >= 0):
                raise ValueError("a price is negative")
            prices[entry.get("host"), entry["model"]] = price
        except (KeyError, ValueError, TypeError, InvalidOperation) as error:
            raise DataError(
                f"price table {own or 'prices.toml'}: entry {number} is not usable ({error!r}). It needs model, input "
                "and output (USD per million tokens)."
            ) from error
    return Prices(str(table.get("as_of", "undated")), prices)


@dataclass
class Usage:
    """What calls used."""

    calls: int = 0  # tries sent to the backend
    retries: int = 0  # of these, second and later tries
    prompt_tokens: int = 0
    completion_tokens: int = 0
    known_cost_usd: Decimal = Decimal(0)  # of the tokens that have a price
    cost_is_known: bool = True

    @property
    def tokens(self) -> int:
        """Of prompts and replies."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost_usd(self) -> Decimal | None:
        """What was spent; None where a price or a token count is unknown."""
        return self.known_cost_usd if self.cost_is_known else None

    def as_dict(self) -> dict[str, Any]:  # Any: JSON
        """For manifests and `--json`; the cost is exact text, and null if unknown."""
        return {
            "calls": self.calls,
            "retries": self.retries,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_usd": None if self.cost_usd is None else str(self.cost_usd),
        }


class Ledger(Usage):
    """What the calls of one job used, in all and by model."""

    def __init__(self, prices: Prices) -> None:
        """Start at nothing spent."""
        super().__init__()
        self._prices = prices
        # Calls that may have been charged though nobody said for how much, and the most that they can have used.
        self.uncounted_calls = self.uncounted_tokens = 0
        self.uncounted_usd = Decimal(0)
        self._of: dict[tuple[str, str], Usage] = {}
        self._price_of: dict[tuple[str, str], Price | None] = {}

    def price(self, endpoint: str, model: str) -> Price | None:
        """Price of a model, looked up once."""
        if (endpoint, model) not in self._price_of:
            self._price_of[endpoint, model] = self._prices.of(endpoint, model)
        return self._price_of[endpoint, model]

    def usage(self, endpoint: str, model: str) -> Usage:
        """What one model has used so far."""
        return replace(self._of.get((model, endpoint), Usage()))

    def add_call(self, endpoint: str, model: str, *, is_retry: bool) -> None:
        """Count a try that is sent to the backend."""
        for usage in self._accounts(endpoint, model):
            usage.calls += 1
            usage.retries += is_retry

    def add_replies(self, endpoint: str, model: str, replies: Iterable[Reply]) -> None:
        """Count what replies cost. A reply without token counts makes the cost unknown, not smaller."""
        prompt, completion = 0, 0
        for reply in replies:
            if (reply.prompt_tokens is None or reply.completion_tokens is None) and endpoint not in IN_PROCESS:
                self._cost_is_unknown(endpoint, model)
            prompt += reply.prompt_tokens or 0
            completion += reply.completion_tokens or 0
        self.add_tokens(endpoint, model, prompt, completion)

    def add_tokens(self, endpoint: str, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count tokens, and their cost."""
        if prompt_tokens == completion_tokens == 0:
            return
        price = self.price(endpoint, model)
        if price is None:
            self._cost_is_unknown(endpoint, model)
        cost = Decimal(0) if price is None else price.cost_usd(prompt_tokens, completion_tokens)
        for usage in self._accounts(endpoint, model):
            usage.prompt_tokens += prompt_tokens
            usage.completion_tokens += completion_tokens
            usage.known_cost_usd += cost

    def add_uncounted(self, endpoint: str, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count a call that brought no answer, or one without token counts, by the most that it can have used."""
        if endpoint in IN_PROCESS:
            return
        price = self.price(endpoint, model)
        self.uncounted_calls += 1
        self.uncounted_tokens += prompt_tokens + completion_tokens
        self.uncounted_usd += Decimal(0) if price is None else price.cost_usd(prompt_tokens, completion_tokens)

    def spent(self) -> str:
        """What was used so far, as the end of an error's line; empty if nothing was."""
        said = f" Tokens used: {self.tokens:,}." if self.tokens else ""
        if self.uncounted_calls:
            said += (
                f" Calls that may be charged but brought no token counts: {self.uncounted_calls:,}, "
                f"of {self.uncounted_tokens:,} tokens at most."
            )
        return said

    def as_dict(self) -> dict[str, Any]:  # Any: JSON
        """The sums, and what each model used, in the order of the names."""
        return {
            **super().as_dict(),
            "prices_as_of": self._prices.as_of,
            "uncounted": {"calls": self.uncounted_calls, "tokens_at_most": self.uncounted_tokens},
            "by_model": [
                {"model": model, "endpoint": endpoint, **usage.as_dict()}
                for (model, endpoint), usage in sorted(self._of.items())
            ],
        }

    def _accounts(self, endpoint: str, model: str) -> tuple[Usage, Usage]:
        return self, self._of.setdefault((model, endpoint), Usage())

    def _cost_is_unknown(self, endpoint: str, model: str) -> None:
        for usage in self._accounts(endpoint, model):
            usage.cost_is_known = False
