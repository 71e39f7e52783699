import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from datagen_schemas.example import Example
from datagen_trainers.losses.segmentation import answer_loss
from datagen_trainers.seg import SegConfig, SegResult, train_seg
from datagen_trainers.vft import VftConfig, train

Examples = list[Example]
Fresh = Callable[..., LlamaForCausalLM]
Seg = Callable[..., SegResult]
Update = Callable[[Examples, SegConfig, Path], tuple[dict[str, Tensor], SegResult]]
ByHand = Callable[[Examples, nn.Module, SegConfig], tuple[Tensor, dict[str, float]]]
Watch = Callable[[nn.Module], dict[str, Tensor]]

# Different losses, so that the shares of the tasks count.
BY_TASK = {"word_problem": "lovasz", "multiple_choice": "focal"}
ONE = SegConfig(
    epochs=1, batch_size=8, accumulation=1, warmup_ratio=0, learning_rate=1e-3, checkpoints=1, device="cpu"
)
SMALL = SegConfig(
    epochs=2, batch_size=1, accumulation=2, learning_rate=3e-3, seed=3, checkpoints=4, max_length=64, device="cpu"
)
SPLITS = ((8, 1), (2, 4), (1, 8))


@pytest.fixture(scope="module")
def seg(tokenizer: PreTrainedTokenizerFast) -> Seg:
    def train(examples: Examples, model: PreTrainedModel, config: SegConfig, out: Path, **options: Any) -> SegResult:
        return train_seg(examples, model=model, tokenizer=tokenizer, config=config, out=out, **options)

    return train


@pytest.fixture(scope="module")
def update(seg: Seg, fresh: Fresh, watch: Watch) -> Update:
    """Gradients of the only update, with what is said of it."""

    def gradients(examples: Examples, config: SegConfig, out: Path) -> tuple[dict[str, Tensor], SegResult]:
        model = fresh()
        found = watch(model)
        result = seg(examples, model, config, out)
        assert result.steps == 1
        return found, result

    return gradients


@pytest.fixture(scope="module")
def by_hand(tokenizer: PreTrainedTokenizerFast) -> ByHand:
    return partial(loss_by_hand, tokenizer)


def losses_of(examples: Sequence[Example], config: SegConfig) -> list[str]:
    """The loss of each: here a choice is one whose completion is a letter."""
    tasks = ["multiple_choice" if len(one.completion.strip()) == 1 and one.answer.isalpha() else "word_problem"
             for one in examples]  # fmt: skip
    return [config.loss_by_task.get(task, config.loss) for task in tasks]


