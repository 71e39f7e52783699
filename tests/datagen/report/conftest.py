"""Small run directories made by hand, and a real browser to look at their pages."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from datagen.store.arrow_dataset import DatasetWriter
from datagen.store.run_directory import RunDirectory
from datagen_schemas.record import Record

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

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A finished run of a stage, with the facts of its manifest and one data set a folder."""

    def make(
        name: str,
        stage: str,
        *,
        data: Mapping[str, Sequence[Record]],
        command: str = "datagen test",
        config: Mapping[str, Any] | None = None,  # Any: JSON
        **facts: Any,  # Any: JSON
    ) -> Path:
        run = RunDirectory(tmp_path / name, {"stage": stage, "seed": 0, **(config or {})})
        for folder, records in data.items():
            with DatasetWriter(run.path / folder, type(records[0])) as writer:
                writer.write_records(records, type(records[0]))
        run.finish(command=command, card="card", facts={"counts": {"rows": 0}, **facts})
        return run.path

    return make


@pytest.fixture(scope="module")  # no longer: as long as it lives, this process has a running event loop
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install one (Debian: apt install chromium), or name it in CHROMIUM")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()
