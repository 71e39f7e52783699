"""FSDP: the model in parts, one on each process, whole only where it computes.

The launcher is asked for it: `accelerate launch --use_fsdp --fsdp_version 2`. The trainer and accelerate do it; here
stands what they leave to us. On CPUs accelerate takes plain data parallelism instead.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from datagen_schemas.errors import DataError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Uncast(Generic[T]):
    """An argument of a forward pass that is to arrive as it is: FSDP makes bfloat16 of all numbers that it finds."""

    def __init__(self, value: T) -> None:
        """Hide `value`."""
        self.value = value


class _MakeFolder(TrainerCallback):
    """Makes a checkpoint's folder before the trainer looks whether the best one has been written.

    It writes that of a model in parts only later, and a process that looks first would not load the best.
    """

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Make it if this update is to be saved."""
        if control.should_save:
            Path(str(args.output_dir), f"checkpoint-{state.global_step}").mkdir(parents=True, exist_ok=True)


def prepare_sharding(trainer: Trainer, *, four_bit: bool) -> None:
    """Set FSDP, if the launcher asks for it, so that what we compute stays exact and a run can be resumed.

    Raises:
        DataError: DeepSpeed, the old FSDP, or weights in four bits.
    """
    if trainer.is_deepspeed_enabled:
        raise DataError("DeepSpeed is not supported. Launch with FSDP: accelerate launch --use_fsdp --fsdp_version 2")
    if not trainer.is_fsdp_enabled:
        if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
            log.warning("FSDP needs GPUs: each process holds the whole model, as without it")
        return
    plugin = cast(Any, trainer.accelerator.state).fsdp_plugin  # Any: made of the launcher's settings
    if plugin.fsdp_version != 2:
        raise DataError("FSDP 1 is not supported. Launch with: accelerate launch --use_fsdp --fsdp_version 2")
    if four_bit:
        raise DataError("--four-bit: FSDP cannot part such weights. Leave it out, or launch without FSDP.")
    # The parts, as they are: whole, transformers cannot write a head that is the embedding (tried with 5.23).
    plugin.state_dict_config = plugin.optim_state_dict_config = None
    plugin.set_state_dict_type("SHARDED_STATE_DICT")
    if plugin.mixed_precision_policy is not None:
        plugin.mixed_precision_policy = replace(plugin.mixed_precision_policy, output_dtype=None)  # the loss
    trainer.add_callback(_MakeFolder())


def whole_weights(model: nn.Module, *, keep: bool) -> Mapping[str, Tensor] | None:
    """The state dict of a model in parts, on the CPU; all processes must call it, and those that `keep` get it."""
    found: dict[str, Tensor] = {}
    known: dict[int, Tensor] = {}
    for name, weight in model.state_dict(keep_vars=True).items():
        if id(weight) not in known:  # a head that is the embedding stays one tensor
            whole = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
            known[id(weight)] = whole.detach().cpu() if keep else whole.new_empty(0)
        found[name] = known[id(weight)]
    return found if keep else None
