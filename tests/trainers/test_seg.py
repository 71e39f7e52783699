import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_schemas.provenance import Provenance
from datagen_trainers.examples import context_for
from datagen_trainers.losses.segmentation import SegmentationSettings, answer_loss
from datagen_trainers.seg import SegConfig, SegResult, train_seg
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.training import TrainProgress

# Different losses, so that the shares of the tasks count.
BY_TASK = {"word_problem": "lovasz", "multiple_choice": "focal"}
ONE = SegConfig(epochs=1, batch_size=8, accumulation=1, warmup_ratio=0, learning_rate=1e-3, device="cpu")
SMALL = SegConfig(
    epochs=2, batch_size=1, accumulation=2, learning_rate=3e-3, seed=3, checkpoints=4, max_length=64, device="cpu"
)
SPLITS = ((8, 1), (2, 4), (1, 8))


def example(prompt: str, completion: str, answer: str) -> Example:
    return Example(
        prompt=prompt,
        completion=completion,
        problem_id=prompt,
        source="gold",
        answer=answer,
        equations=(),
        sample=None,
        model=None,
        provenance=Provenance.of_stage("gold", package_version="0"),
    )


@pytest.fixture(scope="module")
def data() -> list[Example]:
    """Ragged word problems and multiple choice; one without a prompt, one with tokens that come often."""
    return [
        example("Ana has 3 pens.\n", "Ana has 3 pens.\n#### 3", "3"),
        example("Tom has 7 pens and buys 2 pens.\n", "7+2=9 and 7+2=9\n#### 9", "9"),
        example("Tom has A or B ?\n", "B", "B"),
        example("", "Tom has 8 pens", "8"),
        example("Ana and Tom has 8\n", "8 8 8 8 pens.", "8"),
        example("Tom and Tom and Tom and Ana has 1 pens.\n", "#### 1", "1"),
        example("pens A or B or C ?\n", " C", "C"),
        example("Ana\n", "1", "1"),
    ]


@pytest.fixture(scope="module")
def tokenizer(data: list[Example], examples: list[Example]) -> PreTrainedTokenizerFast:
    texts = (text for one in (*data, *examples) for text in (one.prompt, one.completion))
    return build_tokenizer(texts, max_number=50)


def fresh(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    model = build_model(tokenizer, seed=1, hidden=32, layers=2, heads=2)
    model.train()
    return model


def seg(
    examples: Sequence[Example],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    config: SegConfig,
    out: Path,
    **options: Any,
) -> SegResult:
    return train_seg(examples, model=model, tokenizer=tokenizer, config=config, out=out, **options)


def gradients_of(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerFast,
    config: SegConfig,
    out: Path,
    model: PreTrainedModel | None = None,
) -> tuple[dict[str, Tensor], SegResult]:
    """Gradients of the only update, as they stand before they are clipped and applied."""
    model = model or fresh(tokenizer)
    found: dict[str, Tensor] = {}

    def watch(name: str, parameter: Tensor) -> None:
        def note(p: Tensor) -> None:  # after each backward pass; the last one is the sum
            assert p.grad is not None
            found[name] = p.grad.clone()

        parameter.register_post_accumulate_grad_hook(note)

    for name, parameter in model.named_parameters():
        watch(name, parameter)
    result = seg(examples, model, tokenizer, config, out)
    assert result.steps == 1
    return found, result


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], *, relative: float) -> None:
    assert set(got) == set(expected)
    for name, tensor in expected.items():
        assert tensor.norm() > 0
        assert (got[name] - tensor).norm() <= relative * tensor.norm(), name


def losses_of(examples: Sequence[Example], config: SegConfig) -> list[str]:
    """The loss of each: here a choice is one whose completion is a letter."""
    tasks = ["multiple_choice" if len(one.completion.strip()) == 1 and one.answer.isalpha() else "word_problem"
             for one in examples]  # fmt: skip
    return [config.loss_by_task.get(task, config.loss) for task in tasks]


