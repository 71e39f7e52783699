"""Any server with OpenAI's /v1/chat/completions or /v1/completions, over aiohttp and orjson.

The SDK costs 2 to 7 ms of CPU a request; this costs a fraction of it (benchmarks/client.py). A call is tried once
here: whether and when to try again is decided by datagen.requests.fetch, for all calls together.
"""

import asyncio
import logging
import re
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp
import orjson

from datagen.requests.endpoint import API_PATHS, normalised_base_url
from datagen.requests.failure import RequestFailed
from datagen.requests.limits import SAMPLES_PER_CALL, Limits
from datagen.requests.request import Reply, Request
from datagen.requests.retry import retry_after_s
from datagen_schemas.errors import ServerError

log = logging.getLogger(__name__)

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_UNKNOWN_PARAMETER = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|extra|not permitted|not allowed|invalid",
    re.IGNORECASE,
)
_RESPONSE_FORMAT = re.compile(
    r"response[_ ]format|json[_ ]?schema|guided|structured[_ ]output|grammar|\bschema\b", re.IGNORECASE
)
_KEY = re.compile(r"\b(?:sk|gsk|xai|pk|rk|key)-[\w*.-]{4,}|(?<=Bearer )\S+")
_CAUSES = {  # status -> what to check; with these every row would fail alike
    401: "Check OPENAI_API_KEY.",
    402: "Check the account's balance.",
    403: "Check that the key may use this model.",
    404: "Check the model's name (--model) and the server's address (--base-url).",
    405: "Check the server's address (--base-url).",
}
# A gateway's word that no answer came from behind it, where the model may have been at work; 52x are Cloudflare's.
_GATEWAY_LOST_IT = frozenset({502, 504, 520, 524})


