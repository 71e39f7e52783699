"""Step metrics and verdicts of replies, as `datagen eval` reports them: means over problems, and tests.

Here and not in `datagen.runs`, because both of our packages meet only in the command line.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from datagen.runs.evaluate import n_steps
from datagen.runs.evaluate_replies import ModelReplies
from datagen.steps.correlation import correlations
from datagen.steps.step_metrics import StepScores, mean_scores
from datagen.steps.table import ACCURACY, ERRORS, by_field
from datagen_schemas.problem import Problem

Json = dict[str, Any]  # Any: JSON


def step_means(scores: Mapping[str, StepScores]) -> Json | None:
    """Mean of each metric over problems (macro-average); None without any."""
    return {"n": len(scores), **mean_scores(list(scores.values()))._asdict()} if scores else None


def step_tests(
    first: tuple[Mapping[str, float], Mapping[str, StepScores]],
    second: tuple[Mapping[str, float], Mapping[str, StepScores]],
) -> Json:
    """Second minus first, each metric on the problems that both have a value for (CV-loss paper, appendix E).

    McNemar's test for the exact match, Student's paired t-test for the rest; and for the exact match too, where a
    problem has several replies, of which the share of right ones is compared.
    """
    exact = _exact_match(first[0], second[0])
    ids = [problem_id for problem_id in first[1] if problem_id in second[1]]
    return {
        "exact_match": exact,
        **{
            name: _paired([getattr(first[1][i], name) for i in ids], [getattr(second[1][i], name) for i in ids])
            for name in StepScores._fields
        },
    }


def _exact_match(first: Mapping[str, float], second: Mapping[str, float]) -> Json:
    from datagen_trainers.metrics.significance import mcnemar

    ids = [problem_id for problem_id in first if problem_id in second]
    one, other = [first[i] for i in ids], [second[i] for i in ids]
    tested = _paired(one, other)
    if not set(one) | set(other) <= {0.0, 1.0}:
        return tested
    test = mcnemar([bool(value) for value in one], [bool(value) for value in other])
    return {"test": "McNemar mid-p", "n": test.n, "difference": tested["difference"], **_counts(test), "p": test.p_mid}


def _counts(test: Any) -> Json:  # Any: McNemar, of an optional extra
    return {"only_first": test.only_first, "only_second": test.only_second}


def _paired(first: Sequence[float], second: Sequence[float]) -> Json:
    from datagen_trainers.metrics.significance import paired_t_test

    t = paired_t_test(first, second)
    return {"test": "paired t", "n": t.n, "difference": t.difference, "t": t.t, "df": t.df, "p": t.p}


def replies_summarised(*, dataset: str, seed: int) -> Callable[[Sequence[Problem], Sequence[ModelReplies]], Json]:
    """The function that `run_reply_evaluation` sums up with; `seed` is of the intervals."""

    def summarise(problems: Sequence[Problem], models: Sequence[ModelReplies]) -> Json:
        values = [(_means(of.correct), {i: mean_scores(scores) for i, scores in of.steps.items()}) for of in models]
        each = [
            _model_numbers(problems, of, solved, steps, seed=seed)
            for of, (solved, steps) in zip(models, values, strict=True)
        ]
        for numbers, compared in zip(each[1:], values[1:], strict=True):
            numbers["comparison"] = {"to": models[0].model, "steps": step_tests(values[0], compared)}
        return {"dataset": dataset, "problems": len(problems), "models": each, "correlations": _correlations(models)}

    return summarise


def _means(correct: Mapping[str, Sequence[bool]]) -> dict[str, float]:
    return {problem_id: fmean(verdicts) for problem_id, verdicts in correct.items()}


def _model_numbers(
    problems: Sequence[Problem],
    of: ModelReplies,
    solved: Mapping[str, float],
    steps: Mapping[str, StepScores],
    *,
    seed: int,
) -> Json:
    sources = dict.fromkeys(problem.source for problem in problems if problem.id in solved)
    kinds = {problem.id: (problem.source, n_steps(problem)) for problem in problems}
    by_steps = sorted({kinds[i][1] for i in solved}, key=lambda n: -1 if n is None else n)
    return {
        "model": of.model,
        "replies": sum(map(len, of.correct.values())),
        **_accuracy(solved, seed=seed),
        "by_steps": {
            "unknown" if n is None else str(n): _accuracy(
                {i: v for i, v in solved.items() if kinds[i][1] == n}, seed=seed
            )
            for n in by_steps
        },
        "steps": step_means(steps),
        "steps_by_source": {
            source: {
                "exact_match": fmean(value for i, value in solved.items() if kinds[i][0] == source),
                **(step_means({i: scores for i, scores in steps.items() if kinds[i][0] == source}) or {}),
            }
            for source in sources
        },
    }


def _accuracy(solved: Mapping[str, float], *, seed: int) -> Json:
    """Mean over problems of the share of right replies, and its 95 % interval: Wilson's for one reply a problem."""
    from datagen_trainers.metrics.intervals import bootstrap_interval, wilson_interval

    values = list(solved.values())
    is_verdict = set(values) <= {0.0, 1.0}
    interval = (
        wilson_interval(round(sum(values)), len(values)) if is_verdict else bootstrap_interval(values, seed=seed)
    )
    return {"accuracy": fmean(values), "n": len(values), "interval": list(interval)}


def _correlations(models: Sequence[ModelReplies]) -> Json:
    """Over all replies to problems with gold steps, of all models: errors against the rest, as in Table 8."""
    rows = [
        {"exact_match": float(correct), **scores._asdict()}
        for of in models
        for problem_id, found in of.steps.items()
        for correct, scores in zip(of.correct[problem_id], found, strict=True)
    ]
    values = by_field(rows)
    if not values:
        return {}
    columns = {name: values[of] for name, of in ACCURACY.items()}
    return correlations({**columns, **{name: values[of] for name, of in ERRORS.items()}}, columns)
