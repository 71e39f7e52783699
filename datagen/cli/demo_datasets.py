"""The datasets of `datagen demo` beyond RFT's own: ranked, corrupted, grouped and augmented."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.cli.options import command_line

if TYPE_CHECKING:  # imported late at run time, to keep --help quick
    from datagen.progress import Report
    from datagen.recipes.miniature import MiniatureConfig
    from datagen.runs.replies import Job


def miniature_job(
    config: "MiniatureConfig",
    out: Path,
    name: str,
    *,
    model: str,
    problems: Path,
    k: int,
    workers: int,
    greedy: bool = False,
) -> "Job":
    """What every stage asks one of the demo's models for."""
    from datagen.readers.read import DatasetSpec
    from datagen.requests.limits import Limits
    from datagen.requests.request import Sampling
    from datagen.runs.replies import Generator, Job

    sampling = Sampling(temperature=0.0 if greedy else config.temperature, max_tokens=config.max_tokens)
    generator = Generator(
        model=str(out / model),
        k=k,
        backend="transformers",
        api="completions",
        prompt="plain",
        sampling=sampling,
        limits=Limits(max_in_flight=256),
    )
    return Job(
        dataset=DatasetSpec(str(problems)),
        out=out / name,
        generator=generator,
        seed=config.seed,
        workers=workers,
        store=out / "replies.sqlite",
        command=command_line(),
    )


def rank_candidates(
    config: "MiniatureConfig", out: Path, problems: Path, *, workers: int, report: "Report"
) -> dict[str, Any]:  # Any: JSON
    """What the VFT model sampled, ranked by the judge that needs no model."""
    from datagen.recipes.gsm8k_rank import STEPS, RankOptions
    from datagen.runs.judges import JudgeSpec
    from datagen.runs.rank import run_rank

    job = replace(
        miniature_job(config, out, "rank", model="vft", problems=problems, k=config.k, workers=workers),
        generator=None,
        candidates=(out / "rft" / "candidates",),
    )
    return run_rank(job, [JudgeSpec(STEPS)], RankOptions(problems=None, k=None), report=report)


def make_negatives(
    config: "MiniatureConfig", out: Path, problems: Path, *, workers: int, report: "Report"
) -> dict[str, Any]:  # Any: JSON
    """Gold paths with a known error, of every kind."""
    from typing import get_args

    from datagen.corrupt.negatives import CorruptOptions
    from datagen.readers.read import DatasetSpec
    from datagen.runs.corrupt import run_corrupt
    from datagen.runs.replies import Job
    from datagen_schemas.corruption import CorruptionMethod

    job = Job(
        DatasetSpec(str(problems)),
        out / "corrupt",
        seed=config.seed,
        workers=workers,
        command=command_line(),
        needs_replies=False,
    )
    return run_corrupt(job, CorruptOptions(methods=get_args(CorruptionMethod), alphas=(0.1, 0.5)), report=report)


def group_candidates(
    config: "MiniatureConfig", out: Path, problems: Path, *, workers: int, report: "Report"
) -> dict[str, Any]:  # Any: JSON
    """Right and wrong answers of the VFT model, and the negatives, as AFT reads them."""
    from datagen.groups.build import GroupOptions
    from datagen.readers.read import DatasetSpec
    from datagen.runs.groups import GroupsJob, run_groups

    job = GroupsJob(
        out=out / "groups",
        dataset=DatasetSpec(str(problems)),
        candidates=(out / "rft" / "candidates",),
        negatives=(out / "corrupt",),
        workers=workers,
        command=command_line(),
    )
    return run_groups(job, GroupOptions(max_positives=3, max_negatives=3, seed=config.seed), report=report)


def augment_problems(
    config: "MiniatureConfig", out: Path, problems: Path, *, workers: int, report: "Report"
) -> dict[str, Any]:  # Any: JSON
    """MetaMath without a model that writes English: other wordings by rule, backward solutions by rule.

    The VFT model solves the original and the reworded questions; each solution is verified like any other.
    """
    from datagen.recipes.metamath import AugmentOptions
    from datagen.runs.augment import run_augment
    from datagen.runs.rewriting import Rewriting

    backward = out / "backward.jsonl"
    write_backward_solutions(backward, problems)
    job = miniature_job(config, out, "augment", model="vft", problems=problems, k=config.augment_k, workers=workers)
    options = AugmentOptions(
        methods=("ansaug", "rephrase", "fobar"),
        style="gsm8k",
        k=config.augment_k,
        # Two problems of one family differ in names and numbers only: what is alike here is no repetition.
        most_similar_question=100.0,
    )
    return run_augment(
        replace(job, candidates=(backward,)),
        options,
        rewriting=Rewriting(by="rule"),
        backward_prompt=None,
        report=report,
    )


def write_backward_solutions(path: Path, problems: Path) -> None:
    """Solutions of the problems' backward questions, by undoing the steps of their plans."""
    import orjson

    from datagen.augment.fobar import fobar_question, masks
    from datagen.readers.read import DatasetSpec, read_problems
    from datagen.synthetic.backward import backward_solutions

    rows = [
        {"question": fobar_question(masked, answer=problem.answer), "response": solution, "model": "rule"}
        for problem in read_problems(DatasetSpec(str(problems)))
        for masked in masks(problem.question)
        for solution in backward_solutions(problem, masked)
    ]
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    partial.replace(path)
