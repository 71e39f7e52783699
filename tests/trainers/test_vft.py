import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.examples import IGNORED, encode
from datagen_trainers.load import load_model
from datagen_trainers.run_folder import last_checkpoint
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.training import TrainProgress
from datagen_trainers.vft import VftConfig, train

CONFIG = VftConfig(epochs=2, batch_size=4, learning_rate=3e-3, seed=3, checkpoints=5, device="cpu")


@pytest.fixture
def tokenizer(examples: list[Example]) -> PreTrainedTokenizerFast:
    texts = (text for example in examples for text in (example.prompt, example.completion))
    return build_tokenizer(texts, max_number=50)


def fresh(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return build_model(tokenizer, seed=1, hidden=32, layers=1, heads=2)


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_the_loss_is_the_mean_over_completion_and_end_as_in_equation_1(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = fresh(tokenizer)
    total, n = 0.0, 0
    with torch.no_grad():
        for example in examples[:4]:  # one by one, without padding
            ids, labels = encode(example.prompt, example.completion, tokenizer)
            log_p = torch.log_softmax(model(torch.tensor([ids])).logits[0], dim=-1)
            for j in range(1, len(ids)):
                if labels[j] != IGNORED:
                    total -= float(log_p[j - 1, ids[j]])
                    n += 1
    assert n == sum(len(tokenizer(example.completion)["input_ids"]) + 1 for example in examples[:4])
    config = VftConfig(epochs=1, batch_size=4, device="cpu")
    result = train(examples[:4], model=model, tokenizer=tokenizer, config=config, out=tmp_path)
    assert result.loss == pytest.approx(total / n, rel=1e-4)


def test_accumulated_batches_make_the_update_of_one_large_batch(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    # One update of all 20, in one pass and in five of different numbers of tokens.
    weights = []
    for batch_size, accumulation in ((20, 1), (4, 5)):
        model = fresh(tokenizer)
        config = VftConfig(epochs=1, batch_size=batch_size, accumulation=accumulation, warmup_ratio=0, device="cpu")
        result = train(examples, model=model, tokenizer=tokenizer, config=config, out=tmp_path / str(batch_size))
        assert result.steps == 1
        weights.append(model.lm_head.weight.detach().clone())
    start = fresh(tokenizer).lm_head.weight
    assert torch.allclose(weights[0], weights[1], rtol=0, atol=1e-7)
    assert not torch.allclose(weights[0], start, rtol=0, atol=1e-6)


def test_an_interrupted_run_ends_in_the_same_weights(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    whole = fresh(tokenizer)
    train(examples, model=whole, tokenizer=tokenizer, config=CONFIG, out=tmp_path / "whole")

    def interrupt(progress: TrainProgress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            examples,
            model=fresh(tokenizer),
            tokenizer=tokenizer,
            config=CONFIG,
            out=tmp_path / "cut",
            on_progress=interrupt,
        )
    assert not (tmp_path / "cut" / "training.json").exists()
    seen: list[TrainProgress] = []
    resumed = fresh(tokenizer)
    result = train(
        examples, model=resumed, tokenizer=tokenizer, config=CONFIG, out=tmp_path / "cut", on_progress=seen.append
    )
    assert [progress.step for progress in seen] == [5, 6, 7, 8, 9, 10]  # the last checkpoint was after 4
    assert result.steps == 10
    assert same_weights(whole, resumed)
    assert not (tmp_path / "cut" / "checkpoints").exists()


def test_a_finished_run_is_not_done_again(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    first = fresh(tokenizer)
    done = train(examples, model=first, tokenizer=tokenizer, config=CONFIG, out=tmp_path)
    seen: list[TrainProgress] = []
    second = fresh(tokenizer)
    again = train(examples, model=second, tokenizer=tokenizer, config=CONFIG, out=tmp_path, on_progress=seen.append)
    assert seen == []
    assert again._replace(seconds=0) == done._replace(seconds=0)
    assert same_weights(first, second)


def test_a_folder_with_another_training_is_refused(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    train(examples[:4], model=fresh(tokenizer), tokenizer=tokenizer, config=CONFIG, out=tmp_path)
    with pytest.raises(DataError, match="Name another folder, or delete"):
        train(examples[:5], model=fresh(tokenizer), tokenizer=tokenizer, config=CONFIG, out=tmp_path)
    result = train(
        examples[:5], model=fresh(tokenizer), tokenizer=tokenizer, config=CONFIG, out=tmp_path, resume=False
    )
    assert result.n_examples == 5


def test_a_checkpoint_that_was_cut_off_is_not_resumed_from(tmp_path: Path) -> None:
    for name in ("checkpoint-9", "checkpoint-10", "checkpoint-20"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoint-9" / "trainer_state.json").touch()
    (tmp_path / "checkpoint-10" / "trainer_state.json").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_the_saved_folder_is_an_ordinary_model_with_a_card(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model = fresh(tokenizer)
    result = train(examples, model=model, tokenizer=tokenizer, config=CONFIG, out=tmp_path)
    ids = AutoTokenizer.from_pretrained(tmp_path)(examples[0].prompt, return_tensors="pt")["input_ids"]
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    card = (tmp_path / "README.md").read_text()
    assert "20 examples of 20 problems (20 gold)" in card
    assert "| learning_rate | 0.003 |" in card
    assert json.loads((tmp_path / "training.json").read_text())["loss"] == result.loss


def test_long_examples_are_left_out_and_counted(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    lengths = sorted(len(encode(e.prompt, e.completion, tokenizer).input_ids) for e in examples)
    config = VftConfig(epochs=1, batch_size=4, max_length=lengths[5], device="cpu")
    result = train(examples, model=fresh(tokenizer), tokenizer=tokenizer, config=config, out=tmp_path)
    assert result.n_examples + result.n_too_long == 20
    assert 0 < result.n_examples < 20
    config = VftConfig(max_length=3, device="cpu")
    with pytest.raises(DataError, match="20 of 20 are longer than 3 tokens"):
        train(examples, model=fresh(tokenizer), tokenizer=tokenizer, config=config, out=tmp_path / "none")


def test_a_loss_that_is_no_number_ends_the_run(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = VftConfig(epochs=2, batch_size=4, learning_rate=1e38, device="cpu")
    with pytest.raises(DataError, match="the loss is nan after"):
        train(examples, model=fresh(tokenizer), tokenizer=tokenizer, config=config, out=tmp_path)
    assert not (tmp_path / "training.json").exists()


def test_an_adapter_alone_is_found_again_when_the_run_is_finished(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    fresh(tokenizer).save_pretrained(tmp_path / "base")
    config = VftConfig(epochs=1, batch_size=4, learning_rate=1e-2, lora_r=2, lora_merge=False, device="cpu")
    ids, logits = torch.arange(9)[None], []
    for _ in range(2):
        model = LlamaForCausalLM.from_pretrained(tmp_path / "base")
        train(examples, model=model, tokenizer=tokenizer, config=config, out=tmp_path / "out")
        model.eval()
        logits.append(model(ids).logits)
    assert torch.equal(logits[0], logits[1])
    base = LlamaForCausalLM.from_pretrained(tmp_path / "base")(ids).logits
    assert not torch.allclose(logits[0], base, atol=1e-3)


@pytest.mark.parametrize("lora_r", [None, 2])
def test_an_adapter_is_no_model_to_start_from(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path, lora_r: int | None
) -> None:
    pytest.importorskip("peft")
    fresh(tokenizer).save_pretrained(tmp_path / "base")
    base = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    config = VftConfig(epochs=1, batch_size=4, lora_r=2, lora_merge=False, device="cpu")
    train(examples, model=base, tokenizer=tokenizer, config=config, out=tmp_path / "adapter")
    model = load_model(str(tmp_path / "adapter")).model
    with pytest.raises(DataError, match="a LoRA adapter on a frozen base"):
        train(examples, model=model, tokenizer=tokenizer, config=replace(config, lora_r=lora_r), out=tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "nowhere: no such folder"), ("bare", "bare: its tokenizer cannot be loaded")]
)
def test_a_folder_without_what_is_needed_is_refused_in_one_line(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, name: str, said: str
) -> None:
    fresh(tokenizer).save_pretrained(tmp_path / "bare")
    with pytest.raises(DataError, match=said) as caught:
        load_model(str(tmp_path / name))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="of machines without a GPU")
def test_bfloat16_needs_no_gpu(examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    config = VftConfig(epochs=1, batch_size=20, bf16=True)
    assert train(examples, model=fresh(tokenizer), tokenizer=tokenizer, config=config, out=tmp_path).steps == 1


def test_the_first_update_is_reported_with_its_loss(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    seen: list[TrainProgress] = []
    config = VftConfig(epochs=2, batch_size=20, device="cpu")
    model = fresh(tokenizer)
    train(examples, model=model, tokenizer=tokenizer, config=config, out=tmp_path, on_progress=seen.append)
    assert [at.step for at in seen] == [1, 2]
    assert all(3 < at.loss < 6 for at in seen)  # ln(90) = 4.5 at the start


def test_resuming_warns_of_nothing_that_is_as_it_should_be(
    examples: list[Example],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    for name in ("trainer", "trainer_utils"):
        handler = logging.Handler()
        handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]  # a test's own
        monkeypatch.setattr(logging.getLogger(f"transformers.{name}"), "handlers", [handler])

    def interrupt(progress: TrainProgress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    options = {"tokenizer": tokenizer, "config": CONFIG, "out": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        train(examples, model=fresh(tokenizer), on_progress=interrupt, **options)  # type: ignore[arg-type]  # as given
    train(examples, model=fresh(tokenizer), **options)  # type: ignore[arg-type]  # as given
    assert said == []


def test_training_learns_the_examples(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = VftConfig(epochs=30, batch_size=4, learning_rate=1e-2, device="cpu", checkpoints=1)
    seen: list[TrainProgress] = []
    result = train(
        examples, model=fresh(tokenizer), tokenizer=tokenizer, config=config, out=tmp_path, on_progress=seen.append
    )
    assert result.steps == len(seen) == seen[-1].steps == 150
    assert result.loss < 0.8  # ln(90) = 4.5 at the start


def test_lora_trains_adapters_and_saves_an_ordinary_model(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    config = VftConfig(epochs=1, batch_size=4, learning_rate=1e-2, lora_r=2, device="cpu")
    train(examples, model=fresh(tokenizer), tokenizer=tokenizer, config=config, out=tmp_path)
    start, trained = fresh(tokenizer).state_dict(), AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    assert list(start) == list(trained)
    changed = {name for name, weight in start.items() if not torch.equal(weight, trained[name])}
    assert changed == {name for name in start if "_proj" in name}
    change = trained["model.layers.0.mlp.up_proj.weight"] - start["model.layers.0.mlp.up_proj.weight"]
    singular = torch.linalg.svdvals(change)
    assert singular[2] < 1e-3 * singular[0]  # of rank 2
