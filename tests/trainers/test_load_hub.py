"""A model by its Hub id: the same command as with a folder, from a Hub on loopback and then from the cache."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

ROWS = [{"question": f"Ana has {n} pens. How many?", "answer": f"{n} pens\n#### {n}"} for n in range(2, 6)]


@pytest.fixture
def hub(
    serve_script: Callable[..., str],
    fresh: Callable[[], LlamaForCausalLM],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> str:
    """The address of a Hub that has the model me/tiny."""
    fresh().save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    url = serve_script("hub_server.py", "--token", "hf_" + "t" * 34).removesuffix("/v1")
    repository = {"id": "me/tiny", "type": "model", "folder": str(tmp_path / "tiny")}
    urllib.request.urlopen(urllib.request.Request(f"{url}/control/repos", orjson.dumps([repository]))).close()
    return url


def test_a_model_by_name_is_trained_as_one_in_a_folder(hub: str, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    def train(model: str, out: str, *, endpoint: str, offline: str = "0") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf")}
        settings = ("--max-steps", "1", "--max-length", "64", "--device", "cpu", "--quiet")
        command = ["-m", "datagen", "train", "seg", str(data), "--model", model, *settings, "--out", out]
        return subprocess.run(
            [sys.executable, *command],
            env=environment | {"HF_HUB_OFFLINE": offline},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    for model, out, endpoint, offline in (
        ("./tiny", "folder", "http://127.0.0.1:9", "1"),
        ("me/tiny", "named", hub, "0"),
        ("me/tiny", "cached", "http://127.0.0.1:9", "1"),
    ):
        done = train(model, out, endpoint=endpoint, offline=offline)
        assert done.returncode == 0, done.stderr
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("folder", "named", "cached")]
    assert weights[0] == weights[1] == weights[2]
    card = (tmp_path / "named" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\nbase_model: me/tiny\n")  # by which the Hub links it
    assert f"\ndatagen train seg {data} --model me/tiny --max-steps 1 " in card
    assert "\ndatagen eval named --backend transformers --dataset gsm8k --split test\n" in card
    assert "base_model" not in (tmp_path / "folder" / "README.md").read_text()

    missing = train("me/typo", "typo", endpoint=hub)
    assert missing.returncode == 1
    assert "me/typo" in missing.stderr and "Hub id of a causal language model" in missing.stderr
    assert len(missing.stderr.strip().splitlines()) == 1