class OpenAIHttp:
    """Connections to one server, and what was learned about which parameters it takes."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        n_supported: bool | None = None,
        max_n: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Prepare; the first call connects.

        Args:
            base_url: address, with or without /v1.
            api_key: sent as a bearer token, and cut out of every message.
            n_supported: whether the server answers several samples in one call; None finds out.
            max_n: most samples in one call, where it does; 16 by default.
            limits: time-outs and number of connections; the same as the job's.
        """
        self.base_url = normalised_base_url(base_url)
        self._key = (api_key or "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise ServerError("OPENAI_API_KEY has characters that no key has. Set it again.")
        self._limits = limits or Limits()
        self._max_n = 1 if n_supported is False else max(1, SAMPLES_PER_CALL if max_n is None else max_n)
        self._n_is_certain = n_supported is True
        self._max_tokens_name = "max_tokens"
        self._sends_seed = True
        self._sends_schema = True
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxy: str | None = None

    @property
    def max_samples(self) -> int:
        """How many samples one call may ask for; fewer once the server has shown that it gives fewer."""
        return self._max_n

    async def answer(self, request: Request) -> Sequence[Reply]:
        """One reply per sample.

        Raises:
            RequestFailed: it failed, or only some samples came: those are in the exception.
        """
        if self._session is None or self._loop is not asyncio.get_running_loop():
            self._open()
        assert self._session is not None
        payload = self._payload(request)
        url = self.base_url + API_PATHS[request.api]
        try:
            async with self._session.post(
                url, data=orjson.dumps(payload), allow_redirects=False, proxy=self._proxy
            ) as response:
                body = await response.read()
                if response.status != 200:
                    self._raise_status(response.status, body, payload, response.headers, str(response.url.origin()))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
            raise RequestFailed("refused", self._line(error), retryable=False, concerns_server=True) from error
        except aiohttp.ClientConnectorError as error:
            raise RequestFailed("transport", self._line(error), retryable=True, concerns_server=True) from error
        except aiohttp.ConnectionTimeoutError as error:
            message = f"no connection to {self.base_url} within {self._limits.connect_timeout_s:g} s"
            raise RequestFailed("timeout", message, retryable=True, concerns_server=True) from error
        except TimeoutError as error:
            message = f"no complete answer within {self._limits.read_timeout_s:g} s"
            raise RequestFailed("timeout", message, retryable=True, may_be_charged=True) from error
        except (aiohttp.ClientError, OSError) as error:  # there was a connection: it may have been asked
            raise RequestFailed("transport", self._line(error), retryable=True, may_be_charged=True) from error
        return self._replies(body, request)

    async def close(self) -> None:
        """Close the connections; another call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> None:
        limits = self._limits
        _allow_open_files(limits.max_in_flight + 256)
        self._loop = asyncio.get_running_loop()
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "datagen"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            # aiohttp would queue whatever is beyond 100 connections, and count the wait as the server's.
            connector=aiohttp.TCPConnector(limit=limits.max_in_flight, keepalive_timeout=30, ttl_dns_cache=300),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            # total, not sock_read: that would wait for ever on a server that sends a byte now and then.
            timeout=aiohttp.ClientTimeout(total=limits.read_timeout_s, sock_connect=limits.connect_timeout_s),
        )
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        # Looked up once; aiohttp's trust_env does it at every request, and reads ~/.netrc.
        direct = host in _LOOPBACK or urllib.request.proxy_bypass(host)
        self._proxy = None if direct else urllib.request.getproxies().get(parts.scheme)

    def _payload(self, request: Request) -> dict[str, object]:
        sampling = request.sampling
        payload: dict[str, object] = {"model": request.model}
        if request.api == "chat":
            payload["messages"] = [{"role": turn.role, "content": turn.content} for turn in request.turns]
        else:
            payload["prompt"] = "\n\n".join(turn.content for turn in request.turns)
        payload["temperature"] = sampling.temperature
        payload["top_p"] = sampling.top_p
        payload[self._max_tokens_name] = sampling.max_tokens
        if sampling.stop:
            payload["stop"] = sampling.stop
        if self._sends_seed:
            payload["seed"] = request.sample_seed(request.samples[0])
        if len(request.samples) > 1:
            payload["n"] = len(request.samples)
        if request.response_schema is not None and self._sends_schema:
            schema = {"name": "reply", "schema": orjson.loads(request.response_schema), "strict": True}
            payload["response_format"] = {"type": "json_schema", "json_schema": schema}
        return payload

    def _replies(self, body: bytes, request: Request) -> Sequence[Reply]:
        """Replies of a 200, each choice under the sample of its index."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            message = f"the answer is not JSON: {self._line(_excerpt(body))}"
            raise RequestFailed("bad_reply", message, retryable=True, may_be_charged=True) from error
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list):
            if isinstance(answer, dict) and answer.get("error"):
                message, _ = _error_of(body)  # some gateways send their errors with status 200
                raise RequestFailed("server_error", self._line(message), retryable=True)
            message = f"the answer has no list of choices: {self._line(_excerpt(body))}"
            raise RequestFailed("bad_reply", message, retryable=True, may_be_charged=True)
        texts: dict[int, tuple[str, str | None]] = {}
        failure: RequestFailed | None = None
        for i, choice in _by_index(choices, asked=len(request.samples)):
            try:
                texts[request.samples[i]] = _text_of(choice)
            except RequestFailed as error:
                failure = error
        prompt_tokens, completion_tokens = _usage_of(answer)
        if texts:
            prompt_shares = _shares(prompt_tokens, len(texts))
            completion_shares = _shares(completion_tokens, len(texts))
            replies = {
                sample: Reply(text, finish_reason, prompt_shares[j], completion_shares[j])
                for j, (sample, (text, finish_reason)) in enumerate(sorted(texts.items()))
            }
            if len(replies) == len(request.samples):
                return [replies[sample] for sample in request.samples]
            if len(choices) < len(request.samples) and not self._n_is_certain and self._max_n > len(choices):
                log.warning("%s gives at most %d samples a call; asking for no more.", self.base_url, len(choices))
                self._max_n = len(choices)
            message = f"{len(replies)} of {len(request.samples)} samples came"
            raise RequestFailed("empty", message, retryable=True, answered=replies)
        kind, message = (failure.kind, failure.message) if failure else ("empty", "the answer has no choices")
        raise RequestFailed(
            kind,
            self._line(message),
            retryable=failure.retryable if failure else True,
            prompt_tokens=prompt_tokens or 0,
            completion_tokens=completion_tokens or 0,
            may_be_charged=True,
        )

    def _raise_status(
        self, status: int, body: bytes, payload: dict[str, object], headers: Any, origin: str
    ) -> NoReturn:  # Any: multidict's proxy, which is no dependency of ours
        message, parameter = _error_of(body)
        line = f"HTTP {status}: {self._line(message)}"
        after_s = retry_after_s(headers)
        if status == 429:
            if "insufficient_quota" in body.decode(errors="replace"):
                line += ". Check the account's balance."
                raise RequestFailed("refused", line, retryable=False, concerns_server=True)
            raise RequestFailed("rate_limited", line, retryable=True, retry_after_s=after_s)
        if status == 408:
            raise RequestFailed("timeout", line, retryable=True, retry_after_s=after_s, may_be_charged=True)
        if status >= 500:
            may_be_charged = status in _GATEWAY_LOST_IT
            raise RequestFailed(
                "server_error", line, retryable=True, retry_after_s=after_s, may_be_charged=may_be_charged
            )
        if status < 400:
            line = f"HTTP {status}: {origin} sends us to {self._line(headers.get('Location', '?'))}. Use that address."
            raise RequestFailed("refused", line, retryable=False, concerns_server=True)
        if status in (400, 422) and self._adapt(message, parameter, payload):
            raise RequestFailed("refused", line, retryable=True, adapted=True)
        if status in _CAUSES:
            line = f"{line}. {_CAUSES[status]}"
        raise RequestFailed("refused", line, retryable=False, concerns_server=status in _CAUSES)

    def _adapt(self, message: str, parameter: str | None, payload: dict[str, object]) -> bool:
        """Ask differently from now on, if the server refused a parameter that we can do without.

        Calls under way were sent before; what decides is what this call sent, not what the next will send.
        """
        unknown = _UNKNOWN_PARAMETER.search(message) is not None
        # Before n and the others: its messages are long, and may name them in passing.
        if "response_format" in payload and (
            (parameter or "").startswith("response_format") or _RESPONSE_FORMAT.search(message)
        ):
            if self._sends_schema:
                log.warning("%s refuses response_format; asking in plain text.", self.base_url)
            self._sends_schema = False
            return True
        if "n" in payload and not self._n_is_certain and (parameter == "n" or re.search(r"\bn\b", message)):
            if self._max_n > 1:
                log.warning("%s refuses n; asking for one sample a call.", self.base_url)
            self._max_n = 1
            return True
        if "max_tokens" in payload and "max_completion_tokens" in message:
            self._max_tokens_name = "max_completion_tokens"
            return True
        if "seed" in payload and (parameter == "seed" or (unknown and re.search(r"\bseed\b", message))):
            if self._sends_seed:
                log.warning("%s refuses seed; its samples cannot be repeated.", self.base_url)
            self._sends_seed = False
            return True
        return False

    def _line(self, message: object) -> str:
        """One line of at most 300 characters, without the key."""
        text = " ".join(str(message).split())
        if self._key:
            text = text.replace(self._key, "***")
        text = _KEY.sub("***", text)
        return text if len(text) <= 300 else text[:297] + "..."


