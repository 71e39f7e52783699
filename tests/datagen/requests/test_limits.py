import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.requests.limits import Limits, TokenBucket, estimated_prompt_tokens, most_completion_tokens
from datagen.requests.request import Request, Sampling
from datagen_prompts.template import Turn


@settings(max_examples=50, deadline=None)
@given(
    per_minute=st.sampled_from([6, 60, 500, 6_000]),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=60),
    amount=st.floats(0.1, 3),
)
def test_no_minute_sees_more_than_the_limit_and_one_burst(per_minute: int, gaps: list[float], amount: float) -> None:
    now = [0.0]
    bucket = TokenBucket(per_minute, clock=lambda: now[0])
    used_at: list[float] = []
    for gap in gaps:
        now[0] += gap
        used_at.append(now[0] + bucket.reserve(amount))
    burst = max(1.0, per_minute / 60)
    for i, start in enumerate(used_at):
        in_a_minute = [at for at in used_at[i:] if at < start + 60]
        # The one who starts the window may have used the bucket's last drop, whence one amount more.
        assert len(in_a_minute) * amount <= per_minute + burst + amount + 1e-6


def test_600_a_minute_admits_a_burst_of_10_and_then_one_each_tenth_of_a_second() -> None:
    bucket = TokenBucket(600, clock=lambda: 0.0)
    waits = [bucket.reserve(1) for _ in range(14)]
    assert waits == pytest.approx([0.0] * 10 + [0.1, 0.2, 0.3, 0.4])


def test_what_was_reserved_and_not_used_shortens_the_next_wait() -> None:
    bucket = TokenBucket(6_000, clock=lambda: 0.0)  # 100 a second
    assert bucket.reserve(300) == pytest.approx(2.0)
    bucket.give_back(150)
    assert bucket.reserve(0) == pytest.approx(0.5)
    bucket.give_back(10_000)
    assert bucket.reserve(101) == pytest.approx(0.01)  # never more than one second's worth


@pytest.mark.parametrize("limits", [{"max_in_flight": 0}, {"rpm": 0}, {"max_tries": -1}, {"max_cost_usd": -0.1}])
def test_limits_under_which_nothing_can_run_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        Limits(**limits)


def test_estimates_are_for_the_whole_call() -> None:
    turns = (Turn("system", "abc"), Turn("user", "é" * 30))  # 3 and 60 bytes
    request = Request("r", "e", "m", "chat", turns, Sampling(max_tokens=100), 0, (4, 5, 6))
    assert estimated_prompt_tokens(request) == (8 + 1) + (8 + 20)
    assert most_completion_tokens(request) == 300
