"""Fine-tuning with segmentation losses, section 3.4 of "Beyond Accuracy Optimization: Computer Vision Losses for Large
Language Model Fine-Tuning".

L = lambda CE(I + A) + (1 - lambda) L_A(A): cross-entropy over instruction and answer, and over the answer alone a loss
of image segmentation, in which the classes are the tokens of the vocabulary. Section 4.8 gives each task a loss of its
own.

As in AFT, the loss is computed inside the model's forward, and both terms are divided by what the whole update has, so
that 8 x 1, 2 x 4 and 1 x 8 examples are one and the same update. With scope "batch", as in the published code, they
are not: there a region loss is one value for what happens to share a forward pass.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.aft_terms import detach
from datagen_trainers.data_parallel import expect_gradients, seed_dropout
from datagen_trainers.examples import Encoded, batch_schedule, context_for, encode, with_cut_prompt
from datagen_trainers.losses.segmentation import LOSSES, sadl_warning, user_loss_sha256
from datagen_trainers.model_card import SEGMENTATION_PAPER, model_card, prompt_of
from datagen_trainers.response_log_probs import check_head
from datagen_trainers.run_folder import finished_run, run_fingerprint
from datagen_trainers.seg_batch import (
    Inputs,
    Row,
    attached,
    collator,
    log_of,
    scales_of,
    sums_for_log,
)
from datagen_trainers.seg_config import TASKS, check_settings, task_of
from datagen_trainers.seg_config import SegConfig as SegConfig
from datagen_trainers.sharding import Uncast
from datagen_trainers.training import (
    Batches,
    TrainProgress,
    load_finished,
    open_run_once,
    run,
    training_arguments,
    with_adapters,
    write_run,
)

log = logging.getLogger(__name__)

WHAT = """Fine-tuning with a segmentation loss on the answer beside the cross-entropy of instruction and answer, \
section 3.4 of the paper below."""

OUT_OF_MEMORY = "lower --batch-size and raise --accumulation, --activation-checkpointing, --bf16, --lora-r 16"


class SegResult(NamedTuple):
    """What a training run did."""

    path: Path
    steps: int
    n_examples: int
    n_too_long: int  # left out
    n_cut: int  # of `n_examples`, those that lost the start of their prompt
    max_length: int  # tokens; as configured or computed
    by_task: dict[str, int]  # of all examples
    at_percentile: int | None  # tokens that `context_percentile` of the examples have at most, before rounding up
    trained_share: float  # of the weights
    loss: float  # mean of about the last hundredth of the run
    metrics: dict[str, float]  # the last that were logged
    validation: dict[str, float]  # of the best checkpoint, and its step; empty without validation
    seconds: float  # of this call


def train_seg(
    examples: Sequence[Example],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: SegConfig,
    out: Path,
    validation: Sequence[Example] = (),
    on_progress: Callable[[TrainProgress], None] | None = None,
    resume: bool = True,
    command: str = "",
) -> SegResult:
    """Train `model` in place on examples and save it, with its tokenizer and a card, at `out`.

    With `resume`, a finished run of the same examples, settings and model is not done again (`model` gets its
    weights), and an interrupted one goes on from its last checkpoint, to the same weights as without interruption.

    Args:
        examples: what to learn.
        model: where to start.
        tokenizer: of the model.
        config: how.
        out: folder to write.
        validation: with it, the loss on these is computed at every checkpoint, and the best checkpoint is the result.
        on_progress: told of every update.
        resume: see above.
        command: what was typed, for the card.

    Raises:
        DataError: no example fits, `out` holds something else, the model's logits are not a plain head's, the memory
            does not suffice, or the loss became NaN.
        MissingExtraError: LoRA is asked for and peft is not installed.
    """
    started = time.monotonic()
    check_settings(config)
    check_head(model)
    settings = config.segmentation
    rows, for_validation = _rows(examples, tokenizer, config), _rows(validation, tokenizer, config)
    max_length, at_percentile = config.max_length, None
    if config.context_percentile is not None and rows:
        max_length, at_percentile = context_for([_length(row) for row in rows], percentile=config.context_percentile)
    fitting = _fitting(rows, max_length, tokenizer, config, what="train")
    validating = _fitting(for_validation, max_length, tokenizer, config, what="validate") if validation else []
    if (warning := sadl_warning(settings, answer_share=_answer_share(fitting))) is not None:
        log.warning("%s", warning)
    tasks = Counter(map(task_of, examples))
    # Any: mypy wants one type for all fields
    counts: dict[str, Any] = {
        "n_examples": len(fitting),
        "n_too_long": len(rows) - len(fitting),
        "n_cut": sum(_length(row) > max_length for row in rows) - (len(rows) - len(fitting)),
        "by_task": {task: tasks[task] for task in TASKS},
        "max_length": max_length,
        "at_percentile": at_percentile,
    }
    # What a user's own loss computes decides the result, too.
    own = {name: user_loss_sha256(name) for name in sorted({row.loss for row in rows} - set(LOSSES))}
    known = ([row.encoded.input_ids, row.encoded.labels, row.loss] for row in (*rows, *for_validation))
    fingerprint = run_fingerprint(known, model=model, settings={**asdict(config), "n_examples": len(rows)} | own)
    if resume and (done := finished_run(out, fingerprint=fingerprint)) is not None:
        load_finished(model, out, config)
        record = cast(dict[str, Any], done)  # Any: JSON
        kept = {name: record[name] for name in ("steps", "loss", "metrics", "validation", "trained_share")}
        return SegResult(out, **counts, **kept, seconds=time.monotonic() - started)
    n_batches = -(-len(fitting) // config.batch_size)  # of an epoch
    arguments = training_arguments(
        config,
        n_batches=config.epochs * n_batches,
        out=out,
        max_steps=config.max_steps,
        warmup_steps=config.warmup_steps,
        validate=bool(validating),
    )
    epochs, end = config.epochs, None
    if config.max_steps is not None:
        end = config.max_steps * config.accumulation * arguments.world_size
        epochs = -(-end // n_batches)
    lengths = [_length(row) for row in fitting]
    schedule = batch_schedule(lengths, batch_size=config.batch_size, epochs=epochs, seed=config.seed)[:end]
    open_run_once(arguments, out=out, fingerprint=fingerprint, resume=resume)
    trained = attached(with_adapters(model, config), settings)
    sizes = [(p.numel(), p.requires_grad) for p in trained.parameters()]
    trained_share = sum(n for n, learns in sizes if learns) / sum(n for n, _ in sizes)
    names = sorted({row.loss for row in (*fitting, *validating)})
    pad_id = tokenizer.pad_token_id if isinstance(tokenizer.pad_token_id, int) else 0
    try:
        trainer = SegmentationTrainer(
            trained,
            arguments,
            data_collator=collator(names, settings, pad_id=pad_id),
            train_dataset=Batches(fitting, schedule, processes=arguments.world_size),
            eval_dataset=_in_order(validating, config, processes=arguments.world_size),
            config=config,
            tokens=list(accumulate(sum(lengths[i] for i in batch) for batch in schedule)),
        )
        run(trainer, config, on_progress=on_progress, out_of_memory=OUT_OF_MEMORY)
    finally:
        detach(trained)
    metrics, best = trainer.last_metrics(), trainer.best()
    card = model_card(
        what=WHAT,
        base=model.config.name_or_path or "random weights",
        data=f"{len(fitting)} examples of {len({example.problem_id for example in examples})} problems",
        sources=Counter(str(example.source) for example in examples),
        command=command,
        out=out,
        prompt=prompt_of(examples),
        settings={**asdict(config), "max_length": max_length},
        results={**metrics, **{f"validation {name}": value for name, value in best.items()}},
        papers=[SEGMENTATION_PAPER],
    )
    steps, loss = trainer.state.global_step, metrics["loss"]
    found: dict[str, Any] = {"steps": steps, "loss": loss, "metrics": metrics}  # Any: JSON
    found |= {"validation": best, "trained_share": trained_share, **counts}
    written = {**found, "validation_losses": trainer.validation_losses(), "config": asdict(config)}
    write_run(trainer, config, tokenizer=tokenizer, out=out, card=card, fingerprint=fingerprint, record=written)
    return SegResult(out, **found, seconds=time.monotonic() - started)


def _rows(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, config: SegConfig) -> list[Row]:
    """Token ids of every example, and the loss of its task."""
    settings = config.segmentation
    encoded = encode([(example.prompt, example.completion) for example in examples], tokenizer, chat=config.chat)
    return [Row(item, settings.loss_of(task_of(example))) for item, example in zip(encoded, examples, strict=True)]


def _answer_share(rows: Sequence[Row]) -> float:
    """Answer tokens among those that are learnt: all but the first of each example."""
    answers = sum(_length(row) - row.encoded.n_read for row in rows)
    return answers / sum(_length(row) - 1 for row in rows)


def _length(row: Row) -> int:
    return len(row.encoded.ids)


def _fitting(
    rows: Sequence[Row], max_length: int, tokenizer: PreTrainedTokenizerBase, config: SegConfig, *, what: str
) -> list[Row]:
    """The rows of at most so many tokens; a longer one is counted, and left out or without the start of its prompt."""
    if not rows:
        raise DataError(f"no example to {what} on: there are none. Give examples, or a problem set with solutions.")
    found, n_cut = [], 0
    bos_id = cast(int | None, tokenizer.bos_token_id)
    for row in rows:
        encoded: Encoded | None = row.encoded
        if _length(row) > max_length:
            may_cut = config.too_long == "cut_prompt"
            encoded = with_cut_prompt(row.encoded, max_length=max_length, bos_id=bos_id) if may_cut else None
            n_cut += encoded is not None
        if encoded is not None:
            found.append(Row(encoded, row.loss))
    if not found:
        raise DataError(
            f"no example to {what} on: {len(rows)} of {len(rows)} are longer than {max_length} tokens."
            " Give more examples, or raise max_length."
        )
    for n, how in ((len(rows) - len(found), "are left out"), (n_cut, "lose the start of their prompt")):
        if n:
            log.warning("%d examples to %s on, longer than %d tokens, %s", n, what, max_length, how)
    return found


def _in_order(rows: Sequence[Row], config: SegConfig, *, processes: int) -> Batches[Row] | None:
    """All rows once, those of similar length together; None without any."""
    order = sorted(range(len(rows)), key=lambda i: _length(rows[i]))
    schedule = [order[at : at + config.batch_size] for at in range(0, len(order), config.batch_size)]
    return Batches(rows, schedule, processes=processes) if rows else None


class SegmentationTrainer(Trainer):
    """transformers' Trainer with both terms of the loss, normalised over whole updates, and their log."""

    loss_is_scaled_for_ga = True  # what get_batch_samples counts is of the whole update

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        *,
        config: SegConfig,
        tokens: Sequence[int],
        **kwargs: Any,  # Any: Trainer's own arguments
    ) -> None:
        """A trainer of `attached` models; `tokens` there are in all batches up to and with each one."""
        expect_gradients(args, model)
        super().__init__(model, args, **kwargs)
        seed_dropout(args)
        self._settings = config.segmentation
        self._tokens = tokens
        self._sums: Tensor | None = None

    def get_batch_samples(
        self, epoch_iterator: Iterator[Inputs], num_batches: int, device: torch.device
    ) -> tuple[list[Inputs], Tensor | int | None]:
        """The batches of one update, and the counts of all of them, over all processes."""
        samples = list(islice(epoch_iterator, num_batches))
        if not samples:
            return samples, None
        totals = torch.stack([sample["counts"] for sample in samples]).sum(0).to(device)
        return samples, self._over_processes(totals)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Inputs,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # Any: Trainer's own result
        """L of a batch as its share of the update's."""
        assert isinstance(num_items_in_batch, Tensor)
        scales = scales_of(num_items_in_batch, inputs["loss_index"], self._settings)
        outputs = model(inputs=Uncast({**inputs, **scales._asdict()}))
        # Data parallelism takes the mean over processes of what is already a share of their sum.
        loss = outputs["total"] * int(self.args.world_size)
        found = sums_for_log(outputs, inputs)
        self._sums = found if self._sums is None else self._sums + found
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The trainer's numbers with ours: both terms, and how well the tokens of answers are predicted."""
        if "loss" in logs and self._sums is not None:
            ours = log_of(self._over_processes(self._sums), self._settings)
            done = self.state.global_step * self.args.gradient_accumulation_steps * int(self.args.world_size)
            # From the schedule, so that an interruption changes nothing.
            ours["num_tokens"] = float(self._tokens[min(done, len(self._tokens)) - 1])
            logs |= {name: value for name, value in ours.items() if name != "loss"}
            self._sums = None
        super().log(logs, start_time)

    def last_metrics(self) -> dict[str, float]:
        """What was logged last."""
        history = [entry for entry in self.state.log_history if "loss" in entry]
        kept = {"loss", "num_tokens", "mean_token_accuracy"}
        return {name: float(value) for name, value in history[-1].items() if name in kept or "/" in name}

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:  # Any: Trainer's own arguments
        """The loss, and what is logged in training, over all validation examples as if they were one update."""
        assert isinstance(self.eval_dataset, Batches) and isinstance(self.model, nn.Module)
        batches: Batches[Row] = self.eval_dataset
        was_training = self.model.training
        self.model.eval()
        sums = None
        # Each process has its share; without gradients, the wrapper of data parallelism has nothing to do.
        for i in range(self.args.process_index, len(batches), self.args.world_size):
            inputs = cast(Inputs, self._prepare_inputs(cast(Any, self.data_collator)([batches[i]])))
            nothing = {"ce_scale": torch.zeros(()), "answer_scale": torch.zeros(len(inputs["losses"]))}
            with self.compute_loss_context_manager():
                outputs = self.model(inputs=Uncast(self._prepare_inputs({**inputs, **nothing})))
            part = sums_for_log(outputs, inputs)
            sums = part if sums is None else sums + part
        self.model.train(was_training)
        assert sums is not None  # `Batches` gives every process as many
        found = log_of(self._over_processes(sums), self._settings)
        metrics = {f"eval_{name}": value for name, value in found.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def validation_losses(self) -> dict[str, float]:
        """The validation loss after so many updates."""
        return {str(e["step"]): float(e["eval_loss"]) for e in self.state.log_history if "eval_loss" in e}

    def best(self) -> dict[str, float]:
        """Loss and step of the best checkpoint, with its other numbers; empty without validation."""
        best = self.state.best_global_step
        entries = [e for e in self.state.log_history if "eval_loss" in e and e["step"] == best]
        if not entries:
            return {}
        named = {name.removeprefix("eval_"): value for name, value in entries[-1].items() if name.startswith("eval_")}
        return {"step": float(cast(int, best)), **{name: float(value) for name, value in named.items()}}

    def _over_processes(self, sums: Tensor) -> Tensor:
        if self.args.world_size == 1:
            return sums
        gathered = cast(Tensor, self.accelerator.gather(sums[None].contiguous()))
        return gathered.sum(0)
