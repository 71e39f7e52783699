"""Figures of `eval`: accuracy with its interval, by model and by number of steps; pass@k and maj@k; step metrics."""

from collections.abc import Sequence

from datagen.report.charts import Bar, Line, bar_table, lines, number, percent, table
from datagen.report.figure import Figure, Json, at

COLOURS = ("c1", "c2", "c4", "good", "c3", "bad")
STEP_METRICS = {
    "iou": "IoU",
    "commutative_iou": "C-IoU",
    "precision": "precision",
    "recall": "recall",
    "dice": "Dice",
    "extra_steps": "extra steps",
    "missing_steps": "missing steps",
    "wrong_operators": "wrong operators",
    "inverted_operands": "inverted operands",
    "repetition": "repetition",
}


def evaluation_figures(result: Json) -> list[Figure]:
    """Charts of a manifest's `result`, of one model, of two, or of replies made elsewhere."""
    models = result.get("models") or [of for of in (result, result.get("second")) if of]
    found = [_accuracy(models), _by_steps(models), *_at_k(models), _step_metrics(models), _assessment(models)]
    return [figure for figure in [*found, _comparison(models, result.get("comparison"))] if figure is not None]


def _accuracy(models: Sequence[Json]) -> Figure | None:
    bars = [_with_interval(of["model"], of) for of in models if of.get("n")]
    if not bars:
        return None
    body = bar_table(bars, header=("model", "accuracy"), caption="Accuracy of each model")
    rows = [
        (of["model"], percent(of["accuracy"]), number(of["n"]), " to ".join(percent(end) for end in of["interval"]))
        for of in models
        if of.get("n")
    ]
    header = ("model", "accuracy", "problems", "95 % interval")
    return Figure("Accuracy", body, "The line is the 95 % interval (Wilson).", header, rows)


def _with_interval(name: str, of: Json) -> Bar:
    low, high = of["interval"]
    return Bar(name, of["accuracy"], f"{percent(of['accuracy'])}", "c1", low, high)


def _by_steps(models: Sequence[Json]) -> Figure | None:
    names = list(dict.fromkeys(step for of in models for step in of.get("by_steps") or {} if step.isdecimal()))
    steps = sorted(names, key=int)
    if len(steps) < 2:
        return None
    drawn = [
        Line(
            of["model"],
            COLOURS[i % len(COLOURS)],
            [(int(s), of["by_steps"][s]["accuracy"]) for s in steps if s in of["by_steps"]],
        )
        for i, of in enumerate(models)
    ]
    rows = []
    for step in steps:
        cells = [at(of, "by_steps", step, "accuracy") for of in models]
        n = next((at(of, "by_steps", step, "n") for of in models if at(of, "by_steps", step, "n")), 0)
        rows.append((step, number(n), *(percent(cell) for cell in cells)))
    label = "Accuracy by number of steps of the gold path"
    return Figure(
        "Accuracy by number of steps",
        lines(drawn, label=label, x="steps of the gold path", y="accuracy", shares=True),
        "Problems whose gold path has so many equations; the numbers say how many problems those are.",
        ("steps", "problems", *(of["model"] for of in models)),
        rows,
    )


def _at_k(models: Sequence[Json]) -> list[Figure]:
    found = []
    for key, name, title, note in (
        ("pass_at_k", "pass", "pass@k", "Chance that one of k samples is correct."),
        ("maj_at_k", "maj", "maj@k", "Chance that the answer most of k samples agree on is correct."),
    ):
        having = [of for of in models if len(of.get(key) or ()) > 1]
        if not having:
            continue
        drawn = [
            Line(
                of["model"],
                COLOURS[i % len(COLOURS)],
                [(p["k"], p[name]) for p in of[key] if p[name] is not None],
            )
            for i, of in enumerate(having)
        ]
        rows = [
            (of["model"], number(p["k"]), percent(p[name]), " to ".join(percent(end) for end in p["interval"]))
            for of in having
            for p in of[key]
        ]
        body = lines(drawn, label=title, x="k", y="correct", log_x=True, shares=True)
        found.append(Figure(title, body, note, ("model", "k", title, "95 % interval"), rows))
    return found


def _step_metrics(models: Sequence[Json]) -> Figure | None:
    having = [of for of in models if at(of, "steps", "n")]
    if not having:
        return None
    rows = [(shown, *(_value(of["steps"].get(name)) for of in having)) for name, shown in STEP_METRICS.items()]
    rows.append(("problems", *(number(of["steps"]["n"]) for of in having)))
    header = ("metric", *(of["model"] for of in having))
    note = "Steps of each reply against those of the gold path (CV-loss paper, appendix H); means over problems."
    return Figure("Step metrics", table(header, rows, caption="Step metrics of each model"), note, is_wide=True)


def _assessment(models: Sequence[Json]) -> Figure | None:
    having = [of for of in models if of.get("assessment_accuracy") is not None or of.get("perplexity") is not None]
    if not having:
        return None
    rows = [(of["model"], percent(of.get("assessment_accuracy")), _value(of.get("perplexity"))) for of in having]
    header = ("model", "assessment accuracy", "perplexity")
    note = "How often the model scores a right response above a wrong one, and its perplexity on right ones."
    return Figure("Assessment", table(header, rows, caption="Assessment accuracy of each model"), note)


def _comparison(models: Sequence[Json], compared: Json | None) -> Figure | None:
    """Differences with their tests: of two models, or of each model of replies with the first one."""
    rows = []
    if compared is not None:
        for name, of in compared.items():
            if isinstance(of, dict) and "difference" in of:
                rows.append((name, _signed(of["difference"]), number(of["n"]), _p(of.get("p"))))
    for of in models:
        exact = at(of, "comparison", "steps", "exact_match")
        if exact:
            name = f"{of['model']} over {at(of, 'comparison', 'to')}"
            rows.append((f"{name}: accuracy", _signed(exact["difference"]), number(exact["n"]), _p(exact["p"])))
    if not rows:
        return None
    header = ("difference", "value", "problems", "p")
    return Figure("Compared", table(header, rows, caption="Differences between models"), "On the same problems.")


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
