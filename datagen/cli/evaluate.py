"""`datagen eval`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from datagen.cli.generation import finish, k_option, plan_and_exit
from datagen.cli.job import job_from
from datagen.cli.options import (
    config_option,
    dataset_options,
    limit_options,
    model_options,
    option,
    output_options,
    run_options,
)
from datagen.cli.show import emit, progress, table

DEFAULT_K = 1


@click.command("eval")
@k_option(default=DEFAULT_K)
@dataset_options
@model_options
@limit_options
@run_options
@option("--dry-run", is_flag=True, help="Count calls, tokens and money; call nothing.")
@config_option
@output_options
def command(**options: Any) -> None:  # Any: click's parsed values
    """Measure a model's accuracy on a problem set, greedily; with -k also pass@k of sampled solutions.

    \b
    Example: datagen eval --model runs/rft-model --backend transformers --dataset gsm8k --split test --out runs/eval
    """
    from datagen.requests.request import Sampling
    from datagen.runs.sample import run_sample

    job = job_from({**options, "candidates": ()}, default_k=DEFAULT_K)
    generator = job.generator
    assert generator is not None
    out = Path(job.out)
    sampling = Sampling(temperature=0.0, max_tokens=generator.sampling.max_tokens, stop=generator.sampling.stop)
    greedy = replace(job, out=out / "greedy", generator=replace(generator, k=1, sampling=sampling))
    sampled = replace(job, out=out / "sampled")
    if options["dry_run"]:
        plan_and_exit(sampled if generator.k > 1 else greedy, as_json=options["as_json"])
    with progress(quiet=options["quiet"]) as report:
        manifests = {"greedy": run_sample(greedy, format=options["format"], report=report)}
        if generator.k > 1:
            manifests["sampled"] = run_sample(sampled, format=options["format"], report=report)
    result = {"model": generator.name, "dataset": job.dataset.name, **accuracy(manifests["greedy"]), "out": str(out)}
    if "sampled" in manifests:
        result["pass_at_k"] = manifests["sampled"]["statistics"]["pass_at_k"]

    def show() -> None:
        low, high = result["interval"]
        rows = [("greedy accuracy", f"{100 * result['accuracy']:.1f} %", f"{100 * low:.1f} to {100 * high:.1f}")]
        for point in result.get("pass_at_k", ()):
            rows.append((f"pass@{point['k']}", f"{100 * point['pass']:.1f} %", ""))
        table(f"{generator.name} on {result['n']:,} problems", ("", "", "95 % interval"), rows)

    emit(result, as_json=options["as_json"], show=show)
    for manifest in manifests.values():
        finish(manifest)


def accuracy(manifest: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """Share of problems solved by one greedy solution each, with its 95 % Wilson interval.

    A problem whose reply failed is not counted as wrong; `n` says how many were answered.
    """
    from datagen_trainers.metrics.intervals import wilson_interval

    statistics = manifest["statistics"]
    n, correct = statistics["candidates"], statistics["correct"]
    interval = wilson_interval(correct, n)
    return {"accuracy": correct / n if n else 0.0, "n": n, "interval": [interval.low, interval.high]}
