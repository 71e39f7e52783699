"""Two processes that train together, by data parallelism and by FSDP, make the updates of one process.

All runs share the two processes, since most of what this costs is to import torch: run as a script, this file is what
they do. Only accelerators have FSDP in accelerate; here it is told that the CPU is one.
"""

import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
import torch
from accelerate import state as accelerate_state
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import LlamaForCausalLM, Trainer

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.aft import AftConfig, train_aft
from datagen_trainers.load import load_model
from datagen_trainers.seg import SegConfig, train_seg
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.training import TrainingConfig
from datagen_trainers.vft import VftConfig, train

# Five rows one by one: every process takes two batches per update, and in the second update the second process has
# nothing at all. One process takes four batches per update.
COMMON: dict[str, Any] = dict(
    epochs=1, batch_size=1, accumulation=2, learning_rate=1e-4, seed=1, max_length=64, device="cpu"
)
AFT = AftConfig(**COMMON)
SEG = SegConfig(**COMMON, loss="lovasz", loss_by_task={"multiple_choice": "focal"}, checkpoints=2)
VFT = replace(VftConfig(**COMMON), batch_size=2)
LORA: dict[str, Any] = dict(lora_r=2, lora_dropout=0.0, learning_rate=1e-2)


class Run(NamedTuple):
    """One run of both."""

    config: TrainingConfig
    base: str = "base"
    interrupted: bool = False  # in its third update, and taken up again


DATA_PARALLEL = {
    "seg": Run(SEG),
    "bc": Run(AFT),
    "rank_dpo": Run(replace(AFT, loss="rank_dpo", vft_reduction="sum")),
    "two_pass": Run(replace(AFT, group_memory="two_pass")),
    "vft": Run(VFT),
}
FSDP = {
    "fsdp-seg": Run(replace(SEG, **LORA, lora_head=True), base="untied"),
    "fsdp-bc": Run(replace(AFT, max_grad_norm=0.05), base="untied"),
    "fsdp-rank_dpo": Run(replace(AFT, loss="rank_dpo", candidate_layout="shared_prefix")),
    "fsdp-adapter": Run(replace(AFT, **LORA, lora_merge=False, activation_checkpointing=True)),
    "fsdp-bfloat16": Run(replace(AFT, bf16=True)),
    "fsdp-vft": Run(replace(VFT, epochs=2, checkpoints=2), interrupted=True),
}
RUNS = DATA_PARALLEL | FSDP
EXACT = [name for name in RUNS if name != "fsdp-bfloat16"]


