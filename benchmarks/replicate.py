"""The AFT paper's story in miniature, on the built-in model and problems: every row is a handful of commands.

    python benchmarks/replicate.py --out runs/replicate --seeds 0 1 2 3 4 [--parallel 2] [--only VFT AFT-BC ...]
    python benchmarks/replicate.py --out runs/replicate --seeds 0 1 2 --sweeps   # Figures 2a to 2d
    python benchmarks/replicate.py --out runs/replicate --table                # of what is there, nothing is run

Per seed: a base model that has not seen the families of the gold problems; VFT; 16 samples of the VFT model for each
gold problem; from them binary groups (3 positives and 3 negatives at most) and groups ranked by the step judge, both
with the gold path of every problem, which Eq. 4 learns also where there is no right and wrong one to compare; then
every method from the same base, with the same epochs and learning rate. Measured are

- greedy accuracy on 1,000 problems of the gold families with other numbers;
- how the model scores new solutions of the *gold* questions, as the paper does (Table 4, note 2): three right and
  three wrong ones that are not among the training candidates, once of the VFT model's, the same texts for every
  method, and once of the model's own.

Each command resumes, so a cut run goes on where it was. OUT/seed-N/results has a file per method.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from commands import cpu_seconds, datagen, interval, spread, use_one_thread_each, write_once
from datasets import Dataset, load_from_disk  # not in a thread: two that import it at once fail

EPOCHS, LEARNING_RATE, MAX_TOKENS, K, N_HELD_OUT, N_VOTES = 6, 1e-3, 80, 16, 1_000, 16
TRAINING = ("--epochs", EPOCHS, "--learning-rate", LEARNING_RATE, "--max-length", 256, "--device", "cpu")
AFT = ("--batch-size", 8, "--accumulation", 1)
SAMPLING = ("--backend", "transformers", "--max-tokens", MAX_TOKENS, "--temperature", 1, "--workers", 1)
ALPHAS, BETAS, NUMBERS, VOTES = (
    (0.25, 0.5, 1.0),
    (-0.8, -0.4, 0.0, 0.4, 0.8),
    (4, 8, 16),
    ("VFT", "RFT", "AFT-DC", "AFT-BC"),
)

Row = dict[str, Any]  # Any: JSON


class Method(NamedTuple):
    """How a model is trained from the base."""

    command: str  # vft, rft or aft
    data: str  # folder or file below the seed's
    options: tuple[object, ...] = ()


METHODS = {
    "VFT": Method("vft", "gold.jsonl"),
    "VFT, 13 epochs": Method("vft", "gold.jsonl", ("--epochs", 13)),
    "RFT": Method("rft", "rft"),
    "RFT, every plan": Method("rft", "rft-plans"),
    "AFT-DC": Method("aft", "groups", ("--loss", "dc")),
    "AFT-BC": Method("aft", "groups", ("--loss", "bc")),
    "AFT-DC, gold paths of groups only": Method("aft", "groups-only", ("--loss", "dc")),
    "AFT-DC, sum of Eq. 1": Method("aft", "groups", ("--loss", "dc", "--vft-reduction", "sum")),
    "unconstrained (Eq. 6)": Method("aft", "groups", ("--loss", "a")),
    "R (Eq. 14)": Method("aft", "ranked", ("--loss", "r")),
    "RDC1": Method("aft", "ranked", ("--loss", "rdc1")),
    "RDC2": Method("aft", "ranked", ("--loss", "rdc2")),
    "RBC": Method("aft", "ranked", ("--loss", "rbc")),
    "RRHF": Method("aft", "ranked", ("--loss", "rrhf")),
    "RRHF + constraint": Method("aft", "ranked", ("--loss", "rrhf", "--constraint")),
    "PRO": Method("aft", "ranked", ("--loss", "pro")),
    "PRO + constraint": Method("aft", "ranked", ("--loss", "pro", "--constraint")),
    "PRO, no temperature": Method("aft", "ranked", ("--loss", "pro", "--no-pro-dynamic-temperature")),
    "PRO, no temperature + constraint": Method(
        "aft", "ranked", ("--loss", "pro", "--no-pro-dynamic-temperature", "--constraint")
    ),
}
FIGURE_2A = {
    f"{name}, alpha {alpha}": Method("aft", f"groups-alpha-{alpha}.jsonl", ("--loss", loss))
    for name, loss in (("unconstrained", "a"), ("RRHF", "rrhf"))
    for alpha in (0.0, *ALPHAS)
}
FIGURE_2B = {f"AFT-DC, all of {n} samples": Method("aft", f"every-{n}", ("--loss", "dc")) for n in NUMBERS}
FIGURE_2C = {
    f"AFT-BC, beta {beta}": Method("aft", "groups", ("--loss", "bc", f"--boundary-beta={beta}")) for beta in BETAS
}
SWEEPS = {**FIGURE_2A, **FIGURE_2B, **FIGURE_2C}


def prepare(seed: int, out: Path) -> None:
    """The base, the VFT model and what is made of its samples."""
    from datagen.recipes.miniature import MiniatureConfig, held_out_problems

    def run(*arguments: object) -> None:
        datagen(*arguments, "--seed", seed, home=out)

    out.mkdir(parents=True, exist_ok=True)
    gold, candidates = out / "gold.jsonl", out / "rft" / "candidates"
    run("demo", "--base-only", "--quiet", "--out", out)
    held_out = held_out_problems(MiniatureConfig(seed=seed, n_held_out=N_HELD_OUT))
    write_once(out / "new.jsonl", (problem.model_dump() for problem in held_out))
    run("train", "vft", gold, "--model", out / "base", *TRAINING, "--quiet", "--out", out / "VFT")
    vft = ("--model", out / "VFT", *SAMPLING, "--quiet")
    one = ("--workers", 1, "--quiet")
    run("rft", "-k", K, "--dataset", gold, *vft, "--out", out / "rft")
    sides = ("--max-positives", 3, "--max-negatives", 3, *one)
    run("groups", "--dataset", gold, "--candidates", candidates, *sides, "--out", out / "groups-only")
    run("groups", "--dataset", gold, "--candidates", candidates, *sides, "--references", "--out", out / "groups")
    run("rank", "--judge", "steps", "--dataset", gold, "--candidates", candidates, "-k", K, *one,
        "--out", out / "rank")  # fmt: skip
    run("groups", "--ranked", out / "rank", "--dataset", gold, "--max-responses", 6, *one, "--references",
        "--out", out / "ranked")  # fmt: skip
    datagen("sample", "-k", K, "--dataset", gold, *vft, "--seed", seed + 1_000, "--out", out / "to-assess", home=out)
    write_once(out / "plans.jsonl", plans(seed))
    run("rft", "--dataset", gold, "--candidates", out / "plans.jsonl", *one, "--out", out / "rft-plans")


def plans(seed: int) -> Iterable[Row]:
    """What RFT would find if it found everything: every plan of each gold problem's family, a calculation a step."""
    from datagen.recipes.miniature import MiniatureConfig
    from datagen.synthetic.problems import family_split, synthetic_problems

    _, families = family_split(seed)
    n = MiniatureConfig().n_gold
    for plan in range(6):
        for problem in synthetic_problems(seed=seed, split="train", n=n, families=families, plan=plan):
            yield {"problem_id": problem.id, "response": problem.rationale}


