"""How to train with a segmentation loss: the settings, and which task an example belongs to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.losses.segmentation import SegmentationSettings, user_loss
from datagen_trainers.training import TrainingConfig

TASKS = ("word_problem", "multiple_choice")

# An answer that is nothing but the letter of a choice: "B", "(B)", "#### B", "B."
_LETTER = re.compile(r"\s*(?:####)?\s*\(?([A-Z])\)?\.?\s*")


@dataclass(frozen=True)
class SegConfig(TrainingConfig):
    """How to train. Of the paper are lambda and gamma (appendix G); its other settings are a preset of the command."""

    loss: str = "lovasz"  # ce, focal, dice, sadl, gdl, lovasz, or "package.module:function"
    loss_by_task: Mapping[str, str] = field(default_factory=dict)  # section 4.8; `loss` for every other task
    ce_weight: float = 0.6  # lambda of L = lambda CE(I + A) + (1 - lambda) L_A(A); 1 is the paper's baseline
    scope: Literal["sequence", "batch"] = "sequence"  # over which tokens a region loss is one
    focal_gamma: float = 2.0
    sadl_alpha: float = 1.0
    sadl_smooth: float = 1.0
    dice_squared: bool = True
    smooth: float = 1e-5  # of dice and gdl
    gdl_absent: Literal["zero", "max"] = "zero"
    max_steps: int | None = None  # updates of the whole run, in place of `epochs`
    warmup_steps: int | None = None  # in place of `warmup_ratio`
    context_percentile: float | None = None  # in place of `max_length`; see `examples.context_for`
    too_long: Literal["leave_out", "cut_prompt"] = (
        "leave_out"  # the published code cuts, see `examples.with_cut_prompt`
    )

    @property
    def segmentation(self) -> SegmentationSettings:
        """The settings of the loss alone."""
        return SegmentationSettings(**{each.name: getattr(self, each.name) for each in fields(SegmentationSettings)})


def check_settings(config: SegConfig) -> None:
    """Refuse settings, as of a recipe file, that name nothing.

    Raises:
        DataError: naming the setting and what it can be.
    """
    try:
        _ = config.segmentation
    except ValueError as error:
        raise DataError(f"settings: {error}.") from error
    for loss in (config.loss, *config.loss_by_task.values()):
        if ":" in loss:
            user_loss(loss)
    if unknown := sorted(set(config.loss_by_task) - set(TASKS)):
        raise DataError(f"settings: loss_by_task has {unknown[0]!r}. The tasks are {', '.join(TASKS)}.")
    for name in ("max_steps", "warmup_steps"):
        value = getattr(config, name)
        if value is not None and value < (name == "max_steps"):
            raise DataError(f"settings: {name} is {value}. Set it to {int(name == 'max_steps')} or above.")
    if config.too_long not in ("leave_out", "cut_prompt"):
        raise DataError(f"settings: too_long is {config.too_long!r}. Set it to leave_out or cut_prompt.")
    if config.chat and config.too_long == "cut_prompt":
        raise DataError("settings: cut_prompt would cut the opening of a chat. Set too_long = leave_out.")
    if config.context_percentile is not None and not 0 < config.context_percentile <= 100:
        raise DataError(f"settings: context_percentile is {config.context_percentile}. Set it above 0, up to 100.")
    if config.lora_head and config.lora_dropout:
        raise DataError(
            "settings: an adapter of the head cannot have dropout here. Set lora_dropout = 0, or leave the head out."
        )


def task_of(example: Example) -> str:
    """Multiple choice if the completion is the letter of the answer and nothing else; a word problem otherwise.

    A choice that is reasoned about first is a word problem: its loss is for the steps (section 3.3). Where the answer
    is not known, as of rows of a prompt and a completion, a letter is a choice.
    """
    letter = _LETTER.fullmatch(example.completion)
    return "multiple_choice" if letter is not None and example.answer in ("", letter[1]) else "word_problem"
