"""Figures of `rank`: judge scores of correct and wrong candidates, pairs of known order, agreement of votes."""

from collections.abc import Mapping

from datagen.report.charts import Bar, Series, bar_table, columns, number, percent, table
from datagen.report.figure import Figure, Json

KINDS = (("correct", "good"), ("wrong", "bad"), ("corrupted", "c4"), ("unknown", "c3"))


def judging_figures(reliability: Json) -> list[Figure]:
    """Charts of a manifest's `reliability`."""
    found = [_scores(reliability), _pairs(reliability), _votes(reliability), _parse_errors(reliability)]
    return [figure for figure in found if figure is not None]


def _scores(reliability: Json) -> Figure | None:
    scores = reliability["scores"]
    kinds = [(kind, colour) for kind, colour in KINDS if scores[kind]["n"]]
    if not kinds:
        return None
    ratings = list(scores[kinds[0][0]]["bins"])
    series = [
        Series(kind, colour, [scores[kind]["bins"][r] / scores[kind]["n"] for r in ratings]) for kind, colour in kinds
    ]
    means = ", ".join(f"{kind} {scores[kind]['mean']:.2f}" for kind, _ in kinds)
    return Figure(
        "Judge scores",
        columns(
            ratings,
            series,
            label=f"Share of candidates by judge score. Means: {means}",
            x="score",
            y="share of its kind",
            shares=True,
        ),
        f"Of correct and wrong candidates, each as a share of its kind. Means: {means}.",
        ("score", *(kind for kind, _ in kinds)),
        [
            *((rating, *(number(scores[kind]["bins"][rating]) for kind, _ in kinds)) for rating in ratings),
            ("all", *(number(scores[kind]["n"]) for kind, _ in kinds)),
            ("mean", *(f"{scores[kind]['mean']:.2f}" for kind, _ in kinds)),
        ],
    )


def _pairs(reliability: Json) -> Figure | None:
    known = reliability["pair_accuracy"]
    found = [("correct over wrong", known)]
    if len(known["by_judge"]) > 1:
        found += [(f"correct over wrong: {judge}", of) for judge, of in known["by_judge"].items()]
    found += [(f"original over {kind}", of) for kind, of in reliability["corrupted_pairs"].items()]
    found += [(f"reference over {kind}", of) for kind, of in reliability["probe_corrupted_pairs"].items()]
    bars = []
    for name, of in found:
        if of["n"]:
            low, high = of.get("interval") or (None, None)
            bars.append(Bar(name, of["accuracy"], f"{percent(of['accuracy'])} of {number(of['n'])}", "c1", low, high))
    if not bars:
        return None
    return Figure(
        "Pairs of known order",
        bar_table(bars, header=("pair", "ordered rightly"), caption="Share of pairs ordered rightly"),
        "How often the better of two gets the higher score; ties count as wrong (Eq. 3 of AFT)."
        + (" The line is the 95 % interval over problems." if known.get("interval") else ""),
    )


def _votes(reliability: Json) -> Figure | None:
    votes = reliability["votes"]
    if not votes:
        return None
    rows = [
        ("votes", *(number(of["asked"]) for of in votes.values())),
        ("missing", *(number(of["missing"]) for of in votes.values())),
        ("asked again", *(number(of["asked_again"]) for of in votes.values())),
        ("Krippendorff's alpha", *(_value(of["krippendorff_alpha"]) for of in votes.values())),
        ("mean deviation", *(_value(of["mean_deviation"]) for of in votes.values())),
    ]
    between = reliability["agreement_between_judges"]
    measured = any(of["krippendorff_alpha"] is not None for of in votes.values())
    note = (
        "Krippendorff's alpha of each judge's votes on the same text: 1 is perfect agreement, 0 chance. "
        "Deviation: the standard deviation of the votes on a text, on average."
        if measured
        else "One vote a text, or equal votes throughout: a judge's agreement with itself cannot be told."
    )
    if between["candidates"]:
        note += (
            f" Between the judges, over {number(between['candidates'])} candidates: alpha "
            f"{_value(between['krippendorff_alpha'])}."
        )
    probes = reliability["probes"]
    if probes["groups"]:
        note += (
            f" Probes: the reference gets {_value(probes['reference']['mean'])} on average, an empty reply "
            f"{_value(probes['empty']['mean'])}."
        )
    header = ("", *votes)
    return Figure("Agreement", table(header, rows, caption="Votes of each judge"), note)


def deviation_figure(deviations: Mapping[int, int]) -> Figure | None:
    """How far votes on a candidate lie apart.

    Args:
        deviations: standard deviation in tenths -> candidates with several votes that have it.
    """
    if not deviations:
        return None
    total = sum(deviations.values())
    halves: dict[int, int] = {}
    for tenths, n in deviations.items():
        halves[min(tenths // 5, 8)] = halves.get(min(tenths // 5, 8), 0) + n
    names = [f"{i / 2:g}" if i < 8 else "≥ 4" for i in range(max(halves) + 1)]
    values = [halves.get(i, 0) for i in range(len(names))]
    same = deviations.get(0, 0)
    return Figure(
        "Deviation of votes",
        columns(
            names,
            [Series("candidates", "c1", values)],
            label=f"Candidates by standard deviation of their votes; {percent(same / total)} have none",
            x="standard deviation, from",
            y="candidates",
        ),
        f"Of {number(total)} candidates with several votes, of all judges together; on {percent(same / total)} all "
        "votes are the same.",
        ("standard deviation, from", "candidates"),
        [(name, number(value)) for name, value in zip(names, values, strict=True)],
    )


def _parse_errors(reliability: Json) -> Figure | None:
    bars = []
    for judge, of in reliability["votes"].items():
        for reason, n in sorted(of["parse_errors"].items(), key=lambda item: (-item[1], item[0])):
            bars.append(Bar(f"{judge}: {reason}", n / of["asked"], f"{number(n)} of {number(of['asked'])}", "bad"))
    if not bars:
        return None
    return Figure(
        "Votes without a readable rating",
        bar_table(bars, header=("reason", "votes"), caption="Votes without a rating, by reason"),
    )


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
