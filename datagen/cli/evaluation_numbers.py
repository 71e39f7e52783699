"""From one value per problem to the numbers that `datagen eval` reports: means, intervals, tests.

Here and not in `datagen.runs`, because both of our packages meet only in the command line.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from datagen.cli.step_numbers import step_means, step_tests
from datagen.runs.evaluate import Evaluation, Measured, Sampled, Scored, ToScore, ks, n_steps
from datagen.runs.replies import Generator
from datagen.select.statistics import pass_at_k
from datagen_schemas.problem import Problem

if TYPE_CHECKING:  # of an optional extra
    from datagen.progress import Report
    from datagen.runs.evaluate import Score
    from datagen_trainers.assess import Assessment, QuestionScores

Json = dict[str, Any]  # Any: JSON


def scorer(report: "Report") -> "Score":
    """Scores by the model itself, loaded into this process; prompts are read token for token as when sampling."""

    def score(generator: Generator, asked: Sequence[ToScore]) -> list[Scored]:
        import torch

        from datagen.models.load_local import load_local
        from datagen.models.prompt_tokens import prompt_tokens
        from datagen.progress import Step
        from datagen_trainers.assess import score_groups
        from datagen_trainers.response_log_probs import check_head

        # Where it sampled, so that it need not be loaded again; but for Apple's GPUs, which have no float64 to sum in.
        model, tokenizer = load_local(generator.model, device="cuda" if torch.cuda.is_available() else "cpu")
        check_head(model)
        found = score_groups(
            [item.group for item in asked],
            model=model,
            tokenizer=tokenizer,
            prompts=[prompt_tokens(item.request, tokenizer, context=None) for item in asked],
            on_progress=lambda done: report(Step("score", done, len(asked))),
        )
        return [Scored(*of) for of in found]

    return score


def summarised(
    evaluation: Evaluation, *, dataset: str, seed: int
) -> Callable[[Sequence[Problem], Sequence[Measured]], Json]:
    """The function that `run_evaluation` sums up with."""

    def summarise(problems: Sequence[Problem], measured: Sequence[Measured]) -> Json:
        of_each = [
            model_numbers(problems, of, k=_k(evaluation, i), seeds=evaluation.seeds, seed=seed)
            for i, of in enumerate(measured)
        ]
        result = {"dataset": dataset, "problems": len(problems), **of_each[0]}
        if len(measured) == 2:
            same_texts = evaluation.assess.candidates is not None
            compared = comparison(problems, *measured, seed=seed)
            result["second"] = of_each[1]
            result["comparison"] = {**compared, "assessed_on_the_same_texts": same_texts}
        return result

    return summarise


def _k(evaluation: Evaluation, i: int) -> int:
    generator = evaluation.jobs[i].generator
    assert generator is not None
    return generator.k


def model_numbers(problems: Sequence[Problem], measured: Measured, *, k: int, seeds: Sequence[int], seed: int) -> Json:
    """One model's numbers; null (None or NaN) where nothing was measured."""
    numbers: Json = {"model": measured.model, **_share(list(measured.greedy.values()))}
    numbers["by_source"] = _breakdown(problems, measured, lambda problem: problem.source)
    numbers["by_steps"] = _breakdown(problems, measured, _steps)
    numbers["steps"] = step_means(measured.steps)
    if measured.sampled or measured.scored:
        numbers["seeds"] = list(seeds)
    if measured.sampled:
        of_k = partial(_at_k, measured.sampled, seed=seed)
        numbers["pass_at_k"] = [of_k(n, "pass", lambda of, n: pass_at_k(of.n, of.correct, n)) for n in ks(k)]
        numbers["maj_at_k"] = [of_k(n, "maj", lambda of, n: of.majority[n]) for n in ks(k)]
    return {**numbers, **_assessment(measured, seed=seed)}


def _share(verdicts: Sequence[bool]) -> Json:
    from datagen_trainers.metrics.intervals import wilson_interval

    n, correct = len(verdicts), sum(verdicts)
    return {"accuracy": correct / n if n else None, "n": n, "interval": list(wilson_interval(correct, n))}


def _breakdown(problems: Sequence[Problem], measured: Measured, key: Callable[[Problem], str]) -> dict[str, Json]:
    """Greedy accuracy of the problems of each kind, shortest names first so that 2 steps come before 10."""
    kinds: dict[str, list[bool]] = {}
    for problem in problems:
        if problem.id in measured.greedy:
            kinds.setdefault(key(problem), []).append(measured.greedy[problem.id])
    return {kind: _share(kinds[kind]) for kind in sorted(kinds, key=lambda kind: (len(kind), kind))}


def _steps(problem: Problem) -> str:
    steps = n_steps(problem)
    return "unknown" if steps is None else str(steps)


def _at_k(
    seeds: Sequence[Mapping[str, Sampled]], k: int, name: str, value: Callable[[Sampled, int], float], *, seed: int
) -> Json:
    """Mean over the problems with at least k samples and over the seeds; its sd over the seeds, and its interval.

    The interval is over problems, of each problem's mean over the seeds.
    """
    from datagen_trainers.metrics.intervals import bootstrap_interval

    values = [{i: value(s, k) for i, s in of.items() if s.n >= k} for of in seeds]
    means = [fmean(of.values()) for of in values if of]
    per_problem = list(_means(values).values())
    return {
        "k": k,
        name: fmean(means) if means else None,
        **_spread(means),
        "interval": list(bootstrap_interval(per_problem, seed=seed)),
        "problems": len(per_problem),
    }


