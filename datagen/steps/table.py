"""Tables in the shape of the CV-loss paper's: 2 (with mean rank), 3 (errors), 8 (correlations), 9 and 10 (with `*`).

A table is its header and its rows of text; the first column is the model (there: the loss).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

# The paper's abbreviations, in the order of its tables, and the fields that they stand for.
ACCURACY = {
    "EM": "exact_match",
    "IoU": "iou",
    "C-IoU": "commutative_iou",
    "Prec": "precision",
    "Rec": "recall",
    "DS": "dice",
}
ERRORS = {
    "ES": "extra_steps",
    "MS": "missing_steps",
    "WO": "wrong_operators",
    "IO": "inverted_operands",
    "Rep": "repetition",
}
METRICS = {**ACCURACY, **ERRORS}
SIGNIFICANT = 0.05

Values = Mapping[str, Mapping[str, float | None]]  # model -> metric -> mean (or p)


class Table(NamedTuple):
    """A header and rows of the same width."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def metric_table(means: Values, *, p: Values, columns: Mapping[str, str] = ACCURACY) -> Table:
    """Tables 9 and 10: means in percent, `*` where p < 0.05 against the first model.

    Args:
        means: model -> field -> mean over problems, a share.
        p: model -> field -> p value; a model or field without one gets no star.
        columns: what the header says -> field.
    """
    rows = [
        (model, *(percent(of.get(field)) + star(p.get(model, {}).get(field)) for field in columns.values()))
        for model, of in means.items()
    ]
    return Table(("Model", *columns), rows)


def error_table(means: Values, *, p: Values) -> Table:
    """Table 3: ES, MS, WO, IO and repetition, lower is better."""
    return metric_table(means, p=p, columns=ERRORS)


def dataset_table(means: Values, *, lower_is_better: Iterable[str] = ()) -> Table:
    """Table 2: one column a data set (or metric), and last the mean rank MR.

    Args:
        means: model -> data set -> mean, a share.
        lower_is_better: the columns in which the smallest is best.
    """
    names = list(dict.fromkeys(name for of in means.values() for name in of))
    ranks = mean_rank(means, lower_is_better=lower_is_better)
    rows = [(model, *(percent(of.get(name)) for name in names), f"{ranks[model]:.2f}") for model, of in means.items()]
    return Table(("Model", *names, "MR"), rows)


def correlation_table(found: Mapping[str, Mapping[str, float]]) -> Table:
    """Table 8: r to four places, nothing where it is not defined."""
    columns = tuple(next(iter(found.values()), {}))
    rows = [(row, *("" if r != r else f"{r:.4f}" for r in of.values())) for row, of in found.items()]
    return Table(("", *columns), rows)


def mean_rank(means: Values, *, lower_is_better: Iterable[str] = ()) -> dict[str, float]:
    """MR of Table 2: a model's rank in each column (1 is best; equals share the mean of their ranks), averaged.

    Raises:
        ValueError: a model has no value in a column that another has: its rank would be of another race.
    """
    names = list(dict.fromkeys(name for of in means.values() for name in of))
    inverted = set(lower_is_better)
    ranks: dict[str, list[float]] = {model: [] for model in means}
    for name in names:
        values: dict[str, float] = {}
        for model, of in means.items():
            value = of.get(name)
            if value is None:
                raise ValueError(f"{model} has no value for {name}: ranks need one of every model")
            values[model] = -value if name in inverted else value
        for model, value in values.items():
            better = sum(other > value for other in values.values())
            equal = sum(other == value for other in values.values())
            ranks[model].append(better + (equal + 1) / 2)
    return {model: sum(of) / len(of) if of else float("nan") for model, of in ranks.items()}


def markdown(table: Table) -> str:
    """The table in Markdown, numbers to the right; a model's name cannot end its cell."""
    lines = [table.header, ("---", *("---:",) * (len(table.header) - 1)), *table.rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def percent(value: float | None) -> str:
    """Two places, as in the paper; nothing for what was not measured."""
    return "" if value is None or value != value else f"{100 * value:.2f}"


def star(p: float | None) -> str:
    """`*` where p < 0.05."""
    return "*" if p is not None and p < SIGNIFICANT else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def by_field(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Values of many solutions, field by field, as `correlations` takes them."""
    return {field: [row[field] for row in rows] for field in (rows[0] if rows else ())}
