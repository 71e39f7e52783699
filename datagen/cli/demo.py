"""`datagen demo`: the whole RFT loop on the embedded default, glued together from the same parts as the commands."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from datagen.cli.demo_datasets import (
    augment_problems,
    group_candidates,
    make_negatives,
    miniature_job,
    rank_candidates,
)
from datagen.cli.options import command_line, option, output_options
from datagen.cli.show import emit, progress, silence_transformers, table

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.progress import Report
    from datagen.recipes.miniature import MiniatureConfig, TrainingNumbers
    from datagen_schemas.example import Example
    from datagen_schemas.problem import Problem

# RFT sees more examples in as many epochs, so it takes more updates; the second VFT has as many of them as RFT.
MODELS = {
    "vft": "VFT",
    "vft-longer": "VFT, RFT's updates",
    "rft-model": "RFT",
    "rft-unfiltered-model": "RFT, unfiltered",
}


class StageTime(NamedTuple):
    """One line of the demo's table."""

    stage: str
    rows: str
    seconds: float


@click.command("demo")
@option("--out", default="runs/demo", type=click.Path(file_okay=False, path_type=Path), help="Directory to write.")
@option("--seed", type=int, default=0)
@option("--workers", type=click.IntRange(min=1), default=1, help="Processes that verify and select.")
@option("--quick", is_flag=True, help="Seconds of training: everything works, nothing is learnt.")
@option("--base-only", is_flag=True, help="Only the base model and the problems: what `make train` starts from.")
@output_options
def command(out: Path, seed: int, workers: int, quick: bool, base_only: bool, as_json: bool, quiet: bool) -> None:
    """Run the whole RFT loop on built-in problems with a tiny model: no key, no network, no GPU.

    \b
    Example: datagen demo --out runs/demo
    """
    try:
        import torch  # noqa: F401  # asked for here, so that the remedy comes before the first minute of work
    except ModuleNotFoundError as error:
        from datagen_schemas.errors import MissingExtraError

        raise MissingExtraError("train", needed_for="datagen demo") from error
    from datagen.recipes.miniature import MiniatureConfig, quick_config

    silence_transformers()
    config = quick_config(seed) if quick else MiniatureConfig(seed=seed)
    with progress(quiet=quiet) as report:
        if base_only:
            made = make_base(config, out, report=report)
            emit(
                made, as_json=as_json, show=lambda: click.echo("\n".join(f"{name}: {at}" for name, at in made.items()))
            )
            return
        result = run_demo(config, out, workers=workers, report=report)
    emit(result, as_json=as_json, show=lambda: show(result))


def run_demo(config: "MiniatureConfig", out: Path, *, workers: int, report: "Report") -> dict[str, Any]:  # Any: JSON
    """Base -> VFT -> sample, verify, select -> RFT -> accuracy of both; each stage goes on where it was cut."""
    from datagen.recipes.miniature import gold_problems, held_out_problems
    from datagen.recipes.rft import RftOptions
    from datagen.runs.examples import gold_examples, training_examples
    from datagen.runs.rft import run_rft
    from datagen.select.statistics import Filter

    stages: list[StageTime] = []

    @contextmanager
    def timed(stage: str, unit: str) -> Iterator[Callable[[int], None]]:
        started = time.monotonic()
        yield lambda rows: stages.append(StageTime(stage, f"{rows:,} {unit}", time.monotonic() - started))

    gold_file, held_out_file = out / "gold.jsonl", out / "held-out.jsonl"
    with timed("gold problems", "problems") as done:
        done(write_problems(gold_file, gold_problems(config)))
    with timed("held-out problems, other numbers", "problems") as done:
        done(write_problems(held_out_file, held_out_problems(config)))
    with timed("base, on other families of problems", "examples") as done:
        done(train_base(config, out, report=report))
    gold = gold_examples(_problems(gold_file))
    epochs = config.fine_tuning.epochs
    updates: dict[str, int] = {}

    def tune(name: str, examples: "list[Example]", *, epochs: int = epochs) -> None:
        with timed(f"train {MODELS[name]}", "examples") as done:
            updates[name] = fine_tune(config, out, name, examples, epochs=epochs, report=report)
            done(len(examples))

    tune("vft", gold)
    for name, keep in (("rft", False), ("rft-unfiltered", True)):
        what = "the same, false equations kept" if keep else f"RFT data, {config.k} samples a problem"
        with timed(what, "candidates") as done:
            job = miniature_job(config, out, name, model="vft", problems=gold_file, k=config.k, workers=workers)
            manifest = run_rft(job, RftOptions(keep=Filter(keep_false_equations=keep)), report=report)
            done(int(manifest["counts"]["candidates"]))
        tune(f"{name}-model", training_examples(str(out / name), method="rft"))
    with timed("candidates ranked by the step judge", "candidates") as done:
        ranking = rank_candidates(config, out, gold_file, workers=workers, report=report)
        done(int(ranking["counts"]["ranked"]))
    with timed("negatives of known quality", "negatives") as done:
        negatives = make_negatives(config, out, gold_file, workers=workers, report=report)
        done(int(negatives["counts"]["rows"]))
    with timed("alignment groups", "groups") as done:
        alignment = group_candidates(config, out, gold_file, workers=workers, report=report)
        done(int(alignment["counts"]["rows"]))
    with timed("augmented problems", "solutions") as done:
        augmentation = augment_problems(config, out, gold_file, workers=workers, report=report)
        done(int(augmentation["counts"]["rows"]))
    tune("vft-longer", gold, epochs=round(epochs * updates["rft-model"] / updates["vft"]))
    accuracy: dict[str, dict[str, Any]] = {}  # Any: JSON
    for name, label in MODELS.items():
        with timed(f"held-out problems, {label}", "candidates") as done:
            accuracy[label] = measure(config, out, name, held_out_file, workers=workers, report=report)
            accuracy[label]["updates"] = updates[name]
            done(config.n_held_out + config.n_pass * config.pass_k)
    add_differences(accuracy, seed=config.seed)
    return {
        "seed": config.seed,
        "accuracy": accuracy,
        "rft": built(out / "rft"),
        "rank": {"pair_accuracy": ranking["reliability"]["pair_accuracy"], "scores": ranking["reliability"]["scores"]},
        "corrupt": {"negatives": negatives["counts"]["rows"], "made": negatives["counts"]["made"]},
        "groups": {name: alignment["counts"][name] for name in ("groups", "responses", "positives", "negatives")},
        "augment": augmentation["methods"],
        "stages": [stage._asdict() for stage in stages],
        "seconds": sum(stage.seconds for stage in stages),
        "out": {
            "dataset": str(out / "rft" / "data"),
            "candidates": str(out / "rft" / "candidates"),
            "manifest": str(out / "rft" / "manifest.json"),
            "ranked groups": str(out / "rank" / "data"),
            "alignment groups": str(out / "groups" / "data"),
            "augmented": str(out / "augment" / "data"),
            **{label: str(out / name) for name, label in MODELS.items()},
        },
    }


