"""Figures of what `sample` and `rft` count of their candidates: Tables 1 and 2 of RFT, pass@k, solve rates.

Each number is the manifest's: what the run itself counted, and `datagen stats` prints.
"""

from datagen.report.charts import Bar, Line, Series, bar_table, columns, lines, number, percent
from datagen.report.figure import Figure, Json, at


def candidate_figures(statistics: Json) -> list[Figure]:
    """Charts of a manifest's `statistics`."""
    if not statistics.get("candidates"):
        return []
    found = [_verdicts(statistics), _distinct(statistics), _pass_at_k(statistics), _solve_rates(statistics)]
    return [figure for figure in [*found, _models(statistics), _methods(statistics)] if figure is not None]


def _verdicts(statistics: Json) -> Figure:
    n = statistics["candidates"]
    bars = [
        Bar(name, statistics[name] / n, f"{number(statistics[name])} · {percent(statistics[name] / n)}", colour)
        for name, colour in (("correct", "good"), ("wrong", "bad"), ("unknown", "c3"))
        if statistics[name]
    ]
    if statistics["false_equations"]:
        share = statistics["false_equations"] / n
        bars.append(
            Bar(
                "correct, with a false equation",
                share,
                f"{number(statistics['false_equations'])} · {percent(share)}",
                "c4",
            )
        )
    published = statistics.get("published_verdicts", 0)
    note = f"{number(n)} candidates for {number(statistics['problems'])} problems."
    if without := statistics.get("problems_without_candidates"):
        note += f" {number(without)} of these have none, and are in no mean and no share."
    if published:
        differ = statistics["disagreements_with_publisher"]
        note += f" {number(published)} came with a verdict of their publisher; ours differ on {number(differ)}."
    return Figure("Verdicts", bar_table(bars, header=("verdict", "candidates"), caption="Verdicts"), note)


def _distinct(statistics: Json) -> Figure | None:
    points = statistics["distinct_at_k"]
    if len(points) < 2:
        return None
    has_gold = statistics.get("problems_with_gold") != 0  # manifests of earlier versions do not say
    drawn = [Line("with the gold path", "c2", [(p["k"], p["with_gold"]) for p in points])] if has_gold else []
    drawn += [Line("sampled paths", "c1", [(p["k"], p["distinct"]) for p in points])]
    return Figure(
        "Distinct paths against k",
        lines(
            drawn,
            label=_said("Distinct correct paths a problem", points, "distinct"),
            x="first k candidates",
            y="paths a problem",
            log_x=True,
        ),
        "Different correct reasoning paths a problem, among its first k candidates (Table 2 of RFT).",
        ("k", "sampled paths", *(("with the gold path",) if has_gold else ())),
        [(number(p["k"]), f"{p['distinct']:.3f}", *((f"{p['with_gold']:.3f}",) if has_gold else ())) for p in points],
    )


def _pass_at_k(statistics: Json) -> Figure | None:
    points = statistics["pass_at_k"]
    if len(points) < 2:
        return None
    drawn = [Line("pass@k", "c1", [(p["k"], p["pass"]) for p in points])]
    return Figure(
        "pass@k",
        lines(drawn, label=_said("pass at k", points, "pass"), x="k", y="solved", log_x=True, shares=True),
        "Chance that one of k candidates is correct, over the problems that have k of them.",
        ("k", "pass@k", "problems"),
        [(number(p["k"]), percent(p["pass"]), number(p["problems"])) for p in points],
    )


def _solve_rates(statistics: Json) -> Figure | None:
    rates = statistics["solve_rates_percent"]
    if not any(rates.values()):
        return None
    names = list(rates)
    said = ", ".join(f"{number(n)} at {name} percent" for name, n in rates.items() if n)
    return Figure(
        "Solve rates",
        columns(
            names,
            [Series("problems", "c1", list(rates.values()))],
            label=f"Problems by solve rate: {said}",
            x="candidates that are correct, %",
            y="problems",
        ),
        f"{number(statistics['problems_solved'])} of {number(sum(rates.values()))} problems are solved at least once.",
        ("solve rate, %", "problems"),
        [(name, number(n)) for name, n in rates.items()],
    )


def _models(statistics: Json) -> Figure | None:
    models = statistics["by_model"]
    if len(models) < 2:
        return None
    bars = [
        Bar(
            name,
            of["correct"] / of["candidates"],
            f"{percent(of['correct'] / of['candidates'])} of {number(of['candidates'])}",
        )
        for name, of in models.items()
    ]
    return Figure(
        "Correct, by model", bar_table(bars, header=("model", "correct"), caption="Share of correct candidates")
    )


def _methods(statistics: Json) -> Figure | None:
    methods = statistics["verdict_methods"]
    if len(methods) < 2:
        return None
    total = sum(methods.values())
    ordered = sorted(methods.items(), key=lambda item: (-item[1], item[0]))
    bars = [Bar(name, n / total, f"{number(n)} · {percent(n / total)}", "c3") for name, n in ordered]
    return Figure(
        "How verdicts were reached",
        bar_table(bars, header=("method", "candidates"), caption="Candidates by method of the answer check"),
        "Where the answer was found / how it was compared.",
    )


def _said(what: str, points: list[Json], name: str) -> str:
    """The same in words, for those who do not see the drawing."""
    return f"{what}: " + ", ".join(f"{at(p, name):.2f} at {p['k']}" for p in points)
