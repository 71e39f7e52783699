"""`datagen eval`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.generation import finish, k_option, plan_and_exit
from datagen.cli.job import job_from
from datagen.cli.options import (
    candidate_options,
    config_option,
    dataset_options,
    limit_options,
    model_options,
    option,
    output_options,
    run_options,
)
from datagen.cli.show import emit, progress, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.runs.evaluate import Evaluation

DEFAULT_K = 1
Options = dict[str, Any]  # Any: click's parsed values


def _seeds(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise click.BadParameter(f"'{text}' is no list of numbers, such as 0,1,2") from error
    if len(set(seeds)) != len(seeds):
        raise click.BadParameter(f"'{text}' names a seed twice")
    return seeds


@click.command("eval")
@click.argument("models", nargs=-1, metavar="MODEL [MODEL_B]")
@k_option(default=DEFAULT_K)
@dataset_options
@candidate_options
@model_options
@option("--seeds", callback=_seeds, metavar="N,N,...", help="Sample with each of these seeds: mean and sd.")
@option(
    "--assess",
    type=click.IntRange(min=0),
    metavar="N",
    help="Samples a question from which three correct and three wrong ones are taken to be scored. "
    "[default: 16 with the transformers backend]",
)
@option("--no-assess", is_flag=True, help="Score nothing.")
@option(
    "--assess-candidates",
    type=click.Path(exists=True, path_type=Path),
    help="Score these candidates in place of new samples: two models are then compared on the same texts.",
)
@option(
    "--exclude",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Datasets whose texts are not scored (repeatable), such as the training candidates.",
)
@limit_options
@run_options
@option("--dry-run", is_flag=True, help="Count calls, tokens and money; call nothing.")
@config_option
@output_options
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # Any: click's parsed values
    """Measure a model's greedy accuracy, steps, votes and scores on a problem set; with a second, compare the two.

    With -k, also pass@k and maj@k of sampled solutions. A model in this process is also asked to score its own new
    solutions: assessment accuracy, and perplexity of the correct ones. With --candidates and no model: accuracy and
    steps of replies made elsewhere, each model in the files compared to the first.

    \b
    Example: datagen eval runs/vft runs/aft --backend transformers --dataset gsm8k --split test -k 8 --out runs/eval
    Example: datagen eval --candidates replies.jsonl --dataset gsm8k --split test --out runs/replies
    """
    from datagen.cli.evaluation_numbers import scorer, summarised
    from datagen.runs.evaluate import planned, run_evaluation

    if is_of_replies(ctx, options):
        evaluate_replies(options)
        return
    models = models_from(ctx, options)
    is_default = ctx.get_parameter_source("backend") is click.core.ParameterSource.DEFAULT
    evaluation = evaluation_from({**options, "backend": None if is_default else options["backend"]}, models)
    if options["dry_run"]:
        values = planned(evaluation)
        values["cost_usd_max"] = None if values["cost_usd_max"] is None else str(values["cost_usd_max"])
        emit(values, as_json=options["as_json"], show=lambda: _show_plan(values))
        return
    summarise = summarised(evaluation, dataset=options["dataset"], seed=options["seed"])
    with progress(quiet=options["quiet"]) as report:
        manifest = run_evaluation(
            evaluation, score=scorer(report), summarise=summarise, format=options["format"], report=report
        )
    result = {**manifest["result"], "out": str(options["out"])}
    emit(result, as_json=options["as_json"], show=lambda: show(result))
    finish(manifest)


_OF_MODELS = ("k", "seeds", "assess", "no_assess", "assess_candidates", "exclude")


def is_of_replies(ctx: click.Context, options: Options) -> bool:
    """Whether files of replies are to be measured, and no model; what is only for models is then refused."""
    if not options["candidates"]:
        return False
    typed = {
        name for name in options if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }  # not what the environment says of every command
    named = options["models"] or "model" in typed
    if named and "candidates" in typed:
        raise click.UsageError(
            "A model and --candidates: name one of them. To have the model score those texts: --assess-candidates."
        )
    refused = ["-k" if name == "k" else "--" + name.replace("_", "-") for name in _OF_MODELS if name in typed]
    if not named and refused:
        raise click.UsageError(f"{', '.join(refused)} with --candidates: that is for models.")
    return not named


def evaluate_replies(options: Options) -> None:
    """The command without a model."""
    from datagen.cli.step_numbers import replies_summarised
    from datagen.runs.evaluate_replies import run_reply_evaluation

    job = job_from({**options, "model": None}, default_k=DEFAULT_K)
    if options["dry_run"]:
        plan_and_exit(job, as_json=options["as_json"])
    summarise = replies_summarised(dataset=options["dataset"], seed=options["seed"])
    with progress(quiet=options["quiet"]) as report:
        manifest = run_reply_evaluation(job, summarise=summarise, format=options["format"], report=report)
    result = {**manifest["result"], "out": str(options["out"])}
    emit(result, as_json=options["as_json"], show=lambda: show_replies(result))
    finish(manifest)


def models_from(ctx: click.Context, options: Options) -> list[str]:
    """One or two models; --model is the first, and from the environment only where none is named."""
    named = list(options["models"])
    is_typed = ctx.get_parameter_source("model") is click.core.ParameterSource.COMMANDLINE
    if options["model"] is not None and (is_typed or not named):
        named.insert(0, options["model"])
    if not 1 <= len(named) <= 2:
        raise click.UsageError(f"{len(named)} models: name one, or two to compare (datagen eval MODEL [MODEL_B]).")
    return named


def evaluation_from(options: Options, models: Sequence[str]) -> "Evaluation":
    """The evaluation that the options describe."""
    from datagen.runs.evaluate import ASSESS_SAMPLES, Assess, Evaluation

    if options["no_assess"] and (options["assess"] or options["assess_candidates"]):
        raise click.UsageError("--no-assess and a request to assess: give one of them.")
    samples = ASSESS_SAMPLES if options["assess"] is None else options["assess"]
    shared = {**options, "candidates": ()}
    jobs = tuple(
        job_from({**shared, "model": model, "backend": _backend(model, options)}, default_k=DEFAULT_K)
        for model in models
    )
    return Evaluation(
        jobs=jobs,
        seeds=options["seeds"] or (options["seed"],),
        assess=Assess(
            samples=0 if options["no_assess"] else samples,
            candidates=options["assess_candidates"],
            exclude=tuple(options["exclude"]),
        ),
    )


def _backend(model: str, options: Options) -> str:
    """The backend that was asked for; else this process for a folder: no server has a folder as its model's name."""
    if options["backend"] is not None:
        return str(options["backend"])
    if options["base_url"] is None and Path(model).is_file():
        raise click.UsageError(f"{model}: a file is no model. Name a model's folder.")
    if options["base_url"] is None and "/" in model and not Path(model).is_dir():
        raise click.UsageError(
            f"{model}: no such folder. For a Hub id name --backend transformers, for a server's model --base-url."
        )
    return "transformers" if options["base_url"] is None and Path(model).is_dir() else "openai"


