"""What `datagen report` costs for many texts: time and memory to build, size of the page, and its speed in a browser.

    python benchmarks/report_page.py [--texts 100000] [--max-rows 100000]

The texts are the replies published with GSM8K's test set, copied with other numbers until there are enough: as long
and as varied as replies are, though the copies' equations are mostly false.
"""

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from made_candidates import DATA
from playwright.sync_api import Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUERIES = ("duck", "half price", '"per day"', "gsm8k-12", "zebra crossing nowhere", "e")
DIGITS = re.compile(r"\d+")


def main() -> None:
    """Build the run, then the page, then open it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--max-rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_replies(folder / "replies.jsonl", n=options.texts)
        problems, run, page = DATA / "gsm8k" / "test.jsonl", folder / "run", folder / "page.html"
        datagen("sample", "--dataset", problems, "--candidates", folder / "replies.jsonl", "--out", run)
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        datagen("report", run, "--out", page, "--max-rows", options.max_rows, "--workers", 1)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds, cpu = time.perf_counter() - began, after.ru_utime - before.ru_utime
        peak = after.ru_maxrss / 1e6
        size = page.stat().st_size / 1e6
        built = f"built in {seconds:.1f} s ({cpu:.1f} s of CPU)"
        print(f"{options.texts:,} texts: {built}, {size:.1f} MB, peak {peak:.2f} GB")
        look(page)


def write_replies(target: Path, *, n: int) -> None:
    """Replies made elsewhere, as `sample --candidates` reads them."""
    rows = [json.loads(line) for line in (DATA / "gsm8k" / "example_model_solutions.jsonl").read_text().splitlines()]
    replies = [
        (row["question"], model, of["solution"]) for row in rows for model, of in row.items() if isinstance(of, dict)
    ]
    with target.open("w") as file:
        for i in range(n):
            question, model, text = replies[i % len(replies)]
            rng = random.Random(i)
            if i >= len(replies):
                text = with_other_numbers(text, rng)
            file.write(json.dumps({"question": question, "response": text, "model": model}) + "\n")


def with_other_numbers(text: str, rng: random.Random) -> str:
    """Each number replaced by one of as many digits."""
    return DIGITS.sub(lambda match: str(rng.randrange(10 ** len(match[0]))), text)


def datagen(*arguments: object) -> None:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "datagen", *map(str, arguments), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def look(page: Path) -> None:
    """Open the page in a headless Chromium and search it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
        tab = browser.new_page()
        tab.set_default_timeout(120_000)
        began = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("body[data-ready]")
        unpacked = tab.evaluate("document.body.dataset.ready")
        print(f"opened in {time.perf_counter() - began:.1f} s, rows unpacked in {unpacked} ms")
        tab.wait_for_selector("body[data-prepared]")
        print(f"ready to search after {time.perf_counter() - began:.1f} s")
        for query, found, times in searches(tab):
            print(f"search {query!r}: {found}; {', '.join(times)} ms")
        heap = tab.evaluate("performance.memory.usedJSHeapSize") / 1e6
        print(f"memory of the page's script: {heap:.0f} MB")
        browser.close()


def searches(tab: Page) -> Iterator[tuple[str, str, list[str]]]:
    """Each query three times: filtering, sorting and drawing of the first rows together."""
    for query in QUERIES:
        times = []
        for _ in range(3):
            for text in ("", query):
                tab.evaluate("delete document.body.dataset.searchMs")
                tab.fill("#query", text)
                tab.dispatch_event("#query", "input")  # the first time there is nothing to clear
                tab.wait_for_selector("body[data-search-ms]")
            times.append(tab.evaluate("document.body.dataset.searchMs"))
        yield query, tab.inner_text("#found").rsplit(", found", 1)[0], times


if __name__ == "__main__":
    main()