def prepare_sweeps(seed: int, out: Path) -> None:
    """Groups whose negatives are worse (Figure 2a), and groups of all of 4, 8 or 16 samples (2b)."""
    groups, sampled = load_from_disk(out / "groups" / "data"), load_from_disk(out / "rft" / "candidates")
    assert isinstance(groups, Dataset)
    assert isinstance(sampled, Dataset)
    for alpha in (0.0, *ALPHAS):
        write_once(out / f"groups-alpha-{alpha}.jsonl", (worsened(row, alpha, seed) for row in groups.to_list()))
    for n in NUMBERS:
        first = (row for row in sampled.to_list() if row["sample"] < n)
        write_once(out / f"first-{n}.jsonl", ({key: row[key] for key in ("problem_id", "response")} for row in first))
        datagen("groups", "--dataset", out / "gold.jsonl", "--candidates", out / f"first-{n}.jsonl", "--workers", 1,
                "--quiet", "--references", "--seed", seed, "--out", out / f"every-{n}", home=out)  # fmt: skip


def worsened(group: Row, alpha: float, seed: int) -> Row:
    """The group with a share `alpha` of each negative's tokens replaced by '.'.

    Appendix E replaces characters. The tokens of this model are whole words and numbers, so a word is what a character
    is to a large model: the smallest thing that it reads.
    """
    responses = []
    for i, (response, score) in enumerate(zip(group["responses"], group["scores"], strict=True)):
        words = response.split(" ")
        rng = random.Random(f"{seed} {group['problem_id']} {i}")
        for at in rng.sample(range(len(words)), round(alpha * len(words))) if score == 0 else ():
            words[at] = "."
        responses.append(" ".join(words))
    return {key: group[key] for key in ("prompt", "scores", "problem_id", "reference")} | {"responses": responses}


def measure(name: str, method: Method, seed: int, out: Path) -> Row:
    """Train with a method and measure the model, unless that is done."""
    folder = out / "".join("-" if c in " ,()+" else c for c in name)
    result = out / "results" / f"{folder.name}.json"
    if result.exists():
        return json.loads(result.read_bytes())  # type: ignore[no-any-return]
    before = cpu_seconds()

    def run(*arguments: object) -> Row:
        return json.loads(datagen(*arguments, "--seed", seed, "--json", "--quiet", home=out))  # type: ignore[no-any-return]

    settings = (*TRAINING, *(AFT if method.command == "aft" else ()), *method.options)
    trained = run("train", method.command, out / method.data, "--model", out / "base", *settings, "--out", folder)
    row: Row = {"seed": seed, "method": name, "steps": trained["steps"], "loss": trained["loss"]}
    row["seconds_trained"] = cpu_seconds() - before
    evaluated = out / "eval" / folder.name
    new = run("eval", folder, *SAMPLING, "--dataset", out / "new.jsonl", "--no-assess", "--out", evaluated / "new")
    row |= {key: new[key] for key in ("accuracy", "n", "by_steps")}
    on_gold = ("eval", folder, *SAMPLING, "--dataset", out / "gold.jsonl", "--exclude", out / "rft" / "candidates")
    given = run(*on_gold, "--assess-candidates", out / "to-assess", "--out", evaluated / "given")
    row |= {key: given[key] for key in ("assessment_accuracy", "perplexity")}
    if name in METHODS:
        own = run(*on_gold, "--assess", 8, "--out", evaluated / "own")
        row |= {f"own_{key}": own[key] for key in ("assessment_accuracy", "perplexity")}
    row["seconds"] = cpu_seconds() - before
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps(row))
    return row


