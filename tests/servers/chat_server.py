"""A server with OpenAI's chat and completions API that misbehaves on demand. Loopback only, for tests and benchmarks.

    python tests/servers/chat_server.py --port 0        prints its port, and serves until it is killed

What it does is written in the prompt, `[[KIND]]` for every call or `[[KIND TIMES]]` for the first calls with this
prompt, or given for all prompts with --fault KIND --fault-rate R, which strikes the first call of a prompt by chance:

    429 (no Retry-After)  429-after (Retry-After: 1)  429-date  429-day  500  503-html  401  403  404  400  quota
    redirect  hang  cut  reset  not-json  html  no-choices  empty-choices  null  one-null  blank  length  filtered
    thinking (null, out of tokens)  502  504  odd-text  error-200  drip (a byte now and then, without end)
    slow (the whole body, a bit at a time)
    leak (401 that repeats the key)  shuffled (choices in another order)

GET /stats counts what it was asked for since GET /reset. Replies are a function of prompt, seed and
place among the choices.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

DIRECTIVE = re.compile(r"\[\[([\w-]+)(?: (\d+))?\]\]")


class Server:
    """Counters and options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.stats: Counter[str] = Counter()
        self.calls_of: Counter[str] = Counter()
        self.samples_of: Counter[str] = Counter()
        self.in_flight = 0
        self.tokens = float(options.rps or 0)
        self.filled_at = time.monotonic()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self.counted(self.chat))
        app.router.add_post("/v1/completions", self.counted(self.chat))
        app.router.add_get("/stats", self.show_stats)
        app.router.add_get("/reset", self.reset)
        return app

    async def show_stats(self, _: web.Request) -> web.Response:
        return web.json_response({**self.stats, "samples_of": self.samples_of, "calls_of": self.calls_of})

    async def reset(self, _: web.Request) -> web.Response:
        for counter in (self.stats, self.calls_of, self.samples_of):
            counter.clear()
        return web.Response()

    def counted(
        self, handler: Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]
    ) -> Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.stats["calls"] += 1
            self.in_flight += 1
            self.stats["most_in_flight"] = max(self.stats["most_in_flight"], self.in_flight)
            try:
                return await handler(request)
            finally:
                self.in_flight -= 1

        return handle

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read())
        is_chat = "messages" in asked
        prompt = asked["messages"][-1]["content"] if is_chat else asked["prompt"]
        self.calls_of[prompt] += 1
        if (refusal := self.refusal(asked)) is not None:
            return refusal
        if self.options.rps and not self.admitted():
            self.stats["429"] += 1
            return error(429, "slow down")
        if self.options.delay_s:
            await asyncio.sleep(self.options.delay_s)
        kind = self.fault(prompt, asked.get("seed"))
        if kind:
            self.stats[kind] += 1
        if kind and (answer := await misbehave(kind, request)) is not None:
            return answer
        n = asked.get("n", 1)
        n = {"ignore": 1, "cap": min(n, 2)}.get(self.options.n, n)
        body = json.dumps(completion(prompt, asked, n=n, is_chat=is_chat, kind=kind)).encode()
        self.stats["answered"] += 1
        self.samples_of[prompt] += n
        if kind in ("cut", "drip", "slow"):
            return await in_pieces(kind, request, body)
        return web.Response(body=body, content_type="application/json")

    def refusal(self, asked: dict[str, Any]) -> web.Response | None:
        """What a stricter server would not take."""
        if self.options.n == "refuse" and asked.get("n", 1) > 1:
            return error(400, "Invalid n value (currently only n = 1 is supported)")
        if self.options.no_seed and "seed" in asked:
            detail = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
            return web.json_response({"detail": detail}, status=422)
        if self.options.new_max_tokens and "max_tokens" in asked:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return error(400, message, param="max_tokens")
        return None

    def admitted(self) -> bool:
        now = time.monotonic()
        self.tokens = min(self.options.rps, self.tokens + (now - self.filled_at) * self.options.rps)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def fault(self, prompt: str, seed: object) -> str | None:
        if directive := DIRECTIVE.search(prompt):
            kind, times = directive.groups()
            return kind if times is None or self.calls_of[prompt] <= int(times) else None
        if self.options.fault and self.calls_of[prompt] == 1:
            digest = hashlib.sha256(f"fault {prompt} {seed}".encode()).digest()
            if digest[0] < 256 * self.options.fault_rate:
                return str(self.options.fault[digest[1] % len(self.options.fault)])
        return None


