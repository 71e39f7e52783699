"""The options of `datagen train`: the settings of the trainers' dataclasses, and presets of them.

The dataclasses know the defaults; a test compares names and defaults.
"""

from dataclasses import fields
from typing import Any

import click

from datagen.cli.options import option, stack

ALIGNMENT_LOSSES = ("dc", "bc", "a", "r", "rdc1", "rdc2", "rbc", "rrhf", "pro", "rank_dpo")
SEGMENTATION_LOSSES = ("ce", "focal", "dice", "sadl", "gdl", "lovasz")

# What LoRA adapts; 'paper' is the setting of the segmentation losses' paper.
LORA: dict[str, dict[str, Any]] = {  # Any: settings
    "default": {"lora_r": 16, "lora_alpha": 32},
    "paper": {"lora_r": 8, "lora_alpha": 16, "lora_head": True, "lora_dropout": 0.0},
}

# Section 4.8: Lovász for math word problems, Focal for question answering.
LOSS_BY_TASK = {"word_problem": "lovasz", "multiple_choice": "focal"}

# Section 4.4 and appendix G of the segmentation losses' paper; AdamW is what all trainers use.
_PAPER: dict[str, Any] = {  # Any: settings
    "loss": "lovasz",
    "ce_weight": 0.6,
    "focal_gamma": 2.0,
    "batch_size": 2,
    "accumulation": 1,
    "learning_rate": 1e-4,
    "schedule": "linear",
    "warmup_steps": 500,
    "max_steps": 25000,
    "context_percentile": 75.0,
    "too_long": "cut_prompt",
    **LORA["paper"],
}
PRESETS = {"paper": _PAPER, "paper-gsm8k": {**_PAPER, "learning_rate": 1e-5}}