def run(name: str, work: Path, out: Path, *, processes: int, on_progress: Any = None) -> dict[str, Any]:
    """What the trainer of this run says of it."""
    data = json.loads((work / "data.json").read_text())
    examples = [Example(**row) for row in data["examples"]]
    config, base, _ = RUNS[name]
    loaded = load_model(str(work / base))
    common: dict[str, Any] = dict(model=loaded.model, tokenizer=loaded.tokenizer, out=out, on_progress=on_progress)
    config = replace(config, accumulation=4 // processes)
    if isinstance(config, AftConfig):
        groups = [AlignmentGroup(**row) for row in data["groups"]]
        if processes == 1:
            config = replace(config, group_memory="normal")
        found: Any = train_aft(groups, config=config, **common)
    elif isinstance(config, SegConfig):  # three examples validate, so one process has one
        found = train_seg(examples[:5], config=config, validation=examples[5:8], **common)
    else:
        found = train(examples[:9], config=cast(VftConfig, config), **common)
    return {key: value for key, value in found._asdict().items() if key not in ("path", "seconds")}


def process(rank: int, work: Path) -> None:
    """What each of the two processes does; it notes which files of the models it writes."""
    written: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            written.append(str(arguments[0]))

    sys.addaudithook(note)
    found: dict[str, Any] = {}
    for name in DATA_PARALLEL:
        if name == "vft":
            found["files"] = sorted({Path(path).name for path in written if str(work / "two") in path})
            sys.stderr.write(f"rank {rank} starts VFT\n")
            sys.stderr.flush()
        seen: list[object] = []
        found[name] = run(name, work, work / "two" / name, processes=2, on_progress=seen.append)
        found[f"{name} random"] = torch.rand(()).item()  # what dropout would have drawn next
        found[f"{name} written"] = (work / "two" / name / "training.json").exists()  # whoever wrote it
        found[f"{name} progress"] = len(seen)
    use_fsdp()
    for name, one in FSDP.items():
        seen = []
        if one.interrupted:
            interrupt(name, work)
        found[name] = run(name, work, work / "two" / name, processes=2, on_progress=seen.append)
        found[f"{name} progress"] = len(seen)
    found["refused"] = [refusal("two_pass", work)]
    use_fsdp(version=1)
    found["refused"].append(refusal("bc", work))
    (work / f"rank{rank}.json").write_text(json.dumps(found))


def use_fsdp(version: int = 2) -> None:
    """As `accelerate launch --use_fsdp --fsdp_version 2` says it, and on the CPU."""
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": str(version)}
    os.environ |= {"FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP", "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"}
    plain = accelerate_state.AcceleratorState.__init__

    def init(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        plain(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
            if self.mixed_precision != "no":
                fsdp_plugin.set_mixed_precision(self.mixed_precision)

    pytest.MonkeyPatch().setattr(accelerate_state.AcceleratorState, "__init__", init)


def interrupt(name: str, work: Path) -> None:
    """A run that ends in its third update, in both processes."""
    plain = Trainer.training_step

    def step(self: Trainer, *args: Any, **kwargs: Any) -> Tensor:
        if self.state.global_step == 2:
            raise KeyboardInterrupt
        return plain(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Trainer, "training_step", step)
        run(name, work, work / "two" / name, processes=2)


def refusal(name: str, work: Path) -> str:
    """Why this run is refused."""
    try:
        run(name, work, work / "refused" / name, processes=2)
    except DataError as error:
        return str(error)
    return ""


def main(work: Path) -> int:
    """Two processes with the environment that a launcher gives them; forked, since torch is imported by now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    gc.freeze()  # see `conftest.frozen`
    children = []
    for rank in range(2):
        child = os.fork()
        if not child:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            process(rank, work)
            sys.stderr.flush()
            os._exit(0)
        children.append(child)
    for _ in children:
        ended, status = os.wait()
        if status:
            for child in children:
                if child != ended:
                    os.kill(child, 9)
            return 1
    return 0


class Both(NamedTuple):
    """Two processes' work, and what one process makes of the same."""

    ranks: list[dict[str, Any]]
    work: Path
    single: dict[str, dict[str, Any]]
    errors: str  # what the two wrote to stderr


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
            scores=tuple(7 + score / 100 for score in scores),  # all the same in bfloat16
            problem_id=prompt,
            sources=("sampled",) * len(responses),
            reference=reference,
        )
        for prompt, responses, scores, reference in rows
    ]


@pytest.fixture(scope="module")
def both(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    work = tmp_path_factory.mktemp("distributed")
    tokenizer = build_tokenizer((t for e in examples for t in (e.prompt, e.completion, "B")), max_number=50)
    model = build_model(tokenizer, seed=1, hidden=16, layers=2, heads=2)
    for name in ("base", "untied"):
        model.save_pretrained(work / name)
        tokenizer.save_pretrained(work / name)
        model.config.tie_word_embeddings = False
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    chosen = [one.model_copy(update={"completion": "B", "answer": "B"}) for one in examples[:2]]
    data = {
        "groups": [group.model_dump(mode="json") for group in _groups()],
        "examples": [example.model_dump(mode="json") for example in (*chosen, *examples[2:9])],
    }
    (work / "data.json").write_text(json.dumps(data))
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(str(root / part) for part in (".", "prompts", "schemas", "trainers")),
    }
    command = [sys.executable, __file__, str(work)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == ""
    ranks = [json.loads((work / f"rank{rank}.json").read_text()) for rank in range(2)]
    single = {name: run(name, work, work / "one" / name, processes=1) for name in RUNS}
    yield Both(ranks, work, single, done.stderr)


def _weights(folder: Path) -> dict[str, Tensor]:
    file = folder / "model.safetensors"
    return load_file(file if file.exists() else folder / "adapter_model.safetensors")


@pytest.mark.parametrize("name", EXACT)
def test_two_processes_make_the_updates_of_one(both: Both, name: str) -> None:
    two, one = _weights(both.work / "two" / name), _weights(both.work / "one" / name)
    start = _weights(both.work / RUNS[name].base)
    assert list(two) == list(one)
    for parameter, expected in one.items():
        assert (two[parameter] - expected).abs().max() <= 1e-6, parameter
        assert torch.isfinite(expected).all()
        if "lora" not in parameter and not (name == "fsdp-seg" and ("norm" in parameter or "embed" in parameter)):
            assert (expected - start[parameter]).abs().max() > 1e-4, parameter  # two updates


@pytest.mark.parametrize("name", EXACT)
def test_two_processes_log_and_validate_as_one(both: Both, name: str) -> None:
    expected = both.single[name]
    assert expected["steps"] == (3 if RUNS[name].interrupted else 2)
    for rank in both.ranks:
        assert rank[name].keys() == expected.keys()
        for key, value in expected.items():
            assert rank[name][key] == (pytest.approx(value, rel=1e-5) if value is not None else None), key
    if "seg" in name:
        assert expected["validation"]["step"] == 2


def test_scores_and_losses_stay_exact_in_bfloat16(both: Both) -> None:
    expected = both.single["fsdp-bfloat16"]["loss"]
    assert expected != both.single["bc"]["loss"]
    for rank in both.ranks:
        found = rank["fsdp-bfloat16"]
        assert found["loss"] == pytest.approx(expected, rel=5e-3)  # a quarter of it less if all scores were the same
        # The first is added up in the forward pass, the others are computed from the scores that it gives.
        parts = (found["metrics"][name] for name in ("loss/vft", "loss/align"))
        assert found["loss"] == pytest.approx(sum(parts), rel=1e-6)


def test_what_is_written_in_parts_is_an_ordinary_model(both: Both) -> None:
    ids = torch.tensor([[3, 4, 5]])
    for name in ("fsdp-rank_dpo", "fsdp-vft"):
        two, one = (LlamaForCausalLM.from_pretrained(both.work / each / name) for each in ("two", "one"))
        assert torch.allclose(two(ids).logits, one(ids).logits, atol=1e-5)
        assert two.lm_head.weight is two.model.embed_tokens.weight


def test_a_run_in_parts_goes_on_from_its_last_checkpoint(both: Both) -> None:
    assert [rank["fsdp-vft progress"] for rank in both.ranks] == [1, 0]  # of three updates


def test_what_fsdp_cannot_do_is_refused(both: Both) -> None:
    for rank in both.ranks:
        two_pass, old = rank["refused"]
        assert "two_pass" in two_pass and "with FSDP every process" in two_pass
        assert old == "FSDP 1 is not supported. Launch with: accelerate launch --use_fsdp --fsdp_version 2"


def test_one_process_writes_and_the_other_waits_until_it_is_written(both: Both) -> None:
    files = [set(rank["files"]) for rank in both.ranks]
    assert {"README.md", "training.json.tmp", "fingerprint", "trainer_state.json"} <= files[0]
    assert files[1] <= {"rng_state_1.pth"}
    assert all(rank[f"{name} written"] for rank in both.ranks for name in DATA_PARALLEL)
    assert [[rank[f"{name} progress"] for rank in both.ranks] for name in DATA_PARALLEL] == [[2, 0]] * 5


def test_each_process_has_random_numbers_of_its_own(both: Both) -> None:
    for name in DATA_PARALLEL:
        first, second = (rank[f"{name} random"] for rank in both.ranks)
        assert (first != second) == (name != "vft")


def test_torch_does_not_warn_that_it_searched_for_parameters_without_gradient(both: Both) -> None:
    for rank in range(2):
        before, marker, _ = both.errors.partition(f"rank {rank} starts VFT")
        assert marker
        assert f"[rank{rank}]" not in before
        assert "find_unused_parameters" not in before


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