def make_base(config: "MiniatureConfig", out: Path, *, report: "Report") -> dict[str, str]:
    """The base model, and the problems to fine-tune it on and to measure it with."""
    from datagen.recipes.miniature import gold_problems, held_out_problems

    made = {"base": out / "base", "problems": out / "gold.jsonl", "test problems": out / "held-out.jsonl"}
    write_problems(made["problems"], gold_problems(config))
    write_problems(made["test problems"], held_out_problems(config))
    train_base(config, out, report=report)
    return {name: str(path) for name, path in made.items()}


def train_base(config: "MiniatureConfig", out: Path, *, report: "Report") -> int:
    """Train the base from random weights at OUT/base; returns how many examples it learnt from."""
    from datagen.recipes.miniature import base_problems, tokenizer_texts
    from datagen.runs.examples import gold_examples
    from datagen_trainers.pretrain import pretrain

    return pretrain(
        gold_examples(list(base_problems(config))),
        texts=tokenizer_texts(),
        max_number=config.max_number,
        config=_vft_config(config, config.base),
        out=out / "base",
        hidden=config.hidden,
        layers=config.layers,
        on_progress=_shown("train the base", report),
    ).n_examples


def fine_tune(
    config: "MiniatureConfig", out: Path, name: str, examples: "list[Example]", *, epochs: int, report: "Report"
) -> int:
    """Train a copy of the base on examples; returns the number of updates."""
    from datagen_trainers.load import load_model
    from datagen_trainers.vft import train

    base = load_model(str(out / "base"), dtype="float32")
    return train(
        examples,
        model=base.model,
        tokenizer=base.tokenizer,
        config=_vft_config(config, replace(config.fine_tuning, epochs=epochs)),
        out=out / name,
        on_progress=_shown(f"train {name}", report),
        command=command_line(),
    ).steps


def measure(
    config: "MiniatureConfig", out: Path, name: str, problems: Path, *, workers: int, report: "Report"
) -> dict[str, Any]:  # Any: JSON
    """Greedy accuracy with its interval, and pass@k."""
    from datagen.cli.evaluate import accuracy
    from datagen.runs.sample import run_sample
    from datagen.store.arrow_dataset import read_records
    from datagen_schemas.candidate import Candidate

    greedy_job = miniature_job(
        config, out, f"eval/{name}-greedy", model=name, problems=problems, k=1, workers=1, greedy=True
    )
    sampled_job = miniature_job(
        config, out, f"eval/{name}-sampled", model=name, problems=problems, k=config.pass_k, workers=workers
    )
    sampled_job = replace(sampled_job, dataset=replace(sampled_job.dataset, limit=config.n_pass))
    greedy = run_sample(greedy_job, report=report)
    sampled = run_sample(sampled_job, report=report)
    passed = {point["k"]: point["pass"] for point in sampled["statistics"]["pass_at_k"]}
    candidates = read_records(greedy_job.out / "data", Candidate)
    return {
        **accuracy(greedy),
        "pass_k": config.pass_k,
        "pass_at_k": passed[config.pass_k],
        "solved": [candidate.verdict == "correct" for candidate in candidates],
    }


