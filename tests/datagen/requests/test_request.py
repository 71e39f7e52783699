from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from datagen.requests.request import Request, Sampling
from datagen_prompts.template import Turn

REQUEST = Request("row", "http://h/v1", "m", "chat", (Turn("user", "q"),), Sampling(), 0, (0, 1))


def test_the_key_is_pinned_because_stores_outlive_versions() -> None:
    # SHA-256 of the canonical JSON in the line below, by sha256sum.
    # {"api":"chat","endpoint":"http://h/v1","model":"m","sample":3,"sampling":{"max_tokens":512,"stop":[],
    #  "temperature":0.7,"top_p":1.0},"seed":0,"turns":[["user","q"]]}
    assert REQUEST.reply_key(3) == "e88b7205e6fc519a99b874d25ca0e2c9229e54ad000b8153f2b52f3218262e69"


def test_the_key_depends_on_all_that_changes_the_reply_and_on_nothing_else() -> None:
    others = [
        replace(REQUEST, endpoint="http://other/v1"),
        replace(REQUEST, model="n"),
        replace(REQUEST, api="completions"),
        replace(REQUEST, turns=(Turn("system", "q"),)),
        replace(REQUEST, turns=(Turn("user", "q"), Turn("assistant", ""))),
        replace(REQUEST, sampling=Sampling(temperature=0.8)),
        replace(REQUEST, sampling=Sampling(stop=("\n",))),
        replace(REQUEST, seed=1),
    ]
    assert replace(REQUEST, sampling=Sampling(temperature=1)).reply_key(0) == replace(
        REQUEST, sampling=Sampling(temperature=1.0)
    ).reply_key(0)
    keys = {request.reply_key(0) for request in [REQUEST, *others]} | {REQUEST.reply_key(1)}
    assert len(keys) == len(others) + 2
    assert replace(REQUEST, row="other", samples=(0, 7, 9)).reply_key(0) == REQUEST.reply_key(0)


@given(st.integers(0, 2**40), st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 10_000))
def test_seeds_fit_into_31_bits(seed: int, prompt: str, sample: int) -> None:
    request = replace(REQUEST, seed=seed, turns=(Turn("user", prompt),))
    assert 0 <= request.sample_seed(sample) < 2**31
