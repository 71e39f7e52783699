"""`datagen train`."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict, replace
from itertools import islice
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.options import command_line, config_option, option, output_options, stack
from datagen.cli.show import emit, progress, silence_transformers
from datagen.cli.train_options import PRESETS, alignment, common, segmentation, settings

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.progress import Report
    from datagen_schemas.example import Example
    from datagen_trainers.load import LoadedModel

_search = stack(
    option(
        "--beta-search",
        metavar="FROM:TO:STEP",
        help="aft: train with each boundary beta, keep the best on --validation (the paper: 0:0.5:0.05).",
    ),
    option(
        "--validation",
        metavar="NAME|PATH",
        help="aft: problem set for --beta-search. seg: as DATA; its loss is computed at every checkpoint, and the best"
        " one is kept.",
    ),
)


@click.command("train")
@click.argument("method", type=click.Choice(["vft", "rft", "aft", "seg"]))
@click.argument("data")
@option("--model", required=True, metavar="PATH|HUB ID", help="Causal language model to start from.")
@option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Model folder to write.")
@option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    help="seg: the paper's settings, with --learning-rate 1e-4, or 1e-5 for GSM8K. What is given besides wins.",
)
@common
@alignment
@segmentation
@_search
@option("--limit", type=click.IntRange(min=1), help="Only the first N questions of DATA.")
@option("--train-prompt", default="plain", metavar="NAME|FILE", help="Prompt template, where DATA is a problem set.")
@config_option
@output_options
def command(method: str, data: str, **options: Any) -> None:  # Any: click's parsed values
    """Fine-tune a model: VFT on the gold paths, RFT on the gold and the selected ones, AFT on alignment groups, or
    SEG with a segmentation loss on the answers.

    DATA is a directory that `datagen rft` or, for aft, `datagen groups` wrote; for vft and seg also any problem set
    with solutions, as --dataset takes it, or rows of prompt and completion (question and answer, query and response,
    messages, ...); for aft also rows of prompt, responses and scores; prompt, correct and incorrect; or prompt, chosen
    and rejected.

    \b
    Examples:
      datagen train rft runs/rft --model Qwen/Qwen2.5-0.5B --out runs/rft-model
      datagen train aft runs/groups --model Qwen/Qwen2.5-0.5B --loss bc --out runs/aft-model
      datagen train seg gsm8k --model Qwen/Qwen2.5-0.5B --loss lovasz --out runs/seg-model
    """
    if options["beta_search"] is not None and method != "aft":
        raise click.UsageError("--beta-search goes with aft.")
    if options["validation"] is not None and method not in ("aft", "seg"):
        raise click.UsageError("--validation goes with aft and seg.")
    if method == "aft" and (options["beta_search"] is None) != (options["validation"] is None):
        raise click.UsageError("--beta-search and --validation go together.")
    if options["preset"] is not None and method != "seg":
        raise click.UsageError("--preset goes with seg.")
    try:
        import torch  # noqa: F401  # asked for here, so that the remedy comes before the data is read
    except ModuleNotFoundError as error:
        from datagen_schemas.errors import MissingExtraError

        raise MissingExtraError("train", needed_for="datagen train") from error
    from datagen.store.run_lock import alone_in

    silence_transformers()
    is_first = os.environ.get("RANK", "0") == "0"  # of several processes that train together
    shown = progress(quiet=options["quiet"] or not is_first)
    mine = alone_in(options["out"]) if is_first else nullcontext()
    with mine, shown as report, redirect_stdout(sys.stderr):  # trackio and wandb print, and --json is one object
        train = {"aft": _aft, "seg": _seg}.get(method, _vft)
        values, lines = train(method, data, options, report)

    def show() -> None:
        for line in (*lines, f"model written to {values['path']}"):
            click.echo(line)

    if is_first:
        emit({**values, "method": method}, as_json=options["as_json"], show=show)


Result = tuple[dict[str, Any], list[str]]  # Any: JSON; and what a person reads


def _vft(method: str, data: str, options: dict[str, Any], report: "Report") -> Result:  # Any: click's values
    from datagen_trainers.load import load_model
    from datagen_trainers.vft import VftConfig, train

    config = settings(VftConfig, options, method=method)
    examples = _examples(data, method, options)
    loaded = load_model(options["model"], four_bit=config.four_bit)
    result = train(
        examples,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        config=config,
        out=options["out"],
        on_progress=_shown(f"train {method}", report),
        command=command_line(),
    )
    left_out = f", {result.n_too_long:,} too long and left out" if result.n_too_long else ""
    line = f"{result.n_examples:,} examples{left_out}; {result.steps:,} steps, loss {result.loss:.3f}"
    return {**result._asdict(), "path": str(result.path)}, [line]


def _seg(method: str, data: str, options: dict[str, Any], report: "Report") -> Result:  # Any: click's values
    from datagen.cli.train_seg import train_seg_from

    named = options["validation"]
    examples = _examples(data, method, options)
    validation = _examples(named, method, {**options, "limit": None}) if named is not None else []
    _check_alike(examples, validation, named=named)
    values, lines = train_seg_from(examples, validation, options, _shown(f"train {method}", report))
    return {**values, "path": str(values["path"])}, lines


def _check_alike(examples: "list[Example]", validation: "list[Example]", *, named: str | None) -> None:
    """Refuse to choose a checkpoint by other prompts, or another form of answers, than are trained on."""
    from datagen_schemas.errors import DataError
    from datagen_trainers.model_card import prompt_of

    prompts = {prompt_of(part) for part in (examples, validation)} - {None}
    # Of anybody's own rows the form is not known.
    forms = [{of.provenance.stage for of in part} & {"examples", "gold"} for part in (examples, validation)]
    if not validation or (len(prompts) < 2 and sorted(map(list, forms)) != [["examples"], ["gold"]]):
        return
    raise DataError(
        f"{named}: its prompts or answers have another form than the examples. Make both with the same options of "
        "datagen examples, or give both as problems with the same --train-prompt."
    )


def _examples(data: str, method: str, options: dict[str, Any]) -> "list[Example]":  # Any: click's values
    """The examples of the first --limit questions."""
    from datagen.runs.examples import training_examples

    examples = training_examples(data, method=method, train_prompt=options["train_prompt"])
    first = set(islice(dict.fromkeys(example.problem_id for example in examples), options["limit"]))
    return [example for example in examples if example.problem_id in first]


def _aft(method: str, data: str, options: dict[str, Any], report: "Report") -> Result:  # Any: click's values
    from datagen.readers.alignment import read_alignment_groups
    from datagen_schemas.errors import DataError
    from datagen_trainers.aft import AftConfig, AftResult, train_aft
    from datagen_trainers.load import load_model

    search = options["beta_search"]
    config = settings(AftConfig, options, method=method)
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
            command=command_line(),
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
        decides = {**asdict(config), "boundary_beta": None, "validation": options["validation"]}
        decides |= {"model": model_name("transformers", options["model"]), "limit": options["limit"]}
        decides |= {"train_prompt": options["train_prompt"], "sha256": [of["sha256"] for of in files]}
        found = beta_search(
            tried,
            fingerprint=hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest(),
            train=lambda beta, out: train(
                replace(config, boundary_beta=beta), out, load_model(options["model"], four_bit=config.four_bit)
            ),
            accuracy=_greedy_accuracy(options, report, chat=config.chat),
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
        left_out += f", {last.n_beyond_k:,} beyond -k left out" if last.n_beyond_k else ""
        small = f", {last.n_small_groups:,} questions with fewer than two" if last.n_small_groups else ""
        lines.insert(
            0,
            f"{last.n_groups:,} questions with {last.n_responses:,} responses{left_out}{small}; {last.steps:,} steps, "
            f"loss {last.loss:.3f}, assessment accuracy {100 * last.metrics['aft/acc_macro']:.1f} %",
        )
        values |= last._asdict()
    return {**values, "path": str(options["out"])}, lines


def _greedy_accuracy(
    options: dict[str, Any],  # Any: click's values
    report: "Report",
    *,
    chat: bool,
) -> Callable[[Path], float]:
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
                api="chat" if chat else "completions",
                prompt=options["train_prompt"],
                sampling=Sampling(temperature=0.0),
            ),
            command=command_line(),
        )
        found = accuracy(run_sample(job, report=report))
        return float(found["accuracy"])

    return measure


def _shown(stage: str, report: "Report") -> Callable[[Any], None]:  # Any: TrainProgress, of an optional extra
    from datagen.progress import Step

    return lambda at: report(Step(stage, at.step, at.steps, "" if isnan(at.loss) else f"loss {at.loss:.3f}"))
