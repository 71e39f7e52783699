"""The AFT paper's story in miniature, on the built-in model and problems: every row is a handful of commands.

    python benchmarks/replicate.py --out runs/replicate --seeds 0 1 2 3 4 [--parallel 2] [--only VFT AFT-BC ...]

Per seed: a base model that has not seen the families of the gold problems; VFT; 16 samples of the VFT model for each
gold problem; from them binary groups (3 positives and 3 negatives at most) and groups ranked by the step judge; then
every method from the same base, with the same epochs and learning rate. All are measured on 400 problems of the
same families with other numbers: greedy accuracy, maj@8, and how they score the VFT model's samples of those problems
(assessment accuracy, perplexity of the right ones). Each command resumes, so a cut run goes on where it was.

OUT/results.jsonl has a line per seed and method; the table at the end is made of it.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

EPOCHS, LEARNING_RATE, MAX_TOKENS, K = 6, 1e-3, 160, 16
TRAINING = ("--epochs", EPOCHS, "--learning-rate", LEARNING_RATE, "--max-length", 256, "--device", "cpu")
AFT = ("--batch-size", 8, "--accumulation", 1)
SAMPLING = ("--backend", "transformers", "--max-tokens", MAX_TOKENS)


class Method(NamedTuple):
    """How a model is trained from the base."""

    command: str  # vft, rft or aft
    data: str  # folder below the seed's
    options: tuple[object, ...] = ()


METHODS = {
    "VFT": Method("vft", "gold.jsonl"),
    "RFT": Method("rft", "rft"),
    "AFT-DC": Method("aft", "groups", ("--loss", "dc")),
    "AFT-BC": Method("aft", "groups", ("--loss", "bc")),
    "unconstrained (Eq. 6)": Method("aft", "groups", ("--loss", "a")),
    "R (Eq. 14)": Method("aft", "ranked", ("--loss", "r")),
    "RDC1": Method("aft", "ranked", ("--loss", "rdc1")),
    "RDC2": Method("aft", "ranked", ("--loss", "rdc2")),
    "RBC": Method("aft", "ranked", ("--loss", "rbc")),
    "RRHF": Method("aft", "ranked", ("--loss", "rrhf")),
    "RRHF + constraint": Method("aft", "ranked", ("--loss", "rrhf", "--constraint")),
    "PRO": Method("aft", "ranked", ("--loss", "pro")),
    "PRO + constraint": Method("aft", "ranked", ("--loss", "pro", "--constraint")),
}
SWEEPS = {
    **{
        f"AFT-BC, beta {beta}": Method("aft", "groups", ("--loss", "bc", "--boundary-beta", beta)) for beta in (0, 0.5)
    },
    **{f"AFT-DC, {k} responses": Method("aft", "groups", ("--loss", "dc", "-k", k)) for k in (2, 4)},
}


def datagen(*arguments: object, home: Path) -> str:
    """Standard output of a command that must succeed."""
    command = [str(Path(sys.executable).with_name("datagen")), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DATAGEN_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def prepare(seed: int, out: Path) -> None:
    """The base, the VFT model and what is made of its samples."""

    def run(*arguments: object) -> None:
        datagen(*arguments, "--quiet", home=out)

    gold, candidates = out / "gold.jsonl", out / "rft" / "candidates"
    run("demo", "--base-only", "--seed", seed, "--out", out)
    run("train", "vft", gold, "--model", out / "base", "--seed", seed, *TRAINING, "--out", out / "VFT")
    one = ("--workers", 1, "--seed", seed)
    vft = ("--model", out / "VFT", *SAMPLING, "--temperature", 1)
    run("rft", "-k", K, "--dataset", gold, *vft, *one, "--out", out / "rft")
    binary = ("--max-positives", 3, "--max-negatives", 3)
    run("groups", "--dataset", gold, "--candidates", candidates, *binary, *one, "--out", out / "groups")
    run("rank", "--judge", "steps", "--dataset", gold, "--candidates", candidates, "-k", K, *one,
        "--out", out / "rank")  # fmt: skip
    run("groups", "--ranked", out / "rank", "--max-responses", 6, *one, "--out", out / "ranked")
    run("sample", "-k", 8, "--dataset", out / "held-out.jsonl", *vft, *one, "--out", out / "to-assess")


def measure(name: str, method: Method, seed: int, out: Path) -> dict[str, Any]:  # Any: JSON
    """Train with a method, unless that is done, and measure the model."""
    folder = out / name.replace(" ", "-").replace("(", "").replace(")", "").replace(",", "")
    started = time.monotonic()
    settings = (*TRAINING, *(AFT if method.command == "aft" else ()), *method.options)
    trained = json.loads(
        datagen(
            *("train", method.command, out / method.data, "--model", out / "base", "--seed", seed, *settings),
            *("--out", folder, "--json", "--quiet"),
            home=out,
        )
    )
    found = json.loads(
        datagen(
            *("eval", folder, "--dataset", out / "held-out.jsonl", "-k", 8, "--temperature", 1, *SAMPLING),
            *("--workers", 1, "--seed", seed, "--assess-candidates", out / "to-assess"),
            *("--out", out / "eval" / folder.name, "--json", "--quiet"),
            home=out,
        )
    )
    kept = ("accuracy", "n", "assessment_accuracy", "perplexity", "maj_at_k", "pass_at_k")
    return {
        "seed": seed,
        "method": name,
        "steps": trained["steps"],
        "loss": trained["loss"],
        "seconds": time.monotonic() - started,
        **{key: found.get(key) for key in kept},
    }


def run_seed(seed: int, out: Path, methods: dict[str, Method]) -> list[dict[str, Any]]:  # Any: JSON
    """All methods with one seed."""
    folder = out / f"seed-{seed}"
    prepare(seed, folder)
    rows = []
    for name, method in methods.items():
        row = measure(name, method, seed, folder)
        sys.stderr.write(f"seed {seed}  {name}: {100 * row['accuracy']:.1f} %, {row['seconds']:.0f} s\n")
        rows.append(row)
        (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def spread(values: list[float]) -> str:
    """Mean and, of several, standard deviation."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/replicate"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", choices=[*METHODS, *SWEEPS], help="these methods")
    parser.add_argument("--sweeps", action="store_true", help="beta and the number of responses as well")
    parser.add_argument("--parallel", type=int, default=2, help="seeds at a time, each on one core")
    options = parser.parse_args()
    every = {**METHODS, **(SWEEPS if options.sweeps or options.only else {})}
    methods = {name: method for name, method in every.items() if not options.only or name in options.only}
    with ThreadPoolExecutor(options.parallel) as pool:
        found = list(pool.map(lambda seed: run_seed(seed, options.out, methods), options.seeds))
    rows = [row for of_seed in found for row in of_seed]
    (options.out / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sys.stdout.write(
        "| method | accuracy | maj@8 | assessment accuracy | perplexity of positives |\n|---|---|---|---|---|\n"
    )
    for name in methods:
        mine = [row for row in rows if row["method"] == name]
        majority = [next(at["maj"] for at in row["maj_at_k"] if at["k"] == 8) for row in mine]
        cells = [spread([row["accuracy"] for row in mine]), spread(majority)]
        cells += [spread([row[key] for row in mine]) for key in ("assessment_accuracy", "perplexity")]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
