"""The options that several commands share: spelt, explained and read from the environment in one place."""

import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])  # Any: whatever click passes


def option(*names: str, **settings: Any) -> Callable[[F], F]:  # Any: click's own settings
    """A click option that DATAGEN_<NAME> sets too."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "DATAGEN_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_default=True, **settings)


def stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several decorators as one, shown by --help in this order."""

    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


def _read_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Take defaults from a TOML file: a table named as the command, else the top level."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}") from error
    values = content.get(ctx.info_name or "", content)
    known = {
        name.lstrip("-").replace("-", "_"): parameter.name or ""
        for parameter in ctx.command.params
        for name in (*parameter.opts, *parameter.secondary_opts, parameter.name or "")
    }
    typed = {name.replace("-", "_"): value for name, value in values.items()}
    for name in sorted(name for name, value in typed.items() if isinstance(value, dict)):
        if name in known:
            raise click.BadParameter(f"{path}: '{name}' is a table. Write it in one string, as the option takes it.")
        if values is content:
            del typed[name]  # the settings of another command
    for name in sorted(set(typed) - set(known)):
        raise click.BadParameter(f"{path}: unknown option '{name}'. See: {ctx.command_path} --help")
    settings = {known[name]: value for name, value in typed.items()}
    ctx.default_map = {**(ctx.default_map or {}), **settings}
    return path


def _column(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"'{pair}' is not OUR=THEIRS, such as question=Problem")
    return dict((pair.split("=", 1)[0], pair.split("=", 1)[1]) for pair in pairs)


def _default_or_required(default: str | None) -> dict[str, Any]:  # Any: click's own settings
    """Not `default=None`, which click 8.5 takes for a value: a missing option would not be missed."""
    return {"required": True} if default is None else {"default": default}


def dataset_options_with(*, default: str | None = None) -> Callable[[F], F]:
    """What to read; --dataset is required unless it has a default."""
    return stack(
        option(
            "--dataset",
            **_default_or_required(default),
            metavar="NAME|PATH",
            help="gsm8k, svamp, aqua, ecqa, mathqa, math, openbookqa, hellaswag, synthetic[:N], a Hub id, or a local "
            "file or folder (jsonl, json, csv, parquet, Arrow).",
        ),
        option("--split", help="Split to read; each dataset has its default."),
        option("--limit", type=click.IntRange(min=1), help="Only the first N problems."),
        option(
            "--column",
            "columns",
            multiple=True,
            callback=_column,
            metavar="OUR=THEIRS",
            help="Column of another name.",
        ),
        option(
            "--format",
            "row_format",
            type=click.Choice(
                ["gsm8k", "svamp", "aqua", "ecqa", "mathqa", "math", "openbookqa", "hellaswag", "generic"]
            ),
            help="Shape of a local file's rows; told from its columns if not given.",
        ),
        option(
            "--skip-bad", is_flag=True, help="Drop bad rows, counted and listed in the manifest, instead of stopping."
        ),
    )


dataset_options = dataset_options_with()

candidate_options = option(
    "--candidates",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Replies made elsewhere (repeatable): columns question or problem_id, response; merged in this order.",
)


def model_options_with(*, temperature: float) -> Callable[[F], F]:
    """Who generates, and how; the papers differ in the temperature."""
    return stack(
        option("--model", help="Model that generates: its name on the server, or a folder or Hub id in process."),
        option("--base-url", metavar="URL", help="OpenAI-compatible server; its key is read from OPENAI_API_KEY."),
        option(
            "--backend",
            type=click.Choice(["openai", "vllm", "transformers"]),
            default="openai",
            help="Over HTTP, or in this process.",
        ),
        option(
            "--api",
            type=click.Choice(["chat", "completions"]),
            help="Chat messages, or text to continue (base models). [default: chat over HTTP, completions in process]",
        ),
        option("--prompt", metavar="NAME|FILE", help="Template. [default: solve for chat, plain for completions]"),
        option("--temperature", type=click.FloatRange(min=0), default=temperature),
        option("--top-p", type=click.FloatRange(min=0, max=1), default=1.0),
        option("--max-tokens", type=click.IntRange(min=1), default=512, help="Length limit of one reply."),
        option("--stop", multiple=True, metavar="TEXT", help="End a reply before this text (repeatable)."),
        option("--samples-per-call", type=click.IntRange(min=1), help="Samples that one call asks for (n)."),
    )


model_options = model_options_with(temperature=0.7)  # RFT paper, section 3.3

limit_options = stack(
    option("--max-in-flight", type=click.IntRange(min=1), default=64, help="Calls under way at once."),
    option("--rpm", type=click.IntRange(min=1), help="Calls per minute at most."),
    option("--tpm", type=click.IntRange(min=1), help="Tokens per minute at most."),
    option("--max-tries", type=click.IntRange(min=1), default=6, help="Tries of one call before its row fails."),
    option("--read-timeout", "read_timeout_s", type=click.FloatRange(min=0), default=300.0, help="Seconds."),
    option("--max-cost", "max_cost_usd", type=click.FloatRange(min=0), metavar="USD", help="Stop at this price."),
    option("--max-tokens-total", type=click.IntRange(min=1), help="Stop at this many tokens."),
)


def run_options_with(*, default_out: str | None = None) -> Callable[[F], F]:
    """Where to write, and how; --out is required unless it has a default."""
    return stack(
        option(
            "--out",
            **_default_or_required(default_out),
            type=click.Path(file_okay=False, path_type=Path),
            help="Directory to write.",
        ),
        option("--overwrite", is_flag=True, help="Replace the run in --out."),
        option("--seed", type=int, default=0),
        option("--workers", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Processes."),
        option("--as", "format", type=click.Choice(["arrow", "parquet"]), default="arrow", help="Files to write."),
    )


run_options = run_options_with()

config_option = option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file with defaults for these options.",
)

output_options = stack(
    option("--json", "as_json", is_flag=True, help="Print one JSON object for machines."),
    option("--quiet", is_flag=True, help="No progress."),
)


def command_line() -> str:
    """The command as it was typed; a password in a URL is not repeated."""
    return re.sub(r"//[^/@\s]*@", "//", shlex.join(["datagen", *sys.argv[1:]]))
