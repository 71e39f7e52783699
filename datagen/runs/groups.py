"""The `groups` job: candidates, ranked groups or both in; alignment groups or preference pairs out."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from datagen import __version__
from datagen.groups.build import Gathered, GroupOptions, alignment_groups
from datagen.progress import Report, Step, silent
from datagen.question_text import load_question_prompt
from datagen.readers.candidates import ProblemIndex, read_candidates
from datagen.readers.read import DatasetSpec
from datagen.runs.out_place import refuse_same
from datagen.runs.replies import Drops, Job, collect_replies, load_problems, provenance_of
from datagen.runs.rft import Manifest
from datagen.store.arrow_dataset import DatasetWriter, Format, read_batches, read_records
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.rating import RankedGroup

_REMEDIES = {
    "only positives": "Give wrong responses too: more candidates, or --negatives made by `datagen corrupt`.",
    "only negatives": "Give correct responses too: more candidates, or the gold paths with --gold.",
    "no candidates": "Check that --candidates answer the problems of --dataset, --split and --limit.",
    "no usable candidates": "See why with: datagen stats",
    "not ranked": "Rank these problems with `datagen rank`, or use --feedback binary.",
    "all tied": "Lower --min-gap, ask the judge for more votes, or use --feedback binary.",
    "all tied within the limits": "Raise --max-positives and --max-negatives, or use --feedback binary.",
    "a single response": "Rank more candidates a problem, or add --negatives made by `datagen corrupt`.",
}


@dataclass(frozen=True)
class GroupsJob:
    """Where responses come from and where the groups go."""

    out: Path
    dataset: DatasetSpec | None = None  # not needed for the problems that are ranked
    candidates: tuple[Path, ...] = ()
    ranked: tuple[Path, ...] = ()
    negatives: tuple[Path, ...] = ()
    workers: int = 1
    overwrite: bool = False
    skip_bad: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        """Refuse a job without responses or without problems, or that would replace its input."""
        if not (self.candidates or self.ranked or self.negatives):
            raise DataError("no responses: name --candidates, --ranked or --negatives.")
        if self.dataset is None and not self.ranked:
            raise DataError("no problems: name those that the candidates answer with --dataset.")
        refuse_same(self.out, (*self.candidates, *self.ranked, *self.negatives))

    def replies(self) -> Job:
        """The part of it that reads files of replies."""
        spec = self.dataset or DatasetSpec("the ranked groups", skip_bad=self.skip_bad)
        files = (*self.candidates, *self.negatives)
        return Job(dataset=spec, out=self.out, candidates=files, command=self.command, needs_replies=False)

    def config(self) -> dict[str, Any]:  # Any: JSON
        """What decides the output."""
        spec = self.dataset
        local = Path(spec.name) if spec is not None else None
        return {
            "datagen": __version__,
            "dataset": None if spec is None else {**asdict(spec), "columns": dict(spec.columns)},
            "dataset_file": fingerprint(local) if local is not None and local.exists() else None,
            "candidates": [fingerprint(path) for path in self.candidates],
            "ranked": [fingerprint(path) for path in self.ranked],
            "negatives": [fingerprint(path) for path in self.negatives],
            "skip_bad": self.skip_bad,
        }


def run_groups(
    job: GroupsJob, options: GroupOptions, *, format: Format = "arrow", report: Report = silent
) -> Manifest:
    """Write one group a problem, or its pairs, to `job.out`; returns the manifest. A finished run is not done again.

    The problems are those of the ranked groups, in their order, then the others of the dataset.

    Raises:
        DataError: an input cannot be read, a problem is ranked twice, or there is not a single group to write.
    """
    started = time.monotonic()
    prompt = load_question_prompt(options.train_prompt)
    config = {"stage": "groups", "format": format, "options": asdict(options), "prompt": prompt.sha256, **job.config()}
    run = RunDirectory(job.out, config, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None:
        return finished
    run.clear("data", ".spill")
    with run.reading():
        folders = [ranked_folder(path) for path in job.ranked]
        problems = ranked_problems(folders)
        n_ranked = len(problems)
        bad_problems = Drops()
        if job.dataset is not None:
            others, bad_problems = load_problems(job.dataset, report=report)
            known = {problem.id for problem in problems}
            problems += [problem for problem in others if problem.id not in known]

        _refuse_uncorrupted(job.negatives, problems, skip_bad=job.skip_bad)
        replies = collect_replies(job.replies(), problems, run, report=report)
    ranked = chain(_ranked_groups(folders), repeat(None, len(problems) - n_ranked))
    provenance = provenance_of(job.replies(), stage="groups")

    counts, dropped, dropped_responses = Counter[str](), Counter[str](), Counter[str]()
    record = AlignmentGroup if options.rows == "group" else Preference
    with DatasetWriter(run.data, record, format=format) as rows:
        gathered = (Gathered(*parts) for parts in zip(problems, ranked, replies.groups, strict=True))
        for part in alignment_groups(gathered, provenance=provenance, options=options, workers=job.workers):
            rows.write(part.rows)
            counts += part.counts
            dropped += part.dropped
            dropped_responses += part.dropped_responses
            report(Step("build groups", counts["problems"], len(problems), f"{counts['groups']:,} groups"))
        if not counts["groups"]:
            run.discard()  # else other options would meet a run that holds nothing
            raise _nothing(dropped)
    run.clear(".spill")

    facts = {
        "feedback": options.feedback,
        "counts": {
            **{name: counts[name] for name in _COUNTED},
            "rows": rows.rows,
            "duplicates": dropped_responses["duplicate"],
            "dropped": dict(sorted(dropped.items())),
            "dropped_responses": dict(sorted(dropped_responses.items())),
            "bad_problems": bad_problems.as_json(),
            "bad_candidates": replies.drops.as_json(),
        },
        "seconds": round(time.monotonic() - started, 1),
    }
    return run.finish(command=job.command, card=_card(job, options, counts), facts=facts)


_COUNTED = (
    "problems",
    "candidates",
    "groups",
    "responses",
    "gold",
    "positives",
    "negatives",
    "pairs",
    "pairs_beyond_limit",
    "references",
)


def ranked_folder(path: Path) -> Path:
    """The dataset folder of a run of `datagen rank`, or the folder itself.

    Raises:
        DataError: the run is not finished.
    """
    if (path / "run.json").exists() and not (path / "manifest.json").exists():
        raise DataError(f"--ranked {path}: this run is not finished. Finish it by running its command again.")
    return path / "data" if (path / "data").is_dir() else path


def ranked_problems(folders: Sequence[Path]) -> list[Problem]:
    """The problems of ranked groups, in order.

    Scores of two runs are not merged: a response that only one judge saw has no place among those of the other one.

    Raises:
        DataError: the folder holds no ranked groups, or a problem is ranked twice.
    """
    problems: dict[str, Problem] = {}
    for folder in folders:
        for batch in read_batches(folder):
            if "problem" not in batch.schema.names or "candidates" not in batch.schema.names:
                raise DataError(f"--ranked {folder}: these are no ranked groups. Name a run of: datagen rank")
            for row in batch.column("problem").to_pylist():
                try:
                    problem = Problem.model_validate(row)
                except ValidationError as error:
                    raise DataError(
                        f"--ranked {folder}: not a problem: {row!r:.80}. Rank the problems again."
                    ) from error
                if problem.id in problems:
                    raise DataError(
                        f"--ranked {folder}: problem {problem.id} is ranked twice, and scores of two runs do not "
                        "compare. Rank all its candidates in one run; several --judge make a panel."
                    )
                problems[problem.id] = problem
    return list(problems.values())


def _ranked_groups(folders: Sequence[Path]) -> Iterator[RankedGroup]:
    for folder in folders:
        yield from read_records(folder, RankedGroup)


def _refuse_uncorrupted(files: Sequence[Path], problems: Sequence[Problem], *, skip_bad: bool) -> None:
    """A reply that nobody corrupted may be right: it is for the answer check or the judge, not for --negatives."""
    index = ProblemIndex(problems)
    for path in files:
        for reply in read_candidates(path, index, skip_bad=skip_bad, on_drop=Drops()):
            if reply.corruption is None:
                raise DataError(
                    f"--negatives {path}: a reply to problem {reply.problem_id} has no 'corruption', so it is not "
                    "known to be wrong. Make negatives with `datagen corrupt`, or give the file as --candidates."
                )


def _nothing(dropped: Mapping[str, int]) -> DataError:
    reasons = sorted(dropped.items(), key=lambda item: -item[1])
    counted = ", ".join(f"{n:,} {reason}" for reason, n in reasons)
    return DataError(f"no group to write: of {sum(dropped.values()):,} problems {counted}. {_REMEDIES[reasons[0][0]]}")


def _card(job: GroupsJob, options: GroupOptions, counts: Mapping[str, int]) -> str:
    is_group = options.rows == "group"
    what = "alignment groups for AFT" if is_group else "preference pairs: prompt, chosen, rejected"
    return dataset_card(
        title=f"{'Alignment groups' if is_group else 'Preference pairs'} ({options.feedback} feedback)",
        command=job.command,
        folders={"data": what},
        facts={
            "problems": counts["problems"],
            "problems with a group": counts["groups"],
            "responses": counts["responses"],
            "verified correct or gold": counts["positives"],
            "wrong": counts["negatives"],
            "pairs of a better and a worse response": counts["pairs"],
        },
    )
