"""The options of commands that ask judges, and what they show of the judges' reliability."""

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from datagen.cli.job import Options, limits_from
from datagen.cli.options import option, stack
from datagen.cli.show import emit, silence_transformers, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.recipes.gsm8k_rank import RankOptions
    from datagen.requests.plan import Plan
    from datagen.runs.judges import JudgeSpec

# What says how a model is asked for its votes.
OF_MODELS = frozenset(
    (
        "votes",
        "judge_temperature",
        "judge_max_tokens",
        "judge_prompt",
        "judge_base_url",
        "judge_backend",
        "judge_api",
        "max_asks",
        "plain_text",
    )
)
SHORT = 3  # exit code: finished, but not as good as asked for

judge_options = stack(
    option(
        "--judge",
        "judges",
        multiple=True,
        metavar="MODEL[@URL]|steps",
        help="Who rates (repeatable: a panel). 'steps' checks equations and answers and needs no model.",
    ),
    option("--votes", type=click.IntRange(min=1, max=999), default=3, help="Ratings of each judge for a candidate."),
    option("--judge-temperature", type=click.FloatRange(min=0), default=1.0),
    option("--judge-max-tokens", type=click.IntRange(min=1), default=512, help="Length limit of evidence and rating."),
    option("--judge-prompt", default="judge", metavar="NAME|FILE", help="Template: question, reference, candidate."),
    option("--judge-base-url", metavar="URL", help="Server of the judges. [default: --base-url]"),
    option(
        "--judge-backend",
        type=click.Choice(["openai", "vllm", "transformers"]),
        help="Over HTTP, or in this process. [default: --backend]",
    ),
    option("--judge-api", type=click.Choice(["chat", "completions"]), default="chat"),
    option("--max-asks", type=click.IntRange(min=1), default=3, help="Asks for a vote until it is readable."),
    option("--plain-text", is_flag=True, help="Do not ask for JSON, even of servers that can enforce it."),
    option("--min-votes", type=click.IntRange(min=1), default=1, help="Valid votes needed, else listed as missing."),
    option("--min-gap", type=click.FloatRange(min=0), default=0.0, help="Scores closer than this tie."),
    option("--prefill", is_flag=True, help="Take the step judge's word where it is certain, and ask no model."),
    option(
        "--probes",
        type=click.IntRange(min=0),
        default=20,
        help="Problems whose reference solution, corrupted copies of it and an empty reply are judged too.",
    ),
    option(
        "--probe-alpha",
        "probe_alphas",
        multiple=True,
        type=click.FloatRange(min=0, max=1, min_open=True),
        default=(0.1, 0.3, 0.5),
        help="Share of characters replaced in those copies (repeatable).",
    ),
    option(
        "--fail-under",
        type=click.FloatRange(min=0, max=1),
        metavar="ACC",
        help="Exit with 3 if the judges order fewer pairs of known order rightly.",
    ),
)


def judges_from(options: Options) -> "list[JudgeSpec]":
    """The judges that were named."""
    from datagen.requests.request import Sampling
    from datagen.runs.judges import JudgeSpec

    if not options["judges"]:
        raise click.UsageError("Name a judge: --judge MODEL, or --judge steps, which needs no model.")
    if options["min_votes"] > options["votes"]:
        raise click.UsageError(f"--min-votes {options['min_votes']} is more than --votes {options['votes']}.")
    backend = options["judge_backend"] or options["backend"]
    if backend == "transformers" and not options["dry_run"]:
        silence_transformers()
    _refuse_what_steps_ignores(options)
    specs = []
    for named in options["judges"]:
        name, _, url = named.partition("@http")
        specs.append(
            JudgeSpec(
                name=name,
                backend=backend,
                base_url=f"http{url}" if url else options["judge_base_url"] or options["base_url"],
                api=options["judge_api"],
                prompt=options["judge_prompt"],
                sampling=Sampling(temperature=options["judge_temperature"], max_tokens=options["judge_max_tokens"]),
                limits=limits_from(options),
                votes=options["votes"],
                max_asks=options["max_asks"],
                structured=not options["plain_text"],
                samples_per_call=options["samples_per_call"],
            )
        )
    if len({(spec.name, spec.endpoint if spec.is_model else "") for spec in specs}) < len(specs):
        raise click.UsageError("The same --judge is named twice; for more ratings of one judge use --votes.")
    return specs


def _refuse_what_steps_ignores(options: Options) -> None:
    """A prompt, a temperature or a server for a judge that asks nobody is a mistake, and the ranking would hide it.

    What a --config file or the environment sets is for all commands, and is no mistake.
    """
    from datagen.recipes.gsm8k_rank import STEPS

    ctx = click.get_current_context()
    if any(name != STEPS for name in options["judges"]):
        return
    for parameter in ctx.command.params:
        typed = ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if parameter.name in OF_MODELS and typed:
            raise click.UsageError(
                f"{parameter.opts[0]} is for judges that are models, and --judge steps asks none. Leave it out, or "
                "name a model with --judge."
            )


