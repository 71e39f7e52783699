from pathlib import Path

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
from transformers.modeling_outputs import CausalLMOutputWithPast

from datagen_trainers.losses.compute_loss_func import make_compute_loss_func
from datagen_trainers.losses.focal import cross_entropy_loss, focal_loss
from datagen_trainers.losses.lovasz import lovasz_softmax_loss
from datagen_trainers.losses.segmentation import SegmentationSettings

VOCABULARY = 11
# Two rows: 2 tokens of instruction, an answer of 4 and of 2, and padding.
LABELS = torch.tensor([[3, 7, 5, 5, 1, 2], [4, 7, 5, 2, -100, -100]])


def outputs_of(logits: Tensor) -> CausalLMOutputWithPast:
    return CausalLMOutputWithPast(logits=logits)


def after_the_second(labels: Tensor) -> Tensor:
    return (torch.arange(labels.shape[1]) >= 2).expand_as(labels)


def test_positions_predict_the_next_token_and_answers_get_their_loss() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 6, VOCABULARY)
    chosen = SegmentationSettings(loss="lovasz", ce_weight=0.6)
    got = make_compute_loss_func(chosen, find_answers=after_the_second)(outputs_of(logits), LABELS)
    rows, targets = logits[:, :-1].reshape(-1, VOCABULARY), LABELS[:, 1:].reshape(-1)
    answers = [lovasz_softmax_loss(logits[0, 1:5], LABELS[0, 2:]), lovasz_softmax_loss(logits[1, 1:3], LABELS[1, 2:4])]
    expected = 0.6 * cross_entropy_loss(rows, targets) + 0.4 * (answers[0] + answers[1]) / 2
    assert got.item() == pytest.approx(expected.item(), rel=1e-6)
    everything = make_compute_loss_func(SegmentationSettings(loss="focal", ce_weight=0.0))(outputs_of(logits), LABELS)
    assert everything.item() == pytest.approx(focal_loss(rows, targets).item(), rel=1e-6)


def test_micro_batches_add_up_to_the_loss_of_the_update() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 6, VOCABULARY)
    compute = make_compute_loss_func(SegmentationSettings(loss="focal", ce_weight=0.6))
    whole = compute(outputs_of(logits), LABELS, num_items_in_batch=torch.tensor(8))
    parts = [compute(outputs_of(logits[i : i + 1]), LABELS[i : i + 1], num_items_in_batch=8) for i in range(2)]
    assert (parts[0] + parts[1]).item() == pytest.approx(whole.item(), rel=1e-6)
    assert whole.item() == pytest.approx(compute(outputs_of(logits), LABELS).item(), rel=1e-6)  # 5 + 3 targets


def test_the_trainer_of_transformers_learns_with_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    row = {"input_ids": LABELS[0].tolist(), "labels": LABELS[0].tolist()}
    trainer = Trainer(
        LlamaForCausalLM(config),
        TrainingArguments(
            str(tmp_path),
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            max_steps=30,
            learning_rate=0.01,
            lr_scheduler_type="constant",
            logging_steps=1,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([row] * 8),
        compute_loss_func=make_compute_loss_func(SegmentationSettings(loss="lovasz")),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    # A model that knows nothing: 0.6 log V + 0.4 (1 - 1 / V), within the noise of its random weights.
    assert losses[0] == pytest.approx(0.6 * 2.398 + 0.4 * 0.909, rel=0.05)
    assert losses[-1] < 0.1 * losses[0]
