"""How to align: the settings of AFT, with the defaults of the paper (section 4.1, appendix B)."""

from dataclasses import dataclass, fields
from math import isfinite
from typing import Literal

from datagen_schemas.errors import DataError
from datagen_trainers.layouts import CandidateLayout
from datagen_trainers.losses.alignment import AlignmentConfig, LossName
from datagen_trainers.training import TrainingConfig


@dataclass(frozen=True)
class AftConfig(TrainingConfig):
    """How to train. Defaults are the paper's (section 4.1, appendix B); `batch_size` counts questions."""

    batch_size: int = 1
    accumulation: int = 8
    loss: LossName = "bc"
    boundary_beta: float = 0.15  # of bc and rbc
    detach_boundary: bool = True
    rrhf_scale: float = 1.0
    pro_dynamic_temperature: bool = True
    dpo_beta: float = 0.1
    constraint: bool = False  # of rrhf, pro and rank_dpo
    vft_weight: float = 1.0
    vft_reduction: Literal["mean", "sum"] = "mean"  # over the tokens of a reference; Eq. 1 writes the sum
    k: int | None = None  # responses of a question at most: see `groups.at_most`; the paper samples 6 and takes all
    candidate_layout: CandidateLayout = "auto"
    group_memory: Literal["normal", "two_pass"] = "normal"  # two_pass: exact, memory of one response, slower

    @property
    def alignment(self) -> AlignmentConfig:
        """The settings of the alignment loss alone."""
        return AlignmentConfig(**{field.name: getattr(self, field.name) for field in fields(AlignmentConfig)})


def check_settings(config: AftConfig) -> None:
    """Refuse settings, as of a recipe file, that name nothing.

    Raises:
        DataError: naming the setting and what it can be.
    """
    try:
        _ = config.alignment
    except ValueError as error:
        raise DataError(f"settings: {error}.") from error
    choices: dict[str, tuple[str, ...]] = {
        "vft_reduction": ("mean", "sum"),
        "candidate_layout": ("auto", "padded", "shared_prefix"),
        "group_memory": ("normal", "two_pass"),
    }
    for name, known in choices.items():
        if getattr(config, name) not in known:
            raise DataError(f"settings: {name} is {getattr(config, name)!r}. Choose one of {', '.join(known)}.")
    if config.k is not None and config.k < 2:
        raise DataError(f"settings: k is {config.k}. An alignment loss compares at least 2 responses.")
    if not (isfinite(config.vft_weight) and config.vft_weight >= 0):
        raise DataError(f"settings: vft_weight is {config.vft_weight}. Set it to 0 or above.")
