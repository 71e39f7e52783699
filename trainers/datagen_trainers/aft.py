"""Alignment fine-tuning (AFT), Eq. 4 of "Making Large Language Models Better Reasoners with Alignment".

L_AFT = L_VFT + L_A*: the model learns the reference solution, and to score better responses to its question above
worse ones by their token-mean log-likelihood. L_A* is any loss of `losses.alignment`.

A batch is questions with all their responses; none is split. The loss is computed inside the model's forward, so that
the hooks of data-parallel wrappers fire. Both terms are divided by what the whole update has, over all forward passes
and processes, so that 8 x 1, 2 x 4 and 1 x 8 questions are one and the same update.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_trainers.aft_config import AftConfig as AftConfig
from datagen_trainers.aft_config import check_settings
from datagen_trainers.aft_terms import Inputs, Row, Terms, attached, collator, denominators, detach, exact, terms
from datagen_trainers.data_parallel import expect_gradients, seed_dropout
from datagen_trainers.examples import batch_schedule
from datagen_trainers.groups import GroupBatch, Small, TokenisedGroup, at_most, collate, tokenised_groups
from datagen_trainers.layouts import Layout, choose_layout, lay_out, prefix_sharing
from datagen_trainers.losses.alignment import (
    AlignmentCounts,
    LossName,
    alignment_counts,
    alignment_log,
)
from datagen_trainers.metrics.assessment import pair_counts
from datagen_trainers.model_card import model_card
from datagen_trainers.response_log_probs import candidate_scores, check_head
from datagen_trainers.run_folder import finished_run, run_fingerprint
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
from datagen_trainers.two_pass import two_pass_backward

log = logging.getLogger(__name__)

WHAT = """Alignment fine-tuning (AFT), Eq. 4 of the first paper below: the next-token loss on the reference solution, \
and an alignment loss that scores better responses to a question above worse ones."""

# Binary feedback is ranking with the scores 1 and 0 (section 4.3), and one function computes both.
RANKED: dict[LossName, LossName] = {"a": "r", "dc": "rdc1", "bc": "rbc"}

OUT_OF_MEMORY = (
    "lower --batch-size and raise --accumulation, --activation-checkpointing, --group-memory two_pass, --bf16,"
    " --lora-r 16"
)


class AftResult(NamedTuple):
    """What a training run did."""

    path: Path
    steps: int
    n_groups: int
    n_responses: int
    n_beyond_k: int  # responses left out, by `AftConfig.k`
    n_too_long: int  # responses left out
    n_too_long_references: int  # references left out; the responses of their questions are still compared
    n_small_groups: int  # with fewer than two responses; only the reference is learnt, if there is one
    loss: float  # mean of about the last hundredth of the run
    metrics: dict[str, float]  # the last that were logged
    seconds: float  # of this call


def train_aft(
    groups: Sequence[AlignmentGroup],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: AftConfig,
    out: Path,
    on_progress: Callable[[TrainProgress], None] | None = None,
    resume: bool = True,
    command: str = "",
) -> AftResult:
    """Train `model` in place on alignment groups and save it, with its tokenizer and a card, at `out`.

    With `resume`, a finished run of the same groups, settings and model is not done again (`model` gets its weights),
    and an interrupted one goes on from its last checkpoint, to the same weights as without interruption.

    Raises:
        DataError: no group fits, `out` holds something else, the model's logits are not a plain head's, the memory
            does not suffice, or the loss became NaN.
        MissingExtraError: LoRA is asked for and peft is not installed.
    """
    started = time.monotonic()
    check_settings(config)
    check_head(model)
    rows = ([one.prompt, one.responses, one.scores, one.reference] for one in groups)
    fingerprint = run_fingerprint(rows, model=model, settings=asdict(config))
    chosen = [at_most(one, config.k) for one in groups]
    # Without a pair L_A is 0, and the reference is learnt all the same (Eq. 4).
    small: Small = "keep_reference" if config.vft_weight else "drop"
    data = tokenised_groups(chosen, tokenizer, max_length=config.max_length, small=small, chat=config.chat)
    n_beyond_k = sum(len(one.responses) for one in groups) - sum(len(one.responses) for one in chosen)
    if not groups:
        raise DataError("no group to train on: there are none. Give the groups that `datagen rank` wrote.")
    if not data.groups:
        raise DataError(
            f"no group to train on: {data.n_small_groups} of {len(groups)} have fewer than two responses of at most "
            f"{config.max_length} tokens with their prompt ({data.n_too_long_responses} responses are longer)."
            " Give more groups, or raise max_length."
        )
    if not any(len(set(group.scores)) > 1 for group in data.groups):
        raise DataError(
            f"no group to train on: in none of {len(data.groups)} has one response a higher score than another."
            " Give groups with better and worse responses."
        )
    for n, what in ((data.n_too_long_responses, "responses"), (data.n_too_long_references, "references")):
        if n:
            log.warning("%d %s longer than %d tokens with their prompt are left out", n, what, config.max_length)
    if config.loss in RANKED and any(len(set(group.scores)) > 2 for group in data.groups):
        name = RANKED[config.loss]
        log.warning("scores of more than two levels: --loss %s is what the paper calls %s there", config.loss, name)
        config = replace(config, loss=name)
    if n_beyond_k:
        log.warning("%d responses beyond %d of a question are left out", n_beyond_k, config.k)
    if data.n_small_groups:
        what = "are left out" if small == "drop" else "have their references learnt, where they have one"
        log.warning("%d groups with fewer than two responses %s", data.n_small_groups, what)
    if config.vft_weight and not any(group.reference for group in data.groups):
        log.warning("no group has a reference: only the alignment loss trains")
    counts = {
        "n_groups": len(data.groups),
        "n_responses": sum(len(group.responses) for group in data.groups),
        "n_beyond_k": n_beyond_k,
        "n_too_long": data.n_too_long_responses,
        "n_too_long_references": data.n_too_long_references,
        "n_small_groups": data.n_small_groups,
    }
    if resume and (done := finished_run(out, fingerprint=fingerprint)) is not None:
        load_finished(model, out, config)
        record = cast(dict[str, Any], done)  # Any: JSON
        metrics, seconds = record["metrics"], time.monotonic() - started
        return AftResult(out, record["steps"], **counts, loss=record["loss"], metrics=metrics, seconds=seconds)
    lengths = [len(group.prompt) + sum(map(len, group.responses)) for group in data.groups]
    schedule = batch_schedule(lengths, batch_size=config.batch_size, epochs=config.epochs, seed=config.seed)
    arguments = training_arguments(config, n_batches=len(schedule), out=out)
    dataset = [Row(group, None) for group in data.groups]
    if config.loss == "rank_dpo":
        nn.Module.to(model, arguments.device)
        dataset = [Row(group, _scores_before(model, group, config)) for group in data.groups]
    open_run_once(arguments, out=out, fingerprint=fingerprint, resume=resume)
    dropout = 0.0 if config.group_memory == "two_pass" else None
    trained = attached(with_adapters(model, config, dropout=dropout), config)
    try:
        trainer = AftTrainer(
            trained,
            arguments,
            data_collator=collator(config, sharing=prefix_sharing(model)),
            train_dataset=Batches(dataset, schedule, processes=arguments.world_size),
            config=config,
        )
        run(trainer, config, on_progress=on_progress, out_of_memory=OUT_OF_MEMORY)
    finally:
        detach(trained)
    metrics = trainer.last_metrics()
    card = model_card(
        what=WHAT,
        base=model.config.name_or_path or "random weights",
        data=f"{counts['n_groups']} questions with {counts['n_responses']} responses",
        sources=Counter(source for group in groups for source in group.sources),
        command=command,
        out=out,
        settings=asdict(config),
        results=metrics,
    )
    steps, loss = trainer.state.global_step, metrics["loss"]
    record = {"steps": steps, "loss": loss, "metrics": metrics, "config": asdict(config), **counts}
    write_run(trainer, config, tokenizer=tokenizer, out=out, card=card, fingerprint=fingerprint, record=record)
    return AftResult(out, steps, **counts, loss=loss, metrics=metrics, seconds=time.monotonic() - started)


class AftTrainer(Trainer):
    """transformers' Trainer with the two terms of Eq. 4, normalised over whole updates, and their log."""

    loss_is_scaled_for_ga = True  # what get_batch_samples counts is of the whole update

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        *,
        config: AftConfig,
        **kwargs: Any,  # Any: Trainer's own arguments
    ) -> None:
        """A trainer of `attached` models."""
        expect_gradients(args, model)
        super().__init__(model, args, **kwargs)
        if self.is_fsdp_enabled and config.group_memory == "two_pass":
            raise DataError(
                "--group-memory two_pass takes as many forward passes as a question has responses, and with FSDP every"
                " process must take as many. Leave it out, or launch without FSDP."
            )
        seed_dropout(args)
        self._config = config
        self._sums: Tensor | None = None

    def get_batch_samples(
        self, epoch_iterator: Iterator[Inputs], num_batches: int, device: torch.device
    ) -> tuple[list[Inputs], Tensor | int | None]:
        """The batches of one update, and what both terms are divided by: (2,) over all of them and all processes."""
        samples = list(islice(epoch_iterator, num_batches))
        if not samples:
            return samples, None
        totals = torch.stack([denominators(sample, self._config) for sample in samples]).sum(0).to(device)
        return samples, self._over_processes(totals)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Inputs,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # Any: Trainer's own result
        """L_AFT of a batch as its share of the update's."""
        assert isinstance(num_items_in_batch, Tensor)
        outputs = model(inputs=Uncast(inputs))
        loss = self._loss(Terms(outputs["vft"], outputs["align"]), num_items_in_batch)
        self._count(outputs["scores"].detach(), inputs, loss)
        return (loss, outputs) if return_outputs else loss

    def training_step(
        self, model: nn.Module, inputs: Inputs, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """One forward and backward pass; with `two_pass`, one per response."""
        if self._config.group_memory == "normal":
            return super().training_step(model, inputs, num_items_in_batch)
        assert isinstance(num_items_in_batch, Tensor)
        totals = num_items_in_batch
        model.train()
        on_device = GroupBatch(**inputs["batch"]).to(self.args.device)
        batch = on_device.to("cpu")
        reference_scores = inputs.get("reference_scores")
        if reference_scores is not None:
            reference_scores = reference_scores.to(self.args.device)

        def loss_of(scores: Tensor) -> Tensor:
            return self._loss(terms(scores, on_device, self._config, reference_scores=reference_scores), totals)

        def score(wrapped: nn.Module, layout: Layout) -> Tensor:
            return cast(Tensor, wrapped(inputs=Uncast({"layout": layout._asdict()}))["scores"])

        with self.compute_loss_context_manager():
            result = two_pass_backward(
                model,
                batch,
                loss_of,
                scorer=score,
                backward=self.accelerator.backward,
                no_sync=partial(self.accelerator.no_sync, model),
            )
        self._count(result.scores, {**inputs, "batch": on_device._asdict()}, result.loss)
        return result.loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The trainer's numbers with ours: both terms, accuracy, scores, and the share below the boundary."""
        if "loss" in logs and self._sums is not None:
            logs |= _logged(self._over_processes(self._sums).tolist(), self._config)
            self._sums = None
        super().log(logs, start_time)

    def last_metrics(self) -> dict[str, float]:
        """What was logged last."""
        history = [entry for entry in self.state.log_history if "loss" in entry]
        kept = {"loss", *_logged([1.0] * N_SUMS, self._config)}
        return {name: float(value) for name, value in history[-1].items() if name in kept}

    def _loss(self, sums: Terms, totals: Tensor) -> Tensor:
        n_vft, n_align = totals.clamp(min=1)
        # Data parallelism takes the mean over processes of what is already a share of their sum.
        share: Tensor = self._config.vft_weight * sums.vft / n_vft + sums.align / n_align
        return share * int(self.args.world_size)

    @torch.no_grad()
    def _count(self, scores: Tensor, inputs: Mapping[str, Any], loss: Tensor) -> None:  # Any: nested tensors
        batch = GroupBatch(**inputs["batch"])
        valid = batch.ranked & (batch.lengths > 0)
        sums = terms(scores, batch, self._config, reference_scores=inputs.get("reference_scores"))
        divisors = denominators(inputs, self._config).to(scores.device)
        counts = alignment_counts(scores, batch.feedback, valid, boundary_beta=self._config.boundary_beta)
        pairs = pair_counts(scores, batch.feedback, valid)
        shares = (pairs.n_correct / pairs.n_pairs.clamp(min=1)).sum()
        values = (sums.vft, sums.align, *divisors, *counts, pairs.n_correct.sum(), pairs.n_pairs.sum(), shares)
        found = torch.stack([torch.as_tensor(value, device=scores.device, dtype=exact(scores)) for value in values])
        self._sums = found if self._sums is None else self._sums + found

    def _over_processes(self, sums: Tensor) -> Tensor:
        if self.args.world_size == 1:
            return sums
        gathered = cast(Tensor, self.accelerator.gather(sums[None].contiguous()))
        return gathered.sum(0)


N_SUMS = 4 + len(AlignmentCounts._fields) + 3


def _logged(sums: Sequence[float], config: AftConfig) -> dict[str, float]:
    vft, align, n_vft, n_align, *rest = sums
    n_counts = len(AlignmentCounts._fields)
    counts = AlignmentCounts(*(torch.tensor(value) for value in rest[:n_counts]))
    n_correct, n_pairs, shares = rest[n_counts:]
    nothing = float("nan")
    found = {f"aft/{name}": value for name, value in alignment_log(counts).items()}
    return {
        "loss/vft": vft / n_vft if n_vft else nothing,
        "loss/align": align / n_align if n_align else nothing,
        "aft/acc_macro": shares / n_align if n_align else nothing,
        "aft/acc_micro": n_correct / n_pairs if n_pairs else nothing,
        **found,
    }


@torch.no_grad()
def _scores_before(model: PreTrainedModel, group: TokenisedGroup, config: AftConfig) -> list[float]:
    """Scores of a question's completions by the model as it is now."""
    was_training = model.training
    model.eval()
    batch = collate([group])
    layout = lay_out(
        batch, choose_layout(batch, candidate_layout=config.candidate_layout, sharing=prefix_sharing(model))
    )
    device = next(model.parameters()).device
    with torch.autocast(
        device.type, torch.bfloat16, enabled=config.bf16
    ):  # as in training: no difference at the start
        scores = candidate_scores(model, layout.to(device))
    model.train(was_training)
    return [float(score) for score in scores[0]]
