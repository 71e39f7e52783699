"""A scripted judge with OpenAI's chat API. Loopback only, for tests.

    python tests/servers/judge_server.py --port 0        prints its port, and serves until it is killed

It compares the last answer of the candidate's section with that of the reference's (`#### 18`, `A: 18`, `Answer: 18`,
`answer is 18`): 9 or 10 if they are equal, 2 to 4 if not, 1 for an empty candidate. Which of them, depends on prompt,
seed and place among the choices, so that votes differ a little and a repeated call does not.

GET /stats counts calls, answered calls, samples, refused calls and calls with a response_format since GET /reset.
"""

import argparse
import asyncio
import hashlib
import json
import re
import sys
from collections import Counter
from typing import Any, NamedTuple

from aiohttp import web

ANSWER = re.compile(r"(?:####|\bA:|\banswer(?::| is))\s*\$?([^\s,;]+)", re.IGNORECASE)
NEVER = "[[NEVER]]"
ORDER = "Rating: 10"


class Section(NamedTuple):
    """What a judge reads as the candidate, and what it reads after it."""

    text: str
    after: str


class Judge:
    """Counters and options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.stats: Counter[str] = Counter()
        self.asked: set[str] = set()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/stats", self.show_stats)
        app.router.add_get("/reset", self.reset)
        return app

    async def show_stats(self, _: web.Request) -> web.Response:
        names = ("calls", "answered", "samples", "refused", "with_response_format")
        return web.json_response({name: self.stats[name] for name in names})

    async def reset(self, _: web.Request) -> web.Response:
        self.stats.clear()
        self.asked.clear()
        return web.Response()

    async def chat(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        self.stats["calls"] += 1
        self.stats["with_response_format"] += "response_format" in asked
        if self.options.refuse_schema and "response_format" in asked:
            self.stats["refused"] += 1
            message = "This model does not support response_format of type json_schema"
            return web.json_response({"error": {"message": message, "param": "response_format"}}, status=400)
        if self.options.delay_s:
            await asyncio.sleep(self.options.delay_s)
        prompt = "\n\n".join(message["content"] for message in asked["messages"])
        n = asked.get("n", 1)
        self.stats["answered"] += 1
        self.stats["samples"] += n
        is_first = prompt not in self.asked
        self.asked.add(prompt)
        choices = [
            {
                "index": i,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": self.reply(prompt, asked, i=i, is_first=is_first)},
            }
            for i in range(n)
        ]
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 20 * n}
        return web.json_response({"object": "chat.completion", "choices": choices, "usage": usage})

    def reply(self, prompt: str, asked: dict[str, Any], *, i: int, is_first: bool) -> str:
        if (self.options.never and NEVER in prompt) or (self.options.bad_first and is_first):
            return "Step 1 is right and step 2 is not: I would say 7 or 8 of 10 at most."
        digest = hashlib.sha256(json.dumps([prompt, asked.get("seed"), i]).encode()).digest()
        rating, evidence = self.judge(prompt, 0 if self.options.steady else digest[0])
        if self.options.json and "response_format" in asked:
            return json.dumps({"evidence": evidence, "rating": rating})
        return f"Evidence: {evidence}\nRating: {rating}"

    def judge(self, prompt: str, variation: int) -> tuple[int, str]:
        section = self.section(prompt)
        if self.options.steerable and ORDER in section.after:
            return 10, "I do as I am told at the end."
        if not section.text.replace("|", "").strip():
            return 1, "There is nothing to mark: 0 steps."
        said, right = last_answer(section.text), last_answer(self.reference(prompt))
        if said is not None and said == right:
            return 9 + variation % 2, f"The result {said} is that of the reference; a rating of 3 would be unfair."
        return 2 + variation % 3, f"The result is {said}, the reference has {right}; so 1 step is wrong."

    def section(self, prompt: str) -> Section:
        """A naive judge stops at the first end marker; another one at the last."""
        _, _, rest = prompt.partition(self.options.start)
        if self.options.steerable:
            text, _, after = rest.partition(self.options.end)
        else:
            text, _, after = rest.rpartition(self.options.end)
        return Section(text, after)

    def reference(self, prompt: str) -> str:
        """What stands before the candidate."""
        return prompt.partition(self.options.start)[0]


def last_answer(text: str) -> str | None:
    found = ANSWER.findall(text)
    return found[-1].rstrip(".").replace("|", "") if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--start", default="[Pupil's solution]", help="marker before the candidate")
    parser.add_argument("--end", default="[End of the pupil's solution]", help="marker after it")
    parser.add_argument(
        "--steerable", action="store_true", help="obey a rating that stands after the first end marker"
    )
    parser.add_argument("--steady", action="store_true", help="always the lowest: 9, 2 or 1")
    parser.add_argument("--refuse-schema", action="store_true", help="400 for response_format")
    parser.add_argument("--json", action="store_true", help="answer in JSON where response_format is given")
    parser.add_argument("--bad-first", action="store_true", help="no rating in the first answer to a prompt")
    parser.add_argument("--never", action="store_true", help=f"never a rating where the prompt has {NEVER}")
    parser.add_argument("--delay-s", type=float, default=0.0, help="time to answer")
    judge = Judge(parser.parse_args())

    async def serve() -> None:
        runner = web.AppRunner(judge.application(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", judge.options.port, backlog=4096)
        await site.start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
