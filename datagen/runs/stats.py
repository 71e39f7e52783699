"""The `stats` job: counts over a dataset of candidates."""

from itertools import groupby
from pathlib import Path

from datagen.select.paths import Dedup
from datagen.select.statistics import STRICT, Filter, Statistics, problem_statistics
from datagen.store.arrow_dataset import read_records
from datagen_schemas.candidate import Candidate


def candidate_statistics(path: Path, *, dedup: Dedup = "equations", keep: Filter = STRICT) -> Statistics:
    """Statistics of a candidates folder, or of the one in a run directory (OUT/candidates of rft, OUT/data of sample).

    The gold paths are not there, so `with_gold` counts each problem's gold path as one more.
    """
    folder = next((f for f in (path / "candidates", path / "data") if f.is_dir()), path)
    totals = Statistics()
    for problem_id, group in groupby(read_records(folder, Candidate), key=lambda candidate: candidate.problem_id):
        totals.add(problem_statistics(problem_id, list(group), gold=None, dedup=dedup, keep=keep))
    return totals
