"""LoRA in the three ways to train: what is trained, what is saved, and what can be started from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast

from datagen_schemas.errors import DataError
from datagen_trainers.load import load_model
from datagen_trainers.training import TrainProgress

pytest.importorskip("peft")

Methods = dict[str, Any]  # Any: conftest's Method, by its name
Fresh = Callable[..., LlamaForCausalLM]


@pytest.mark.parametrize(("name", "lora_head"), [("vft", False), ("aft", False), ("seg", False), ("seg", True)])
def test_lora_trains_adapters_also_of_the_head_and_saves_an_ordinary_model(
    name: str, lora_head: bool, methods: Methods, fresh: Fresh, tmp_path: Path
) -> None:
    rows, config, train = methods[name]
    config = replace(config, lora_r=2, lora_dropout=0.0, lora_head=lora_head, learning_rate=1e-2)
    result = train(rows, model=fresh(untied=True), config=config, out=tmp_path)
    start, trained = fresh(untied=True).state_dict(), AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert list(start) == list(trained)
    changed = {weight for weight in start if not torch.equal(start[weight], trained[weight])}
    assert changed == {weight for weight in start if "_proj" in weight or (lora_head and weight == "lm_head.weight")}
    change = trained["model.layers.1.mlp.up_proj.weight"] - start["model.layers.1.mlp.up_proj.weight"]
    singular = torch.linalg.svdvals(change)
    assert singular[2] < 1e-3 * singular[0]  # of rank 2
    if name == "seg":
        adapters = sum(2 * (rows + columns) for rows, columns in (start[weight].shape for weight in changed))
        whole = sum(weight.numel() for weight in start.values())
        assert result.trained_share == pytest.approx(adapters / (whole + adapters))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of the test's own call of peft
@pytest.mark.parametrize("name", ["vft", "aft"])
def test_an_adapter_alone_can_be_put_on_its_base_and_is_found_again_when_the_run_is_finished(
    name: str, methods: Methods, fresh: Fresh, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    import peft

    fresh().save_pretrained(tmp_path / "base")
    rows, config, train = methods[name]
    config = replace(config, lora_r=2, lora_merge=False, learning_rate=1e-2)
    ids = torch.tensor([tokenizer("Ana has 3 pens and buys")["input_ids"]])

    def base() -> LlamaForCausalLM:
        return LlamaForCausalLM.from_pretrained(tmp_path / "base")

    model, again = base(), base()
    train(rows, model=model, config=config, out=tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert "library_name: peft\n" in (tmp_path / "out" / "README.md").read_text()
    model.eval()
    expected = model(ids).logits
    assert not torch.allclose(expected, base()(ids).logits, atol=1e-3)
    loaded = peft.PeftModel.from_pretrained(base(), tmp_path / "out")
    assert torch.equal(loaded(ids).logits, expected)
    seen: list[TrainProgress] = []
    train(rows, model=again, config=config, out=tmp_path / "out", on_progress=seen.append)  # finished
    again.eval()
    assert seen == []
    assert torch.equal(again(ids).logits, expected)


def test_an_adapter_is_no_model_to_start_from(methods: Methods, fresh: Fresh, tmp_path: Path) -> None:
    fresh().save_pretrained(tmp_path / "base")
    rows, config, train = methods["vft"]
    config = replace(config, epochs=1, lora_r=2, lora_merge=False)
    train(rows, model=LlamaForCausalLM.from_pretrained(tmp_path / "base"), config=config, out=tmp_path / "adapter")
    for lora_r in (None, 2):
        model = load_model(str(tmp_path / "adapter")).model
        with pytest.raises(DataError, match="a LoRA adapter on a frozen base"):
            train(rows, model=model, config=replace(config, lora_r=lora_r), out=tmp_path / "out")


def test_a_head_that_is_the_embedding_gets_no_adapter_and_that_is_said(
    methods: Methods, fresh: Fresh, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    rows, config, train = methods["seg"]
    config = replace(config, epochs=1, lora_r=2, lora_dropout=0.0, lora_head=True, learning_rate=1e-2)
    train(rows, model=fresh(), config=config, out=tmp_path)
    assert "this model's head is its embedding" in caplog.text
    start, trained = fresh().state_dict(), AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    changed = {weight for weight in start if not torch.equal(start[weight], trained[weight])}
    assert changed == {weight for weight in start if "_proj" in weight}