def error(status: int, message: str, *, param: str | None = None, **headers: str) -> web.Response:
    body = {"error": {"message": message, "type": "server", "param": param, "code": None}}
    return web.json_response(body, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()})


async def misbehave(kind: str, request: web.Request) -> web.StreamResponse | None:
    """The answer of a fault; None where the fault is in the body of a completion."""
    match kind:
        case "429":
            return error(429, "slow down")
        case "429-after":
            return error(429, "slow down", Retry_After="1")
        case "429-date":
            return error(429, "slow down", Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=1)))
        case "429-day":
            return error(429, "daily limit", Retry_After="86400")
        case "quota":
            body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
            return web.json_response(body, status=429)
        case "500" | "502" | "504" | "400" | "401" | "403" | "404":
            return error(int(kind), f"made to fail with {kind}")
        case "leak":
            return error(401, f"Incorrect API key provided: {request.headers.get('Authorization')}")
        case "503-html":
            text = "<html><head><style>b {}</style></head><body><h1>503 Unavailable</h1></body></html>"
            return web.Response(status=503, text=text, content_type="text/html")
        case "html":
            return web.Response(text="<html><body>Please <b>log in</b></body></html>", content_type="text/html")
        case "redirect":
            return web.Response(status=308, headers={"Location": "http://127.0.0.1:9/v1"})
        case "error-200":
            return web.json_response({"error": {"message": "upstream is down"}})
        case "not-json":
            return web.Response(text='{"choices": [', content_type="application/json")
        case "no-choices":
            return web.json_response({"object": "chat.completion"})
        case "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        case "hang":
            await asyncio.sleep(3600)
    return None


def completion(prompt: str, asked: dict[str, Any], *, n: int, is_chat: bool, kind: str | None) -> dict[str, Any]:
    choices: list[dict[str, Any]] = []
    for i in range(n):
        digest = hashlib.sha256(json.dumps([prompt, asked.get("seed"), i]).encode()).hexdigest()
        # The place among the choices is in the text, so that a test sees where a choice went.
        content: object = f"choice {i} of {n}: {digest}"
        reason = "stop"
        if kind in ("null", "thinking", "blank", "filtered", "odd-text"):
            content = {"null": None, "thinking": None, "blank": "", "filtered": None, "odd-text": [1]}[kind]
            reason = "content_filter" if kind == "filtered" else "stop"
        if kind in ("length", "thinking"):
            reason = "length"
        said = {"message": {"role": "assistant", "content": content}} if is_chat else {"text": content}
        choices.append({"index": i, "finish_reason": reason, **said})
    if kind == "empty-choices":
        choices = []
    if kind == "shuffled":
        choices.reverse()
    if kind == "one-null":
        choices[0]["message"]["content"] = None
    usage = {"prompt_tokens": 10, "completion_tokens": 7 * n, "total_tokens": 10 + 7 * n}
    return {"id": "c", "object": "chat.completion", "model": asked["model"], "choices": choices, "usage": usage}


async def in_pieces(kind: str, request: web.Request, body: bytes) -> web.StreamResponse:
    """A body that is cut, or comes slowly, or never ends."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body) if kind != "drip" else 1_000_000
    await response.prepare(request)
    if kind == "cut":
        await response.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.close()
        return response
    if kind == "drip":
        with contextlib.suppress(ConnectionResetError):  # the client has had enough
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response
    for start in range(0, len(body), 40):
        await response.write(body[start : start + 40])
        await asyncio.sleep(0.01)
    return response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--n", choices=["full", "ignore", "refuse", "cap"], default="full", help="what n does")
    parser.add_argument("--no-seed", action="store_true", help="refuse the parameter seed")
    parser.add_argument("--new-max-tokens", action="store_true", help="want max_completion_tokens")
    parser.add_argument("--rps", type=float, help="429 beyond so many requests a second")
    parser.add_argument("--delay-s", type=float, default=0.0, help="time to answer")
    parser.add_argument("--fault", action="append", help="KIND, repeatable")
    parser.add_argument("--fault-rate", type=float, default=0.3)
    server = Server(parser.parse_args())

    async def serve() -> None:
        runner = web.AppRunner(server.application(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", server.options.port, backlog=4096)
        await site.start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
