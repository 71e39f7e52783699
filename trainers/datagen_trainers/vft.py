"""Vanilla fine-tuning (VFT), Eq. 1 of "Making Large Language Models Better Reasoners with Alignment".

L_VFT = - sum_j log P(r_j | r_<j, q): the model learns the reference response and its end, and not the question. RFT
(Yuan et al. 2023) is this same loss on the augmented set D'. Where the equation writes a sum over one response we take
the mean over the learnt tokens of an update, as the training libraries do; that only scales the learning rate.
"""

import logging
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, cast

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.examples import Encoded, batch_schedule, encode_examples, pad
from datagen_trainers.model_card import model_card, prompt_of
from datagen_trainers.run_folder import finished_run, run_fingerprint
from datagen_trainers.training import (
    Batches,
    TrainingConfig,
    TrainProgress,
    load_finished,
    open_run_once,
    run,
    training_arguments,
    with_adapters,
    write_run,
)

log = logging.getLogger(__name__)

OUT_OF_MEMORY = "lower --batch-size and raise --accumulation, --activation-checkpointing, --bf16, --lora-r 16"
WHAT = """Vanilla fine-tuning (VFT), Eq. 1 of the first paper below: the next-token loss on the response and its end, \
not on the question. Examples marked as sampled were selected as in the second paper."""


@dataclass(frozen=True)
class VftConfig(TrainingConfig):
    """How to train; all settings are common ones."""


class TrainResult(NamedTuple):
    """What a training run did."""

    path: Path
    steps: int
    n_examples: int
    n_too_long: int
    loss: float  # mean of about the last hundredth of the run
    seconds: float  # of this call; what an interrupted call did before is not in it


def train(
    examples: Sequence[Example],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: VftConfig,
    out: Path,
    on_progress: Callable[[TrainProgress], None] | None = None,
    resume: bool = True,
    command: str = "",
) -> TrainResult:
    """Train `model` in place and save it, with its tokenizer and a card, as an ordinary model folder at `out`.

    With `resume`, the finished run of the same examples, settings and model is not done again (`model` gets its
    weights), and an interrupted one goes on from its last checkpoint, to the same weights as without interruption.

    Raises:
        DataError: no example fits, or `out` holds the training of something else.
        MissingExtraError: LoRA is asked for and peft is not installed.
    """
    started = time.monotonic()
    rows = ([example.prompt, example.completion] for example in examples)
    fingerprint = run_fingerprint(rows, model=model, settings=asdict(config))
    data = encode_examples(examples, tokenizer, max_length=config.max_length, chat=config.chat)
    if not data.encoded:
        raise DataError(
            f"no example to train on: {data.n_too_long} of {len(examples)} are longer than {config.max_length} tokens."
            " Give more examples, or raise max_length."
        )
    if data.n_too_long:
        log.warning("%d examples longer than %d tokens are left out", data.n_too_long, config.max_length)
    counts = {"n_examples": len(data.encoded), "n_too_long": data.n_too_long}
    if resume and (done := finished_run(out, fingerprint=fingerprint)) is not None:
        load_finished(model, out, config)
        steps, loss = cast(int, done["steps"]), cast(float, done["loss"])
        return TrainResult(out, steps=steps, loss=loss, seconds=time.monotonic() - started, **counts)
    lengths = [len(item.ids) for item in data.encoded]
    schedule = batch_schedule(lengths, batch_size=config.batch_size, epochs=config.epochs, seed=config.seed)
    arguments = training_arguments(config, n_batches=len(schedule), out=out)
    open_run_once(arguments, out=out, fingerprint=fingerprint, resume=resume)
    trainer = Trainer(
        with_adapters(model, config),
        arguments,
        data_collator=_collator(tokenizer),
        train_dataset=Batches(data.encoded, schedule, processes=arguments.world_size),
    )
    run(trainer, config, on_progress=on_progress, out_of_memory=OUT_OF_MEMORY)
    base = model.config.name_or_path or "random weights"
    steps = trainer.state.global_step
    loss = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry][-1]
    card = model_card(
        what=WHAT,
        base=base,
        data=f"{len(examples)} examples of {len({example.problem_id for example in examples})} problems",
        sources=Counter(str(example.source) for example in examples),
        command=command,
        out=out,
        prompt=prompt_of(examples),
        settings=asdict(config),
        results={"loss": loss, "steps": steps},
    )
    record = {"steps": steps, "loss": loss, "config": asdict(config), **counts}
    write_run(trainer, config, tokenizer=tokenizer, out=out, card=card, fingerprint=fingerprint, record=record)
    return TrainResult(out, steps=steps, loss=loss, seconds=time.monotonic() - started, **counts)


def _collator(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[list[Encoded]]], dict[str, Tensor]]:
    """Make tensors of the scheduled batch that one forward pass was given."""
    # Some tokenizers name no padding. What stands there is neither read nor learnt, so any token does.
    pad_id = tokenizer.pad_token_id if isinstance(tokenizer.pad_token_id, int) else 0
    nothing = Encoded(array("i", [pad_id] * 2), n_read=2)  # of an empty batch; see `Batches`
    return lambda batches: pad([item for batch in batches for item in batch] or [nothing], pad_id=pad_id)