common = stack(
    option("--epochs", type=click.IntRange(min=1), help="[default: 3]"),
    option(
        "--batch-size",
        type=click.IntRange(min=1),
        help="Examples, or for aft questions with all their responses, in one forward pass. [default: 8; aft: 1]",
    ),
    option("--accumulation", type=click.IntRange(min=1), help="Forward passes per update. [default: 1; aft: 8]"),
    option("--learning-rate", type=click.FloatRange(min=0, min_open=True), help="[default: 2e-5]"),
    option("--warmup-ratio", type=click.FloatRange(min=0, max=1), help="[default: 0.03]"),
    option("--schedule", type=click.Choice(["linear", "cosine", "constant_with_warmup"]), help="[default: linear]"),
    option("--weight-decay", type=click.FloatRange(min=0), help="[default: 0]"),
    option("--max-grad-norm", type=click.FloatRange(min=0), help="[default: 1]"),
    option(
        "--max-length",
        type=click.IntRange(min=8),
        help="Tokens; what is longer is counted and left out. [default: 512]",
    ),
    option(
        "--chat",
        is_flag=True,
        default=None,
        help="Prompts are a user's turn in the model's chat template. Sample and measure it with --api chat, and the "
        "prompt that it was trained with.",
    ),
    option(
        "--lora",
        type=click.Choice(list(LORA)),
        help="Train adapters: r=16, alpha=32 on all linear layers but the head; paper: r=8, alpha=16, with the head.",
    ),
    option("--lora-r", type=click.IntRange(min=1), help="Rank of LoRA adapters; without it every weight is trained."),
    option("--lora-alpha", type=click.IntRange(min=1), help="[default: 32]"),
    option("--lora-dropout", type=click.FloatRange(min=0, max=1), help="[default: 0.05]"),
    option("--lora-head/--no-lora-head", default=None, help="Adapters on the head as well."),
    option("--lora-merge/--no-lora-merge", default=None, help="Write a whole model, or the adapter. [default: merge]"),
    option(
        "--four-bit",
        is_flag=True,
        default=None,
        help="QLoRA: the base in 4 bits; writes an adapter. Needs the package bitsandbytes.",
    ),
    option("--bf16", is_flag=True, default=None, help="Train in bfloat16."),
    option("--activation-checkpointing", is_flag=True, default=None, help="Less memory, slower."),
    option("--checkpoints", type=click.IntRange(min=1), help="How often the run is saved on its way. [default: 10]"),
    option("--device", type=click.Choice(["auto", "cpu"]), help="[default: auto]"),
    option("--report-to", metavar="NAME", help="tensorboard, trackio or wandb. [default: none]"),
    option("--seed", type=int, help="[default: 0]"),
    option(
        "--loss",
        metavar="NAME",
        help=f"aft: {', '.join(ALIGNMENT_LOSSES)}; seg: {', '.join(SEGMENTATION_LOSSES)}, or your own as "
        "package.module:function. [default: bc; seg: lovasz]",
    ),
)
alignment = stack(
    option("--boundary-beta", type=float, help="aft: of bc and rbc. [default: 0.15]"),
    option("--detach-boundary/--no-detach-boundary", default=None, help="aft: T is a constant. [default: it is]"),
    option("--rrhf-scale", type=click.FloatRange(min=0, min_open=True), help="aft: factor of rrhf. [default: 1]"),
    option(
        "--pro-dynamic-temperature/--no-pro-dynamic-temperature", default=None, help="aft: of pro. [default: with]"
    ),
    option("--dpo-beta", type=click.FloatRange(min=0, min_open=True), help="aft: of rank_dpo. [default: 0.1]"),
    option("--constraint", is_flag=True, default=None, help="aft: the detached constraint, of rrhf, pro, rank_dpo."),
    option("--vft-weight", type=click.FloatRange(min=0), help="aft: weight of L_VFT. [default: 1]"),
    option(
        "--vft-reduction", type=click.Choice(["mean", "sum"]), help="aft: over a reference's tokens. [default: mean]"
    ),
    option(
        "-k",
        "--responses",
        "k",
        type=click.IntRange(min=2),
        help="aft: responses a question at most, a best and a worst among them. [default: all]",
    ),
    option(
        "--candidate-layout",
        type=click.Choice(["auto", "padded", "shared_prefix"]),
        help="aft: a row a response, or one row that shares the prompt. [default: auto]",
    ),
    option(
        "--group-memory",
        type=click.Choice(["normal", "two_pass"]),
        help="aft: two_pass has the memory of one response at a time, and is slower. [default: normal]",
    ),
)
segmentation = stack(
    option(
        "--loss-by-task",
        metavar="TASK=LOSS,...",
        help="seg: for word_problem or multiple_choice another loss than --loss; 'paper' is "
        + ",".join(f"{task}={loss}" for task, loss in LOSS_BY_TASK.items())
        + ".",
    ),
    option(
        "--ce-weight",
        type=click.FloatRange(min=0, max=1),
        help="seg: lambda, of the cross-entropy of instruction and answer; 1 is cross-entropy alone. [default: 0.6]",
    ),
    option(
        "--scope",
        type=click.Choice(["sequence", "batch"]),
        help="seg: a value of dice, gdl or lovasz for each answer, or for a forward pass. [default: sequence]",
    ),
    option("--focal-gamma", type=click.FloatRange(min=0), help="seg: of focal. [default: 2]"),
    option("--sadl-alpha", type=click.FloatRange(min=0), help="seg: of sadl. [default: 1]"),
    option("--sadl-smooth", type=click.FloatRange(min=0), help="seg: of sadl. [default: 1]"),
    option("--dice-squared/--no-dice-squared", default=None, help="seg: of dice. [default: squared]"),
    option("--smooth", type=click.FloatRange(min=0), help="seg: of dice and gdl. [default: 1e-5]"),
    option(
        "--gdl-absent",
        type=click.Choice(["zero", "max"]),
        help="seg: of gdl; weight of tokens that no answer has. [default: zero]",
    ),
    option("--max-steps", type=click.IntRange(min=1), help="seg: updates of the run, in place of --epochs."),
    option("--warmup-steps", type=click.IntRange(min=0), help="seg: in place of --warmup-ratio."),
    option(
        "--context-percentile",
        type=click.FloatRange(min=0, min_open=True, max=100),
        help="seg: in place of --max-length, the power of two that holds so many per cent of the examples.",
    ),
    option(
        "--too-long",
        type=click.Choice(["leave_out", "cut_prompt"]),
        help="seg: cut_prompt drops the start of the prompt; never of the completion. [default: leave_out]",
    ),
)