def _spread(values: Sequence[float]) -> Json:
    """The sd over seeds, where there are several."""
    from datagen_trainers.metrics.significance import mean_and_sd

    return {"sd": mean_and_sd(values).sd} if len(values) > 1 else {}


def _assessment(measured: Measured, *, seed: int) -> Json:
    """Eq. 3 and Table 4: over the seeds the mean, and the sd beside; intervals are those of the first seed."""
    numbers: Json = {"assessment_accuracy": None, "perplexity": None}
    if not measured.scored:
        return {**numbers, "assessment": None, "not_assessed": measured.not_assessed}
    from datagen_trainers.assess import assess

    each = [assess(_questions(of), seed=seed) for of in measured.scored]
    numbers["assessment_accuracy"] = _mean([of.macro for of in each])
    numbers["perplexity"] = _mean([of.perplexity for of in each])
    full = [sum(len(q.positives) == len(q.negatives) == 3 for q in of.values()) for of in measured.scored]
    numbers["assessment"] = {
        "macro": numbers["assessment_accuracy"],
        "micro": _mean([of.micro for of in each]),
        "perplexity": numbers["perplexity"],
        "sd": {
            name: _spread([getattr(of, name) for of in each]).get("sd") for name in ("macro", "micro", "perplexity")
        },
        "by_seed": [{**_plain(of), "n_complete": n} for of, n in zip(each, full, strict=True)],
    }
    missing = any(math.isnan(of.macro) for of in each)
    return {**numbers, "not_assessed": "no question has both a correct and a wrong response" if missing else None}


def _plain(assessment: "Assessment") -> Json:
    """For JSON, which knows no tuples with names."""
    return {name: list(of) if isinstance(of, tuple) else of for name, of in assessment._asdict().items()}


def _mean(values: Sequence[float]) -> float | None:
    found = [value for value in values if not math.isnan(value)]
    return fmean(found) if found else None


def _questions(scored: Mapping[str, Scored]) -> "list[QuestionScores]":
    from datagen_trainers.assess import QuestionScores

    return [QuestionScores(*of) for of in scored.values()]


def comparison(problems: Sequence[Problem], first: Measured, second: Measured, *, seed: int) -> Json:
    """Second minus first, on the problems that both answered: McNemar's test, paired t-tests, bootstrap intervals."""
    from datagen_trainers.metrics.significance import mcnemar

    ids = [problem.id for problem in problems if problem.id in first.greedy and problem.id in second.greedy]
    verdicts = [[of.greedy[problem_id] for problem_id in ids] for of in (first, second)]
    compared: Json = {
        "accuracy": {
            **_paired(_as_floats(first.greedy), _as_floats(second.greedy), seed=seed),
            "mcnemar": mcnemar(*verdicts)._asdict(),
        }
    }
    for name, values in (
        ("sampled accuracy", _solved),
        ("maj", _voted),
        ("assessment_accuracy", _ordered),
        ("perplexity", _surprise),
    ):
        one, other = values(first), values(second)
        if one and other:
            compared[name] = _paired(one, other, seed=seed)
    compared["steps"] = step_tests((_as_floats(first.greedy), first.steps), (_as_floats(second.greedy), second.steps))
    return compared


def _as_floats(verdicts: Mapping[str, bool]) -> dict[str, float]:
    return {problem_id: float(verdict) for problem_id, verdict in verdicts.items()}


def _paired(first: Mapping[str, float], second: Mapping[str, float], *, seed: int) -> Json:
    from datagen_trainers.metrics.intervals import bootstrap_interval
    from datagen_trainers.metrics.significance import paired_t_test

    ids = [name for name in first if name in second]
    one, other = [first[name] for name in ids], [second[name] for name in ids]
    t = paired_t_test(one, other)
    differences = [b - a for a, b in zip(one, other, strict=True)]
    return {
        "n": t.n,
        "difference": t.difference,
        "interval": list(bootstrap_interval(differences, seed=seed)),
        "t": t.t,
        "df": t.df,
        "p": t.p,
    }


def _solved(measured: Measured) -> dict[str, float]:
    """Share of a problem's samples that are right, over all seeds."""
    return _means([{i: of.correct / of.n for i, of in seed.items()} for seed in measured.sampled])


def _voted(measured: Measured) -> dict[str, float]:
    """The majority of all k samples."""
    most = max((k for seed in measured.sampled for of in seed.values() for k in of.majority), default=0)
    return _means(
        [{i: of.majority[most] for i, of in seed.items() if most in of.majority} for seed in measured.sampled]
    )


def _ordered(measured: Measured) -> dict[str, float]:
    """Share of a question's pairs in order."""
    from datagen_trainers.assess import question_pairs

    return _means(
        [
            {i: p.n_correct / p.n_pairs for i, p in zip(of, question_pairs(_questions(of)), strict=True) if p.n_pairs}
            for of in measured.scored
        ]
    )


def _surprise(measured: Measured) -> dict[str, float]:
    """Mean perplexity of a question's positives."""
    from datagen_trainers.metrics.perplexity import mean_perplexity

    return _means(
        [{i: mean_perplexity(q.positives).value for i, q in of.items() if q.positives} for of in measured.scored]
    )


def _means(seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over the seeds that have a value for the problem."""
    ids = dict.fromkeys(name for of in seeds for name in of)
    return {name: fmean(of[name] for of in seeds if name in of) for name in ids}
