"""--max-cost and --max-tokens-total: the most that a job may use, never exceeded by calls under way."""

import asyncio
from decimal import Decimal

from datagen.requests.ledger import Ledger
from datagen.requests.limits import Limits, estimated_prompt_tokens, most_completion_tokens
from datagen.requests.request import Request
from datagen_schemas.errors import DataError

# Why a job stopped that had begun to use its limit: the next one finds these replies in the store, and goes on.
REACHED = frozenset(("max-cost reached", "max-tokens-total reached"))


class Reservation:
    """The most that a call can use; held while it is under way."""

    __slots__ = ("cost_usd", "tokens")

    def __init__(self, tokens: int, cost_usd: Decimal) -> None:
        """Tokens and their cost."""
        self.tokens = tokens
        self.cost_usd = cost_usd


class Budget:
    """Admits a call if it fits beside what was used and what the calls under way may still use."""

    def __init__(self, limits: Limits, ledger: Ledger) -> None:
        """Take the limits; usage is read from the ledger."""
        self.exhausted: str | None = None  # why: one of REACHED, or that not even one call fits
        self._max_cost = None if limits.max_cost_usd is None else Decimal(str(limits.max_cost_usd))
        self._max_tokens = limits.max_tokens_total
        self._ledger = ledger
        self._under_way = 0
        self._reserved_tokens = 0
        self._reserved_usd = Decimal(0)
        self._released = asyncio.Event()

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to watch."""
        return self._max_cost is not None or self._max_tokens is not None

    async def admit(self, request: Request) -> Reservation | None:
        """Wait until the call fits; None if it never will.

        Raises:
            DataError: there is a limit in USD, and no price for this model.
        """
        asked = self._most(request)
        while self.exhausted is None:
            too_much = self._exceeded_by(asked)
            if too_much is None:
                self._under_way += 1
                self._reserved_tokens += asked.tokens
                self._reserved_usd += asked.cost_usd
                return asked
            if self._under_way == 0:
                self.exhausted = self._never_fits(request, asked) or too_much
                break
            self._released.clear()
            await self._released.wait()
        return None

    def release(self, reservation: Reservation) -> None:
        """The call is over, and what it used, or may have used, is in the ledger."""
        self._under_way -= 1
        self._reserved_tokens -= reservation.tokens
        self._reserved_usd -= reservation.cost_usd
        self._released.set()

    def _most(self, request: Request) -> Reservation:
        prompt, completion = estimated_prompt_tokens(request), most_completion_tokens(request)
        price = self._ledger.price(request.endpoint, request.model)
        if price is None and self._max_cost is not None:
            raise DataError(
                f"no price is known for {request.model} at {request.endpoint}, so a limit in USD cannot be kept. "
                "Name a price table in DATAGEN_PRICES, or use --max-tokens-total."
            )
        return Reservation(prompt + completion, price.cost_usd(prompt, completion) if price else Decimal(0))

    def _never_fits(self, request: Request, asked: Reservation) -> str | None:
        """Why no job could ever make this call, though it is the first; None if it only comes too late."""
        n = len(request.samples)
        call = f"one call of {n:,} sample{'' if n == 1 else 's'}"
        if self._max_cost is not None and asked.cost_usd > self._max_cost:
            return f"max-cost is {self._max_cost:f} USD and {call} may cost {asked.cost_usd.normalize():f}"
        if self._max_tokens is not None and asked.tokens > self._max_tokens:
            return f"max-tokens-total is {self._max_tokens:,} and {call} may use {asked.tokens:,}"
        return None

    def _exceeded_by(self, asked: Reservation) -> str | None:
        used_usd = self._ledger.known_cost_usd + self._ledger.uncounted_usd
        if self._max_cost is not None and used_usd + self._reserved_usd + asked.cost_usd > self._max_cost:
            return "max-cost reached"
        used = self._ledger.tokens + self._ledger.uncounted_tokens
        if self._max_tokens is not None and used + self._reserved_tokens + asked.tokens > self._max_tokens:
            return "max-tokens-total reached"
        return None
