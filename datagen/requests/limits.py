"""How much may be asked at once, per minute and in total."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from datagen.requests.request import Request

# The prompt is paid for once a call; more samples than this save little, and make a lost call dear.
SAMPLES_PER_CALL = 16


@dataclass(frozen=True)
class Limits:
    """Limits of one job; None is no limit."""

    max_in_flight: int = 64
    rpm: int | None = None  # requests a minute
    tpm: int | None = None  # prompt and completion tokens a minute
    max_tries: int = 6
    connect_timeout_s: float = 10
    read_timeout_s: float = 300  # until the answer is complete
    max_cost_usd: float | None = None
    max_tokens_total: int | None = None
    backoff_s: float = 0.5  # the first back-off is drawn from 0 to this

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could ever be asked."""
        for name in ("max_in_flight", "rpm", "tpm", "max_tries", "connect_timeout_s", "read_timeout_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}; it must be more than 0")
        for name in ("max_cost_usd", "max_tokens_total", "backoff_s"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value}; it must not be negative")


class TokenBucket:
    """Admits a given amount per minute, with bursts of at most one second's worth.

    A reservation is taken at once and may leave the bucket in debt; the caller sleeps off the debt. Waiters are
    thereby served in the order in which they came, and nobody polls.
    """

    def __init__(self, per_minute: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start full."""
        self._rate = per_minute / 60
        self._capacity = max(self._rate, 1.0)
        self._level = self._capacity
        self._clock = clock
        self._filled_at = clock()

    def reserve(self, amount: float) -> float:
        """Take `amount`, and return for how many seconds the caller has to wait before using it."""
        self._fill()
        self._level -= amount
        return max(0.0, -self._level / self._rate)

    def give_back(self, amount: float) -> None:
        """Return what was reserved and not used; a negative amount takes what was used beyond the reservation."""
        self._fill()
        self._level = min(self._capacity, self._level + amount)

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now


def estimated_prompt_tokens(request: Request) -> int:
    """Tokens of the prompt, rather too many than too few: 3 bytes a token, 8 tokens a turn for the chat template."""
    return sum(8 + len(turn.content.encode(errors="replace")) // 3 for turn in request.turns)


def most_completion_tokens(request: Request) -> int:
    """Tokens that a call can be answered with at most."""
    return request.sampling.max_tokens * len(request.samples)