# Losses that have the setting.
OF_LOSSES = {
    "boundary_beta": ("bc", "rbc"),
    "detach_boundary": ("bc", "rbc"),
    "rrhf_scale": ("rrhf",),
    "pro_dynamic_temperature": ("pro",),
    "dpo_beta": ("rank_dpo",),
    "focal_gamma": ("focal",),
    "sadl_alpha": ("sadl",),
    "sadl_smooth": ("sadl",),
    "dice_squared": ("dice",),
    "smooth": ("dice", "gdl"),
    "gdl_absent": ("gdl",),
    "scope": ("dice", "gdl", "lovasz"),
}
# Two ways to say the same.
_INSTEAD = {"max_steps": "epochs", "warmup_steps": "warmup_ratio", "context_percentile": "max_length"}
SETTINGS = frozenset(
    parameter.name or ""
    for decorate in (common, alignment, segmentation)
    for parameter in decorate(click.Command("settings")).params
)


def settings(config: Any, options: dict[str, Any], *, method: str) -> Any:  # Any: one of the trainers' dataclasses
    """The method's settings: what was given, else those of a preset, else its own defaults."""
    known = {field.name: field.default for field in fields(config)}
    given = {name: value for name, value in options.items() if value is not None and name in SETTINGS}
    preset = {**PRESETS.get(options["preset"], {}), **LORA.get(given.pop("lora", ""), {})}
    if "loss_by_task" in given:
        given["loss_by_task"] = _by_task(given["loss_by_task"])
    if strange := sorted(set(given) - set(known)):
        raise click.UsageError(f"{_option(strange[0])} is no setting of {method}.")
    for name, other in _INSTEAD.items():
        if name in given and other in given:
            raise click.UsageError(f"{_option(name)} is in place of {_option(other)}: give one of them.")
        if other in given:
            preset.pop(name, None)
    every = {**preset, **given}
    losses = (every.get("loss", known.get("loss")), *every.get("loss_by_task", {}).values())
    for loss in losses:
        _check_loss(loss, method=method)
    for name in given:
        if name.startswith("lora_") and name != "lora_r" and every.get("lora_r") is None:
            raise click.UsageError(f"{_option(name)} has no effect without --lora or --lora-r.")
        of = OF_LOSSES.get(name)
        if of is not None and not set(losses) & set(of) and not any(":" in loss for loss in losses):
            raise click.UsageError(f"{_option(name)} is of {', '.join(of)}; {losses[0]} does not have it.")
    if every.get("four_bit"):
        if every.get("lora_r") is None:
            raise click.UsageError("--four-bit trains adapters: add --lora default.")
        every["lora_merge"] = False
    return config(**every)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _check_loss(loss: str | None, *, method: str) -> None:
    of_method = {"aft": ALIGNMENT_LOSSES, "seg": SEGMENTATION_LOSSES}.get(method)
    if of_method is None or loss in of_method or (method == "seg" and ":" in str(loss)):
        return
    others = {"aft": SEGMENTATION_LOSSES, "seg": ALIGNMENT_LOSSES}[method]
    hint = f" '{loss}' is of {'seg' if method == 'aft' else 'aft'}." if loss in others else ""
    own = ", or your own as package.module:function" if method == "seg" else ""
    raise click.UsageError(f"--loss: {method} has {', '.join(of_method)}{own}, and no '{loss}'.{hint}")


def _by_task(text: str) -> dict[str, str]:
    """The losses of "word_problem=lovasz,multiple_choice=focal"."""
    if text == "paper":
        return LOSS_BY_TASK.copy()
    pairs = [part.strip().split("=", 1) for part in text.split(",")]
    for pair in pairs:
        if len(pair) != 2 or pair[0] not in LOSS_BY_TASK:
            raise click.UsageError(
                f"--loss-by-task: '{'='.join(pair)}' is not TASK=LOSS with a task of {', '.join(LOSS_BY_TASK)}."
            )
    return {task: loss for task, loss in pairs}
