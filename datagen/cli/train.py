"""`datagen train`."""

from pathlib import Path
from typing import Any

import click

from datagen.cli.options import config_option, option, output_options
from datagen.cli.show import emit, progress, silence_transformers


@click.command("train")
@click.argument("method", type=click.Choice(["vft", "rft"]))
@click.argument("data")
@option("--model", required=True, metavar="PATH|HUB ID", help="Causal language model to start from.")
@option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Model folder to write.")
@option("--epochs", type=click.IntRange(min=1), default=3)
@option("--batch-size", type=click.IntRange(min=1), default=8, help="Examples in one forward pass.")
@option("--accumulation", type=click.IntRange(min=1), default=1, help="Forward passes per update.")
@option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=2e-5)
@option(
    "--max-length", type=click.IntRange(min=8), default=512, help="Tokens; longer examples are counted and left out."
)
@option("--lora-r", type=click.IntRange(min=1), help="Rank of LoRA adapters; without it every weight is trained.")
@option("--bf16", is_flag=True, help="Train in bfloat16.")
@option("--activation-checkpointing", is_flag=True, help="Less memory, slower.")
@option("--seed", type=int, default=0)
@option("--train-prompt", default="plain", metavar="NAME|FILE", help="Prompt template, where DATA is a problem set.")
@config_option
@output_options
def command(method: str, data: str, **options: Any) -> None:  # Any: click's parsed values
    """Fine-tune a model: VFT on the gold paths, RFT on the gold and the selected ones.

    DATA is a directory that `datagen rft` wrote; for vft also any problem set with solutions, as --dataset takes it.

    \b
    Example: datagen train rft runs/rft --model Qwen/Qwen2.5-0.5B --out runs/rft-model
    """
    from datagen.runs.examples import training_examples

    try:
        from datagen_trainers.load import load_model
        from datagen_trainers.vft import TrainProgress, VftConfig, train
    except ModuleNotFoundError as error:
        from datagen_schemas.errors import MissingExtraError

        raise MissingExtraError("train", needed_for="datagen train") from error

    from datagen.progress import Step

    examples = training_examples(data, method=method, train_prompt=options["train_prompt"])
    silence_transformers()
    loaded = load_model(options["model"])
    config = VftConfig(
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        accumulation=options["accumulation"],
        learning_rate=options["learning_rate"],
        max_length=options["max_length"],
        lora_r=options["lora_r"],
        bf16=options["bf16"],
        activation_checkpointing=options["activation_checkpointing"],
        seed=options["seed"],
    )
    with progress(quiet=options["quiet"]) as report:

        def on_progress(at: TrainProgress) -> None:
            report(Step(f"train {method}", at.step, at.steps, f"loss {at.loss:.3f}"))

        result = train(
            examples,
            model=loaded.model,
            tokenizer=loaded.tokenizer,
            config=config,
            out=options["out"],
            on_progress=on_progress,
        )
    values = {**result._asdict(), "path": str(result.path), "method": method}

    def show() -> None:
        left_out = f", {result.n_too_long:,} too long and left out" if result.n_too_long else ""
        click.echo(f"{result.n_examples:,} examples{left_out}; {result.steps:,} steps, loss {result.loss:.3f}")
        click.echo(f"model written to {result.path}")

    emit(values, as_json=options["as_json"], show=show)