def votes(name: str, seed: int, out: Path) -> Row:
    """Self-consistency of a trained model (Figure 2d)."""
    result = out / "results" / f"{name}-votes.json"
    if not result.exists():
        arguments = ("eval", out / name, *SAMPLING, "--dataset", out / "new.jsonl", "--limit", 400, "-k", N_VOTES)
        found = datagen(*arguments, "--no-assess", "--seed", seed, "--json", "--quiet",
                        "--out", out / "eval" / name / "votes", home=out)  # fmt: skip
        result.write_text(json.dumps({"seed": seed, "method": name, "maj_at_k": json.loads(found)["maj_at_k"]}))
    return json.loads(result.read_bytes())  # type: ignore[no-any-return]


def run_seed(seed: int, out: Path, methods: dict[str, Method], *, sweeps: bool) -> None:
    """All methods with one seed."""
    folder = out / f"seed-{seed}"
    started = time.monotonic()
    prepare(seed, folder)
    sys.stderr.write(f"seed {seed}  prepared, {time.monotonic() - started:.0f} s\n")
    if sweeps:
        prepare_sweeps(seed, folder)
    for name, method in methods.items():
        row = measure(name, method, seed, folder)
        sys.stderr.write(f"seed {seed}  {name}: {100 * row['accuracy']:.1f} %, {row['seconds']:.0f} s\n")
    for name in VOTES if sweeps else ():
        votes(name, seed, folder)


def tables(out: Path) -> Iterable[str]:
    """Markdown: the methods, then each figure's points."""
    results = [json.loads(path.read_bytes()) for path in sorted(out.glob("seed-*/results/*.json"))]
    rows = [row for row in results if "accuracy" in row]
    vft = {row["seed"]: row["accuracy"] for row in rows if row["method"] == "VFT"}
    columns = ("assessment_accuracy", "own_assessment_accuracy", "perplexity")
    heads = ("method", "`datagen train`", "seeds", "accuracy", "against VFT, 95 %", "assessment accuracy",
             "of its own samples", "perplexity", "minutes")  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for name, method in {**METHODS, **SWEEPS}.items():
        mine = [row for row in rows if row["method"] == name]
        if not mine:
            continue
        against = [row["accuracy"] - vft[row["seed"]] for row in mine if row["seed"] in vft]
        cells = [f"`{' '.join(map(str, (method.command, method.data, *method.options)))}`", str(len(mine))]
        cells += [spread([row["accuracy"] for row in mine], 100, 1), interval(against)]
        for key in columns:
            known = [row[key] for row in mine if row.get(key) is not None]
            scale, digits = (1, 2) if key == "perplexity" else (100, 1)
            cells.append(spread(known, scale, digits) if known else "–")
        cells.append(f"{mean(row['seconds'] for row in mine) / 60:.1f}")
        yield f"| {name} | {' | '.join(cells)} |"
    voted = [row for row in results if "maj_at_k" in row]
    if voted:
        ks = [at["k"] for at in voted[0]["maj_at_k"]]
        yield ""
        yield f"| votes (seeds {sorted({row['seed'] for row in voted})}) | {' | '.join(f'maj@{k}' for k in ks)} |"
        yield "|---|" + "---|" * len(ks)
        for name in VOTES:
            mine = [row["maj_at_k"] for row in voted if row["method"] == name]
            points = [spread([of[i]["maj"] for of in mine], 100, 1) for i in range(len(ks))] if mine else []
            yield f"| {name} | {' | '.join(points)} |"


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/replicate"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", choices=[*METHODS, *SWEEPS], help="these methods")
    parser.add_argument("--sweeps", action="store_true", help="negatives' quality, samples, beta and votes as well")
    parser.add_argument("--parallel", type=int, default=2, help="seeds at a time, each on one core")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    if not options.table:
        every = {**METHODS, **(SWEEPS if options.sweeps or options.only else {})}
        methods = {name: method for name, method in every.items() if not options.only or name in options.only}
        use_one_thread_each()
        with ThreadPoolExecutor(options.parallel) as pool:
            jobs = [pool.submit(run_seed, s, options.out, methods, sweeps=options.sweeps) for s in options.seeds]
            for job in as_completed(jobs):
                job.result()
    sys.stdout.writelines(f"{line}\n" for line in tables(options.out))


if __name__ == "__main__":
    main()