def add_differences(accuracy: dict[str, dict[str, Any]], *, seed: int) -> None:  # Any: JSON
    """The gain over VFT on the same problems, with its bootstrap interval, in place of the single verdicts."""
    from datagen_trainers.metrics.intervals import bootstrap_interval

    solved = {label: of.pop("solved") for label, of in accuracy.items()}
    for label, of in accuracy.items():
        gains = [float(mine) - float(vft) for mine, vft in zip(solved[label], solved["VFT"], strict=True)]
        interval = bootstrap_interval(gains, seed=seed)
        of["gain_over_vft"] = sum(gains) / len(gains)
        of["gain_interval"] = [interval.low, interval.high]


def built(folder: Path) -> dict[str, int]:
    """The numbers of an RFT dataset, from its manifest."""
    import orjson

    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    names = ("problems", "candidates", "correct", "false_equations", "distinct", "problems_solved")
    return {**{name: manifest["statistics"][name] for name in names}, "selected": manifest["counts"]["selected"]}


def write_problems(path: Path, problems: "Iterable[Problem]") -> int:
    """Problems as JSON lines, which --dataset reads back unchanged; returns how many."""
    lines = [problem.model_dump_json() + "\n" for problem in problems]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)
    return len(lines)


def _problems(path: Path) -> "list[Problem]":
    from datagen.readers.read import DatasetSpec, read_problems

    return list(read_problems(DatasetSpec(str(path))))


def _vft_config(config: "MiniatureConfig", numbers: "TrainingNumbers") -> Any:  # Any: VftConfig, of an optional extra
    from datagen_trainers.vft import VftConfig

    return VftConfig(
        epochs=numbers.epochs,
        batch_size=numbers.batch_size,
        learning_rate=numbers.learning_rate,
        max_length=config.max_length,
        seed=config.seed,
        device="cpu",
    )


def _shown(stage: str, report: "Report") -> Callable[[Any], None]:  # Any: TrainProgress, of an optional extra
    from datagen.progress import Step

    return lambda at: report(Step(stage, at.step, at.steps, f"loss {at.loss:.3f}"))


def show(result: dict[str, Any]) -> None:  # Any: JSON
    """The tables that a person reads."""
    table("stages", ("", "rows", "s"), [(s["stage"], s["rows"], f"{s['seconds']:.1f}") for s in result["stages"]])
    rft = result["rft"]
    click.echo(
        f"\nRFT data: {rft['candidates']:,} candidates for {rft['problems']:,} problems, {rft['correct']:,} correct, "
        f"{rft['false_equations']:,} of them with a false equation, {rft['selected']:,} distinct paths selected"
    )
    pairs, groups = result["rank"]["pair_accuracy"], result["groups"]
    click.echo(
        f"ranking: the step judge orders {pairs['right']:,} of {pairs['n']:,} pairs of a correct and a wrong one "
        f"rightly\nnegatives: {result['corrupt']['negatives']:,} corrupted gold paths\nalignment groups: "
        f"{groups['groups']:,}, with {groups['positives']:,} positives and {groups['negatives']:,} negatives"
    )
    solutions = ", ".join(f"{of['solutions']:,} {kind}" for kind, of in result["augment"].items())
    click.echo(
        f"augmented: {solutions}; other wordings and backward solutions are made by rule: the tiny model cannot\n"
    )
    rows = []
    for label, of in result["accuracy"].items():
        low, high = (100 * end for end in of["interval"])
        gain_low, gain_high = (100 * end for end in of["gain_interval"])
        gain = (
            ("", "") if label == "VFT" else (f"{100 * of['gain_over_vft']:+.1f}", f"{gain_low:+.1f}, {gain_high:+.1f}")
        )
        solved = (f"{100 * of['accuracy']:.1f}", f"{low:.1f}, {high:.1f}", f"{100 * of['pass_at_k']:.1f}")
        rows.append((label, f"{of['updates']:,}", *solved, *gain))
    pass_k, n = (result["accuracy"]["VFT"][name] for name in ("pass_k", "n"))
    header = ("", "updates", "greedy %", "95 % CI", f"pass@{pass_k}", "over VFT", "95 % CI")
    table(f"{n:,} held-out problems", header, rows)
    click.echo()
    for name, path in result["out"].items():
        click.echo(f"{name}: {path}")
    click.echo(f"\n{result['seconds']:.0f} s in all")
