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
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.example import Example
from datagen_trainers.aft import AftConfig, train_aft
from datagen_trainers.load import load_model
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.vft import VftConfig, train

# What each of the two processes does, started as a user's script is. It notes which files of the model it writes.
SCRIPT = """
import json, os, sys
from pathlib import Path

import torch

work = Path(sys.argv[1])
written = []

def note(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        written.append(str(arguments[0]))

sys.addaudithook(note)

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.example import Example
from datagen_trainers.aft import AftConfig, train_aft
from datagen_trainers.load import load_model
from datagen_trainers.vft import VftConfig, train

data = json.loads((work / "data.json").read_text())
groups = [AlignmentGroup(**row) for row in data["groups"]]
examples = [Example(**row) for row in data["examples"]]
found = {}
for name, settings in data["aft"].items():
    loaded = load_model(str(work / "base"))
    result = train_aft(groups, model=loaded.model, tokenizer=loaded.tokenizer, config=AftConfig(**settings),
                       out=work / "two" / name)
    found[name] = {"steps": result.steps, "loss": result.loss, "metrics": result.metrics}
    found[name + " random"] = torch.rand(()).item()  # what dropout would have drawn next
    complete = (work / "two" / name / "training.json").exists()  # whoever wrote it
    found[name + " written"] = complete
print("rank", os.environ["RANK"], "starts VFT", file=sys.stderr, flush=True)
loaded = load_model(str(work / "base"))
seen = []
result = train(examples, model=loaded.model, tokenizer=loaded.tokenizer, config=VftConfig(**data["vft"]),
               out=work / "two" / "vft", on_progress=seen.append)
found["vft"] = {"steps": result.steps, "loss": result.loss}
found["progress"] = len(seen)
found["files"] = sorted({Path(path).name for path in written if str(work / "two") in path})
(work / ("rank" + os.environ["RANK"] + ".json")).write_text(json.dumps(found))
"""


class Both(NamedTuple):
    """Two processes' work, and what one process makes of the same."""

    ranks: list[dict[str, Any]]
    work: Path
    single: dict[str, dict[str, Any]]
    errors: str  # what the two wrote to stderr


# Five questions one by one: every process takes two batches per update, and in the second update the second process
# has nothing at all. One process takes four batches per update.
AFT = AftConfig(epochs=1, batch_size=1, accumulation=2, learning_rate=1e-4, seed=1, max_length=64, device="cpu")
SETTINGS = {
    "bc": AFT,
    "rank_dpo": replace(AFT, loss="rank_dpo", vft_reduction="sum"),
    "two_pass": replace(AFT, group_memory="two_pass"),
}
VFT = VftConfig(epochs=1, batch_size=2, accumulation=2, learning_rate=1e-4, device="cpu")


def _groups() -> list[AlignmentGroup]:
    rows: list[tuple[str, list[str], list[float], str | None]] = [
        ("Ana has 3 pens.\n", ["3 pens.", "Ana has 4 pens.", "5"], [1, 0, 0], "Ana has 3 pens."),
        ("Tom\n", ["Ana", "Tom buys"], [1, 1], "Tom has 2 pens."),
        ("Ana buys 4\n", ["4", "Ana buys 5 pens.", "6"], [1, 0, 0], None),
        ("Ana and Tom has 8\n", ["8 pens.", "8", "9 9 9", "Tom 8"], [2.5, 1, 2, 1], "8 8"),
        ("pens\n", ["buys 3 pens and 4 pens and 5", "3"], [1, 0], "3 4"),
    ]
    return [
        AlignmentGroup(
            prompt=prompt,
            responses=tuple(responses),
            scores=tuple(scores),
            problem_id=prompt,
            sources=("sampled",) * len(responses),
            reference=reference,
        )
        for prompt, responses, scores, reference in rows
    ]


@pytest.fixture(scope="module")
def both(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    work = tmp_path_factory.mktemp("distributed")
    tokenizer: PreTrainedTokenizerFast = build_tokenizer(
        (t for e in examples for t in (e.prompt, e.completion)), max_number=50
    )
    build_model(tokenizer, seed=1, hidden=32, layers=2, heads=2).save_pretrained(work / "base")
    tokenizer.save_pretrained(work / "base")
    data = {
        "groups": [group.model_dump(mode="json") for group in _groups()],
        "examples": [example.model_dump(mode="json") for example in examples[:9]],
        "aft": {name: asdict(config) for name, config in SETTINGS.items()},
        "vft": asdict(VFT),
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
    single: dict[str, dict[str, Any]] = {}
    for name, config in SETTINGS.items():
        loaded = load_model(str(work / "base"))
        one = train_aft(
            _groups(),
            model=loaded.model,
            tokenizer=loaded.tokenizer,
            config=replace(config, accumulation=4, group_memory="normal"),
            out=work / "one" / name,
        )
        single[name] = {"steps": one.steps, "loss": one.loss, "metrics": one.metrics}
    loaded = load_model(str(work / "base"))
    vft = train(
        examples[:9],
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        config=replace(VFT, accumulation=4),
        out=work / "one" / "vft",
    )
    single["vft"] = {"steps": vft.steps, "loss": vft.loss}
    yield Both(ranks, work, single, done.stderr)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    model = LlamaForCausalLM.from_pretrained(folder)
    return {name: weight.detach() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("name", [*SETTINGS, "vft"])
def test_two_processes_make_the_updates_of_one(both: Both, name: str) -> None:
    start = _weights(both.work / "base")
    two, one = _weights(both.work / "two" / name), _weights(both.work / "one" / name)
    for parameter, expected in one.items():
        assert (two[parameter] - expected).abs().max() <= 1e-6, parameter
        assert (expected - start[parameter]).abs().max() > 1e-4, parameter  # two updates
    for rank in both.ranks:
        assert rank[name]["steps"] == both.single[name]["steps"] == 2
        assert rank[name]["loss"] == pytest.approx(both.single[name]["loss"], rel=1e-5)
        assert rank[name].get("metrics", {}) == pytest.approx(both.single[name].get("metrics", {}), rel=1e-5)


def test_one_process_writes_and_the_other_waits_until_it_is_written(both: Both) -> None:
    files = [set(rank["files"]) for rank in both.ranks]
    assert {"README.md", "training.json.tmp", "fingerprint", "trainer_state.json"} <= files[0]
    assert files[1] <= {"rng_state_1.pth"}
    assert all(rank[f"{name} written"] for rank in both.ranks for name in SETTINGS)
    assert [rank["progress"] for rank in both.ranks] == [2, 0]


def test_each_process_has_random_numbers_of_its_own(both: Both) -> None:
    for name in SETTINGS:
        first, second = (rank[f"{name} random"] for rank in both.ranks)
        assert first != second


def test_torch_does_not_warn_that_it_searched_for_parameters_without_gradient(both: Both) -> None:
    for rank in range(2):
        before, marker, _ = both.errors.partition(f"rank {rank} starts VFT")
        assert marker
        assert f"[rank{rank}]" not in before
