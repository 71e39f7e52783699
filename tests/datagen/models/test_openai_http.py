"""What goes over the wire, and what is made of the answer; the server is a socket that answers one fixed text."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.models.openai_http import OpenAIHttp
from datagen.requests.endpoint import normalised_base_url
from datagen.requests.failure import RequestFailed
from datagen.requests.limits import Limits
from datagen.requests.request import Api, Reply, Request, Sampling
from datagen_prompts.template import Turn
from datagen_schemas.errors import ServerError

USAGE = {"prompt_tokens": 10, "completion_tokens": 7}
Answer = Callable[[str | bytes], tuple[str, list[str]]]


def request(*samples: int, api: Api = "chat", sampling: Sampling | None = None) -> Request:
    turns = (Turn("system", "be brief"), Turn("user", "q"))
    return Request("row", "http://h/v1", "m", api, turns, sampling or Sampling(stop=("\n\n",)), 3, samples)


def answer_of(*choices: object, **more: object) -> str:
    return json.dumps({"choices": list(choices), "usage": USAGE, **more})


def choice(text: object, index: object = 0, reason: object = "stop") -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": reason}


def ask(url: str, asked: Request, *, key: str | None = None) -> list[Reply]:
    async def main() -> list[Reply]:
        backend = OpenAIHttp(url, api_key=key, limits=Limits(read_timeout_s=5))
        try:
            return list(await backend.answer(asked))
        finally:
            await backend.close()

    return asyncio.run(main())


def test_a_chat_request_says_everything_that_its_key_stands_for(serve: Answer) -> None:
    url, got = serve(answer_of(choice("a", 0), choice("b", 1)))
    asked = request(4, 5)
    ask(url, asked, key="sk-key")
    head, body = got[0].split("\r\n\r\n")
    assert head.startswith("POST /v1/chat/completions HTTP/1.1")
    assert "Authorization: Bearer sk-key" in head
    assert json.loads(body) == {
        "model": "m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "q"}],
        "temperature": 0.7,
        "top_p": 1.0,
        "max_tokens": 512,
        "stop": ["\n\n"],
        "seed": asked.sample_seed(4),
        "n": 2,
    }


def test_a_completion_request_joins_the_turns_into_one_text(serve: Answer) -> None:
    url, got = serve(answer_of({"index": 0, "text": " and so on", "finish_reason": "length"}))
    assert ask(url, request(0, api="completions", sampling=Sampling())) == [Reply(" and so on", "length", 10, 7)]
    head, body = got[0].split("\r\n\r\n")
    assert head.startswith("POST /v1/completions HTTP/1.1")
    assert "Authorization" not in head
    sent = json.loads(body)
    assert sent["prompt"] == "be brief\n\nq"
    assert not {"n", "stop", "messages"} & sent.keys()


def test_choices_go_to_the_sample_of_their_index_and_the_usage_adds_up(serve: Answer) -> None:
    url, _ = serve(answer_of(choice("third", 2), choice("first", 0), choice("second", 1)))
    # 10 and 7 tokens divided among three: 4 + 3 + 3 and 3 + 2 + 2.
    assert ask(url, request(7, 8, 9)) == [
        Reply("first", "stop", 4, 3),
        Reply("second", "stop", 3, 2),
        Reply("third", "stop", 3, 2),
    ]


@pytest.mark.parametrize("indices", [(0, 0), (None, None), ("0", "1"), (True, False), (-1, 0)])
def test_choices_without_a_usable_index_go_by_their_place(indices: tuple[object, object], serve: Answer) -> None:
    url, _ = serve(answer_of(choice("a", indices[0]), choice("b", indices[1])))
    assert [reply.text for reply in ask(url, request(0, 1))] == ["a", "b"]


def test_more_choices_than_asked_for_are_cut_to_what_was_asked(serve: Answer) -> None:
    url, _ = serve(answer_of(choice("b", 1), choice("a", 0)))
    assert ask(url, request(3)) == [Reply("a", "stop", 10, 7)]


def test_missing_samples_are_named_by_what_came(serve: Answer) -> None:
    url, _ = serve(answer_of(choice("c", 2), choice(None, 1), choice("a", 0)))
    with pytest.raises(RequestFailed) as raised:
        ask(url, request(5, 6, 7))
    assert raised.value.answered == {5: Reply("a", "stop", 5, 4), 7: Reply("c", "stop", 5, 3)}
    assert raised.value.retryable


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_an_empty_text_that_the_model_ended_is_a_reply(reason: str, serve: Answer) -> None:
    url, _ = serve(answer_of(choice("", 0, reason)))
    assert ask(url, request(0)) == [Reply("", reason, 10, 7)]


def test_null_is_the_empty_text_of_a_model_that_ran_out_of_tokens(serve: Answer) -> None:
    url, _ = serve(answer_of(choice(None, 0, "length")))
    assert ask(url, request(0)) == [Reply("", "length", 10, 7)]
    url, _ = serve(answer_of({"index": 0, "text": None, "finish_reason": "length"}))
    assert ask(url, request(0, api="completions")) == [Reply("", "length", 10, 7)]
    url, _ = serve(answer_of({"index": 0, "finish_reason": "length"}))  # no text at all is no text that is null
    with pytest.raises(RequestFailed):
        ask(url, request(0))


@pytest.mark.parametrize(
    ("body", "kind", "retryable"),
    [
        (answer_of(choice("", 0, None)), "empty", True),
        (answer_of(choice(None)), "empty", True),
        (answer_of(choice(None, 0, "tool_calls")), "empty", True),
        (answer_of(), "empty", True),
        (answer_of(choice(None, 0, "content_filter")), "refused", False),
        (answer_of(choice("", 0, "content_filter")), "refused", False),
        (answer_of(choice(["part"])), "bad_reply", True),
        (answer_of("text"), "bad_reply", True),
        ('{"choices": {}}', "bad_reply", True),
        ('{"choices": null}', "bad_reply", True),
        ("[]", "bad_reply", True),
        ("null", "bad_reply", True),
        ("", "bad_reply", True),
        (b"\xff\xfe", "bad_reply", True),
        ('{"error": {"message": "overloaded"}}', "server_error", True),
    ],
)
def test_what_is_no_reply_is_a_failure_of_its_kind(
    body: str | bytes, kind: str, retryable: bool, serve: Answer
) -> None:
    url, _ = serve(body)
    with pytest.raises(RequestFailed) as raised:
        ask(url, request(0))
    assert (raised.value.kind, raised.value.retryable, raised.value.answered) == (kind, retryable, {})


def test_a_reply_without_usage_has_unknown_tokens(serve: Answer) -> None:
    url, _ = serve(json.dumps({"choices": [choice("a")]}))
    assert ask(url, request(0)) == [Reply("a", "stop", None, None)]


def test_what_a_failed_call_cost_is_said(serve: Answer) -> None:
    url, _ = serve(answer_of(choice(None)))
    with pytest.raises(RequestFailed) as raised:
        ask(url, request(0))
    assert (raised.value.prompt_tokens, raised.value.completion_tokens) == (10, 7)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "index", "message", "content", "error", "usage", "text"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(JSON)
def test_no_json_of_a_server_is_anything_but_replies_or_a_failure(body: object) -> None:
    backend = OpenAIHttp("http://h", api_key=None)
    for content in (body, {"choices": body}, {"choices": [body, body], "usage": body}):
        try:
            replies = backend._replies(json.dumps(content).encode(), request(0, 1))
        except RequestFailed:
            continue
        assert len(replies) == 2


def test_an_error_page_becomes_one_short_line_without_tags_or_keys(serve: Answer) -> None:
    page = "<html><style>x{}</style><h1>Gateway\n\ntime-out</h1>" + "<p>sorry for abc-secret</p>" * 100
    url, _ = serve(f"HTTP/1.1 504 Gateway\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n{page}".encode())
    with pytest.raises(RequestFailed) as raised:
        ask(url, request(0), key="abc-secret")
    assert raised.value.kind == "server_error"
    assert raised.value.message.startswith("HTTP 504: Gateway time-out sorry for ***")
    assert len(raised.value.message) < 200


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://Localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("https://h/v1/completions/", "https://h/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai"),
        (" http://[::1]:9/v1", "http://[::1]:9/v1"),
    ],
)
def test_a_server_has_one_spelling(given_url: str, url: str) -> None:
    assert normalised_base_url(given_url) == url == normalised_base_url(url)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://h", "", "http://", "http://h:port", "http://[::1"])
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ServerError, match="http://localhost:8000/v1"):
        OpenAIHttp(url, api_key=None)


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@h/v1", "https://h/v1?api_key=hunter2", "ftp://me:hunter2@h", "https://h/v1#hunter2"]
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ServerError, match="OPENAI_API_KEY") as raised:
        OpenAIHttp(url, api_key=None)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("key", ["sk-a\nb", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ServerError, match="OPENAI_API_KEY") as raised:
        OpenAIHttp("http://h", api_key=key)
    assert key not in str(raised.value)


def test_the_backend_works_in_one_loop_after_another(serve: Answer) -> None:
    url, got = serve(answer_of(choice("a")))
    backend = OpenAIHttp(url, api_key=None)

    async def once() -> None:
        await backend.answer(request(0))
        await backend.close()

    asyncio.run(once())
    asyncio.run(once())
    assert len(got) == 2


def test_a_proxy_from_the_environment_is_used_but_not_for_this_machine(
    serve: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, got = serve(answer_of(choice("through the proxy")))
    direct, _ = serve(answer_of(choice("direct")))
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ask("http://model.invalid", request(0))[0].text == "through the proxy"
    assert got[0].startswith("POST http://model.invalid/v1/chat/completions")
    assert ask(direct, request(0))[0].text == "direct"
