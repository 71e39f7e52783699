"""What every training run has in common: its settings, how it reports and how it is saved.

The settings are one dataclass, its fields the names of a recipe file (TOML) and of the command's options. Their
defaults are those of the AFT paper for 7B models on GSM8K (appendix B): 3 epochs, 2e-5, linear decay, 3 % warm-up.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, cast

import torch
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
from transformers.integrations.integration_utils import TensorBoardCallback, get_available_reporting_integrations
from transformers.trainer_utils import IntervalStrategy
from transformers.utils import logging as transformers_logging

from datagen_schemas.errors import DataError, MissingExtraError
from datagen_trainers.run_folder import CHECKPOINTS, finish_run, last_checkpoint, open_run
from datagen_trainers.sharding import prepare_sharding, whole_weights

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class TrainingConfig:
    """How to train, whatever the loss."""

    epochs: int = 3
    batch_size: int = 8  # rows in one forward pass of one device: examples, or questions with all their responses
    accumulation: int = 1  # forward passes per update
    learning_rate: float = 2e-5
    warmup_ratio: float = 0.03
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 512  # tokens of prompt, completion and end; what is longer is left out and counted, never cut
    chat: bool = False  # the prompt is a user's turn in the tokenizer's chat template
    seed: int = 0
    bf16: bool = False
    activation_checkpointing: bool = False  # less memory, about a fifth slower
    lora_r: int | None = None  # rank of LoRA adapters on all linear layers but the head; None trains every weight
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_head: bool = False  # adapters on the head as well, unless it is the embedding
    lora_merge: bool = True  # write a whole model; False writes the adapter alone
    four_bit: bool = False  # QLoRA: the base was loaded in 4 bits (`load_model`), so only an adapter can be written
    checkpoints: int = 10  # how often the run is saved on its way; what an interruption can cost is one part of these
    device: Literal["auto", "cpu"] = "auto"
    report_to: str = "none"  # tensorboard, trackio or wandb, if installed


class TrainProgress(NamedTuple):
    """Where a training run stands after an update."""

    step: int
    steps: int
    loss: float  # mean of about the last hundredth of the run; NaN before there is one


class Batches(Dataset[list[T]]):
    """The schedule as a data set, one batch an element.

    Processes take the elements in turn. For all to have as many, empty batches follow the last one: a collator must
    make of them something to compute that weighs nothing. Left to itself, accelerate would repeat the first batches.
    """

    def __init__(self, rows: Sequence[T], schedule: Sequence[Sequence[int]], *, processes: int = 1) -> None:
        """Batches of `rows`, each given by its indices, for so many processes."""
        self._rows = rows
        self._schedule = [*schedule, *([()] * (-len(schedule) % processes))]

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._schedule)

    def __getitem__(self, i: int) -> list[T]:
        """The rows of one batch."""
        return [self._rows[j] for j in self._schedule[i]]


class ReportProgress(TrainerCallback):
    """Passes the state on after each update."""

    def __init__(self, on_progress: Callable[[TrainProgress], None]) -> None:
        """Report to `on_progress`."""
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
        """Report the update with its new loss."""
        if logs and "loss" in logs:  # what is logged at the very end has none
            self._loss = float(logs["loss"])
            self._on_progress(TrainProgress(state.global_step, state.max_steps, self._loss))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Report the update, unless its loss is just about to be logged."""
        if not control.should_log:
            self._on_progress(TrainProgress(state.global_step, state.max_steps, self._loss))


