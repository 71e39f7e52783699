"""What the three ways to train have in common: a run that is interrupted, finished, saved, or cannot go on."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from datagen_schemas.errors import DataError
from datagen_trainers.run_folder import last_checkpoint
from datagen_trainers.training import TrainProgress

Methods = dict[str, Any]  # Any: conftest's Method, by its name
Fresh = Callable[[], LlamaForCausalLM]
Same = Callable[[nn.Module, nn.Module], bool]

each = pytest.mark.parametrize("name", ["vft", "aft", "seg"])
BY_TASK = {"word_problem": "lovasz", "multiple_choice": "focal"}
LORA = {"lora_r": 2, "lora_dropout": 0.3}


@pytest.mark.parametrize(
    ("name", "changes", "validated"),
    [
        ("vft", {}, False),
        ("aft", {}, False),
        ("aft", {"loss": "rank_dpo"}, False),
        ("aft", LORA, False),
        ("seg", {"loss_by_task": BY_TASK}, False),
        ("seg", LORA, True),
    ],
    ids=["vft", "aft-bc", "aft-rank_dpo", "aft-lora", "seg-by-task", "seg-lora-validated"],
)
def test_an_interrupted_run_ends_in_the_same_weights(
    name: str,
    changes: dict[str, Any],
    validated: bool,
    methods: Methods,
    fresh: Fresh,
    same_weights: Same,
    said: list[str],
    tmp_path: Path,
) -> None:
    if "lora_r" in changes:
        pytest.importorskip("peft")
    rows, config, train = methods[name]
    options: dict[str, Any] = {"validation": rows[:3]} if validated else {}
    options["config"] = replace(config, **changes)
    whole = fresh()
    done = train(rows, model=whole, out=tmp_path / "whole", **options)

    def interrupt(progress: TrainProgress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(rows, model=fresh(), out=tmp_path / "cut", on_progress=interrupt, **options)
    assert not (tmp_path / "cut" / "training.json").exists()
    seen: list[TrainProgress] = []
    resumed = fresh()
    result = train(rows, model=resumed, out=tmp_path / "cut", on_progress=seen.append, **options)
    assert [progress.step for progress in seen] == [3, 4]  # the last checkpoint was after 2
    assert same_weights(whole, resumed)
    assert result._replace(seconds=0, path=done.path) == done._replace(seconds=0)
    assert result.steps == 4
    assert not validated or done.validation
    assert not same_weights(whole, fresh())
    assert not (tmp_path / "cut" / "checkpoints").exists()
    assert said == []  # nothing is warned of, since all is as it should be


@each
def test_a_finished_run_is_not_done_again(
    name: str, methods: Methods, fresh: Fresh, same_weights: Same, tmp_path: Path
) -> None:
    rows, config, train = methods[name]
    first, second = fresh(), fresh()
    options: dict[str, Any] = {"validation": rows[:2]} if name == "seg" else {}
    done = train(rows, model=first, config=config, out=tmp_path, **options)
    seen: list[TrainProgress] = []
    again = train(rows, model=second, config=config, out=tmp_path, on_progress=seen.append, **options)
    assert seen == []
    assert again._replace(seconds=0) == done._replace(seconds=0)
    assert same_weights(first, second)
    others: list[tuple[Any, dict[str, Any]]] = [(rows[1:], options)]
    if name == "seg":
        others += [(rows, {"validation": rows[:3]}), (rows, {})]
    for other, its in others:
        with pytest.raises(DataError, match="Name another folder, or delete"):
            train(other, model=fresh(), config=config, out=tmp_path, **its)
    anew = train(rows[1:], model=fresh(), config=config, out=tmp_path, resume=False)
    assert anew.steps == 3


def test_a_checkpoint_that_was_cut_off_is_not_resumed_from(tmp_path: Path) -> None:
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-20"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-9" / "trainer_state.json").touch()
    (tmp_path / "checkpoint-10" / "trainer_state.json").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


CARDS = {
    "vft": ("4 examples of 4 problems (4 gold)", "Eq. 1", "| learning_rate | 0.003 |"),
    "aft": (
        "4 questions with 12 responses (12 sampled)",
        "Eq. 4",
        '| loss | "bc" |',
        "| boundary_beta | 0.15 |",
        "arXiv:2309.02144",
        "arXiv:2308.01825",
    ),
    "seg": (
        "4 examples of 4 problems (4 gold)",
        "section 3.4",
        '| loss | "lovasz" |',
        '| loss_by_task | {"word_problem": "lovasz", "multiple_choice": "focal"} |',
        "| ce_weight | 0.6 |",
        "Beyond Accuracy Optimization",
    ),
}


@each
def test_the_saved_folder_is_an_ordinary_model_with_a_card(
    name: str, methods: Methods, fresh: Fresh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows, config, train = methods[name]
    if name == "seg":
        config = replace(config, loss_by_task=BY_TASK)
    model = fresh()
    capfd.readouterr()
    result = train(rows, model=model, config=config, out=tmp_path)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "%|" not in printed.err  # no bar
    ids = AutoTokenizer.from_pretrained(tmp_path)(rows[0].prompt, return_tensors="pt")["input_ids"]
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    card = (tmp_path / "README.md").read_text()
    logged = {"aft": ("aft/acc_macro", "loss/align"), "seg": ("loss/seg",)}.get(name, ())
    for text in (*CARDS[name], *(f"| {key} | {result.metrics[key]:.4g} |" for key in logged)):
        assert text in card
    assert ("Making Large Language Models Better Reasoners" in card) == (name != "seg")
    written = json.loads((tmp_path / "training.json").read_text())
    assert written["loss"] == result.loss
    assert written.get("metrics") == getattr(result, "metrics", None)


@each
def test_prompts_are_turns_of_a_chat_if_so_wished(
    name: str, methods: Methods, fresh: Fresh, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """The same weights as from prompts in which the template is written out."""
    rows, config, train = methods[name]
    config = replace(config, epochs=1, chat=True)
    with pytest.raises(DataError, match="no chat template"):
        train(rows, model=fresh(), config=config, out=tmp_path / "none")
    templated = copy.deepcopy(tokenizer)
    templated.chat_template = "{% for turn in messages %}Ana {{ turn.content }} Tom {% endfor %}"
    written = [row.model_copy(update={"prompt": f"Ana {row.prompt} Tom "}) for row in rows]
    chat, plain = fresh(), fresh()
    train(rows, model=chat, config=config, tokenizer=templated, out=tmp_path / "chat")
    train(written, model=plain, config=replace(config, chat=False), out=tmp_path / "plain")
    for weight, expected in zip(chat.parameters(), plain.parameters(), strict=True):
        assert torch.equal(weight, expected)
    for folder in ("chat", "plain"):
        assert ("--api chat --prompt plain" in (tmp_path / folder / "README.md").read_text()) == (folder == "chat")


@each
def test_a_loss_that_is_no_number_ends_the_run(name: str, methods: Methods, fresh: Fresh, tmp_path: Path) -> None:
    rows, config, train = methods[name]
    options: dict[str, Any] = {"validation": rows[:1]} if name == "seg" else {}
    with pytest.raises(DataError, match=r"the (validation )?loss is nan after \d+ updates. Lower --learning-rate"):
        train(rows, model=fresh(), config=replace(config, learning_rate=1e38), out=tmp_path, **options)
    assert not (tmp_path / "training.json").exists()


@each
def test_memory_that_does_not_suffice_is_said_with_what_to_do(
    name: str, methods: Methods, fresh: Fresh, tmp_path: Path
) -> None:
    def exhaust(_: TrainProgress) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    rows, config, train = methods[name]
    model = fresh()
    with pytest.raises(DataError, match="^out of memory on the device. In this order: lower --batch-size") as caught:
        train(rows, model=model, config=config, out=tmp_path, on_progress=exhaust)
    assert ("--group-memory two_pass" in str(caught.value)) == (name == "aft")
    assert "forward" not in vars(model)


@pytest.mark.parametrize("name", ["aft", "seg"])
def test_a_model_that_does_more_to_its_logits_is_refused(
    name: str, methods: Methods, scaled: PreTrainedModel, tmp_path: Path
) -> None:
    rows, config, train = methods[name]
    with pytest.raises(DataError, match="Scaled does not compute its logits by"):
        train(rows, model=scaled, config=config, out=tmp_path)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="of machines without a GPU")
def test_bfloat16_needs_no_gpu(methods: Methods, fresh: Fresh, tmp_path: Path) -> None:
    rows, config, train = methods["vft"]
    config = replace(config, epochs=1, batch_size=4, bf16=True, device="auto")
    assert train(rows, model=fresh(), config=config, out=tmp_path).steps == 1


def test_the_first_update_is_reported_with_its_loss(methods: Methods, fresh: Fresh, tmp_path: Path) -> None:
    rows, config, train = methods["vft"]
    seen: list[TrainProgress] = []
    config = replace(config, batch_size=4, accumulation=1)
    train(rows, model=fresh(), config=config, out=tmp_path, on_progress=seen.append)
    assert [at.step for at in seen] == [1, 2]
    assert all(3 < at.loss < 6 for at in seen)  # ln(90) = 4.5 at the start


def test_fsdp_without_gpus_is_said_to_change_nothing(
    methods: Methods, fresh: Fresh, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, config, train = methods["vft"]
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")  # as `accelerate launch --use_fsdp --fsdp_version 2` sets it
    monkeypatch.setenv("FSDP_VERSION", "2")
    train(rows, model=fresh(), config=replace(config, epochs=1), out=tmp_path)
    assert "FSDP needs GPUs: each process holds the whole model" in caplog.text