def _show_plan(values: Options) -> None:
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' ')}: {'unknown' if value is None else value}")


def show(result: dict[str, Any]) -> None:  # Any: JSON
    """The tables that a person reads."""
    models = _shortly_named([result, *([result["second"]] if "second" in result else [])])
    result = models[0] | ({"second": models[1]} if len(models) > 1 else {})
    for of in models:
        table(f"{of['model']} on {of['n']:,} of {result['problems']:,} problems", _HEADER, number_rows(of))
        if of["not_assessed"]:
            click.echo(f"assessment accuracy not measured: {of['not_assessed']}")
    show_steps(result)
    if "comparison" in result:
        table(
            "second minus first", ("", "n", "difference", "95 % interval", "p"), comparison_rows(result["comparison"])
        )
        if not result["comparison"]["assessed_on_the_same_texts"] and "perplexity" in result["comparison"]:
            click.echo("each model scored its own samples; --assess-candidates gives both the same texts")


def show_replies(result: dict[str, Any]) -> None:  # Any: JSON
    """The tables of replies made elsewhere."""
    result = {**result, "models": _shortly_named(result["models"])}
    rows = [
        (of["model"], _percent(of["accuracy"]), _ends(of["interval"], 100), f"{of['n']:,}", f"{of['replies']:,}")
        for of in result["models"]
    ]
    title = f"{result['dataset']}, {result['problems']:,} problems"
    table(title, ("", "accuracy", "95 % interval", "n", "replies"), rows)
    show_steps(result)


