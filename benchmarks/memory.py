"""Peak memory and speed of `datagen rft --candidates` on 1,000,000 candidates made from GSM8K.

    python benchmarks/memory.py [--candidates 1000000] [--workers 2]

The file of candidates is interleaved: first one for every problem, then the second for every problem, and so on, as
several models' outputs would be; so no problem is complete before the last row is read.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

import psutil
from made_candidates import DATA, candidates, gsm8k

VARIANTS = 20  # texts made per problem; used again in turn to fill the file


def write_candidates(path: Path, n: int) -> None:
    """n rows: question, response, model."""
    problems = gsm8k()
    texts = [list(candidates(problem, VARIANTS, seed=0)) for problem in problems]
    with path.open("w") as file:
        written = 0
        for i in cycle(range(VARIANTS)):
            for problem, variants in zip(problems, texts, strict=True):
                # A running number keeps the texts apart, as real samples are.
                row = {"question": problem.question, "response": f"({written}) {variants[i]}", "model": "made"}
                file.write(json.dumps(row) + "\n")
                written += 1
                if written == n:
                    return


def tree_rss(process: psutil.Process) -> int:
    """Resident bytes of a process and its children; what they share counts for each: an upper bound."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def main() -> None:
    """Make the file, run the command, watch it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidates.jsonl"
        write_candidates(path, arguments.candidates)
        print(f"{arguments.candidates:,} candidates, {path.stat().st_size / 1e6:,.0f} MB")
        command = [sys.executable, "-m", "datagen", "rft", "--dataset", str(DATA / "gsm8k" / "train.jsonl")]
        command += ["--candidates", str(path), "--out", f"{folder}/out", "--workers", str(arguments.workers), "--json"]
        started = time.perf_counter()
        with (Path(folder) / "result.json").open("w") as result:
            process = psutil.Popen(command, stdout=result)
            peak_tree = peak_one = 0
            while process.poll() is None:
                try:
                    peak_tree = max(peak_tree, tree_rss(process))
                    peak_one = max(peak_one, process.memory_info().rss)
                except psutil.NoSuchProcess:
                    break
                time.sleep(0.1)
        seconds = time.perf_counter() - started
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        found = json.loads((Path(folder) / "result.json").read_text())
        print(f"{seconds:,.0f} s, {found['candidates'] / seconds:,.0f} candidates/s with {arguments.workers} workers")
        print(f"peak RSS: {peak_tree / 1e9:.2f} GB with the workers, {peak_one / 1e9:.2f} GB the main process")
        print(
            {name: found[name] for name in ("candidates", "correct", "wrong", "false_equations", "distinct", "rows")}
        )


if __name__ == "__main__":
    main()