def ids_of(one: Example, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    return list(tokenizer(one.prompt)["input_ids"]), [*tokenizer(one.completion)["input_ids"], end]


def loss_by_hand(
    tokenizer: PreTrainedTokenizerFast, examples: Examples, model: nn.Module, config: SegConfig
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
    changes: dict[str, Any],
    mixed: Examples,
    fresh: Fresh,
    update: Update,
    by_hand: ByHand,
    assert_same: Callable[..., None],
    tmp_path: Path,
) -> None:
    config = replace(ONE, **changes)
    model = fresh()
    loss, logged = by_hand(mixed, model, config)
    torch.autograd.backward(loss)
    expected = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    found = []
    for batch_size, accumulation in SPLITS:
        split = replace(config, batch_size=batch_size, accumulation=accumulation)
        gradients, result = update(mixed, split, tmp_path / str(batch_size))
        assert_same(gradients, expected, relative=1e-5)
        assert result.metrics == pytest.approx(logged, rel=1e-5)
        assert result.loss == result.metrics["loss"]
        found.append(gradients)
    assert_same(found[1], found[0], relative=2e-6)
    assert_same(found[2], found[0], relative=2e-6)


def test_scope_batch_takes_all_answers_of_a_forward_pass_at_once(
    mixed: Examples, seg: Seg, fresh: Fresh, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    config = replace(ONE, scope="batch", loss_by_task=BY_TASK)
    model = fresh()
    names = losses_of(mixed, config)
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {"lovasz": [], "focal": []}
    for one, name in zip(mixed, names, strict=True):
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
    result = seg(mixed, model, config, tmp_path / "whole")
    assert result.metrics["loss/seg"] == pytest.approx(expected, rel=1e-5)
    # Its value depends on what shares a forward pass, unlike that of scope "sequence".
    split = seg(mixed, fresh(), replace(config, batch_size=1, accumulation=8), tmp_path / "split")
    assert split.metrics["loss/seg"] != pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize(
    "changes", [{"activation_checkpointing": True}, {"max_steps": 1, "epochs": 7}], ids=["checkpointing", "max_steps"]
)
def test_what_only_saves_memory_or_says_it_differently_makes_the_same_update(
    changes: dict[str, Any], mixed: Examples, update: Update, assert_same: Callable[..., None], tmp_path: Path
) -> None:
    config = replace(ONE, batch_size=4, accumulation=2, loss_by_task=BY_TASK)
    expected, before = update(mixed, config, tmp_path / "plain")
    got, result = update(mixed, replace(config, **changes), tmp_path / "other")
    assert_same(got, expected, relative=2e-6)
    assert result.metrics == pytest.approx(before.metrics, rel=1e-5)


def test_the_end_is_learnt_where_it_is_the_padding_too(
    mixed: Examples,
    fresh: Fresh,
    update: Update,
    tokenizer: PreTrainedTokenizerFast,
    watch: Watch,
    assert_same: Callable[..., None],
    tmp_path: Path,
) -> None:
    same = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, pad_token="</s>", eos_token="</s>")
    expected, _ = update(mixed, ONE, tmp_path / "plain")
    model = fresh()
    got = watch(model)
    train_seg(mixed, model=model, tokenizer=same, config=ONE, out=tmp_path / "same")
    assert_same(got, expected, relative=2e-6)


def test_the_log_is_over_the_updates_since_the_last_one(
    mixed: Examples, seg: Seg, fresh: Fresh, by_hand: ByHand, tmp_path: Path
) -> None:
    # With a vanishing learning rate every epoch of one update logs the same; 102 updates are logged two by two.
    config = replace(ONE, learning_rate=1e-12, epochs=102, batch_size=4, loss_by_task=BY_TASK)
    result = seg(mixed[:3], fresh(), config, tmp_path)
    _, logged = by_hand(mixed[:3], fresh(), config)
    assert result.steps == 102
    assert result.metrics == pytest.approx(logged | {"num_tokens": 102 * logged["num_tokens"]}, rel=1e-4)


def test_a_loss_of_ones_own_trains(
    mixed: Examples,
    fresh: Fresh,
    update: Update,
    by_hand: ByHand,
    assert_same: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "own_seg_loss.py").write_text(
        "def squared(logits, targets):\n"
        "    return (1 - logits.softmax(-1).gather(1, targets[:, None])).square().sum()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = replace(ONE, loss="own_seg_loss:squared")
    loss, logged = by_hand(mixed, model := fresh(), config)
    torch.autograd.backward(loss)
    expected = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    got, result = update(mixed, replace(config, batch_size=4, accumulation=2), tmp_path / "out")
    assert_same(got, expected, relative=1e-5)
    assert result.metrics == pytest.approx(logged, rel=1e-5)


@pytest.mark.parametrize("lora_r", [None, 2])
def test_the_checkpoint_with_the_least_validation_loss_is_the_result(
    lora_r: int | None,
    mixed: Examples,
    make_example: Callable[[str, str, str], Example],
    seg: Seg,
    fresh: Fresh,
    by_hand: ByHand,
    tmp_path: Path,
) -> None:
    if lora_r:
        pytest.importorskip("peft")
    # The more is learnt the less likely is a number that is nowhere in the data.
    validation = [make_example("Ana\n", "49 " * 12, "49"), make_example("Tom\n", "48 48", "48")]
    config = replace(
        SMALL,
        epochs=4,
        learning_rate=3e-2,
        checkpoints=4,
        loss_by_task=BY_TASK,
        lora_r=lora_r,
        lora_dropout=0.0,
    )
    model = fresh()
    attention: Any = model.get_submodule("model.layers.0.self_attn")  # Any: a number on a module
    attention.attention_dropout = 0.0 if lora_r else 0.1  # in training, and not in validation
    result = seg(mixed, model, config, tmp_path, validation=validation)
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
            _, logged = by_hand(validation, found, config)
            for name in ("loss", "loss/ce", "loss/seg", "mean_token_accuracy"):
                assert result.validation[name] == pytest.approx(logged[name], rel=1e-4)
    card = (tmp_path / "README.md").read_text()
    assert f"| validation loss | {losses[best]:.4g} |" in card
    assert f"| validation step | {best} |" in card


def test_the_cross_entropy_of_answers_alone_is_vft(
    mixed: Examples, seg: Seg, fresh: Fresh, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """Two passes over the same data, once from all logits and once from hidden states in chunks."""
    common = {each.name: getattr(SMALL, each.name) for each in fields(VftConfig)}
    one, other = fresh(), fresh()
    vft = train(mixed, model=one, tokenizer=tokenizer, config=VftConfig(**common), out=tmp_path / "vft")
    result = seg(mixed, other, replace(SMALL, loss="ce", ce_weight=0.0), tmp_path / "seg")
    assert result.steps == vft.steps == 8
    assert result.loss == pytest.approx(vft.loss, rel=1e-5)
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], weight, rtol=0, atol=1e-5)


def test_training_learns_the_answers(mixed: Examples, seg: Seg, fresh: Fresh, by_hand: ByHand, tmp_path: Path) -> None:
    _, before = by_hand(mixed, fresh(), ONE)
    config = replace(ONE, epochs=20, learning_rate=3e-2)
    result = seg(mixed, fresh(), config, tmp_path)
    assert before["mean_token_accuracy"] < 0.3
    assert result.metrics["mean_token_accuracy"] > 0.9
    assert result.metrics["loss/seg"] < before["loss/seg"] / 3


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of the test's own call of peft
def test_an_adapter_of_the_head_has_the_gradient_of_the_whole(
    mixed: Examples, seg: Seg, fresh: Fresh, by_hand: ByHand, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft")
    config = replace(ONE, lora_r=2, lora_dropout=0.0, lora_head=True, lora_merge=False, loss_by_task=BY_TASK)
    # At the start B is 0, so the loss is that of the base, and only B has a gradient: scaling * dL/dW A^T.
    model = fresh(untied=True)
    loss, _ = by_hand(mixed, model, config)
    torch.autograd.backward(loss)
    slope = model.lm_head.weight.grad
    assert slope is not None
    base = fresh(untied=True)
    base.save_pretrained(tmp_path / "base")
    start = LlamaForCausalLM.from_pretrained(tmp_path / "base")
    result = seg(mixed, start, replace(config, max_grad_norm=0, weight_decay=0), tmp_path / "out")
    assert result.loss == pytest.approx(loss.item(), rel=1e-5)
    adapted = peft.PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(tmp_path / "base"), tmp_path / "out")
    weights = {name: weight for name, weight in adapted.state_dict().items() if "lm_head" in name}
    a, b = (next(w for name, w in weights.items() if f"lora_{each}" in name) for each in "AB")
    # Adam's first step is lr * sign(gradient), where the gradient is not tiny.
    expected = slope @ a.T
    clear = expected.abs() > 1e-3 * expected.abs().max()
    assert clear.sum() > 50
    assert torch.allclose(b[clear], -1e-3 * expected.sign()[clear], rtol=1e-2)


def test_bfloat16_trains_nearly_the_same(mixed: Examples, seg: Seg, fresh: Fresh, tmp_path: Path) -> None:
    for loss in ("lovasz", "focal"):
        exact = seg(mixed, fresh(), replace(ONE, loss=loss), tmp_path / f"{loss}32")
        model = fresh()
        half = seg(mixed, model, replace(ONE, loss=loss, bf16=True), tmp_path / f"{loss}16")
        assert half.loss != exact.loss
        assert half.loss == pytest.approx(exact.loss, rel=0.02)
        assert model.dtype == torch.float32


def test_logits_are_capped_as_the_model_caps_them(
    mixed: Examples, seg: Seg, capped: PreTrainedModel, by_hand: ByHand, tmp_path: Path
) -> None:
    _, logged = by_hand(mixed, capped, ONE)
    assert seg(mixed, capped, ONE, tmp_path).metrics == pytest.approx(logged, rel=1e-5)


def test_the_number_of_updates_and_of_warm_up_can_be_said(
    mixed: Examples, seg: Seg, fresh: Fresh, by_hand: ByHand, tmp_path: Path
) -> None:
    config = replace(SMALL, max_steps=11, warmup_steps=10**9, warmup_ratio=0, learning_rate=1e-3)
    model = fresh()
    result = seg(mixed, model, config, tmp_path)
    assert result.steps == 11
    # 22 batches of one example: two epochs of 8, and 6 of the third; every token is counted as often as it was seen.
    _, once = by_hand(mixed, fresh(), config)
    assert 2 * once["num_tokens"] < result.metrics["num_tokens"] < 3 * once["num_tokens"]
    # In eleven of a billion steps of warm-up next to nothing is learnt.
    for weight, start in zip(model.parameters(), fresh().parameters(), strict=True):
        assert torch.allclose(weight, start, rtol=0, atol=1e-9)
