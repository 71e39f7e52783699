"""A model with OpenAI's chat API that says what a file tells it to. Loopback only, for tests.

    python tests/servers/scripted_server.py --script FILE --port 0    prints its port, and serves until it is killed

The script is a JSON list of {"asked": TEXT, "replies": [...], "system": TEXT}: the first entry whose `asked` stands in
the last message, and whose `system`, if it has one, stands in the first, gives the replies: one after another over all
calls with this prompt, then from the start again. A prompt without an entry is refused with status 400.

GET /stats counts calls, samples and refused calls since GET /reset.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web


class Script:
    """What to say, and how often it was asked."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries
        self.given: Counter[str] = Counter()
        self.stats: Counter[str] = Counter()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/stats", self.show_stats)
        app.router.add_get("/reset", self.reset)
        return app

    async def show_stats(self, _: web.Request) -> web.Response:
        return web.json_response({"calls": 0, "samples": 0, "refused": 0} | self.stats)

    async def reset(self, _: web.Request) -> web.Response:
        self.stats.clear()
        return web.Response()

    async def chat(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        self.stats["calls"] += 1
        first, last = asked["messages"][0]["content"], asked["messages"][-1]["content"]
        entry = next((one for one in self.entries if one["asked"] in last and one.get("system", "") in first), None)
        if entry is None:
            self.stats["refused"] += 1
            return web.json_response({"error": {"message": f"not in the script: {last}"}}, status=400)
        n = asked.get("n", 1)
        self.stats["samples"] += n
        start = self.given[last]
        self.given[last] += n
        replies = [entry["replies"][j % len(entry["replies"])] for j in range(start, start + n)]
        choices = [
            {"index": j, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}
            for j, reply in enumerate(replies)
        ]
        words = sum(len(message["content"].split()) for message in asked["messages"])
        usage = {"prompt_tokens": words, "completion_tokens": sum(len(reply.split()) for reply in replies)}
        return web.json_response({"id": "scripted", "model": asked["model"], "choices": choices, "usage": usage})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    script = Script(json.loads(options.script.read_text(encoding="utf-8")))

    async def serve() -> None:
        runner = web.AppRunner(script.application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options.port).start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
