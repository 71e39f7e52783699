import asyncio
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.requests.retry import RateLimitWindow, backoff_s, retry_after_s

NOW = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Sat, 01 Mar 2025 12:01:30 GMT"}, 90.0),
        ({"Retry-After": "Sat, 01 Mar 2025 14:01:30 +0200"}, 90.0),
        ({"Retry-After": "Saturday, 01-Mar-25 12:01:30 GMT"}, 90.0),
        ({"Retry-After": "Sat, 01 Mar 2025 11:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=NOW) == seconds


@given(st.text(max_size=40))
def test_no_header_breaks_the_reader(value: str) -> None:
    seconds = retry_after_s({"Retry-After": value, "retry-after-ms": value}, now=NOW)
    assert seconds is None or seconds >= 0


def test_backoff_is_uniform_up_to_a_bound_that_doubles_to_a_minute() -> None:
    rng = random.Random(0)
    for tries, bound in [(1, 0.5), (2, 1.0), (5, 8.0), (8, 60.0), (1_000, 60.0)]:
        waits = [backoff_s(tries, base_s=0.5, rng=rng) for _ in range(2_000)]
        assert 0 <= min(waits) < 0.02 * bound
        assert 0.98 * bound < max(waits) <= bound
        assert sum(waits) / len(waits) == pytest.approx(bound / 2, rel=0.05)


def test_the_429s_of_one_window_are_one_pause_and_a_success_forgets_them() -> None:
    now = [100.0]
    window = RateLimitWindow(base_s=0.01, rng=random.Random(0), clock=lambda: now[0])

    async def main() -> None:
        for _ in range(64):
            await window.enter()

    asyncio.run(main())
    for _ in range(64):
        window.limited(5.0)
        window.leave()
    assert (window.rounds, window.width) == (1, 32)
    now[0] = 106.0
    window.limited(None)
    assert window.rounds == 2
    window.succeeded()
    assert window.rounds == 0


def test_a_pause_holds_every_call_until_the_time_the_server_named() -> None:
    async def main() -> list[float]:
        clock = asyncio.get_running_loop().time
        window = RateLimitWindow(base_s=0.01, rng=random.Random(0), clock=clock)
        start = clock()
        await window.enter()
        window.limited(0.1)
        window.leave()

        async def call() -> float:
            await window.enter()
            at = clock() - start
            await asyncio.sleep(0)
            window.leave()
            return at

        return await asyncio.gather(*(call() for _ in range(20)))

    waits = asyncio.run(main())
    assert len(waits) == 20
    assert all(wait >= 0.095 for wait in waits)


def test_the_window_halves_with_a_429_and_widens_by_one_a_window() -> None:
    async def main() -> tuple[list[float], int]:
        now = 0.0
        window = RateLimitWindow(base_s=0.01, rng=random.Random(0), clock=lambda: now)
        for _ in range(16):
            await window.enter()
        window.limited(1.0)
        widths = [window.width]
        for _ in range(16):
            window.leave()
        now = 2.0
        under_way = most = 0

        async def call() -> None:
            nonlocal under_way, most
            await window.enter()
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1
            window.leave()

        await asyncio.gather(*(call() for _ in range(50)))
        for _ in range(8):
            window.succeeded()
        widths.append(window.width)
        for _ in range(9):
            window.limited(0.0)
        widths.append(window.width)
        return widths, most

    widths, most = asyncio.run(main())
    assert most == 8
    # 8 successes of 1/8, 1/8.125, ... each; then as few as one, and never none.
    assert widths == [8.0, pytest.approx(8.95, abs=0.03), 1.0]