def rank_options(options: Options, *, problems: int | None, k: int | None, probes: int | None = None) -> "RankOptions":
    """What decides the ranking; `probes` in place of --probes."""
    from datagen.recipes.gsm8k_rank import RankOptions

    return RankOptions(
        problems=problems,
        k=k,
        min_votes=options["min_votes"],
        min_gap=options["min_gap"],
        prefill=options["prefill"],
        probes=options["probes"] if probes is None else probes,
        probe_alphas=tuple(options["probe_alphas"]),
    )


def show_plans(plans: "dict[str, Plan]", *, as_json: bool) -> None:
    """What a run would ask for, stage by stage."""
    costs = {stage: None if plan.cost_usd_max is None else f"{plan.cost_usd_max:.4f}" for stage, plan in plans.items()}

    def show() -> None:
        rows = []
        for stage, plan in plans.items():
            counts = (
                plan.samples,
                plan.cached,
                plan.calls,
                plan.prompt_tokens_estimate,
                plan.completion_tokens_max,
            )
            rows.append((stage, *(f"{count:,}" for count in counts), costs[stage] or "unknown"))
        header = ("", "replies", "in the store", "calls", "prompt tokens", "reply tokens at most", "USD at most")
        table("nothing was asked", header, rows)

    values = {stage: {**plan._asdict(), "cost_usd_max": costs[stage]} for stage, plan in plans.items()}
    emit(values, as_json=as_json, show=show)


def fail_if_unreliable(reliability: dict[str, Any], least: float | None) -> None:  # Any: JSON
    """Exit with 3 if fewer pairs of known order are ordered rightly than was asked for, or if there are none."""
    if least is None:
        return
    accuracy = known_accuracy(reliability)
    if accuracy is None:
        message = "no pair of known order, so --fail-under cannot be decided; more candidates or --probes would help"
    elif accuracy < least:
        message = (
            f"the judges order {100 * accuracy:.1f} % of the known pairs rightly; --fail-under is {100 * least:g} %"
        )
    else:
        return
    click.secho(f"datagen: {message}.", fg="yellow", err=True)
    raise click.exceptions.Exit(SHORT)


def known_accuracy(reliability: dict[str, Any]) -> float | None:  # Any: JSON
    """Accuracy on correct-against-wrong pairs; where there are none, on references against corrupted copies."""
    known = reliability["pair_accuracy"]
    if known["n"]:
        return float(known["accuracy"])
    copies = reliability["probe_corrupted_pairs"].values()
    n = sum(pairs["n"] for pairs in copies)
    return sum(pairs["right"] for pairs in copies) / n if n else None


def show_reliability(reliability: dict[str, Any]) -> None:  # Any: JSON
    """Whether the judges are any good, for people."""
    table(
        "pairs of known order, the better one first",
        ("", "pairs", "right", "tied", "accuracy", ""),
        _pairs(reliability),
    )
    scores = {kind: of for kind, of in reliability["scores"].items() if of["n"]}
    if scores:
        click.echo()
        ratings = next(iter(scores.values()))["bins"]
        rows = [(kind, *(f"{n:,}" for n in of["bins"].values()), f"{of['mean']:.2f}") for kind, of in scores.items()]
        table("candidates by score", ("", *ratings, "mean"), rows)
    click.echo()
    rows = []
    for judge, of in reliability["votes"].items():
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in of["parse_errors"].items())
        alpha, spread = _number(of["krippendorff_alpha"]), _number(of["mean_deviation"])
        rows.append(
            (judge, f"{of['asked']:,}", f"{of['asked_again']:,}", f"{of['missing']:,}", spread, alpha, reasons)
        )
    header = ("", "votes", "asked again", "missing", "deviation", "Krippendorff's alpha", "")
    table("votes of each judge", header, rows)
    between = reliability["agreement_between_judges"]
    if between["candidates"]:
        click.echo(f"\nKrippendorff's alpha between the judges: {_number(between['krippendorff_alpha'])}")
    probes = reliability["probes"]
    if probes["groups"]:
        good, bad = probes["reference"], probes["empty"]
        click.echo(
            f"\nprobes: the reference as a candidate gets {_number(good['mean'])} (at least {good['at_least']}: "
            f"{_percent(good['share'])}), an empty reply {_number(bad['mean'])} (at most {bad['at_most']}: "
            f"{_percent(bad['share'])})"
        )


def _pairs(reliability: dict[str, Any]) -> list[tuple[str, ...]]:  # Any: JSON
    known = reliability["pair_accuracy"]
    rows = [_pair("correct, wrong", known, interval=known["interval"])]
    if len(known["by_judge"]) > 1:
        rows += [_pair(f"  {judge}", of) for judge, of in known["by_judge"].items()]
    rows += [_pair(f"original, {kind}", of) for kind, of in reliability["corrupted_pairs"].items()]
    rows += [_pair(f"reference, {kind}", of) for kind, of in reliability["probe_corrupted_pairs"].items()]
    return rows


def _pair(name: str, of: dict[str, Any], *, interval: list[float] | None = None) -> tuple[str, ...]:  # Any: JSON
    ends = "" if interval is None else f"95 % CI {100 * interval[0]:.1f}, {100 * interval[1]:.1f}"
    return (name, f"{of['n']:,}", f"{of['right']:,}", f"{of['tied']:,}", _percent(of["accuracy"]), ends)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
