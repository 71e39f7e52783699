"""The segmentation losses against cross-entropy in miniature: Tables 2 and 4 of the CV-loss paper.

    python benchmarks/replicate_losses.py --out runs/replicate --seeds 0 1 2 [--parallel 2]
    python benchmarks/replicate_losses.py --out runs/replicate --table        # of what is there, nothing is run

Per seed: the base model of `replicate.py` (made unless it is there), 1,000 problems of the families that it has not
seen, their gold paths as formulas only (appendix H), and from the base every loss on 100, 40 and 10 % of them, which
lie inside each other. Epochs and learning rate are the same for all, so that a tenth of the data is a tenth of the
updates, as in section 4.7. Measured on 1,000 other problems of those families: exact match and the metrics of steps.

Controls: the cross-entropy of the answers in the place of the segmentation loss, since every loss adds weight to the
answers; and, on all of the data, half and twice the learning rate, and the self-adjusting Dice loss with a lambda at
which it pushes no right token down (see `sadl_warning`).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

from commands import datagen, interval, spread, use_one_thread_each, write_once

N_GOLD, N_HELD_OUT, FRACTIONS = 1_000, 1_000, (1.0, 0.4, 0.1)
TRAINING = ("--epochs", 6, "--max-length", 256, "--device", "cpu", "--batch-size", 8)
LEARNING_RATE = 1e-3
CE = ("--loss", "ce", "--ce-weight", 1)
LOSSES: dict[str, tuple[object, ...]] = {
    "CE": CE,
    **{name: ("--loss", loss) for name, loss in (("FL", "focal"), ("GDL", "gdl"), ("LL", "lovasz"), ("SADL", "sadl"))},
}
ANSWERS = "CE, CE of answers"
WEIGHTED: dict[str, tuple[object, ...]] = {**LOSSES, ANSWERS: ("--loss", "ce", "--ce-weight", 0.6)}
RATES: dict[str, tuple[object, ...]] = {
    f"{name}, {rate:g}": (*WEIGHTED[name], "--learning-rate", rate)
    for rate in (LEARNING_RATE / 2, 2 * LEARNING_RATE)
    for name in ("CE", ANSWERS, "LL")
}
SADL = "SADL, lambda 0.7"
METHODS = {**WEIGHTED, **RATES, SADL: ("--loss", "sadl", "--ce-weight", 0.7)}
RUNS = [*((fraction, name) for fraction in FRACTIONS for name in WEIGHTED), *((1.0, name) for name in (*RATES, SADL))]
METRICS = ("accuracy", "iou", "commutative_iou", "precision", "recall", "dice", "extra_steps", "missing_steps")

Row = dict[str, Any]  # Any: JSON


def prepare(seed: int, out: Path) -> None:
    """The base, the problems, and their solutions as formulas."""
    from datagen.recipes.miniature import MiniatureConfig, gold_problems, held_out_problems

    out.mkdir(parents=True, exist_ok=True)
    datagen("demo", "--base-only", "--quiet", "--seed", seed, "--out", out, home=out)
    sizes = MiniatureConfig(seed=seed, n_gold=N_GOLD, n_held_out=N_HELD_OUT)
    write_once(out / "new.jsonl", (problem.model_dump() for problem in held_out_problems(sizes)))
    write_once(out / "formulas.jsonl", (problem.model_dump() for problem in gold_problems(sizes)))
    fractions = [option for fraction in FRACTIONS for option in ("--fraction", fraction)]
    datagen("examples", "--dataset", out / "formulas.jsonl", "--answers", "formulas", "--train-prompt", "plain",
            *fractions, "--seed", seed, "--quiet", "--out", out / "formulas", home=out)  # fmt: skip


def measure(name: str, fraction: float, seed: int, out: Path) -> Row:
    """Train with a loss and measure the model, unless that is done."""
    result = out / "losses" / f"{name}-{fraction:g}.json"
    if result.exists():
        return json.loads(result.read_bytes())  # type: ignore[no-any-return]
    started = time.monotonic()
    data = out / "formulas" / ("data" if fraction == 1 else f"fraction-{fraction:g}")
    model = result.with_suffix("")

    def run(*arguments: object) -> Row:
        return json.loads(datagen(*arguments, "--seed", seed, "--json", "--quiet", home=out))  # type: ignore[no-any-return]

    trained = run("train", "seg", data, "--model", out / "base", *TRAINING,
                  "--learning-rate", LEARNING_RATE, *METHODS[name], "--out", model)  # fmt: skip
    found = run("eval", model, "--backend", "transformers", "--dataset", out / "new.jsonl", "--max-tokens", 80,
                "--workers", 1, "--no-assess", "--out", out / "losses" / "eval" / model.name)  # fmt: skip
    row: Row = {"seed": seed, "loss": name, "fraction": fraction, "steps": trained["steps"]}
    row |= {key: value for key, value in {**found, **found["steps"]}.items() if key in METRICS}
    row["seconds"] = time.monotonic() - started
    result.write_text(json.dumps(row))
    return row


def run_seed(seed: int, out: Path) -> None:
    """All losses and fractions with one seed."""
    folder = out / f"seed-{seed}"
    prepare(seed, folder)
    (folder / "losses").mkdir(exist_ok=True)
    for fraction, name in RUNS:
        row = measure(name, fraction, seed, folder)
        sys.stderr.write(f"seed {seed}  {fraction:g} {name}: {100 * row['accuracy']:.1f} %\n")


def tables(out: Path) -> Iterable[str]:
    """Markdown: a table a fraction, with the mean rank over metrics of Table 2."""
    rows: list[Row] = [json.loads(path.read_bytes()) for path in sorted(out.glob("seed-*/losses/*.json"))]
    for fraction in FRACTIONS:
        names = (name for of, name in RUNS if of == fraction)
        found = {name: [r for r in rows if (r["loss"], r["fraction"]) == (name, fraction)] for name in names}
        if not all(found.values()):
            continue
        baselines = [{row["seed"]: row["accuracy"] for row in found[name]} for name in ("CE", ANSWERS)]
        yield f"**{100 * fraction:.0f} % of the data** ({found['CE'][0]['steps']} updates, {len(found['CE'])} seeds)"
        yield ""
        yield f"| loss | seeds | EM against CE, 95 % | against the control | {' | '.join(METRICS)} |"
        yield "|---|---|---|---|" + "---|" * len(METRICS)
        for name, mine in found.items():
            cells = [str(len(mine))]
            for of, baseline in zip(("CE", ANSWERS), baselines, strict=True):
                against = [row["accuracy"] - baseline[row["seed"]] for row in mine if row["seed"] in baseline]
                cells.append(interval(against) if name != of else "")
            cells += [spread([row[key] for row in mine], 100, 1) for key in METRICS]
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""
        ranked = {name: found[name] for name in LOSSES}
        ranks = {name: mean(_rank(name, metric, ranked) for metric in METRICS) for name in LOSSES}
        yield "Mean rank over the metrics: " + ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.items()) + "."
        yield ""


def _rank(name: str, metric: str, found: dict[str, list[Row]]) -> float:
    """1 for the best; ties share the mean of their places."""
    sign: float = -1 if metric in ("extra_steps", "missing_steps") else 1
    values: dict[str, float] = {loss: sign * mean(row[metric] for row in rows) for loss, rows in found.items()}
    better: int = sum(value > values[name] for value in values.values())
    return 1 + better + (sum(value == values[name] for value in values.values()) - 1) / 2


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/replicate"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parallel", type=int, default=2, help="seeds at a time, each on one core")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    if not options.table:
        use_one_thread_each()
        with ThreadPoolExecutor(options.parallel) as pool:
            jobs = [pool.submit(run_seed, seed, options.out) for seed in options.seeds]
        for job in jobs:
            job.result()
    sys.stdout.writelines(f"{line}\n" for line in tables(options.out))


if __name__ == "__main__":
    main()