def _shortly_named(models: list[dict[str, Any]]) -> list[dict[str, Any]]:  # Any: JSON
    """The models without the hashes of their weights, where the names suffice."""
    names = [re.sub(r"@[0-9a-f]{16}$", "", of["model"]) for of in models]
    if len(set(names)) < len(names):
        return models
    return [{**of, "model": name} for of, name in zip(models, names, strict=True)]


def show_steps(result: dict[str, Any]) -> None:  # Any: JSON
    """The tables of step metrics."""
    from datagen.runs.evaluation_card import step_tables

    for title, (header, rows), note in step_tables(result):
        table(title, header, rows)
        if note:
            click.echo(note)


_HEADER = ("", "", "sd", "95 % interval", "n")


def number_rows(of: dict[str, Any]) -> list[tuple[str, ...]]:  # Any: JSON
    """A line for each number: its name, value, sd over seeds, interval, and what it is a mean of."""
    rows: list[tuple[str, ...]] = [
        ("greedy accuracy", _percent(of["accuracy"]), "", _ends(of["interval"], 100), f"{of['n']:,}")
    ]
    for kind, breakdown in (("", of["by_source"]), ("steps: ", of["by_steps"])):
        if len(breakdown) > 1:
            rows += [
                (f"  {kind}{name}", _percent(part["accuracy"]), "", _ends(part["interval"], 100), f"{part['n']:,}")
                for name, part in breakdown.items()
            ]
    for name, points in (("pass", of.get("pass_at_k", ())), ("maj", of.get("maj_at_k", ()))):
        rows += [
            (
                f"{name}@{at['k']}",
                _percent(at[name]),
                _sd(at.get("sd"), 100),
                _ends(at["interval"], 100),
                f"{at['problems']:,}",
            )
            for at in points
        ]
    if of["assessment"] is not None:
        found = of["assessment"]
        first, several = found["by_seed"][0], len(found["by_seed"]) > 1

        def fewest(name: str) -> int:
            return min(int(of_seed[name]) for of_seed in found["by_seed"])

        for label, name, unit, n in (
            ("assessment accuracy, macro", "macro", 100, f"{fewest('n_questions'):,} questions"),
            ("assessment accuracy, micro", "micro", 100, f"{fewest('n_pairs'):,} pairs"),
            ("perplexity of the correct", "perplexity", 1, f"{fewest('n_positives'):,} responses"),
        ):
            value = _percent(found[name]) if unit == 100 else _number(found[name])
            interval = "" if several else _ends(first[f"{name}_interval"], unit)
            rows.append((label, value, _sd(found["sd"][name], unit), interval, n))
    return rows


def comparison_rows(compared: dict[str, Any]) -> list[tuple[str, ...]]:  # Any: JSON
    """A line for each test, with its n."""
    rows: list[tuple[str, ...]] = []
    for name, of in compared.items():
        if name == "steps" or not isinstance(of, dict):  # the steps have tables of their own
            continue
        unit = 1 if name == "perplexity" else 100
        difference = f"{unit * of['difference']:+.{1 if unit == 100 else 3}f}"
        rows.append((f"{name}, paired t", f"{of['n']:,}", difference, _ends(of["interval"], unit), _p(of["p"])))
        if "mcnemar" in of:
            test = of["mcnemar"]
            split = f"{test['only_second']} : {test['only_first']}"
            rows.append((f"{name}, McNemar mid-p", f"{test['n']:,}", split, "", _p(test["p_mid"])))
    return rows


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _sd(value: float | None, unit: int) -> str:
    return "" if value is None else f"± {unit * value:.{1 if unit == 100 else 3}f}"


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _ends(interval: Sequence[float | None], unit: int) -> str:
    low, high = interval
    if low is None or high is None:
        return ""
    places = 1 if unit == 100 else 3
    return f"{unit * low:.{places}f} to {unit * high:.{places}f}"


def accuracy(manifest: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """Share of problems solved by one greedy solution each, with its 95 % Wilson interval.

    A problem whose reply failed is not counted as wrong; `n` says how many were answered.
    """
    from datagen_trainers.metrics.intervals import wilson_interval

    statistics = manifest["statistics"]
    n, correct = statistics["candidates"], statistics["correct"]
    interval = wilson_interval(correct, n)
    return {"accuracy": correct / n if n else 0.0, "n": n, "interval": [interval.low, interval.high]}
