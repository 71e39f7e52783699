"""Vanilla fine-tuning (VFT), Eq. 1 of "Making Large Language Models Better Reasoners with Alignment".

L_VFT = - sum_j log P(r_j | r_<j, q): the model learns the reference response and its end, and not the question. RFT
(Yuan et al. 2023) is this same loss on the augmented set D'. Where the equation writes a sum over one response we take
the mean over the learnt tokens of an update, as the training libraries do; that only scales the learning rate.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from datagen_schemas.errors import DataError, MissingExtraError
from datagen_schemas.example import Example
from datagen_trainers.examples import Encoded, batch_schedule, encode_examples, pad
from datagen_trainers.model_card import model_card
from datagen_trainers.run_folder import finish_run, finished_run, last_checkpoint, open_run, run_fingerprint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VftConfig:
    """How to train. The defaults are the AFT paper's for 7B models on GSM8K: 3 epochs, 2e-5, linear, 3 % warm-up."""

    epochs: int = 3
    batch_size: int = 8  # examples in one forward pass of one device
    accumulation: int = 1  # forward passes per update
    learning_rate: float = 2e-5
    warmup_ratio: float = 0.03
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 512  # tokens of prompt, completion and end; longer examples are left out and counted
    seed: int = 0
    bf16: bool = False
    activation_checkpointing: bool = False  # less memory, about a fifth slower
    lora_r: int | None = None  # rank of LoRA adapters on all linear layers but the head; None trains every weight
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    checkpoints: int = 10  # how often the run is saved on its way; what an interruption can cost is one part of these
    device: Literal["auto", "cpu"] = "auto"


class TrainProgress(NamedTuple):
    """Where a training run stands after an update."""

    step: int
    steps: int
    loss: float  # mean of about the last hundredth of the run; NaN before there is one


class TrainResult(NamedTuple):
    """What a training run did."""

    path: Path
    steps: int
    n_examples: int
    n_too_long: int
    loss: float  # mean of about the last hundredth of the run
    seconds: float  # of this call; what an interrupted call did before is not in it


class _Batches(Dataset[list[Encoded]]):
    """The schedule as a data set, one batch an element."""

    def __init__(self, encoded: Sequence[Encoded], schedule: Sequence[Sequence[int]]) -> None:
        self._encoded, self._schedule = encoded, schedule

    def __len__(self) -> int:
        return len(self._schedule)

    def __getitem__(self, i: int) -> list[Encoded]:
        return [self._encoded[j] for j in self._schedule[i]]


class _Report(TrainerCallback):
    """Passes the state on after each update."""

    def __init__(self, on_progress: Callable[[TrainProgress], None]) -> None:
        self._on_progress = on_progress
        self._loss = float("nan")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,  # Any: the trainer logs numbers of all kinds
        **_: object,
    ) -> None:
        """Note the loss."""
        self._loss = float((logs or {}).get("loss", self._loss))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Report the update."""
        self._on_progress(TrainProgress(state.global_step, state.max_steps, self._loss))


def train(
    examples: Sequence[Example],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: VftConfig,
    out: Path,
    on_progress: Callable[[TrainProgress], None] | None = None,
    resume: bool = True,
) -> TrainResult:
    """Train `model` in place and save it, with its tokenizer and a card, as an ordinary model folder at `out`.

    With `resume`, the finished run of the same examples, settings and model is not done again (`model` gets its
    weights), and an interrupted one goes on from its last checkpoint, to the same weights as without interruption.

    Raises:
        DataError: no example fits, or `out` holds the training of something else.
        MissingExtraError: LoRA is asked for and peft is not installed.
    """
    started = time.monotonic()
    fingerprint = run_fingerprint(examples, model=model, settings=asdict(config))
    data = encode_examples(examples, tokenizer, max_length=config.max_length)
    if not data.encoded:
        raise DataError(
            f"no example to train on: {data.n_too_long} of {len(examples)} are longer than {config.max_length} tokens."
            " Give more examples, or raise max_length."
        )
    if data.n_too_long:
        log.warning("%d examples longer than %d tokens are left out", data.n_too_long, config.max_length)
    counts = {"n_examples": len(data.encoded), "n_too_long": data.n_too_long}
    if resume and (done := finished_run(out, fingerprint=fingerprint)) is not None:
        model.load_state_dict(type(model).from_pretrained(out, dtype=model.dtype).state_dict())
        steps, loss = cast(int, done["steps"]), cast(float, done["loss"])
        return TrainResult(out, steps=steps, loss=loss, seconds=time.monotonic() - started, **counts)
    lengths = [len(item.input_ids) for item in data.encoded]
    schedule = batch_schedule(lengths, batch_size=config.batch_size, epochs=config.epochs, seed=config.seed)
    checkpoints = open_run(out, fingerprint=fingerprint, resume=resume)
    trainer = Trainer(
        _with_lora(model, config.lora_r, config=config) if config.lora_r is not None else model,
        _settings(config, n_batches=len(schedule), checkpoints=checkpoints),
        data_collator=_collator(tokenizer),
        train_dataset=_Batches(data.encoded, schedule),
        callbacks=[_Report(on_progress)] if on_progress is not None else None,
    )
    trainer.remove_callback(PrinterCallback)  # results go to stdout, and progress to `on_progress`
    last = last_checkpoint(checkpoints)
    trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    if config.lora_r is not None:
        # Any: a PeftModel, whose class can only be named where peft is installed
        model = cast(Any, trainer.model).merge_and_unload()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    base = model.config.name_or_path or "random weights"
    (out / "README.md").write_text(model_card(examples, base=base, settings=asdict(config)), encoding="utf-8")
    steps = trainer.state.global_step
    loss = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry][-1]
    finish_run(out, fingerprint=fingerprint, result={"steps": steps, "loss": loss, "config": asdict(config), **counts})
    return TrainResult(out, steps=steps, loss=loss, seconds=time.monotonic() - started, **counts)


def _collator(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[list[Encoded]]], dict[str, Tensor]]:
    """Join the scheduled batches that one forward pass was given: one of them, or one per GPU of a process."""
    # Some tokenizers name no padding. What stands there is neither read nor learnt, so any token does.
    pad_id = tokenizer.pad_token_id if isinstance(tokenizer.pad_token_id, int) else 0
    return lambda batches: pad([item for batch in batches for item in batch], pad_id=pad_id)


def _settings(config: VftConfig, *, n_batches: int, checkpoints: Path) -> TrainingArguments:
    """The run as one pass over the schedule; its elements are batches: hence batch size 1, one epoch, no shuffling."""
    steps = -(-n_batches // config.accumulation)
    return TrainingArguments(
        output_dir=str(checkpoints),
        train_sampling_strategy="sequential",
        per_device_train_batch_size=1,
        num_train_epochs=1,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=round(config.warmup_ratio * steps),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        bf16=config.bf16,
        activation_checkpointing=config.activation_checkpointing,
        seed=config.seed,
        logging_steps=-(-steps // 100),
        save_steps=-(-steps // max(1, config.checkpoints)),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=config.device == "cpu",
    )


def _with_lora(model: PreTrainedModel, rank: int, *, config: VftConfig) -> PreTrainedModel:
    """The model with adapters to train in place of its weights."""
    try:
        from peft import LoraConfig, get_peft_model  # 5 s: only when it is asked for
    except ImportError as error:
        raise MissingExtraError("train", needed_for="LoRA") from error
    adapters = LoraConfig(
        r=rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return cast(PreTrainedModel, get_peft_model(model, adapters))
