"""Loading a model into this process: once while it is kept, and refused quickly without a network."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants
from transformers.utils import logging as transformers_logging

from datagen.models.load_local import load_local, one_model_kept, unreachable_hub
from datagen_trainers.tiny import build_model, build_tokenizer


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    transformers_logging.disable_progress_bar()
    made = []
    for name in ("one", "two"):
        folder = tmp_path_factory.mktemp(name)
        tokenizer = build_tokenizer(["a b"], max_number=10)
        build_model(tokenizer, seed=0, hidden=16, layers=1, heads=2, max_length=16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        made.append(str(folder))
    return made


def test_a_kept_model_is_loaded_once_and_let_go_for_another(folders: list[str]) -> None:
    one, two = folders
    with one_model_kept():
        first = load_local(one, device="cpu")
        assert load_local(one, device="cpu").model is first.model
        assert load_local(one, device="cpu", dtype="float64").model is not first.model
        load_local(two, device="cpu")
        assert load_local(one, device="cpu").model is not first.model


def test_without_that_every_call_loads_anew(folders: list[str]) -> None:
    with one_model_kept():
        kept = load_local(folders[0], device="cpu").model
    assert load_local(folders[0], device="cpu").model is not kept
    assert load_local(folders[0], device="cpu").model is not load_local(folders[0], device="cpu").model


def offline(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A process whose Hub is a port of this machine at which nobody listens."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


def test_without_a_network_a_model_that_is_not_here_is_one_line_at_once(tmp_path: Path) -> None:
    code = (
        "import time, transformers\n"
        "from datagen.models.load_local import load_local\n"
        "from datagen_schemas.errors import DataError\n"
        "began = time.monotonic()\n"
        "try: load_local('org/none')\n"
        "except DataError as error: print(error)\n"
        "print(time.monotonic() - began)\n"
    )
    result = offline(tmp_path, code)
    said, seconds = result.stdout.splitlines()
    assert "model org/none: no such folder" in said
    assert "http://127.0.0.1:9 does not answer" in said
    assert "Retrying" not in result.stderr
    assert float(seconds) < 20  # the Hub's own client takes 25 to 51


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """Answers everything with 501, as `BaseHTTPRequestHandler` does for a method that it does not know."""

    class Quiet(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_hub_that_answers_with_an_error_is_there(monkeypatch: pytest.MonkeyPatch, refusing_server: str) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", refusing_server)
    assert unreachable_hub() is None
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert unreachable_hub() == "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # then nobody is asked
    assert unreachable_hub() is None
