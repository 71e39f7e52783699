"""The `examples` job: problems in, training examples out, each answer in the form that a paper trains on."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from datagen.mix.subsets import nested_subset, subset_ids
from datagen.parallel import ordered_map
from datagen.progress import Report, Step, silent
from datagen.question_text import load_question_prompt
from datagen.readers.read import Dropped
from datagen.recipes.formula_answers import PROMPT, AnswerForm, NotConverted, example_of
from datagen.runs.replies import Drops, Job, load_problems
from datagen.store.arrow_dataset import DatasetWriter, Format
from datagen.store.card import dataset_card
from datagen.store.run_directory import RunDirectory
from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_schemas.problem import Problem

Manifest = dict[str, Any]  # Any: JSON
PROBLEMS_PER_TASK = 500


@dataclass(frozen=True)
class ExampleOptions:
    """What is written."""

    answers: AnswerForm = "formulas"
    train_prompt: str = PROMPT
    fractions: tuple[float, ...] = (1.0,)  # of the problems, each a data set of its own; they lie inside each other


def folder_of(fraction: float, fractions: Sequence[float]) -> str:
    """The sub-folder of a fraction: 'data' of the largest, else 'fraction-0.1'."""
    return "data" if fraction == max(fractions) else f"fraction-{fraction:g}"


def run_examples(job: Job, options: ExampleOptions, *, format: Format = "arrow", report: Report = silent) -> Manifest:
    """Write the examples to `job.out`; returns the manifest. A finished run is kept.

    OUT/data holds those of the largest fraction, OUT/fraction-F those of each other one. Fractions are of the
    problems, before any is dropped, so that two forms of answers are compared on the same problems.

    Raises:
        DataError: an input cannot be read, or not one problem has what the form needs.
    """
    started = time.monotonic()
    prompt = load_question_prompt(options.train_prompt)
    fractions = sorted(set(options.fractions), reverse=True)
    config = {"options": {**asdict(options), "fractions": fractions, "prompt_sha256": prompt.sha256}, **job.config()}
    run = RunDirectory(job.out, {"stage": "examples", "format": format, **config}, overwrite=job.overwrite)
    finished = run.manifest()
    if finished is not None:
        return finished
    folders = {fraction: folder_of(fraction, fractions) for fraction in fractions}
    run.clear(*folders.values())
    with run.reading():
        problems, bad_problems = load_problems(job.dataset, report=report)
        chosen = nested_subset(problems, problem_id=_id, fraction=fractions[0], seed=job.seed)
        examples: list[Example] = []
        drops = Drops()
        tasks = (chosen[at : at + PROBLEMS_PER_TASK] for at in range(0, len(chosen), PROBLEMS_PER_TASK))
        function = partial(_convert, answers=options.answers, train_prompt=options.train_prompt)
        for made in ordered_map(function, tasks, workers=min(job.workers, 1 + len(chosen) // PROBLEMS_PER_TASK)):
            examples += (of for of in made if isinstance(of, Example))
            for of in made:
                if isinstance(of, NotConverted):
                    drops(Dropped(of.problem_id, of.reason, ""))
            report(Step("write examples", len(examples) + drops.counts.total(), len(chosen)))
        if not examples:
            raise _nothing(job, options, drops.counts)

    counts: dict[str, int] = {}
    for fraction, folder in folders.items():
        inside = subset_ids(map(_id, problems), fraction=fraction, seed=job.seed)
        with DatasetWriter(run.path / folder, Example, format=format) as rows:
            rows.write_records((example for example in examples if example.problem_id in inside), Example)
        counts[folder] = rows.rows
    facts = {
        "counts": {
            "problems": len(problems),
            "chosen": len(chosen),
            "rows": counts["data"],
            "folders": counts,
            "dropped": dict(sorted(drops.counts.items())),
            "not_converted": [{"problem_id": drop.where, "reason": drop.reason} for drop in drops.listed],
            "bad_problems": bad_problems.as_json(),
        },
        "seconds": round(time.monotonic() - started, 1),
    }
    card = dataset_card(
        title=f"Training examples with {TITLES[options.answers]}",
        command=job.command,
        folders={name: f"training examples of {100 * of:g} % of the problems" for of, name in folders.items()},
        facts={"problems": len(problems), **{f"examples in {name}": n for name, n in counts.items()}},
    )
    return run.finish(command=job.command, card=card, facts=facts)


TITLES = {"formulas": "formula-only answers", "letter": "the letter of a choice", "gold": "published solutions"}


def _id(problem: Problem) -> str:
    return problem.id


def _convert(problems: Sequence[Problem], *, answers: AnswerForm, train_prompt: str) -> list[Example | NotConverted]:
    prompt = load_question_prompt(train_prompt)
    return [example_of(problem, answers=answers, prompt=prompt) for problem in problems]


def _nothing(job: Job, options: ExampleOptions, reasons: Counter[str]) -> DataError:
    found = ", ".join(f"{n:,} x {reason}" for reason, n in reasons.most_common())
    others = " or ".join(form for form in ("formulas", "letter", "gold") if form != options.answers)
    return DataError(f"{job.dataset.name}: no example with --answers {options.answers} ({found}). Try {others}.")