class RefuseNaN(TrainerCallback):
    """Ends a run whose loss is no number any more; without it, hours would be spent on a ruined model."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,  # Any: the trainer logs numbers of all kinds
        **_: object,
    ) -> None:
        """Look at the loss, or at that of the validation."""
        logged = logs or {}
        loss = float(logged.get("loss", logged.get("eval_loss", 0.0)))
        if not isfinite(loss):
            raise DataError(
                f"the {'loss' if 'loss' in logged else 'validation loss'} is {loss} after {state.global_step} updates."
                " Lower --learning-rate, or train without --bf16."
            )


def training_arguments(
    config: TrainingConfig,
    *,
    n_batches: int,
    out: Path,
    max_steps: int | None = None,
    warmup_steps: int | None = None,
    validate: bool = False,
) -> TrainingArguments:
    """The run as one pass over the schedule; its elements are batches: hence batch size 1, one epoch, no shuffling.

    Args:
        config: the settings.
        n_batches: of the schedule, over all processes.
        out: folder of the run.
        max_steps: updates of the run, in place of as many as the schedule has.
        warmup_steps: in place of the configured share.
        validate: before each checkpoint; the one with the lowest `eval_loss` is kept, and is what the run ends with.

    Raises:
        DataError: `report_to` names nothing that is installed.
    """
    if config.report_to not in ("none", *get_available_reporting_integrations()):
        raise DataError(
            f"settings: report_to is {config.report_to!r}, which is not installed or not known."
            " Install tensorboard, trackio or wandb and name it, or leave it at none."
        )
    arguments = TrainingArguments(
        output_dir=str(out / CHECKPOINTS),
        train_sampling_strategy="sequential",
        per_device_train_batch_size=1,
        num_train_epochs=1,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        bf16=config.bf16,
        activation_checkpointing=config.activation_checkpointing,
        seed=config.seed,
        save_total_limit=1,
        report_to=config.report_to,
        project="datagen",  # there, and the run has the name of its folder
        run_name=out.resolve().name,
        logging_nan_inf_filter=False,  # a NaN is to be seen
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        # Unless it is said that there is nothing else, bf16 is refused as if a GPU had been meant.
        use_cpu=config.device == "cpu" or not torch.accelerator.is_available(),
    )
    if arguments.n_gpu > 1:
        log.warning("%d GPUs, of which one is used. For all of them, start with: accelerate launch", arguments.n_gpu)
        # torch's DataParallel would cut the tensors of a question in pieces, and count batches otherwise than we do.
        arguments._n_gpu = 1
    # How many processes there are is known only now.
    steps = max_steps or -(-n_batches // (config.accumulation * arguments.world_size))
    arguments.warmup_steps = round(config.warmup_ratio * steps) if warmup_steps is None else warmup_steps
    if arguments.warmup_steps >= steps:
        text = "%d steps of warm-up in a run of %d: the learning rate never comes to %g. Lower warmup_steps."
        log.warning(text, arguments.warmup_steps, steps, config.learning_rate)
    arguments.logging_steps = -(-steps // 100)
    arguments.save_steps = -(-steps // max(1, config.checkpoints))
    if validate:
        arguments.eval_strategy = IntervalStrategy.STEPS
        arguments.eval_steps = arguments.save_steps
        arguments.load_best_model_at_end = True
        arguments.metric_for_best_model = "eval_loss"
        arguments.greater_is_better = False
    return arguments


def open_run_once(arguments: TrainingArguments, *, out: Path, fingerprint: str, resume: bool) -> None:
    """`open_run` by the main process, while the others wait."""
    if arguments.process_index == 0:
        open_run(out, fingerprint=fingerprint, resume=resume)
    _wait(arguments)


def _wait(arguments: TrainingArguments) -> None:
    if arguments.distributed_state is not None:
        arguments.distributed_state.wait_for_everyone()


def run(
    trainer: Trainer,
    config: TrainingConfig,
    *,
    on_progress: Callable[[TrainProgress], None] | None,
    out_of_memory: str,
) -> None:
    """Train from the last checkpoint, or from the start, to the end.

    Args:
        trainer: with `training_arguments`.
        config: the settings.
        on_progress: told of every update, by the main process only.
        out_of_memory: what to do then, in words.

    Raises:
        DataError: the memory does not suffice, the loss became NaN, or the launcher asks for what we cannot save.
    """
    prepare_sharding(trainer, four_bit=config.four_bit)
    trainer.remove_callback(PrinterCallback)  # results go to stdout, and progress to `on_progress`
    trainer.add_callback(RefuseNaN())
    if on_progress is not None and trainer.args.process_index == 0:
        trainer.add_callback(ReportProgress(on_progress))
    checkpoints = Path(str(trainer.args.output_dir))
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(checkpoints.parent / "logs")  # the checkpoints' folder goes at the end
    last = last_checkpoint(checkpoints)
    try:
        with without_bars(), _without_peft_warning(), _without_checkpoint_warnings(trainer):
            trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    except torch.OutOfMemoryError as error:
        raise DataError(f"out of memory on the device. In this order: {out_of_memory}.") from error


@contextmanager
def without_bars() -> Iterator[None]:
    """Keep transformers' progress bars, as for every file that it writes, off the terminal."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def with_adapters(model: PreTrainedModel, config: TrainingConfig, *, dropout: float | None = None) -> PreTrainedModel:
    """The model with LoRA adapters to train in place of its weights, if `config.lora_r` asks for them.

    Args:
        model: the base.
        config: rank, alpha and dropout.
        dropout: in place of the configured one.

    Raises:
        DataError: the model is itself an adapter.
        MissingExtraError: peft is not installed.
    """
    if getattr(model, "_hf_peft_config_loaded", False):
        raise DataError(
            "the model to start from is a LoRA adapter on a frozen base. Start from a whole model: train it again with"
            " --lora-merge."
        )
    if config.lora_r is None:
        return model
    with_head = config.lora_head and not model.config.tie_word_embeddings
    if config.lora_head and not with_head:
        log.warning("lora_head: this model's head is its embedding, which would change with it, and gets no adapter")
    try:
        from peft import LoraConfig, get_peft_model  # 5 s: only when it is asked for
    except ImportError as error:
        raise MissingExtraError("train", needed_for="LoRA") from error
    adapters = LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout if dropout is None else dropout,
        target_modules=_linear_names(model) if with_head else "all-linear",  # peft's word leaves out the head
        task_type="CAUSAL_LM",
    )
    # The adapters' first weights are random, and the trainer sets its seed only later.
    with torch.random.fork_rng(), _without_peft_warning():
        torch.manual_seed(config.seed)
        return cast(PreTrainedModel, get_peft_model(model, adapters))


