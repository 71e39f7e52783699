import asyncio

import pytest

from datagen.models.scripted import Scripted
from datagen.requests.failure import RequestFailed
from datagen.requests.request import Reply, Request, Sampling
from datagen_prompts.template import Turn


def request(prompt: str, *samples: int) -> Request:
    return Request("row", "scripted", "m", "chat", (Turn("system", "x"), Turn("user", prompt)), Sampling(), 0, samples)


def test_a_sample_gets_the_text_of_its_index_starting_again_after_the_last() -> None:
    backend = Scripted({"q": ["zero", "one", "two"], "p": "always"})
    assert [reply.text for reply in asyncio.run(backend.answer(request("q", 1, 2, 3)))] == ["one", "two", "zero"]
    assert [reply.text for reply in asyncio.run(backend.answer(request("p", 5, 6)))] == ["always", "always"]


def test_a_prompt_that_is_not_in_the_script_fails_and_cannot_be_retried() -> None:
    with pytest.raises(RequestFailed, match="refused: no scripted reply to 'else'") as raised:
        asyncio.run(Scripted({"q": "a"}).answer(request("else", 0)))
    assert not raised.value.retryable


def test_a_function_sees_request_and_sample_and_may_give_a_whole_reply() -> None:
    given = Reply("cut", "length", 3, 4)
    backend = Scripted(lambda asked, sample: given if sample else f"{asked.turns[-1].content}!", max_samples=2)
    replies = asyncio.run(backend.answer(request("two words", 0, 1)))
    assert replies == [Reply("two words!", "stop", 3, 2), given]  # 1 + 2 words in the prompt
    assert backend.max_samples == 2
    assert backend.calls == [request("two words", 0, 1)]
