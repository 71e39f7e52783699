"""Time and peak memory of `datagen trace` for the last row of small and large data sets, against reading all rows.

    python benchmarks/trace.py [--rows 10000 1000000]

A run of candidates, and a split that kept every row of it: the row is read by its index, then found by its content in
the run. The problem is looked for in GSM8K's test file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Literal

from made_candidates import DATA, candidates, gsm8k

from datagen.annotate import annotate
from datagen.store.arrow_dataset import DatasetWriter, read_batches, to_batch
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen_schemas.candidate import Candidate
from datagen_schemas.provenance import Provenance

PER_PROBLEM = 8
FORMATS: tuple[Literal["arrow", "parquet"], ...] = ("arrow", "parquet")


def build(folder: Path, n: int, format: Literal["arrow", "parquet"]) -> None:
    """The two runs; the candidates of a few hundred problems again and again numbered."""
    problems = gsm8k("test")[:250]
    provenance = Provenance.of_stage("sample", package_version="0")
    made = [
        annotate(problem, text, sample=i, provenance=provenance)
        for problem in problems
        for i, text in enumerate(candidates(problem, PER_PROBLEM, seed=0))
    ]
    config = {"stage": "sample", "dataset": {"name": "p", "file": fingerprint(DATA / "gsm8k" / "test.jsonl")}}
    run = RunDirectory(folder / "sample", config)
    with DatasetWriter(run.data, Candidate, format=format) as rows:
        for block in range(-(-n // len(made))):
            again = (of.model_copy(update={"problem_id": f"{of.problem_id}-{block}"}) for of in made)
            part = list(islice(again, n - rows.rows))
            for at in range(0, len(part), 1000):
                rows.write(to_batch(part[at : at + 1000], Candidate))
    run.finish(command="sample", card="", facts={})
    split = RunDirectory(folder / "split", {"stage": "split", "inputs": [{"name": "s", **fingerprint(run.data)}]})
    with DatasetWriter(split.data, Candidate, format=format) as rows:
        for batch in read_batches(run.data):
            rows.write(batch)
    split.finish(command="split", card="", facts={})


def measured(script: str, *arguments: str) -> tuple[float, float]:
    """Seconds that a script says, and MB of its process at most."""
    code = (
        "import sys, time, pathlib; start = time.perf_counter()\n"
        f"{script}\n"
        "peak = next(of for of in open('/proc/self/status') if of.startswith('VmHWM')).split()[1]\n"
        "print(time.perf_counter() - start, int(peak) / 1000)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


TRACE = (
    "from datagen.trace.records import trace; start = time.perf_counter()\n"
    "assert trace(pathlib.Path(sys.argv[1]), int(sys.argv[2])).row.made_from"
)
READ = (
    "from datagen.store.arrow_dataset import read_batches; start = time.perf_counter()\n"
    "assert sum(len(batch.to_pylist()) for batch in read_batches(pathlib.Path(sys.argv[1]) / 'data'))"
)


def main() -> None:
    """Build, trace, compare."""
    parser = argparse.ArgumentParser(description="Time and peak memory of datagen trace.")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    for n in parser.parse_args().rows:
        for format in FORMATS:
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                build(folder, n, format)
                seconds, megabytes = measured(TRACE, str(folder / "split"), str(n - 1))
                all_seconds, all_megabytes = measured(READ, str(folder / "split"))
                found = {"rows": n, "format": format, "trace_s": round(seconds, 3), "trace_mb": round(megabytes)}
                found |= {"read_all_s": round(all_seconds, 2), "read_all_mb": round(all_megabytes)}
                print(json.dumps({**found, "times_quicker": round(all_seconds / seconds, 1)}), flush=True)


if __name__ == "__main__":
    os.environ["DATAGEN_HOME"] = tempfile.gettempdir()
    main()
