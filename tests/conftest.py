"""The order of the tests and their threads, and what many of them need: a browser, and servers on loopback."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # half a second, which most tests do not need
    from playwright.sync_api import Browser, Page

# A shell that runs us in the background has us ignore it, and what we start would, too: tests interrupt that.
signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers have a core each: torch's threads would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

LONGEST = "test_every_block_works_from_top_to_bottom"  # minutes: the demo is in it
SERVERS = Path(__file__).parent / "servers"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The README first: begun last, it would run alone while the other core waits."""
    items.sort(key=lambda item: item.name != LONGEST)


@pytest.fixture(scope="module")  # no longer: as long as it lives, this process has a running event loop
def browser() -> Iterator["Browser"]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install one (Debian: apt install chromium), or name it in CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def serve_script() -> Iterator[Callable[..., str]]:
    """Starts a script of tests/servers with options, in a process of its own; gives the address of its API."""
    running: list[subprocess.Popen[str]] = []

    def start(script: str, *options: str) -> str:
        command = [sys.executable, str(SERVERS / script), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(process.stdout.readline())}/v1"

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
