"""A schema for the replies: how it is sent, and servers that refuse it."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datagen.models.openai_http import OpenAIHttp
from datagen.requests.failure import RequestFailed
from datagen.requests.fetch import fetch_replies
from datagen.requests.limits import Limits
from datagen.requests.request import Api, Request, Sampling
from datagen.requests.store import ReplyStore
from datagen_prompts.template import Turn

Answer = Callable[[str | bytes], tuple[str, list[str]]]
SCHEMA = '{"type":"object","properties":{"evidence":{"type":"string"},"rating":{"type":"number"}}}'


def request(*samples: int, api: Api = "chat") -> Request:
    return Request("row", "http://h/v1", "m", api, (Turn("user", "q"),), Sampling(), 3, samples)


def ask(url: str, asked: Request) -> None:
    async def main() -> None:
        backend = OpenAIHttp(url, api_key=None)
        await backend.answer(asked)
        await backend.close()

    asyncio.run(main())


def error_answer(status: int, body: object) -> bytes:
    content = json.dumps(body).encode()
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(content), content)


def sent(call: str) -> dict[str, Any]:  # Any: JSON
    body: dict[str, Any] = json.loads(call.split("\r\n\r\n")[1])  # Any: JSON
    return body


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_schema_is_sent_as_a_strict_response_format_with_its_fields_in_order(api: Api, serve: Answer) -> None:
    text: dict[str, Any] = {"index": 0, "message": {"content": "{}"}, "text": "{}"}  # Any: JSON, right for both
    url, got = serve(json.dumps({"choices": [text]}))
    ask(url, replace(request(0, api=api), response_schema=SCHEMA))
    assert sent(got[0])["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": json.loads(SCHEMA), "strict": True},
    }
    assert got[0].index('"evidence"') < got[0].index('"rating"')
    ask(url, request(0, api=api))
    assert "response_format" not in sent(got[1])


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Unknown parameter", "param": "response_format"}},
        {"error": {"message": "Invalid schema", "param": "response_format.json_schema"}},
        {"error": {"message": "'response_format' of type 'json_schema' is not supported with this model."}},
        {"error": {"message": "This model does not support json_schema, n or seed"}},
        {"error": "guided decoding is not enabled"},
        {"detail": [{"type": "extra", "loc": ["body", "response_format"], "msg": "Extra inputs are not permitted"}]},
        {"message": "Failed to compile the grammar"},
        {"message": "The requested structured outputs backend is not available"},
    ],
)
def test_a_server_that_refuses_a_schema_is_asked_in_plain_text_from_then_on(
    body: object, status: int, serve: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    url, got = serve(error_answer(status, body))
    backend = OpenAIHttp(url, api_key=None)
    asked = replace(request(0, 1), response_schema=SCHEMA)

    async def twice() -> list[RequestFailed]:
        failures: list[RequestFailed] = []
        for _ in range(2):
            with pytest.raises(RequestFailed) as raised:
                await backend.answer(asked)
            failures.append(raised.value)
        await backend.close()
        return failures

    first, _ = asyncio.run(twice())
    assert first.adapted
    assert first.retryable
    assert sent(got[0]).keys() - sent(got[1]).keys() == {"response_format"}  # n and seed are still asked for
    assert [record.message for record in caplog.records][
        0
    ] == f"{url}/v1 refuses response_format; asking in plain text."


def test_an_error_that_does_not_concern_the_schema_leaves_it_alone(serve: Answer) -> None:
    url, got = serve(error_answer(400, {"error": {"message": "The prompt is too long"}}))
    backend = OpenAIHttp(url, api_key=None)
    asked = replace(request(0), response_schema=SCHEMA)

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(RequestFailed) as raised:
                await backend.answer(asked)
            assert not raised.value.adapted
        await backend.close()

    asyncio.run(twice())
    assert "response_format" in sent(got[1])


@pytest.mark.parametrize(("options", "refused"), [(("--refuse-schema",), True), (("--json",), False)])
def test_a_job_with_a_schema_is_answered_by_servers_with_and_without_it(
    options: tuple[str, ...], refused: bool, serve_script: Callable[..., str], tmp_path: Path
) -> None:
    """A judge's server in a process of its own; the refused call costs no try and no row."""
    url = serve_script("judge_server.py", *options)
    limits = Limits(max_in_flight=1, max_tries=1)
    asked = [
        Request(f"r{i}", url, "m", "chat", (Turn("user", f"rate {i}"),), Sampling(), 3, (0, 1, 2), SCHEMA)
        for i in range(4)
    ]
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        backend = OpenAIHttp(url, api_key=None, limits=limits)
        fetched = fetch_replies(asked, backend, store, limits=limits, seed=0)
        texts = [reply.text for reply in store.get_many([one.reply_key(0) for one in asked]).values()]
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as response:
        stats = json.load(response)
    assert (fetched.stored, fetched.failed) == (12, ())
    assert stats == {
        "calls": 5 if refused else 4,
        "answered": 4,
        "samples": 12,
        "refused": int(refused),
        "with_response_format": 1 if refused else 4,
    }
    assert [text.startswith("{") for text in texts] == [not refused] * 4
