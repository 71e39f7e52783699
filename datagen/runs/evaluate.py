"""The `eval` job: a model's verdicts, votes and scores on every problem of a set, one value each, from its own runs.

OUT/greedy            one greedy solution a problem
OUT/sampled           k samples a problem; one folder a seed where there are several seeds
OUT/assess            samples that are only there to be scored, under seeds of their own
OUT/second/...        the same of the second model
OUT/problems.jsonl    what is known of every problem: what all numbers are computed from
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen.annotate import annotate
from datagen.answers.latex import LatexJudge
from datagen.equations.find import find_equations
from datagen.models.load_local import one_model_kept
from datagen.progress import Report, silent
from datagen.readers.candidates import ProblemIndex, read_candidates
from datagen.requests.request import Request
from datagen.runs.evaluation_card import evaluation_card
from datagen.runs.replies import Generator, Job, load_problems, plan, provenance_of
from datagen.runs.report import is_short
from datagen.runs.rft import Manifest
from datagen.runs.sample import run_sample
from datagen.seeding import rng_for, seed_for
from datagen.select.assessed import excluded_texts, to_score
from datagen.select.majority import answer_classes, majority_at_k
from datagen.steps.step_metrics import StepScores, scores_of
from datagen.store.arrow_dataset import Format, read_records
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

ASSESS_SAMPLES = 16  # per question, from which those are taken


@dataclass(frozen=True)
class Assess:
    """Where the responses come from that a model is to score."""

    samples: int = ASSESS_SAMPLES  # per question; 0 assesses nothing
    candidates: Path | None = None  # made elsewhere, in place of samples
    exclude: tuple[Path, ...] = ()  # datasets whose texts the model may have been trained on

    def config(self) -> dict[str, Any]:  # Any: JSON
        """What decides the outcome."""
        return {
            "samples": self.samples,
            "candidates": None if self.candidates is None else fingerprint(self.candidates),
            "exclude": [fingerprint(path) for path in self.exclude],
        }


@dataclass(frozen=True)
class Evaluation:
    """One or two models on the same problems."""

    jobs: tuple[Job, ...]  # one a model; `generator.k` is the number of samples, 1 for none
    seeds: tuple[int, ...] = (0,)
    assess: Assess = Assess()

    def config(self) -> dict[str, Any]:  # Any: JSON
        """What decides the output."""
        models = [job.config() for job in self.jobs]
        return {"models": models, "seeds": list(self.seeds), "assess": self.assess.config()}


class ToScore(NamedTuple):
    """Responses to a question (score 1 for a positive, 0 for a negative), and how the question is asked."""

    group: AlignmentGroup
    request: Request


class Scored(NamedTuple):
    """Scores s(c) of a question's positives and negatives."""

    positives: tuple[float, ...]
    negatives: tuple[float, ...]
    n_too_long: int = 0


Score = Callable[[Generator, Sequence[ToScore]], Sequence[Scored]]


class Sampled(NamedTuple):
    """One problem's samples under one seed."""

    n: int
    correct: int
    majority: dict[int, float]  # k -> chance that the majority of k is correct


@dataclass(frozen=True)
class Measured:
    """One model: a value for each problem that was answered, by problem id."""

    model: str
    greedy: Mapping[str, bool]
    steps: Mapping[str, StepScores]  # of the greedy replies, where the gold path has steps
    sampled: tuple[Mapping[str, Sampled], ...]  # one a seed
    scored: tuple[Mapping[str, Scored], ...]  # one a seed, a single one for given candidates; empty if not assessed
    not_assessed: str | None  # why


Summary = dict[str, Any]  # Any: JSON
Summarise = Callable[[Sequence[Problem], Sequence[Measured]], Summary]


