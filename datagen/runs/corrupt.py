"""The `corrupt` job: solutions in, negatives of known quality out."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal, NamedTuple

import pyarrow as pa

from datagen import __version__
from datagen.annotate import Group, annotated, in_tasks
from datagen.corrupt.negatives import CorruptOptions, Parent, negatives
from datagen.parallel import ordered_map
from datagen.progress import Report, Step, silent
from datagen.runs.replies import Job, collect_replies, load_problems, provenance_of
from datagen.runs.rft import Manifest
from datagen.store.arrow_dataset import DatasetWriter, Format, to_batch
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

Of = Literal["correct", "all"]


@dataclass(frozen=True)
class Parents:
    """Which solutions are corrupted."""

    of: Of = "correct"  # of the candidates
    gold: bool | None = None  # the dataset's own solutions; None: if there are no candidates

    def with_gold(self, job: Job) -> bool:
        """Whether the dataset's own solutions are among them."""
        return not job.candidates if self.gold is None else self.gold


class CorruptPart(NamedTuple):
    """The negatives of some neighbouring problems."""

    candidates: pa.RecordBatch
    problems: int
    parents: int
    left_out: int  # candidates that are not corrupted, not being correct
    made: Counter[str]  # by method
    by_alpha: Counter[float]
    not_made: Counter[tuple[str, str]]  # by method and reason


def run_corrupt(
    job: Job,
    options: CorruptOptions,
    *,
    parents: Parents | None = None,
    format: Format = "arrow",
    report: Report = silent,
) -> Manifest:
    """Write corrupted candidates to `job.out`, grouped by problem; returns the manifest. A finished run is kept.

    Raises:
        DataError: an input cannot be read, or there is no solution to corrupt.
    """
    started = time.monotonic()
    chosen = parents or Parents()
    with_gold = chosen.with_gold(job)
    config = {"options": asdict(options), "of": chosen.of, "gold": with_gold}
    run = RunDirectory(
        job.out, {"stage": "corrupt", "format": format, **config, **job.config()}, overwrite=job.overwrite
    )
    finished = run.manifest()
    if finished is not None:
        return finished
    run.clear("data", ".spill")
    with run.reading():
        problems, bad_problems = load_problems(job.dataset, report=report)
        replies = collect_replies(job, problems, run, report=report)

    function = partial(
        _corrupt_part,
        provenance=provenance_of(job, stage="corrupt"),
        options=options,
        of=chosen.of,
        with_gold=with_gold,
        seed=job.seed,
    )
    counts, made, by_alpha = Counter[str](), Counter[str](), Counter[float]()
    not_made = Counter[tuple[str, str]]()
    with DatasetWriter(run.data, Candidate, format=format) as rows:
        tasks = in_tasks(zip(problems, replies.groups, strict=True))
        for part in ordered_map(function, tasks, workers=job.workers):
            rows.write(part.candidates)
            counts.update(problems=part.problems, parents=part.parents, left_out=part.left_out)
            made += part.made
            by_alpha += part.by_alpha
            not_made += part.not_made
            report(Step("corrupt", counts["problems"], len(problems), f"{rows.rows:,} negatives"))
        if not counts["parents"]:
            run.discard()  # else other options would meet a run that holds nothing
            raise _nothing(job, chosen, n_candidates=counts["left_out"])
    run.clear(".spill")

    alphas = options.alphas if "chars" in options.methods else ()
    facts = {
        "counts": {
            "problems": len(problems),
            "parents": counts["parents"],
            "candidates": rows.rows,
            "rows": rows.rows,
            "left_out": {"not correct": counts["left_out"]} if counts["left_out"] else {},
            "made": {method: made[method] for method in options.methods},
            "by_alpha": {str(alpha): by_alpha[alpha] for alpha in alphas},
            "not_made": {
                method: {reason: n for (of, reason), n in sorted(not_made.items()) if of == method}
                for method in options.methods
            },
            "bad_problems": bad_problems.as_json(),
            "bad_candidates": replies.drops.as_json(),
        },
        "seconds": round(time.monotonic() - started, 1),
    }
    card = dataset_card(
        title="Corrupted reasoning paths: negatives of known quality",
        command=job.command,
        folders={"data": "corrupted solutions, each with the error that was made in it"},
        facts={
            "problems": len(problems),
            "solutions corrupted": counts["parents"],
            "negatives": rows.rows,
            **{f"by {method}": made[method] for method in options.methods},
        },
    )
    return run.finish(command=job.command, card=card, facts=facts)


def _nothing(job: Job, parents: Parents, *, n_candidates: int) -> DataError:
    name = job.dataset.name
    if not job.candidates:
        return DataError(f"{name}: no problem has a solution to corrupt. Give solutions with --candidates.")
    if n_candidates:
        return DataError(
            f"{name}: none of {n_candidates:,} candidates is verified correct. Corrupt them all the same with "
            "--of all, or the dataset's own solutions with --gold."
        )
    return DataError(
        f"{name}: no candidate to corrupt. Check that --candidates answer its problems, or corrupt the dataset's own "
        "solutions with --gold."
    )


def _corrupt_part(
    task: list[Group], *, provenance: Provenance, options: CorruptOptions, of: Of, with_gold: bool, seed: int
) -> CorruptPart:
    rows: list[Candidate] = []
    n_parents = left_out = 0
    not_made = Counter[tuple[str, str]]()
    for problem, replies in task:
        candidates = list(annotated(problem, replies, provenance=provenance))
        chosen = [candidate for candidate in candidates if of == "all" or candidate.verdict == "correct"]
        found = [*_gold(problem, with_gold=with_gold), *map(_parent, chosen)]
        n_parents += len(found)
        left_out += len(candidates) - len(chosen)
        made = negatives(problem, found, options=options, seed=seed)
        rows += made.candidates
        not_made += made.not_made
    corruptions = [row.corruption for row in rows if row.corruption is not None]
    return CorruptPart(
        to_batch(rows, Candidate),
        len(task),
        n_parents,
        left_out,
        Counter(corruption.method for corruption in corruptions),
        Counter(corruption.alpha for corruption in corruptions if corruption.alpha is not None),
        not_made,
    )


def _parent(candidate: Candidate) -> Parent:
    return Parent(candidate.response, candidate.sample, candidate.provenance)


def _gold(problem: Problem, *, with_gold: bool) -> Iterator[Parent]:
    """The dataset's own solution, if there is one and it is wanted."""
    if with_gold and problem.rationale:
        provenance = Provenance.of_stage("gold", package_version=__version__, parents=(problem.id,))
        yield Parent(problem.rationale, None, provenance)
