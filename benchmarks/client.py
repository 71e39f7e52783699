"""CPU time of a request: ours with store and ledger on, beside the openai package; then 4,000 requests in flight.

    python benchmarks/client.py

Server and clients are processes of their own on this machine; CPU time is the client's (all its threads, user and
system), taken after a warm-up. The goal is at most 0.5 ms a request, and no time-outs of our own making.
"""

import argparse
import asyncio
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

SERVER = Path(__file__).parents[1] / "tests" / "servers" / "chat_server.py"
PROMPT = "Natalia sold clips to 48 of her friends in April, and then half as many in May. " * 4
WARM_UP = 200
CLIENTS = ("datagen", "openai", "openai (aiohttp)")


def cpu_s() -> float:
    """CPU time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(job: Callable[[int, int], dict[str, Any]], requests: int) -> dict[str, Any]:  # Any: JSON
    """Run a job over the prompts first..last, after a warm-up."""
    job(0, WARM_UP)
    cpu, wall = cpu_s(), time.perf_counter()
    result = job(WARM_UP, WARM_UP + requests)
    return {"cpu_s": cpu_s() - cpu, "wall_s": time.perf_counter() - wall, **result}


def run_datagen(url: str, requests: int, in_flight: int) -> dict[str, Any]:  # Any: JSON
    """Our client, every reply stored and counted."""
    from datagen.models.openai_http import OpenAIHttp
    from datagen.requests.fetch import fetch_replies
    from datagen.requests.limits import Limits
    from datagen.requests.request import Request, Sampling
    from datagen.requests.store import ReplyStore
    from datagen_prompts.template import Turn

    limits = Limits(max_in_flight=in_flight)
    with tempfile.TemporaryDirectory() as folder, ReplyStore(Path(folder) / "replies.sqlite") as store:

        def wanted(first: int, last: int) -> Iterator[Request]:
            for i in range(first, last):
                yield Request(f"row{i}", url, "m", "chat", (Turn("user", f"{PROMPT}{i}"),), Sampling(), 0, (0,))

        def job(first: int, last: int) -> dict[str, Any]:  # Any: JSON
            backend = OpenAIHttp(url, api_key="none", limits=limits)
            fetched = fetch_replies(wanted(first, last), backend, store, limits=limits, seed=0)
            return {"failed": len(fetched.failed), "retries": fetched.ledger.retries, "answered": fetched.stored}

        return measured(job, requests)


def run_openai(url: str, requests: int, in_flight: int, *, aiohttp: bool) -> dict[str, Any]:  # Any: JSON
    """The openai package, replies thrown away; as many workers as calls in flight."""
    import openai

    async def work(first: int, last: int) -> dict[str, Any]:  # Any: JSON
        http_client = openai.DefaultAioHttpClient() if aiohttp else openai.DefaultAsyncHttpxClient()
        failed: list[str] = []
        answered = 0
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=http_client) as client:
            prompts = iter(range(first, last))

            async def worker() -> None:
                nonlocal answered
                for i in prompts:
                    try:
                        await client.chat.completions.create(
                            model="m",
                            messages=[{"role": "user", "content": f"{PROMPT}{i}"}],
                            temperature=0.7,
                            max_tokens=512,
                            seed=i,
                        )
                        answered += 1
                    except openai.OpenAIError as error:
                        failed.append(type(error).__name__)

            workers: list[Awaitable[None]] = [worker() for _ in range(in_flight)]
            await asyncio.gather(*workers)
        return {"failed": len(failed), "retries": 0, "answered": answered, "errors": sorted(set(failed))}

    return measured(lambda first, last: asyncio.run(work(first, last)), requests)


def run_client(name: str, url: str, requests: int, in_flight: int) -> dict[str, Any]:  # Any: JSON
    """One client by its name, in this process."""
    if name == "datagen":
        return run_datagen(url, requests, in_flight)
    return run_openai(url, requests, in_flight, aiohttp=name == "openai (aiohttp)")


def in_a_process(name: str, *, requests: int, in_flight: int, delay_s: float) -> dict[str, Any]:  # Any: JSON
    """A client in a process of its own, against a server in another."""
    server = subprocess.Popen(
        [sys.executable, str(SERVER), "--delay-s", str(delay_s)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        command = [sys.executable, __file__, "--client", name, "--url", url]
        command += ["--requests", str(requests), "--in-flight", str(in_flight)]
        client = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as response:
            most = json.load(response)["most_in_flight"]
        result: dict[str, Any] = json.loads(client.stdout) if client.returncode == 0 else {}  # Any: JSON
        return {**result, "most": most}
    finally:
        server.kill()
        server.wait()


def show(title: str, rounds: int, *, requests: int, in_flight: int, delay_s: float, clients: tuple[str, ...]) -> None:
    """Measure the clients in turn, `rounds` times, and print the least CPU time of each.

    In flight is the most that the server ever saw at once.
    """
    print(f"\n{title}: {requests:,} requests, {in_flight:,} in flight, server answers after {delay_s:g} s")
    head = f"{'client':<18}{'CPU ms/request':>15}{'ratio':>8}{'requests/s':>12}{'in flight':>11}"
    print(f"{head}{'failed':>8}{'retries':>9}")
    best: dict[str, dict[str, Any]] = {}  # Any: JSON
    for _ in range(rounds):
        for name in clients:
            result = in_a_process(name, requests=requests, in_flight=in_flight, delay_s=delay_s)
            if "cpu_s" in result and (name not in best or result["cpu_s"] < best[name]["cpu_s"]):
                best[name] = result
    for name in clients:
        if name not in best:
            print(f"{name:<18} not installed, or it failed: see above")
            continue
        result = best[name]
        ratio = result["cpu_s"] / best[clients[0]]["cpu_s"]
        print(
            f"{name:<18}{1000 * result['cpu_s'] / requests:>15.3f}{ratio:>8.1f}{requests / result['wall_s']:>12.0f}"
            f"{result['most']:>11}{result['failed']:>8}{result['retries']:>9}  {' '.join(result.get('errors', []))}"
        )


def main() -> None:
    """Parse options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        print(json.dumps(run_client(options.client, options.url, options.requests, options.in_flight)))
        return
    clients = CLIENTS if importlib.util.find_spec("openai") else CLIENTS[:1]
    show(
        "CPU time",
        options.rounds,
        requests=options.requests,
        in_flight=options.in_flight,
        delay_s=0.01,
        clients=clients,
    )
    show("Many in flight", 1, requests=8_000, in_flight=4_000, delay_s=10, clients=clients)


if __name__ == "__main__":
    main()
