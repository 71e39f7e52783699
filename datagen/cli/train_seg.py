"""`datagen train seg`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import command_line
from datagen.cli.train_options import PRESETS, settings

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from collections.abc import Callable

    from datagen_schemas.example import Example
    from datagen_trainers.training import TrainProgress


def train_seg_from(
    examples: "list[Example]",
    validation: "list[Example]",
    options: dict[str, Any],  # Any: click's values
    on_progress: "Callable[[TrainProgress], None]",
) -> tuple[dict[str, Any], list[str]]:  # Any: JSON
    """Train, and say in JSON and in lines what was done."""
    from datagen_trainers.load import load_model
    from datagen_trainers.seg import SegConfig, train_seg

    config = settings(SegConfig, options, method="seg")
    if options["preset"] and not options["quiet"] and os.environ.get("RANK", "0") == "0":
        chosen = {name: getattr(config, name) for name in PRESETS[options["preset"]]}
        click.echo(f"preset {options['preset']}: {', '.join(f'{n} {v}' for n, v in chosen.items())}", err=True)
    sys.path.append(str(Path.cwd()))  # where a user's own loss is likely to be
    loaded = load_model(options["model"], four_bit=config.four_bit)
    result = train_seg(
        examples,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        config=config,
        out=options["out"],
        validation=validation,
        on_progress=on_progress,
        command=command_line(),
    )
    left_out = f", {result.n_too_long:,} too long and left out" if result.n_too_long else ""
    cut = f", {result.n_cut:,} with a cut prompt" if result.n_cut else ""
    lines = [
        f"{result.n_examples:,} examples{cut}{left_out}; {result.steps:,} steps, loss {result.loss:.3f}, "
        f"{100 * result.metrics['mean_token_accuracy']:.1f} % of the answers' tokens right"
    ]
    if config.loss_by_task:
        losses = (f"{n:,} {task} ({config.segmentation.loss_of(task)})" for task, n in result.by_task.items())
        lines.append(f"losses by task: {', '.join(losses)}")
    if config.context_percentile is not None:
        share = f"{config.context_percentile:g} % of the examples have at most {result.at_percentile}"
        lines.insert(0, f"context {result.max_length} tokens: {share}")
    if config.lora_r is not None:
        lines.append(f"{100 * result.trained_share:.2f} % of the weights trained")
    if result.validation:
        best = result.validation
        lines.append(f"best checkpoint: step {best['step']:,.0f}, validation loss {best['loss']:.4f}")
    return result._asdict(), lines
