"""The `stats` job: counts over a dataset of candidates."""

from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datagen.select.paths import Dedup
from datagen.select.paths import Path as Solution
from datagen.select.statistics import STRICT, Filter, Statistics, problem_statistics
from datagen.store.arrow_dataset import read_batches, read_records
from datagen_schemas.candidate import Candidate

_OF_GOLD = ("problem_id", "completion", "equations")


def candidate_statistics(path: Path, *, dedup: Dedup = "equations", keep: Filter = STRICT) -> Statistics:
    """Statistics of a candidates folder, or of the one in a run directory (OUT/candidates of rft, OUT/data of sample).

    The gold paths are known where rft wrote them to OUT/data.
    """
    folder = next((f for f in (path / "candidates", path / "data") if f.is_dir()), path)
    gold = _gold_paths(path / "data") if folder == path / "candidates" else {}
    totals = Statistics()
    for problem_id, group in groupby(read_records(folder, Candidate), key=lambda candidate: candidate.problem_id):
        own = gold.get(problem_id)
        totals.add(problem_statistics(problem_id, list(group), gold=own, dedup=dedup, keep=keep))
    return totals


def _gold_paths(folder: Path) -> dict[str, Solution]:
    """Problem -> its gold path, of training examples; of other rows none."""
    found: dict[str, Solution] = {}
    if not folder.is_dir():
        return found
    for batch in read_batches(folder):
        if not {"source", *_OF_GOLD} <= set(batch.schema.names):
            break
        rows = batch.filter(pc.equal(batch.column("source"), pa.scalar("gold"))).select(_OF_GOLD).to_pylist()
        found |= {row["problem_id"]: Solution(row["completion"], tuple(row["equations"])) for row in rows}
    return found
