"""RFT: rejection sampling fine-tuning data (Yuan et al. 2023, arXiv:2308.01825, section 3.3 and Algorithm 1).

For each question: sample k reasoning paths, keep those that reach the reference answer and whose equations hold, keep
one of each equation list (`select/paths.py`), and add them to the gold path: D' = D ∪ {(q, r)}. It is a union of sets:
a selected path with the gold path's text, white space aside, is the gold path and is not written again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from datagen import __version__
from datagen.annotate import Group, annotated, in_tasks
from datagen.equations.find import find_equations
from datagen.groups.members import text_key
from datagen.parallel import ordered_map
from datagen.question_text import load_question_prompt, question_fields
from datagen.select.paths import Dedup, Path, select_paths
from datagen.select.statistics import Filter, ProblemStatistics, problem_statistics
from datagen.store.arrow_dataset import to_batch
from datagen.store.spill import Spilled
from datagen_prompts.template import PromptTemplate
from datagen_schemas.candidate import Candidate
from datagen_schemas.example import Example
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

SAME_AS_GOLD = "same text as the gold path"


@dataclass(frozen=True)
class RftOptions:
    """What decides which paths are kept, and how they are written."""

    dedup: Dedup = "equations"
    keep: Filter = field(default_factory=Filter)
    with_gold: bool = True
    train_prompt: str = "plain"
    k: int | None = None  # only the first k candidates of each problem; None: all


class RftPart(NamedTuple):
    """The result for some neighbouring problems."""

    candidates: pa.RecordBatch
    examples: pa.RecordBatch
    statistics: list[ProblemStatistics]
    dropped: Counter[str]  # candidates that are not in the dataset, by reason
    gold: int


def rft(
    problems: Iterable[Problem],
    replies: Iterable[Sequence[Spilled]],
    *,
    provenance: Provenance,
    options: RftOptions,
    workers: int = 1,
) -> Iterator[RftPart]:
    """D' for problems and their replies (one group per problem, in the same order), part by part and in order.

    Args:
        problems: the questions with their reference answers and gold paths.
        replies: what was sampled for each.
        provenance: what all replies have in common.
        options: what to keep.
        workers: processes; the result does not depend on it.
    """
    tasks = in_tasks(zip(problems, replies, strict=True))
    yield from ordered_map(partial(_rft_part, provenance=provenance, options=options), tasks, workers=workers)


def _rft_part(task: list[Group], *, provenance: Provenance, options: RftOptions) -> RftPart:
    """Verify, select and count the problems of one task."""
    prompt = load_question_prompt(options.train_prompt)
    all_candidates: list[Candidate] = []
    examples: list[Example] = []
    statistics: list[ProblemStatistics] = []
    dropped: Counter[str] = Counter()
    n_gold = 0
    for problem, replies in task:
        candidates = list(annotated(problem, islice(replies, options.k), provenance=provenance))
        kept = selected(candidates, options=options)
        dropped += _drop_reasons(candidates, n_kept=len(kept), options=options)
        gold = gold_example(problem, prompt=prompt, stage=provenance.stage)
        if gold is not None and options.with_gold:
            examples.append(gold)
            n_gold += 1
            gold_text = text_key(gold.completion)
            others = [candidate for candidate in kept if text_key(candidate.response) != gold_text]
            dropped[SAME_AS_GOLD] += len(kept) - len(others)
            kept = others
        examples.extend(as_example(problem, candidate, prompt=prompt) for candidate in kept)
        all_candidates.extend(candidates)
        statistics.append(
            problem_statistics(
                problem.id,
                candidates,
                gold=Path(gold.completion, gold.equations) if gold is not None else None,
                dedup=options.dedup,
                keep=options.keep,
                published=[reply.is_correct for reply in replies[: len(candidates)]],
            )
        )
    return RftPart(to_batch(all_candidates, Candidate), to_batch(examples, Example), statistics, +dropped, n_gold)


def selected(candidates: Sequence[Candidate], *, options: RftOptions) -> list[Candidate]:
    """The distinct correct paths among one problem's candidates."""
    correct = [candidate for candidate in candidates if options.keep.reason(candidate) is None]
    paths = [Path(candidate.response, candidate.equations) for candidate in correct]
    return [correct[path.position] for path in select_paths(paths, dedup=options.dedup)]


def gold_example(
    problem: Problem, *, prompt: PromptTemplate, stage: str, with_equations: bool = True
) -> Example | None:
    """The dataset's own path; None if the problem has none."""
    if problem.rationale is None:
        return None
    source = Provenance(
        stage=stage,
        model=None,
        endpoint=None,
        prompt_id=prompt.id,
        prompt_sha256=prompt.sha256,
        sampling=None,
        seed=None,
        sample=None,
        reply_key=None,
        parents=(problem.id,),
        package_version=__version__,
    )
    return Example(
        prompt=prompt.render_text(**question_fields(problem)),
        completion=problem.rationale,
        problem_id=problem.id,
        source="gold",
        answer=problem.answer,
        equations=tuple(of.normalised for of in find_equations(problem.rationale)) if with_equations else (),
        sample=None,
        model=None,
        provenance=source,
    )


def as_example(problem: Problem, candidate: Candidate, *, prompt: PromptTemplate) -> Example:
    """A selected candidate as a training example."""
    return Example(
        prompt=prompt.render_text(**question_fields(problem)),
        completion=candidate.response,
        problem_id=problem.id,
        source="sampled",
        answer=problem.answer,
        equations=candidate.equations,
        sample=candidate.sample,
        model=candidate.model,
        provenance=candidate.provenance,
    )


def _drop_reasons(candidates: Sequence[Candidate], *, n_kept: int, options: RftOptions) -> Counter[str]:
    """Why each candidate that was not kept is not in the dataset."""
    found = (options.keep.reason(candidate) for candidate in candidates)
    reasons = Counter(reason for reason in found if reason is not None)
    n_usable = len(candidates) - sum(reasons.values())
    reasons["same path as another"] += n_usable - n_kept
    return reasons
