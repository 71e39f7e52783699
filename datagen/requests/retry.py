"""When to try again: exponential back-off with full jitter, Retry-After, and fewer calls after a 429."""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_BACKOFF_S = 60.0


def backoff_s(tries: int, *, base_s: float, rng: random.Random) -> float:
    """Seconds to wait after the `tries`-th failed try (1 is the first): uniform from 0 to base * 2^(tries-1).

    Full jitter: calls that failed together must not come back together.
    """
    return rng.uniform(0, min(MAX_BACKOFF_S, base_s * 2 ** min(tries - 1, 30)))


def retry_after_s(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """What the server asks for, in seconds; both forms of Retry-After (RFC 9110, 10.2.3), and OpenAI's in ms."""
    try:
        if (in_ms := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(in_ms) / 1000)
        if (value := headers.get("Retry-After")) is None:
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    # A date without a zone is in GMT, says the RFC.
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


class RateLimitWindow:
    """Slows all calls down when the server says 429: asking on as before would only prolong it.

    A 429 pauses every call, for as long as the server asks or with back-off, and halves the number of calls that may
    be under way; each success widens the window a little, as TCP does. The 429s of calls that were already under way
    belong to the same pause. `rounds` counts pauses in a row without a single success, so that a busy server costs
    no row its tries while a server that never lets anything through is noticed.
    """

    def __init__(self, *, base_s: float, rng: random.Random, clock: Callable[[], float]) -> None:
        """Start wide open."""
        self.rounds = 0
        self.width = math.inf
        self._until = 0.0
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._base_s = base_s
        self._rng = rng
        self._clock = clock

    def limited(self, after_s: float | None) -> None:
        """A call got a 429 and, perhaps, a time to wait."""
        now = self._clock()
        if now >= self._until:
            self.rounds += 1
            self.width = max(1.0, min(self.width, self._under_way) / 2)
            after_s = backoff_s(self.rounds + 1, base_s=self._base_s, rng=self._rng) if after_s is None else after_s
        self._until = max(self._until, now + (after_s or 0.0))

    def succeeded(self) -> None:
        """A call was answered."""
        self.rounds = 0
        self.width += 1 / self.width

    async def enter(self) -> None:
        """Return when a call is allowed; pauses do not end for all calls in the same instant."""
        while True:
            if (rest := self._until - self._clock()) > 0:
                await asyncio.sleep(rest + backoff_s(max(self.rounds, 1), base_s=self._base_s, rng=self._rng) / 4)
            elif self._under_way < self.width:
                self._under_way += 1
                return
            else:
                waiting = asyncio.get_running_loop().create_future()
                self._waiting.append(waiting)
                await waiting

    def leave(self) -> None:
        """The call is over."""
        self._under_way -= 1
        room = self.width - self._under_way
        while self._waiting and room >= 1:
            waiting = self._waiting.popleft()
            if not waiting.done():  # else cancelled
                waiting.set_result(None)
                room -= 1
