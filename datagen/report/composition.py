"""Figures of what a data set is made of: its rows by source, type or origin."""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from datagen.report.charts import Bar, bar_table, number, percent
from datagen.report.figure import Figure, Json, at

# Record -> (column, what a bar counts)
_GROUP = (("sources", "Responses by source"),)
_PAIR = (("chosen_source", "Chosen, by source"), ("rejected_source", "Rejected, by source"))
_ORIGIN = ("origin", "Rows by origin")
COLUMNS = {
    "example": (("source", "Rows by source"), ("model", "Rows by model")),
    "mixed-example": (_ORIGIN, ("kind", "Rows by kind")),
    "augmented": (("type", "Rows by type"),),
    "alignment-group": _GROUP,
    "mixed-group": (_ORIGIN, *_GROUP),
    "preference": _PAIR,
    "mixed-preference": (_ORIGIN, *_PAIR),
}
MOST_BARS = 20


def count_columns(batch: pa.RecordBatch, record: str, counts: dict[str, Counter[str]]) -> None:
    """Add a batch's values to the counts by heading."""
    for column, title in COLUMNS.get(record, ()):
        values = batch.column(column).to_pylist()
        found = counts.setdefault(title, Counter())
        if pa.types.is_list(batch.schema.field(column).type):
            found.update(value for row in values for value in row or ())
        else:
            found.update(str(value) for value in values if value is not None)


def composition_figures(counts: Mapping[str, Counter[str]]) -> list[Figure]:
    """A chart a heading, where there is more than one kind."""
    figures = []
    for title, found in counts.items():
        if len(found) < 2:
            continue
        total = found.total()
        ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        if len(ordered) > MOST_BARS:
            rest = sum(n for _, n in ordered[MOST_BARS - 1 :])
            ordered = [*ordered[: MOST_BARS - 1], (f"{len(ordered) - MOST_BARS + 1:,} others", rest)]
        most = max(n for _, n in ordered)
        bars = [Bar(name, n / most, f"{number(n)} · {percent(n / total)}") for name, n in ordered]
        figures.append(Figure(title, bar_table(bars, header=("name", "rows"), caption=title)))
    return figures


def contamination_figure(found: Json) -> Figure | None:
    """Rows that overlap a test set, by how that was seen, from a run's contamination report."""
    n, rows = found.get("overlapping"), found.get("rows")
    if not isinstance(n, int) or not isinstance(rows, int):
        return None
    against = [f"{of.get('name')} ({of.get('split')})" for of in found.get("against") or [] if isinstance(of, dict)]
    note = f"{number(n)} of {number(rows)} rows overlap {', '.join(against) or 'a test set'}"
    note += ", and were removed." if found.get("removed") else "."
    by_how = at(found, "by_how")
    named = {str(how): k for how, k in by_how.items() if k} if isinstance(by_how, dict) else {}
    bars = [Bar(how, k / max(named.values()), number(k), "bad") for how, k in named.items()]
    body = bar_table(bars, header=("how", "rows"), caption="Overlapping rows") if bars else ""
    return Figure("Overlap with test sets", body, note)