def _linear_names(model: PreTrainedModel) -> list[str]:
    """The last names of all linear layers, the head's among them."""
    linear = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
    return sorted({name.rpartition(".")[2] for name in linear})


@contextmanager
def _without_peft_warning() -> Iterator[None]:
    """Hide that peft calls transformers in a way that is about to go, and that it saves an adapted head as a whole.

    There is nothing a user could do about either.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message="Setting `save_embedding_layers`", category=UserWarning)
        yield


@contextmanager
def _without_checkpoint_warnings(trainer: Trainer) -> Iterator[None]:
    """Hide that checkpoints are ordered by number, and that one has no head where the head is the embedding."""
    is_tied = bool(cast(Any, trainer.model).config.tie_word_embeddings)  # Any: may be a PeftModel

    def is_news(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        is_head = is_tied and text.endswith("missing keys in the checkpoint model loaded: ['lm_head.weight'].")
        return not is_head and not text.startswith("mtime may not be reliable")

    loggers = [logging.getLogger(f"transformers.{name}") for name in ("trainer", "trainer_utils")]
    for logger in loggers:
        logger.addFilter(is_news)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_news)


def write_run(
    trainer: Trainer,
    config: TrainingConfig,
    *,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    card: str,
    fingerprint: str,
    record: Mapping[str, object],
) -> None:
    """Write the trained model, or its adapter alone, with tokenizer, card and record; the main process does, once."""
    model = cast(Any, trainer.model)  # Any: a PeftModel, of an optional package
    trained = model.merge_and_unload() if config.lora_r and config.lora_merge else model
    is_main = trainer.args.process_index == 0
    weights = whole_weights(trained, keep=is_main) if trainer.is_fsdp_enabled else None
    if is_main:
        with without_bars(), _without_peft_warning():
            trained.save_pretrained(out, state_dict=weights)
        tokenizer.save_pretrained(out)
        (out / "README.md").write_text(card, encoding="utf-8")
        finish_run(out, fingerprint=fingerprint, result=record)
    _wait(trainer.args)


def load_finished(model: PreTrainedModel, out: Path, config: TrainingConfig) -> None:
    """Give `model` what the finished run at `out` has learnt."""
    with without_bars():
        if config.lora_r is None or config.lora_merge:
            model.load_state_dict(type(model).from_pretrained(out, dtype=model.dtype).state_dict())
            return
        from peft import PeftModel

        with _without_peft_warning():
            PeftModel.from_pretrained(model, str(out))  # adapters go into the model's own layers
