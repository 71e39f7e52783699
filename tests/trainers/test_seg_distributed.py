import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import LlamaForCausalLM

from datagen_schemas.example import Example
from datagen_trainers.load import load_model
from datagen_trainers.seg import SegConfig, SegResult, train_seg
from datagen_trainers.tiny import build_model, build_tokenizer

# What each of the two processes does, started as a user's script is.
SCRIPT = """
import json, os, sys
from pathlib import Path

work = Path(sys.argv[1])

from datagen_schemas.example import Example
from datagen_trainers.load import load_model
from datagen_trainers.seg import SegConfig, train_seg

data = json.loads((work / "data.json").read_text())
examples = [Example(**row) for row in data["examples"]]
loaded = load_model(str(work / "base"))
result = train_seg(examples, model=loaded.model, tokenizer=loaded.tokenizer, config=SegConfig(**data["config"]),
                   out=work / "two", validation=[Example(**row) for row in data["validation"]])
found = {**result._asdict(), "path": str(result.path)}
(work / ("rank" + os.environ["RANK"] + ".json")).write_text(json.dumps(found))
"""


class Both(NamedTuple):
    """Two processes' work, and what one process makes of the same."""

    ranks: list[dict[str, Any]]
    work: Path
    single: SegResult
    warnings: str


# Five examples one by one: every process takes two batches per update, and in the second update the second process
# has nothing at all. One process takes four batches per update. Three examples validate, so one process has one.
CONFIG = SegConfig(
    epochs=1,
    batch_size=1,
    accumulation=2,
    learning_rate=1e-4,
    seed=1,
    max_length=64,
    device="cpu",
    loss="lovasz",
    loss_by_task={"multiple_choice": "focal"},
    checkpoints=2,
)


@pytest.fixture(scope="module")
def both(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    work = tmp_path_factory.mktemp("distributed")
    tokenizer = build_tokenizer((t for e in examples for t in (e.prompt, e.completion, "B")), max_number=50)
    build_model(tokenizer, seed=1, hidden=32, layers=2, heads=2).save_pretrained(work / "base")
    tokenizer.save_pretrained(work / "base")
    chosen = [one.model_copy(update={"completion": "B", "answer": "B"}) for one in examples[:2]]
    given, validation = [*chosen, *examples[2:5]], examples[5:8]
    data = {
        "examples": [example.model_dump(mode="json") for example in given],
        "validation": [example.model_dump(mode="json") for example in validation],
        "config": asdict(CONFIG),
    }
    (work / "data.json").write_text(json.dumps(data))
    (work / "script.py").write_text(SCRIPT)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(str(root / part) for part in (".", "prompts", "schemas", "trainers")),
    }
    launch = "-m torch.distributed.run --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0 --local-addr"
    command = [sys.executable, *launch.split(), "127.0.0.1", str(work / "script.py"), str(work)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == ""
    ranks = [json.loads((work / f"rank{rank}.json").read_text()) for rank in range(2)]
    loaded = load_model(str(work / "base"))
    single = train_seg(
        given,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        config=replace(CONFIG, accumulation=4),
        out=work / "one",
        validation=validation,
    )
    yield Both(ranks, work, single, done.stderr)


def test_two_processes_make_the_updates_of_one(both: Both) -> None:
    folders = ("base", "two", "one")
    start, two, one = (dict(LlamaForCausalLM.from_pretrained(both.work / name).named_parameters()) for name in folders)
    for parameter, expected in one.items():
        assert (two[parameter] - expected).abs().max() <= 1e-6, parameter
        assert (expected - start[parameter]).abs().max() > 1e-4, parameter  # two updates
        assert torch.isfinite(expected).all()


def test_two_processes_log_and_validate_as_one(both: Both) -> None:
    assert both.single.steps == 2
    assert both.single.metrics["loss/ce"] > 0
    for rank in both.ranks:
        assert rank["steps"] == 2
        assert rank["metrics"] == pytest.approx(both.single.metrics, rel=1e-5)
        assert rank["validation"] == pytest.approx(both.single.validation, rel=1e-5)
    assert both.single.validation["step"] == 2


def test_no_process_searches_for_parameters_without_gradient(both: Both) -> None:
    assert "find_unused_parameters" not in both.warnings