def run_evaluation(
    evaluation: Evaluation,
    *,
    score: Score,
    summarise: Summarise,
    format: Format = "arrow",
    report: Report = silent,
) -> Manifest:
    """Measure the models, and write what was found and what it sums up to; returns the manifest.

    A finished run is not done again, and replies are never asked for twice. A problem whose reply failed is left out
    of the numbers, not counted as wrong.

    Args:
        evaluation: which models, on what.
        score: a model's scores of responses.
        summarise: from values per problem to the numbers to report, which stand in the manifest as 'result'.
        format: of the datasets of candidates.
        report: told how far it is.
    """
    first = evaluation.jobs[0]
    config = {"stage": "eval", "format": format, **evaluation.config()}
    run = RunDirectory(first.out, config, overwrite=first.overwrite)
    finished = run.manifest()
    if finished is not None and not is_short(finished):
        return finished
    measured, manifests = [], {}
    with run.reading(), one_model_kept():
        problems, _ = load_problems(first.dataset)
        excluded = excluded_texts(evaluation.assess.exclude)
        for i, job in enumerate(evaluation.jobs):
            place = replace(job, overwrite=False, out=first.out if i == 0 else first.out / "second")
            one = _Model(place, evaluation, problems, excluded, format, report)
            measured.append(one.measure(score))
            prefix = "" if i == 0 else "second/"
            manifests.update({prefix + name: manifest for name, manifest in one.manifests.items()})
    write_rows(run.path / "problems.jsonl", _rows(problems, measured))
    result = orjson.loads(orjson.dumps(summarise(problems, measured)))  # NaN is null, now as when it is read again
    card = evaluation_card(
        command=first.command,
        folders={f"{name}/data": "every candidate with its verdict" for name in manifests},
        facts={"problems": len(problems), "models": ", ".join(of.model for of in measured)},
        result=result,
    )
    return run.finish(
        command=first.command, card=card, facts={"result": result, "failures": _failures(manifests.values())}
    )


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:  # Any: JSON
    """JSON lines, written whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_NON_STR_KEYS) + b"\n" for row in rows))
    partial.replace(path)


def planned(evaluation: Evaluation) -> dict[str, Any]:  # Any: JSON
    """What the evaluation would ask for, over all its parts; calls nothing. A price is None if one is unknown."""
    asked = (plan(job) for of in evaluation.jobs for job in _parts(of, evaluation).values())
    plans = [of._asdict() for of in asked if of is not None]
    names = ("samples", "cached", "to_ask", "calls", "prompt_tokens_estimate", "completion_tokens_max")
    costs = [of["cost_usd_max"] for of in plans]
    total = None if None in costs else sum(costs)
    return {**{name: sum(of[name] for of in plans) for name in names}, "cost_usd_max": total}


def ks(k: int) -> list[int]:
    """1, 2, 4, ... and k itself."""
    return sorted({2**i for i in range(k.bit_length())} | {k})


def n_steps(problem: Problem) -> int | None:
    """Steps to the answer: as the problem's `meta` says, else equations of its gold path; None if it has neither."""
    known = json.loads(problem.meta).get("n_steps")
    if isinstance(known, int):
        return known
    return None if problem.rationale is None else len(find_equations(problem.rationale))


def _parts(job: Job, evaluation: Evaluation) -> dict[str, Job]:
    """The runs of `sample` that one model takes, by their folders in OUT."""
    generator = _generator(job)
    greedy = replace(generator, k=1, sampling=replace(generator.sampling, temperature=0.0, top_p=1.0))
    parts = {"greedy": replace(job, out=job.out / "greedy", generator=greedy)}
    for kind, k in (("sampled", generator.k if generator.k > 1 else 0), ("assess", _fresh_samples(job, evaluation))):
        for seed in evaluation.seeds if k else ():
            name = kind if len(evaluation.seeds) == 1 else f"{kind}-seed-{seed}"
            own = seed if kind == "sampled" else seed_for(seed, "assess")
            parts[name] = replace(job, out=job.out / name, seed=own, generator=replace(generator, k=k))
    return parts


def _fresh_samples(job: Job, evaluation: Evaluation) -> int:
    is_possible = why_not_assessed(_generator(job), evaluation.assess) is None
    return evaluation.assess.samples if is_possible and evaluation.assess.candidates is None else 0


def why_not_assessed(generator: Generator, assess: Assess) -> str | None:
    """Why a model's scores cannot be had; None if they can."""
    if not assess.samples and assess.candidates is None:
        return "switched off"
    if generator.backend != "transformers":
        where = "behind HTTP" if generator.backend == "openai" else f"in {generator.backend}"
        return f"the model is {where}, where its scores cannot be read: needs --backend transformers"
    return None


def _generator(job: Job) -> Generator:
    assert job.generator is not None, "only models are evaluated"
    return job.generator