def _by_index(choices: list[Any], *, asked: int) -> list[tuple[int, Any]]:  # Any: JSON of a server
    """Choices with their place among the samples: their `index`, or their position if indices are no use."""
    indices = [choice.get("index") if isinstance(choice, dict) else None for choice in choices]
    usable = all(type(i) is int and i >= 0 for i in indices) and len(set(indices)) == len(indices)
    placed = list(zip(indices if usable else range(len(choices)), choices, strict=True))
    return [(i, choice) for i, choice in placed if i is not None and i < asked]


def _text_of(choice: Any) -> tuple[str, str | None]:  # Any: JSON of a server
    """Text and finish reason of a choice, chat or plain.

    An empty text is a reply if the model ended it (`stop`) or ran out of tokens (`length`): it was sampled, the
    same seed would give it again, and dropping it would make the model look better than it is. Null is the empty
    text of a model whose thoughts took all its tokens (`length`). With any other reason, or null otherwise, there is
    no reply.
    """
    if not isinstance(choice, dict):
        raise RequestFailed("bad_reply", "a choice is not a JSON object", retryable=True)
    message = choice.get("message")
    says = message if isinstance(message, dict) else choice
    name = "content" if says is message else "text"
    text = says.get(name)
    finish_reason = choice.get("finish_reason")
    finish_reason = finish_reason if isinstance(finish_reason, str) else None
    if text is None and name in says and finish_reason == "length":
        text = ""
    if isinstance(text, str) and (text or finish_reason in ("stop", "length")):
        return text, finish_reason
    if finish_reason == "content_filter":
        raise RequestFailed("refused", "the server's content filter withheld the reply", retryable=False)
    if text is None or text == "":
        message = f"the reply has no text (finish_reason {finish_reason})"
        raise RequestFailed("empty", message, retryable=True)
    raise RequestFailed("bad_reply", f"the reply's text is a JSON {type(text).__name__}", retryable=True)


def _usage_of(answer: dict[str, Any]) -> tuple[int | None, int | None]:  # Any: JSON of a server
    """Prompt and completion tokens that the call was charged for."""
    usage = answer.get("usage")
    counts = [usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if type(count) is int and count >= 0 else None for count in counts)
    return prompt, completion


def _shares(total: int | None, parts: int) -> list[int | None]:
    """A count divided so that the parts add up to it."""
    if total is None:
        return [None] * parts
    return [total // parts + (i < total % parts) for i in range(parts)]


def _error_of(body: bytes) -> tuple[str, str | None]:
    """Message of an error answer, and the parameter that it blames; of a page in HTML, its text."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _excerpt(body), None
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if not isinstance(error, dict):
        return str(error), None
    parameter = error.get("param")
    message = error.get("message") or error.get("detail")
    if isinstance(message, list):  # FastAPI's validation errors: what was sent is in them as well, and left out
        problems = [entry for entry in message if isinstance(entry, dict)]
        message = "; ".join(f"{'.'.join(map(str, entry.get('loc', [])))}: {entry.get('msg')}" for entry in problems)
    return str(message or _excerpt(body)), parameter if isinstance(parameter, str) else None


def _excerpt(body: bytes) -> str:
    """The first words of an answer that is not what it should be, without tags."""
    text = re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", body[:4_000].decode(errors="replace"), flags=re.DOTALL)
    return " ".join(text.split())[:120] or "(nothing)"


def _allow_open_files(count: int) -> None:
    """Raise the soft limit on open files: by default 1,024, which 4,000 connections would run into."""
    with suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < count:
            if hard != resource.RLIM_INFINITY and hard < count:
                raise ServerError(
                    f"{count} open files are needed and {hard} are allowed. Lower --max-in-flight or raise ulimit -n."
                )
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
