"""From a command line's options to a job: what `sample` and `rft` have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import command_line
from datagen.cli.show import silence_transformers

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.requests.limits import Limits
    from datagen.runs.replies import Job

Options = dict[str, Any]  # Any: click's parsed values


def job_from(options: Options, *, default_k: int, default_prompt: str = "solve", needs_replies: bool = True) -> "Job":
    """A job from the values of the shared options; the defaults of a model, unless -k and --prompt say else."""
    from datagen.readers.read import DatasetSpec
    from datagen.requests.request import Api, Sampling
    from datagen.runs.replies import Generator, Job

    generator = None
    if options["model"] is not None:
        in_process = options["backend"] != "openai"
        if options["backend"] == "transformers" and not options["dry_run"]:
            silence_transformers()
        api: Api = options["api"] or ("completions" if in_process else "chat")
        generator = Generator(
            model=options["model"],
            k=options["k"] or default_k,
            backend=options["backend"],
            base_url=options["base_url"],
            api=api,
            prompt=options["prompt"] or (default_prompt if api == "chat" else "plain"),
            sampling=Sampling(
                temperature=options["temperature"],
                top_p=options["top_p"],
                max_tokens=options["max_tokens"],
                stop=options["stop"],
            ),
            limits=limits_from(options),
            samples_per_call=options["samples_per_call"],
        )
    elif needs_replies and not options["candidates"]:
        raise click.UsageError("Name a model to ask (--model), or files of replies made elsewhere (--candidates).")
    return Job(
        dataset=DatasetSpec(
            name=options["dataset"],
            split=options["split"],
            limit=options["limit"],
            columns=options["columns"],
            format=options["row_format"],
            skip_bad=options["skip_bad"],
        ),
        out=Path(options["out"]),
        candidates=tuple(options["candidates"]),
        generator=generator,
        seed=options["seed"],
        workers=options["workers"],
        overwrite=options["overwrite"],
        command=command_line(),
        needs_replies=needs_replies,
    )


def limits_from(options: Options) -> "Limits":
    """The limits of all calls of a command."""
    from datagen.requests.limits import Limits

    return Limits(
        max_in_flight=options["max_in_flight"],
        rpm=options["rpm"],
        tpm=options["tpm"],
        max_tries=options["max_tries"],
        read_timeout_s=options["read_timeout_s"],
        max_cost_usd=options["max_cost_usd"],
        max_tokens_total=options["max_tokens_total"],
    )
