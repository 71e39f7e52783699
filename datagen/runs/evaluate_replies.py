"""The `eval` job without a model: replies made elsewhere, verified and compared to the gold paths, by who made them.

OUT/replies           every reply with its verdict
OUT/problems.jsonl    what every model did on every problem: what all numbers are computed from
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from datagen.progress import Report, Step, silent
from datagen.runs.evaluate import as_dict, n_steps, write_rows
from datagen.runs.evaluation_card import evaluation_card
from datagen.runs.replies import Job, load_problems
from datagen.runs.report import is_short
from datagen.runs.rft import Manifest
from datagen.runs.sample import run_sample
from datagen.steps.step import Step as SolutionStep
from datagen.steps.step import find_steps, gold_steps
from datagen.steps.step_metrics import StepScores, step_scores
from datagen.store.arrow_dataset import Format, read_records
from datagen.store.run_directory import RunDirectory
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem


@dataclass(frozen=True)
class ModelReplies:
    """One model's replies: a value each, by problem id."""

    model: str
    correct: dict[str, list[bool]] = field(default_factory=dict)
    steps: dict[str, list[StepScores]] = field(default_factory=dict)  # where the gold path has steps


Summary = dict[str, Any]  # Any: JSON
SummariseReplies = Callable[[Sequence[Problem], Sequence[ModelReplies]], Summary]


def run_reply_evaluation(
    job: Job, *, summarise: SummariseReplies, format: Format = "arrow", report: Report = silent
) -> Manifest:
    """Measure the job's candidate files; returns the manifest. A finished run is not done again.

    Replies belong to the model that the file names, else to the file. Models stand in the order of their files.
    """
    run = RunDirectory(job.out, {"stage": "eval-replies", "format": format, **job.config()}, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None and not is_short(finished):
        return finished
    inner = replace(job, out=job.out / "replies", overwrite=False)
    with run.reading():
        problems, _ = load_problems(job.dataset)
        sampled = run_sample(inner, format=format, report=report)
        models = _by_model(problems, read_records(inner.out / "data", Candidate), files=job.candidates, report=report)
        if not models:
            raise DataError(f"--candidates {job.candidates[0]}: no reply answers a problem of the dataset.")
    write_rows(run.path / "problems.jsonl", _rows(problems, models))
    result = orjson.loads(orjson.dumps(summarise(problems, models)))  # NaN is null, now as when it is read again
    card = evaluation_card(
        command=job.command,
        folders={"replies/data": "every reply with its verdict"},
        facts={
            "problems": len(problems),
            "replies": sampled["counts"]["candidates"],
            "models": ", ".join(of.model for of in models),
        },
        result=result,
    )
    facts = {"result": result, "counts": sampled["counts"], "failures": sampled["failures"]}
    return run.finish(command=job.command, card=card, facts=facts)


def _by_model(
    problems: Sequence[Problem], candidates: Iterable[Candidate], *, files: Sequence[Path], report: Report
) -> list[ModelReplies]:
    """Every reply's verdict and step scores; memory holds no texts."""
    names = [path.name for path in files]
    gold: dict[str, tuple[SolutionStep, ...]] = {problem.id: gold_steps(problem) for problem in problems}
    found: dict[str, ModelReplies] = {}
    order: dict[str, int] = {}
    n = 0
    for candidate in candidates:
        file = candidate.provenance.endpoint or ""
        if candidate.model is None and names.count(file) > 1:
            raise DataError(
                f"--candidates: {names.count(file)} files are called {file} and do not say whose replies they hold. "
                "Rename one, or add a column 'model'."
            )
        model = candidate.model or file
        of = found.setdefault(model, ModelReplies(model))
        order[model] = min(order.get(model, len(names)), names.index(file) if file in names else len(names))
        of.correct.setdefault(candidate.problem_id, []).append(candidate.verdict == "correct")
        if wanted := gold[candidate.problem_id]:
            scores = step_scores(find_steps(candidate.response), wanted)
            of.steps.setdefault(candidate.problem_id, []).append(scores)
        n += 1
        if n % 1000 == 0:
            report(Step("compare steps", n, None))
    report(Step("compare steps", n, n))
    return sorted(found.values(), key=lambda of: order[of.model])


def _rows(problems: Sequence[Problem], models: Sequence[ModelReplies]) -> Iterator[Mapping[str, Any]]:  # Any: JSON
    """Per problem, what each model did."""
    for problem in problems:
        of_models = [
            {
                "model": of.model,
                "correct": of.correct.get(problem.id, []),
                "steps": [as_dict(scores) for scores in of.steps.get(problem.id, [])],
            }
            for of in models
        ]
        yield {"problem_id": problem.id, "source": problem.source, "n_steps": n_steps(problem), "models": of_models}