class _Model:
    """The measurement of one model."""

    def __init__(
        self,
        job: Job,
        evaluation: Evaluation,
        problems: Sequence[Problem],
        excluded: frozenset[str],
        format: Format,
        report: Report,
    ) -> None:
        self.job = job
        self.generator = _generator(job)
        self.evaluation = evaluation
        self.problems = problems
        self.excluded = excluded
        self.format: Format = format
        self.report = report
        self.manifests: dict[str, Manifest] = {}

    def measure(self, score: Score) -> Measured:
        """Everything that the evaluation asks for."""
        by_name: dict[str, dict[str, list[Candidate]]] = {}
        for name, part in _parts(self.job, self.evaluation).items():
            self.manifests[name] = run_sample(part, format=self.format, report=self.report)
            by_name[name] = _by_problem(read_records(part.out / "data", Candidate))
        reason = why_not_assessed(self.generator, self.evaluation.assess)
        scored: tuple[Mapping[str, Scored], ...] = ()
        if reason is None:
            fresh = [found for name, found in by_name.items() if name.startswith("assess")]
            texts = fresh if self.evaluation.assess.candidates is None else [self._given()]
            asked = [self._to_score(found) for found in texts]
            reason = self._why_none_is_left(texts) if not any(asked) else None
            if reason is None:
                scored = tuple(self._scored(of, score) for of in asked)
        with LatexJudge() as latex:
            sampled = tuple(
                self._voted(found, seed, latex)
                for seed, found in zip(
                    self.evaluation.seeds,
                    [found for name, found in by_name.items() if name.startswith("sampled")],
                    strict=False,  # none where nothing was sampled
                )
            )
        replies = {problem_id: found[0] for problem_id, found in by_name["greedy"].items()}
        greedy = {problem_id: reply.verdict == "correct" for problem_id, reply in replies.items()}
        of_steps = {p.id: scores_of(replies[p.id].response, p) for p in self.problems if p.id in replies}
        steps = {problem_id: of for problem_id, of in of_steps.items() if of is not None}
        return Measured(self.generator.name, greedy, steps, sampled, scored, reason)

    def _voted(self, found: Mapping[str, list[Candidate]], seed: int, latex: LatexJudge) -> dict[str, Sampled]:
        voted = {}
        for problem in self.problems:
            candidates = found.get(problem.id)
            if not candidates:
                continue
            classes = answer_classes([c.answer for c in candidates], choices=problem.choices, latex=latex)
            correct = [c.verdict == "correct" for c in candidates]
            at_k = {
                k: majority_at_k(classes, correct, k, rng=rng_for(seed, "majority", problem.id, str(k)))
                for k in ks(self.generator.k)
                if k <= len(candidates)
            }
            voted[problem.id] = Sampled(len(candidates), sum(correct), at_k)
        return voted

    def _given(self) -> dict[str, list[Candidate]]:
        """Candidates made elsewhere, judged by our own check."""
        path = self.evaluation.assess.candidates
        assert path is not None
        provenance = provenance_of(replace(self.job, generator=None, needs_replies=False), stage="eval")
        index = ProblemIndex(self.problems)
        found: dict[str, list[Candidate]] = {}
        with LatexJudge() as latex:
            # Those of other problems are passed over, without a word on each.
            for reply in read_candidates(path, index, skip_bad=True, on_drop=lambda _: None):
                of = found.setdefault(reply.problem_id, [])
                problem = index[reply.problem_id]
                of.append(annotate(problem, reply.response, sample=len(of), provenance=provenance, latex=latex))
        if not found:
            raise DataError(f"--assess-candidates {path}: no candidate answers a problem of the dataset.")
        return found

    def _to_score(self, found: Mapping[str, list[Candidate]]) -> list[ToScore]:
        requests = self.generator.requests(self.problems, seed=0)
        asked = []
        for problem, request in zip(self.problems, requests, strict=True):
            prompt = "\n\n".join(turn.content for turn in request.turns)
            group = to_score(problem, found.get(problem.id, ()), prompt=prompt, excluded=self.excluded)
            if group.responses:
                asked.append(ToScore(group, request))
        return asked

    def _why_none_is_left(self, texts: Sequence[Mapping[str, list[Candidate]]]) -> str | None:
        """Whether it was --exclude that left no text to score."""
        if not self.excluded:
            return None
        groups = [to_score(p, found.get(p.id, ()), prompt="") for found in texts for p in self.problems]
        n = sum(len(group.responses) for group in groups)
        if not n:
            return None
        return f"--exclude holds each of the {n:,} texts to score: name fewer datasets, or raise --assess"

    def _scored(self, asked: Sequence[ToScore], score: Score) -> dict[str, Scored]:
        scores = score(self.generator, asked)
        return {item.group.problem_id: scored for item, scored in zip(asked, scores, strict=True)}


def _by_problem(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    return {name: list(group) for name, group in groupby(candidates, key=lambda candidate: candidate.problem_id)}


def _rows(problems: Sequence[Problem], measured: Sequence[Measured]) -> Iterator[dict[str, Any]]:  # Any: JSON
    """Per problem, what each model did."""
    for problem in problems:
        models = [
            {
                "model": of.model,
                "greedy": of.greedy.get(problem.id),
                "steps": as_dict(of.steps.get(problem.id)),
                "sampled": [as_dict(seed.get(problem.id)) for seed in of.sampled],
                "scores": [as_dict(seed.get(problem.id)) for seed in of.scored],
            }
            for of in measured
        ]
        yield {"problem_id": problem.id, "source": problem.source, "n_steps": n_steps(problem), "models": models}


def as_dict(value: Sampled | Scored | StepScores | None) -> dict[str, Any] | None:  # Any: JSON
    """For JSON, which knows no tuples with names."""
    return None if value is None else value._asdict()


def _failures(manifests: Iterable[Manifest]) -> dict[str, Any]:  # Any: JSON
    """Of all runs together, as `finish` and `is_short` read them; the rows stand in each run's own manifest."""
    by_kind, failed, skipped, stopped = Counter[str](), 0, 0, None
    for manifest in manifests:
        failures = manifest["failures"]
        failed += failures["failed"]
        by_kind.update(failures.get("by_kind", {}))
        skipped += failures.get("skipped", 0)
        stopped = stopped or failures["stopped"]
    return {"failed": failed, "by_kind": dict(sorted(by_kind.items())), "skipped": skipped, "stopped": stopped}