def ids_of(one: Example, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    return list(tokenizer(one.prompt)["input_ids"]), [*tokenizer(one.completion)["input_ids"], end]


def by_hand(
    examples: Sequence[Example], model: nn.Module, tokenizer: PreTrainedTokenizerFast, config: SegConfig
) -> tuple[Tensor, dict[str, float]]:
    """L over all examples as one update, from whole logits, one text at a time; and what is to be logged."""
    ce, n_labelled, n_right, p_target, n_answer, n_classes, n_tokens = torch.zeros(()), 0, 0, 0.0, 0, 0, 0
    names = losses_of(examples, config)
    answers: list[tuple[Tensor, Tensor]] = []
    for one in examples:
        prompt, completion = ids_of(one, tokenizer)
        ids = torch.tensor([*prompt, *completion])
        logits = model(ids[None]).logits[0][:-1]
        ce = ce + torch.nn.functional.cross_entropy(logits, ids[1:], reduction="sum")
        n_labelled, n_tokens = n_labelled + len(ids) - 1, n_tokens + len(ids)
        start = max(len(prompt) - 1, 0)  # the first token of a text cannot be predicted
        answers.append((logits[start:], ids[start + 1 :]))
        p = logits[start:].detach().softmax(-1)
        p_target += float(p[range(len(ids) - 1 - start), ids[start + 1 :]].sum())
        n_right += int((p.argmax(-1) == ids[start + 1 :]).sum())
        n_answer, n_classes = n_answer + len(ids) - 1 - start, n_classes + len(set(ids[start + 1 :].tolist()))
    segmentation = torch.zeros(())
    settings = config.segmentation
    for loss in set(names):
        of_loss = [answer for answer, name in zip(answers, names, strict=True) if name == loss]
        values = [answer_loss(*answer, loss=loss, settings=settings) for answer in of_loss]
        weights = [len(answer[1]) if loss in ("ce", "focal", "sadl") else 1 for answer in of_loss]
        mean = sum((v * w for v, w in zip(values, weights, strict=True)), torch.zeros(())) / sum(weights)
        segmentation = segmentation + mean * len(of_loss) / len(examples)
    total = config.ce_weight * ce / n_labelled + (1 - config.ce_weight) * segmentation
    return total, {
        "loss": total.item(),
        "loss/ce": ce.item() / n_labelled,
        "loss/seg": segmentation.item(),
        "seg/present_classes": n_classes / len(examples),
        "seg/mean_p_target": p_target / n_answer,
        "mean_token_accuracy": n_right / n_answer,
        "num_tokens": n_tokens,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "focal", "ce_weight": 0.3},
        {"loss": "gdl", "loss_by_task": BY_TASK},
        {"loss": "dice", "loss_by_task": {"multiple_choice": "ce"}, "ce_weight": 0.0},
    ],
    ids=["focal", "by-task", "dice-and-ce"],
)
def test_one_update_of_8_examples_is_the_papers_loss_however_they_are_split(
    changes: dict[str, Any], data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = replace(ONE, **changes)
    model = fresh(tokenizer)
    loss, logged = by_hand(data, model, tokenizer, config)
    torch.autograd.backward(loss)
    expected = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    found = []
    for batch_size, accumulation in SPLITS:
        split = replace(config, batch_size=batch_size, accumulation=accumulation)
        gradients, result = gradients_of(data, tokenizer, split, tmp_path / str(batch_size))
        assert_same(gradients, expected, relative=1e-5)
        assert result.metrics == pytest.approx(logged, rel=1e-5)
        assert result.loss == result.metrics["loss"]
        found.append(gradients)
    assert_same(found[1], found[0], relative=2e-6)
    assert_same(found[2], found[0], relative=2e-6)


def test_scope_batch_takes_all_answers_of_a_forward_pass_at_once(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = replace(ONE, scope="batch", loss_by_task=BY_TASK)
    model = fresh(tokenizer)
    names = losses_of(data, config)
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {"lovasz": [], "focal": []}
    for one, name in zip(data, names, strict=True):
        prompt, completion = ids_of(one, tokenizer)
        start = max(len(prompt) - 1, 0)
        ids = torch.tensor([*prompt, *completion])
        parts[name].append((model(ids[None]).logits[0][start:-1], ids[start + 1 :]))
    expected = 0.0
    for name, of_loss in parts.items():
        logits, targets = (torch.cat(tensors) for tensors in zip(*of_loss, strict=True))
        expected += (
            names.count(name) / 8 * answer_loss(logits, targets, loss=name, settings=config.segmentation).item()
        )
    result = seg(data, model, tokenizer, config, tmp_path / "whole")
    assert result.metrics["loss/seg"] == pytest.approx(expected, rel=1e-5)
    # Its value depends on what shares a forward pass, unlike that of scope "sequence".
    split = seg(data, fresh(tokenizer), tokenizer, replace(config, batch_size=1, accumulation=8), tmp_path / "split")
    assert split.metrics["loss/seg"] != pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize(
    "changes", [{"activation_checkpointing": True}, {"max_steps": 1, "epochs": 7}], ids=["checkpointing", "max_steps"]
)
def test_what_only_saves_memory_or_says_it_differently_makes_the_same_update(
    changes: dict[str, Any], data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = replace(ONE, batch_size=4, accumulation=2, loss_by_task=BY_TASK)
    expected, before = gradients_of(data, tokenizer, config, tmp_path / "plain")
    got, result = gradients_of(data, tokenizer, replace(config, **changes), tmp_path / "other")
    assert_same(got, expected, relative=2e-6)
    assert result.metrics == pytest.approx(before.metrics, rel=1e-5)


def test_the_end_is_learnt_where_it_is_the_padding_too(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    same = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, pad_token="</s>", eos_token="</s>")
    expected, _ = gradients_of(data, tokenizer, ONE, tmp_path / "plain")
    got, _ = gradients_of(data, same, ONE, tmp_path / "same")
    assert_same(got, expected, relative=2e-6)


def test_the_log_is_over_the_updates_since_the_last_one(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    # With a vanishing learning rate every epoch of one update logs the same; 102 updates are logged two by two.
    config = replace(ONE, learning_rate=1e-12, epochs=102, batch_size=4, loss_by_task=BY_TASK)
    result = seg(data[:3], fresh(tokenizer), tokenizer, config, tmp_path)
    _, logged = by_hand(data[:3], fresh(tokenizer), tokenizer, config)
    assert result.steps == 102
    assert result.metrics == pytest.approx(logged | {"num_tokens": 102 * logged["num_tokens"]}, rel=1e-4)


def test_a_loss_of_ones_own_trains(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_seg_loss.py").write_text(
        "def squared(logits, targets):\n"
        "    return (1 - logits.softmax(-1).gather(1, targets[:, None])).square().sum()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = replace(ONE, loss="own_seg_loss:squared")
    loss, logged = by_hand(data, model := fresh(tokenizer), tokenizer, config)
    torch.autograd.backward(loss)
    expected = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    got, result = gradients_of(data, tokenizer, replace(config, batch_size=4, accumulation=2), tmp_path / "out")
    assert_same(got, expected, relative=1e-5)
    assert result.metrics == pytest.approx(logged, rel=1e-5)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize(
    ("changes", "validated"),
    [({"loss_by_task": BY_TASK}, False), ({"lora_r": 2, "lora_dropout": 0.3}, True)],
    ids=["by-task", "lora-validated"],
)
def test_an_interrupted_run_ends_in_the_same_weights(
    changes: dict[str, Any],
    validated: bool,
    data: list[Example],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    if "lora_r" in changes:
        pytest.importorskip("peft")
    config = replace(SMALL, **changes)
    validation = data[:3] if validated else []
    whole = fresh(tokenizer)
    done = seg(data, whole, tokenizer, config, tmp_path / "whole", validation=validation)

    def interrupt(progress: TrainProgress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seg(
            data,
            fresh(tokenizer),
            tokenizer,
            config,
            tmp_path / "cut",
            on_progress=interrupt,
            validation=validation,
        )
    assert not (tmp_path / "cut" / "training.json").exists()
    seen: list[TrainProgress] = []
    resumed = fresh(tokenizer)
    result = seg(data, resumed, tokenizer, config, tmp_path / "cut", on_progress=seen.append, validation=validation)
    assert [progress.step for progress in seen] == [5, 6, 7, 8]  # the last checkpoint was after 4
    assert same_weights(whole, resumed)
    assert result._replace(seconds=0, path=done.path) == done._replace(seconds=0)
    assert bool(done.validation) == validated
    assert not same_weights(whole, fresh(tokenizer))
    assert not (tmp_path / "cut" / "checkpoints").exists()


def test_a_finished_run_is_not_done_again(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    first, second = fresh(tokenizer), fresh(tokenizer)
    done = seg(data, first, tokenizer, SMALL, tmp_path, validation=data[:2])
    seen: list[TrainProgress] = []
    again = seg(data, second, tokenizer, SMALL, tmp_path, on_progress=seen.append, validation=data[:2])
    assert seen == []
    assert again._replace(seconds=0) == done._replace(seconds=0)
    assert same_weights(first, second)
    for other, validation in ((data[1:], data[:2]), (data, data[:3]), (data, [])):
        with pytest.raises(DataError, match="Name another folder, or delete"):
            seg(other, fresh(tokenizer), tokenizer, SMALL, tmp_path, validation=validation)


@pytest.mark.parametrize("lora_r", [None, 2])
def test_the_checkpoint_with_the_least_validation_loss_is_the_result(
    lora_r: int | None, data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    if lora_r:
        pytest.importorskip("peft")
    # The more is learnt the less likely is a number that is nowhere in the data.
    validation = [example("Ana\n", "49 " * 12, "49"), example("Tom\n", "48 48", "48")]
    config = replace(
        SMALL,
        epochs=4,
        learning_rate=3e-2,
        checkpoints=4,
        loss_by_task=BY_TASK,
        lora_r=lora_r,
        lora_dropout=0.0,
    )
    model = fresh(tokenizer)
    attention: Any = model.get_submodule("model.layers.0.self_attn")  # Any: a number on a module
    attention.attention_dropout = 0.0 if lora_r else 0.1  # in training, and not in validation
    result = seg(data, model, tokenizer, config, tmp_path, validation=validation)
    written = json.loads((tmp_path / "training.json").read_text())
    losses = {int(step): loss for step, loss in written["validation_losses"].items()}
    assert list(losses) == list(range(4, 17, 4))
    best = min(losses, key=losses.__getitem__)
    assert losses[best] < losses[16] - 0.1
    assert (result.validation["step"], result.validation["loss"]) == (best, losses[best])
    assert result.steps == 16
    saved = AutoModelForCausalLM.from_pretrained(tmp_path)
    for found in (model, saved):
        found.train(False)
        if lora_r is None or found is saved:
            _, logged = by_hand(validation, found, tokenizer, config)
            for name in ("loss", "loss/ce", "loss/seg", "mean_token_accuracy"):
                assert result.validation[name] == pytest.approx(logged[name], rel=1e-4)
    card = (tmp_path / "README.md").read_text()
    assert f"| validation loss | {losses[best]:.4g} |" in card
    assert f"| validation step | {best} |" in card


def test_the_saved_folder_is_an_ordinary_model_with_a_card(
    data: list[Example],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = fresh(tokenizer)
    capfd.readouterr()
    result = seg(data, model, tokenizer, replace(SMALL, loss_by_task=BY_TASK), tmp_path)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "%|" not in printed.err  # no bar
    ids = AutoTokenizer.from_pretrained(tmp_path)(data[0].prompt, return_tensors="pt")["input_ids"]
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    card = (tmp_path / "README.md").read_text()
    for text in (
        "8 examples of 8 problems (8 gold)",
        "section 3.4",
        '| loss | "lovasz" |',
        '| loss_by_task | {"word_problem": "lovasz", "multiple_choice": "focal"} |',
        "| ce_weight | 0.6 |",
        "Beyond Accuracy Optimization",
        f"| loss/seg | {result.metrics['loss/seg']:.4g} |",
    ):
        assert text in card
    assert "Making Large Language Models Better Reasoners" not in card
    assert json.loads((tmp_path / "training.json").read_text())["metrics"] == result.metrics


def test_training_learns_the_answers(data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    _, before = by_hand(data, fresh(tokenizer), tokenizer, ONE)
    config = replace(ONE, epochs=20, learning_rate=3e-2)
    result = seg(data, fresh(tokenizer), tokenizer, config, tmp_path)
    assert before["mean_token_accuracy"] < 0.3
    assert result.metrics["mean_token_accuracy"] > 0.9
    assert result.metrics["loss/seg"] < before["loss/seg"] / 3


def untied(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    model = fresh(tokenizer)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    return model


@pytest.mark.parametrize("lora_head", [False, True])
def test_lora_trains_adapters_also_of_the_head_and_saves_an_ordinary_model(
    lora_head: bool, data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    config = replace(SMALL, lora_r=2, lora_dropout=0.0, lora_head=lora_head, learning_rate=1e-2)
    model = untied(tokenizer)
    result = seg(data, model, tokenizer, config, tmp_path)
    start, trained = untied(tokenizer).state_dict(), AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    changed = {name for name, weight in start.items() if not torch.equal(weight, trained[name])}
    assert changed == {name for name in start if "_proj" in name or (lora_head and name == "lm_head.weight")}
    matrices = [weight.shape for name, weight in start.items() if name in changed]
    adapters = sum(2 * (rows + columns) for rows, columns in matrices)
    whole = sum(weight.numel() for weight in start.values())
    assert result.trained_share == pytest.approx(adapters / (whole + adapters))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of the test's own call of peft
def test_an_adapter_of_the_head_has_the_gradient_of_the_whole(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    config = replace(ONE, lora_r=2, lora_dropout=0.0, lora_head=True, lora_merge=False, loss_by_task=BY_TASK)
    # At the start B is 0, so the loss is that of the base, and only B has a gradient: scaling * dL/dW A^T.
    model = untied(tokenizer)
    loss, _ = by_hand(data, model, tokenizer, config)
    torch.autograd.backward(loss)
    slope = model.lm_head.weight.grad
    assert slope is not None
    base = untied(tokenizer)
    base.save_pretrained(tmp_path / "base")
    start = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    result = seg(data, start, tokenizer, replace(config, max_grad_norm=0, weight_decay=0), tmp_path / "out")
    assert result.loss == pytest.approx(loss.item(), rel=1e-5)
    adapted = peft.PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(tmp_path / "base"), tmp_path / "out")
    weights = {name: weight for name, weight in adapted.state_dict().items() if "lm_head" in name}
    a, b = (next(w for name, w in weights.items() if f"lora_{each}" in name) for each in "AB")
    # Adam's first step is lr * sign(gradient), where the gradient is not tiny.
    expected = slope @ a.T
    clear = expected.abs() > 1e-3 * expected.abs().max()
    assert clear.sum() > 50
    assert torch.allclose(b[clear], -1e-3 * expected.sign()[clear], rtol=1e-2)


def test_bfloat16_trains_nearly_the_same(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    for loss in ("lovasz", "focal"):
        exact = seg(data, fresh(tokenizer), tokenizer, replace(ONE, loss=loss), tmp_path / f"{loss}32")
        model = fresh(tokenizer)
        half = seg(data, model, tokenizer, replace(ONE, loss=loss, bf16=True), tmp_path / f"{loss}16")
        assert half.loss != exact.loss
        assert half.loss == pytest.approx(exact.loss, rel=0.02)
        assert model.dtype == torch.float32


class Scaled(LlamaForCausalLM):
    """Does to its logits what no setting says."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # Any: as its parent
        found: Any = super().forward(*args, **kwargs)  # Any: transformers allows no logits
        found.logits = found.logits * 2
        return found


def test_logits_are_computed_as_the_model_does_or_it_is_refused(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="Scaled does not compute its logits by"):
        seg(data, Scaled(fresh(tokenizer).config), tokenizer, SMALL, tmp_path / "scaled")
    torch.manual_seed(0)
    settings: dict[str, Any] = dict(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        initializer_range=0.3,
        final_logit_softcapping=3.0,
        attn_implementation="eager",
    )
    model = Gemma2ForCausalLM(Gemma2Config(**settings))
    _, logged = by_hand(data, model, tokenizer, ONE)
    assert seg(data, model, tokenizer, ONE, tmp_path / "capped").metrics == pytest.approx(logged, rel=1e-5)


def test_a_loss_that_is_no_number_ends_the_run(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"the (validation )?loss is nan after \d+ updates. Lower --learning-rate"):
        seg(data, fresh(tokenizer), tokenizer, replace(SMALL, learning_rate=1e38), tmp_path, validation=data[:1])
    assert not (tmp_path / "training.json").exists()


def test_memory_that_does_not_suffice_is_said_with_what_to_do(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    def exhaust(_: TrainProgress) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    model = fresh(tokenizer)
    with pytest.raises(DataError, match="^out of memory on the device. In this order: lower --batch-size"):
        seg(data, model, tokenizer, SMALL, tmp_path, on_progress=exhaust)
    assert "forward" not in vars(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "dc"}, "loss is 'dc': it must be one of ce, focal"),
        ({"loss": "no.such:thing"}, "'no.such:thing' cannot be imported"),
        ({"loss_by_task": {"poem": "focal"}}, "loss_by_task has 'poem'. The tasks are word_problem, multiple_choice"),
        ({"loss_by_task": {"word_problem": "bc"}}, "loss_by_task['word_problem'] is 'bc'"),
        ({"ce_weight": math.nan}, "ce_weight is nan"),
        ({"scope": "token"}, "scope is 'token'"),
        ({"max_steps": 0}, "max_steps is 0. Set it to 1 or above"),
        ({"warmup_steps": -1}, "warmup_steps is -1. Set it to 0 or above"),
        ({"context_percentile": 0.0}, "context_percentile is 0.0"),
        ({"lora_r": 2, "lora_head": True}, "an adapter of the head cannot have dropout here. Set lora_dropout = 0"),
        ({"report_to": "paper"}, "report_to is 'paper', which is not installed or not known"),
        ({"max_length": 2}, "8 of 8 are longer than 2 tokens"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(
    changes: dict[str, Any],
    message: str,
    data: list[Example],
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError) as caught:
        seg(data, fresh(tokenizer), tokenizer, replace(SMALL, **changes), tmp_path / "out")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_train_is_refused_in_one_line(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no example to train on: there are none"):
        seg([], fresh(tokenizer), tokenizer, SMALL, tmp_path / "out")
    long = [example("Ana\n", "1 " * 80, "1")]
    with pytest.raises(DataError, match="no example to validate on: 1 of 1 are longer than 64 tokens"):
        seg(data, fresh(tokenizer), tokenizer, SMALL, tmp_path / "out", validation=long)


def test_what_is_too_long_is_left_out_and_counted_and_the_context_is_computed(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    long = [*data, example("Ana\n", "1 " * 80, "1")]
    lengths = sorted(sum(map(len, ids_of(one, tokenizer))) for one in long)
    assert lengths == [4, 5, 9, 10, 15, 15, 16, 25, 163]
    found = [context_for(lengths, percentile=percentile) for percentile in (50, 75, 80, 100)]
    assert found == [(16, 15), (16, 16), (32, 25), (256, 163)]  # the fifth, seventh, eighth and ninth of nine
    result = seg(
        long, fresh(tokenizer), tokenizer, replace(SMALL, max_steps=1, context_percentile=80), tmp_path / "out"
    )
    assert (result.n_examples, result.n_too_long, result.max_length, result.at_percentile) == (8, 1, 32, 25)
    assert "| max_length | 32 |" in (tmp_path / "out" / "README.md").read_text()


def test_sadl_that_pushes_right_tokens_down_is_warned_of(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seg(data, fresh(tokenizer), tokenizer, replace(ONE, loss="sadl", ce_weight=0.3), tmp_path / "low")
    assert any("sadl" in record.getMessage() for record in caplog.records)
    caplog.clear()
    seg(data, fresh(tokenizer), tokenizer, replace(ONE, loss="sadl"), tmp_path / "default")
    assert not any("sadl" in record.getMessage() for record in caplog.records)


def test_the_number_of_updates_and_of_warm_up_can_be_said(
    data: list[Example], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = replace(SMALL, max_steps=11, warmup_steps=10**9, warmup_ratio=0, learning_rate=1e-3)
    model = fresh(tokenizer)
    result = seg(data, model, tokenizer, config, tmp_path)
    assert result.steps == 11
    # 22 batches of one example: two epochs of 8, and 6 of the third; every token is counted as often as it was seen.
    _, once = by_hand(data, fresh(tokenizer), tokenizer, config)
    assert 2 * once["num_tokens"] < result.metrics["num_tokens"] < 3 * once["num_tokens"]
    # In eleven of a billion steps of warm-up next to nothing is learnt.
    for weight, start in zip(model.parameters(), fresh(tokenizer).parameters(), strict=True):
        assert torch.allclose(weight, start, rtol=0, atol=1e-9)


def test_the_defaults_of_the_loss_are_those_of_its_own_settings() -> None:
    for field in fields(SegmentationSettings):
        mine = next(each for each in fields(SegConfig) if each.name == field.name)
        assert mine.default == field.default
        if field.default is MISSING:
            assert SegConfig().loss_by_task == {} == SegmentationSettings().loss_by_task
