"""`datagen train`."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import command_line, config_option, option, output_options, stack
from datagen.cli.show import emit, progress, silence_transformers

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.progress import Report
    from datagen_trainers.load import LoadedModel

LOSSES = ("dc", "bc", "a", "r", "rdc1", "rdc2", "rbc", "rrhf", "pro", "rank_dpo")

# What LoRA adapts; 'paper' is the setting of the segmentation losses' paper.
LORA: dict[str, dict[str, Any]] = {  # Any: settings
    "default": {"lora_r": 16, "lora_alpha": 32},
    "paper": {"lora_r": 8, "lora_alpha": 16, "lora_head": True, "lora_dropout": 0.0},
}

# The settings are those of the trainers' dataclasses, which know the defaults; a test compares names and defaults.
_common = stack(
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
        "--lora",
        type=click.Choice(list(LORA)),
        help="Train adapters: r=16, alpha=32 on all linear layers but the head; paper: r=8, alpha=16, with the head.",
    ),
    option("--lora-r", type=click.IntRange(min=1), help="Rank of LoRA adapters; without it every weight is trained."),
    option("--lora-alpha", type=click.IntRange(min=1), help="[default: 32]"),
    option("--lora-dropout", type=click.FloatRange(min=0, max=1), help="[default: 0.05]"),
    option("--lora-head", is_flag=True, default=None, help="Adapters on the head as well."),
    option("--lora-merge/--no-lora-merge", default=None, help="Write a whole model, or the adapter. [default: merge]"),
    option(
        "--four-bit", is_flag=True, default=None, help="QLoRA: the base in 4 bits; writes an adapter. Needs a GPU."
    ),
    option("--bf16", is_flag=True, default=None, help="Train in bfloat16."),
    option("--activation-checkpointing", is_flag=True, default=None, help="Less memory, slower."),
    option("--checkpoints", type=click.IntRange(min=1), help="How often the run is saved on its way. [default: 10]"),
    option("--device", type=click.Choice(["auto", "cpu"]), help="[default: auto]"),
    option("--report-to", metavar="NAME", help="tensorboard, trackio or wandb. [default: none]"),
    option("--seed", type=int, help="[default: 0]"),
)
_alignment = stack(
    option("--loss", type=click.Choice(LOSSES), help="aft: the alignment loss. [default: bc]"),
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
        "-k", "--responses", "k", type=click.IntRange(min=2), help="aft: responses a question at most. [default: 6]"
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
_search = stack(
    option(
        "--beta-search",
        metavar="FROM:TO:STEP",
        help="aft: train with each boundary beta, keep the best on --validation (the paper: 0:0.5:0.05).",
    ),
    option("--validation", metavar="NAME|PATH", help="aft: problem set for --beta-search."),
)


@click.command("train")
@click.argument("method", type=click.Choice(["vft", "rft", "aft"]))
@click.argument("data")
@option("--model", required=True, metavar="PATH|HUB ID", help="Causal language model to start from.")
@option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Model folder to write.")
@_common
@_alignment
@_search
@option("--limit", type=click.IntRange(min=1), help="aft: only the first N questions of DATA.")
@option("--train-prompt", default="plain", metavar="NAME|FILE", help="Prompt template, where DATA is a problem set.")
@config_option
@output_options
def command(method: str, data: str, **options: Any) -> None:  # Any: click's parsed values
    """Fine-tune a model: VFT on the gold paths, RFT on the gold and the selected ones, AFT on alignment groups.

    DATA is a directory that `datagen rft` or, for aft, `datagen groups` wrote; for vft also any problem set with
    solutions, as --dataset takes it; for aft also rows of prompt, responses and scores; prompt, correct and incorrect;
    or prompt, chosen and rejected.

    \b
    Examples:
      datagen train rft runs/rft --model Qwen/Qwen2.5-0.5B --out runs/rft-model
      datagen train aft runs/groups --model Qwen/Qwen2.5-0.5B --loss bc --out runs/aft-model
    """
    if (options["beta_search"] is None) != (options["validation"] is None):
        raise click.UsageError("--beta-search and --validation go together.")
    for name in ("beta_search", "limit"):
        if options[name] is not None and method != "aft":
            raise click.UsageError(f"--{name.replace('_', '-')} goes with aft.")
    try:
        import torch  # noqa: F401  # asked for here, so that the remedy comes before the data is read
    except ModuleNotFoundError as error:
        from datagen_schemas.errors import MissingExtraError

        raise MissingExtraError("train", needed_for="datagen train") from error
    silence_transformers()
    with progress(quiet=options["quiet"] or os.environ.get("RANK", "0") != "0") as report:
        train = _aft if method == "aft" else _vft
        values, lines = train(method, data, options, report)

    def show() -> None:
        for line in (*lines, f"model written to {values['path']}"):
            click.echo(line)

    if os.environ.get("RANK", "0") == "0":  # of several processes, one speaks
        emit({**values, "method": method}, as_json=options["as_json"], show=show)


OF_LOSSES = {
    "boundary_beta": ("bc", "rbc"),
    "detach_boundary": ("bc", "rbc"),
    "rrhf_scale": ("rrhf",),
    "pro_dynamic_temperature": ("pro",),
    "dpo_beta": ("rank_dpo",),
}
Result = tuple[dict[str, Any], list[str]]  # Any: JSON; and what a person reads


def _vft(method: str, data: str, options: dict[str, Any], report: "Report") -> Result:  # Any: click's values
    from datagen.runs.examples import training_examples
    from datagen_trainers.load import load_model
    from datagen_trainers.vft import VftConfig, train

    config = _settings(VftConfig, options, method=method)
    examples = training_examples(data, method=method, train_prompt=options["train_prompt"])
    loaded = load_model(options["model"], four_bit=config.four_bit)
    result = train(
        examples,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        config=config,
        out=options["out"],
        on_progress=_shown(f"train {method}", report),
    )
    left_out = f", {result.n_too_long:,} too long and left out" if result.n_too_long else ""
    line = f"{result.n_examples:,} examples{left_out}; {result.steps:,} steps, loss {result.loss:.3f}"
    return {**result._asdict(), "path": str(result.path)}, [line]


def _aft(method: str, data: str, options: dict[str, Any], report: "Report") -> Result:  # Any: click's values
    from datagen.readers.alignment import read_alignment_groups
    from datagen_schemas.errors import DataError
    from datagen_trainers.aft import AftConfig, AftResult, train_aft
    from datagen_trainers.load import load_model

    search = options["beta_search"]
    config = _settings(AftConfig, options, method=method)
    try:
        _ = config.alignment
    except ValueError as error:
        raise click.UsageError(f"{error}.") from error
    if not Path(data).exists():
        raise DataError(f"{data}: no such file or folder. Make groups with: datagen groups ... --out {data}")
    groups = list(islice(read_alignment_groups(Path(data)), options["limit"]))
    results: list[AftResult] = []

    def train(config: AftConfig, out: Path, loaded: "LoadedModel") -> AftResult:
        result = train_aft(
            groups,
            model=loaded.model,
            tokenizer=loaded.tokenizer,
            config=config,
            out=out,
            on_progress=_shown(f"train {config.loss}", report),
        )
        results.append(result)
        return result

    values: dict[str, Any] = {}  # Any: JSON
    lines = []
    if search is None:
        train(config, options["out"], load_model(options["model"], four_bit=config.four_bit))
    else:
        from datagen.runs.beta_search import beta_search, betas

        if config.loss not in ("bc", "rbc"):
            raise click.UsageError(f"--beta-search goes with --loss bc or rbc, and {config.loss} has no boundary.")
        try:
            tried = betas(search)
        except ValueError as error:
            raise click.UsageError(f"--beta-search: {error}.") from error
        from datagen.models.open_backend import model_name
        from datagen.readers.read import DatasetSpec
        from datagen.runs.replies import load_problems
        from datagen.store.run_directory import fingerprint

        load_problems(DatasetSpec(options["validation"]))  # a wrong path is found before a model is trained
        files = [fingerprint(Path(name)) for name in (data, options["validation"]) if Path(name).exists()]
        settings = {**asdict(config), "boundary_beta": None, "validation": options["validation"]}
        settings |= {"model": model_name("transformers", options["model"]), "limit": options["limit"]}
        settings |= {"train_prompt": options["train_prompt"], "sha256": [of["sha256"] for of in files]}
        found = beta_search(
            tried,
            fingerprint=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
            train=lambda beta, out: train(
                replace(config, boundary_beta=beta), out, load_model(options["model"], four_bit=config.four_bit)
            ),
            accuracy=_greedy_accuracy(options, report),
            out=options["out"],
        )
        values |= {"beta_search": found.accuracy, "boundary_beta": float(found.best)}
        lines += [f"beta {beta}: {100 * accuracy:.1f} %" for beta, accuracy in found.accuracy.items()]
        lines.append(f"best beta: {found.best}")
        written = json.loads((options["out"] / "training.json").read_bytes())
        values |= {name: written[name] for name in ("steps", "loss", "metrics", "n_groups", "n_responses")}
    if results and search is None:
        last = results[-1]
        left_out = f", {last.n_too_long:,} responses too long and left out" if last.n_too_long else ""
        small = f", {last.n_small_groups:,} questions with fewer than two left out" if last.n_small_groups else ""
        lines.insert(
            0,
            f"{last.n_groups:,} questions with {last.n_responses:,} responses{left_out}{small}; {last.steps:,} steps, "
            f"loss {last.loss:.3f}, assessment accuracy {100 * last.metrics['aft/acc_macro']:.1f} %",
        )
        values |= last._asdict()
    return {**values, "path": str(options["out"])}, lines


def _greedy_accuracy(options: dict[str, Any], report: "Report") -> Callable[[Path], float]:  # Any: click's values
    """Accuracy of a model folder on the validation set; its replies stay in the store of all runs."""
    from datagen.cli.evaluate import accuracy
    from datagen.readers.read import DatasetSpec
    from datagen.requests.request import Sampling
    from datagen.runs.replies import Generator, Job
    from datagen.runs.sample import run_sample

    def measure(folder: Path) -> float:
        job = Job(
            DatasetSpec(options["validation"]),
            folder / "validation",
            generator=Generator(
                str(folder),
                1,
                backend="transformers",
                api="completions",
                prompt=options["train_prompt"],
                sampling=Sampling(temperature=0.0),
            ),
            command=command_line(),
        )
        found = accuracy(run_sample(job, report=report))
        return float(found["accuracy"])

    return measure


def _settings(config: Any, options: dict[str, Any], *, method: str) -> Any:  # Any: one of the trainers' dataclasses
    """The method's settings: what was given, else its own defaults."""
    from dataclasses import fields

    known = {field.name for field in fields(config)}
    given = LORA[options["lora"]].copy() if options["lora"] else {}
    given |= {name: value for name, value in options.items() if value is not None and name in SETTINGS}
    given.pop("lora", None)
    for name in given:
        if name.startswith("lora_") and name != "lora_r" and given.get("lora_r") is None:
            raise click.UsageError(f"--{name.replace('_', '-')} has no effect without --lora or --lora-r.")
        of = OF_LOSSES.get(name)
        loss = given.get("loss", "bc")
        if of is not None and loss not in of:
            raise click.UsageError(f"--{name.replace('_', '-')} is of {', '.join(of)}; {loss} does not have it.")
    if given.get("four_bit"):
        if given.get("lora_r") is None:
            raise click.UsageError("--four-bit trains adapters: add --lora default.")
        given["lora_merge"] = False
    if strange := sorted(set(given) - known):
        raise click.UsageError(f"--{strange[0].replace('_', '-')} is no setting of {method}.")
    return config(**given)


SETTINGS = frozenset(
    parameter.name or ""
    for decorate in (_common, _alignment)
    for parameter in decorate(click.Command("settings")).params
)


def _shown(stage: str, report: "Report") -> Callable[[Any], None]:  # Any: TrainProgress, of an optional extra
    from datagen.progress import Step

    return lambda at: report(Step(stage, at.step, at.steps, "" if isnan(at.loss) else f"loss {at.loss:.3f}"))
