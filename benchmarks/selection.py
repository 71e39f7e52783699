"""RFT selection against the published loop (Algorithm 1), on 500 GSM8K problems x 100 candidates.

    python benchmarks/selection.py [--problems 500] [--candidates 100]

The published loop computes both sums of distances anew for every path, with the `editdistance` package; it is written
here as it stands in the paper. Both get the paths with their equation lists; both must select the same.
"""

import argparse
import time
from collections.abc import Callable
from itertools import chain

import editdistance
from made_candidates import candidates, gsm8k

from datagen.equations.find import find_equations
from datagen.parallel import ordered_map
from datagen.select.paths import Path, select_paths

PROBLEMS_PER_TASK = 25


def published_loop(paths: list[Path]) -> list[int]:
    """Algorithm 1, line by line."""
    selected: list[int] = []
    equations: list[tuple[str, ...]] = []
    for i, path in enumerate(paths):
        if path.equations not in equations:
            selected.append(i)
            equations.append(path.equations)
            continue
        at = equations.index(path.equations)
        kept = paths[selected[at]].text
        others = [paths[s].text for s in selected if paths[s].text != kept]
        if sum(editdistance.eval(path.text, o) for o in others) > sum(editdistance.eval(kept, o) for o in others):
            selected[at] = i
    return selected


def ours(groups: list[list[Path]]) -> list[list[int]]:
    """The indices that `select_paths` keeps, for each problem."""
    return [[chosen.position for chosen in select_paths(paths)] for paths in groups]


def timed(run: Callable[[], list[list[int]]]) -> tuple[float, list[list[int]]]:
    """Wall time and result of one run."""
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def main() -> None:
    """Time both, compare what they select, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--candidates", type=int, default=100)
    arguments = parser.parse_args()
    groups = [
        [Path(text, tuple(e.normalised for e in find_equations(text))) for text in candidates(problem, n, seed=0)]
        for n in [arguments.candidates]
        # Without annotations the published loop sees one empty list in all paths, and keeps one of them; we do not.
        for problem in [p for p in gsm8k() if "<<" in (p.rationale or "")][: arguments.problems]
    ]
    tasks = [groups[at : at + PROBLEMS_PER_TASK] for at in range(0, len(groups), PROBLEMS_PER_TASK)]
    reference_s, reference = timed(lambda: [published_loop(paths) for paths in groups])
    one_core_s, one_core = timed(lambda: ours(groups))
    two_cores_s, two_cores = timed(lambda: list(chain.from_iterable(ordered_map(ours, tasks, workers=2))))
    distinct = sum(map(len, reference)) / len(groups)
    print(f"{len(groups)} problems x {arguments.candidates} candidates, {distinct:.1f} distinct paths a problem")
    print(f"published loop       {reference_s:8.2f} s   1.0x")
    print(f"ours, one process    {one_core_s:8.2f} s  {reference_s / one_core_s:5.1f}x")
    print(f"ours, two processes  {two_cores_s:8.2f} s  {reference_s / two_cores_s:5.1f}x  (with starting them)")
    print(f"same selection: {reference == one_core == two_cores}")


if __name__ == "__main__":
    main()
