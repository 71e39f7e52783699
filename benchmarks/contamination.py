"""`datagen decontaminate` on 100,000 rows against GSM8K's test set: seconds and memory, on one process and on several.

    python benchmarks/contamination.py [--data FOLDER] [--rows 100000] [--workers 2]

Rows are GSM8K's training questions, their FOBAR questions, and questions put together from sentences of two of them,
all different; a copy of each 1,000th test question is among them. Each run is the command in a process of its own; its
seconds are of the clock and of all its processes' CPU time, its memory the highest sum of the resident sets of the
process and its workers. Results must be the same bytes. The slow, obvious way is rapidfuzz's ratio with every test
question, on a subsample.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rapidfuzz import fuzz, process

from datagen.augment.duplicates import normalised
from datagen.augment.fobar import fobar_question, masks
from datagen.readers.read import DatasetSpec, read_problems
from datagen.seeding import rng_for
from datagen.store.run_directory import fingerprint
from datagen_schemas.problem import Problem


def made_rows(train: list[Problem], test: list[Problem], n: int) -> list[str]:
    """Questions, all different."""
    rng = rng_for(0, "contamination")
    texts = [problem.question for problem in train] + [problem.question for problem in test[::1000]]
    for problem in train:
        texts += (fobar_question(masked, answer=problem.answer) for masked in masks(problem.question))
    found = dict.fromkeys(texts)
    sentences = [problem.question.split(". ") for problem in train]
    while len(found) < n:
        a, b = rng.sample(sentences, 2)
        found[". ".join([*a[: max(1, len(a) // 2)], *b[len(b) // 2 :]])] = None
    return list(found)[:n]


class Process(NamedTuple):
    """What a process has taken."""

    cpu: float
    resident_mb: float


def processes(pid: int) -> dict[int, Process]:
    """A process and all that it started."""
    found: dict[int, Process] = {}
    todo = [pid]
    while todo:
        of = todo.pop()
        try:
            fields = Path(f"/proc/{of}/stat").read_text().rpartition(")")[2].split()
            todo += [int(child) for child in Path(f"/proc/{of}/task/{of}/children").read_text().split()]
        except OSError:  # it has just ended
            continue
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        found[of] = Process(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
    return found


class Measured(NamedTuple):
    """What a run took."""

    seconds: float
    cpu: float
    most_mb: float


def measured(command: list[str]) -> Measured:
    """Run it, looking at its processes all the time."""
    started, most, cpu = time.monotonic(), 0.0, dict[int, float]()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        while running.poll() is None:
            now = processes(running.pid)
            most = max(most, sum(of.resident_mb for of in now.values()))
            cpu |= {pid: of.cpu for pid, of in now.items()}
            time.sleep(0.05)
    if running.returncode:
        raise SystemExit(running.returncode)
    return Measured(time.monotonic() - started, sum(cpu.values()), most)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("DATAGEN_TEST_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds gsm8k/")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--subsample", type=int, default=200, help="questions for the slow way")
    options = parser.parse_args()
    test_file = options.data / "gsm8k" / "test.jsonl"
    train, test = (
        list(read_problems(DatasetSpec(str(options.data / "gsm8k" / f"{split}.jsonl")))) for split in ("train", "test")
    )
    texts = made_rows(train, test, options.rows)
    theirs = [normalised(problem.question) for problem in test]
    some = rng_for(0, "subsample").sample(texts, options.subsample)
    started = time.process_time()
    for text in some:
        process.extractOne(normalised(text), theirs, scorer=fuzz.ratio)
    slow = (time.process_time() - started) / len(some)
    print(f"slow way, the ratio alone: {slow * len(texts):.0f} s of CPU for {len(texts):,} rows")
    outputs: list[object] = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "rows.jsonl")
        rows = ({"problem_id": str(i), "question": text, "response": "x" * 400} for i, text in enumerate(texts))
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for workers in sorted({1, options.workers}):
            out = Path(folder, f"out-{workers}")
            command = [sys.executable, "-m", "datagen", "decontaminate", str(data), "--against", str(test_file)]
            took = measured([*command, "--workers", str(workers), "--quiet", "--out", str(out)])
            report = json.loads((out / "contamination.json").read_text())
            outputs.append((report, fingerprint(out / "data")["sha256"], fingerprint(out / "removed")["sha256"]))
            found = ", ".join(f"{n} {how}" for how, n in report["by_how"].items())
            print(
                f"{workers} process(es): {took.seconds:.1f} s, {took.cpu:.1f} s of CPU, {took.most_mb:.0f} MB; {found}"
            )
    assert all(output == outputs[0] for output in outputs)


if __name__ == "__main__":
    main()
