"""What a run left out, by reason; and what it made, by kind: whatever counts its manifest has."""

from collections.abc import Iterator
from typing import NamedTuple

from datagen.report.charts import Bar, bar_table, number
from datagen.report.figure import Figure, Json, at
from datagen.report.never_asked import never_asked

# Counts by reason, as the stages name them in their manifests, and what is counted there.
REASONS = {
    "dropped": "Dropped",
    "dropped_responses": "Responses left out",
    "left_out": "Candidates left out",
    "problems_left_out": "Problems left out",
    "rejected": "Questions rejected",
    "rejected_solutions": "Solutions rejected",
}
MADE = {"made": "Negatives, by method", "by_alpha": "Negatives, by share of characters"}
_BAD = (("bad_problems", "bad problems"), ("bad_candidates", "bad candidates"))


class Reasons(NamedTuple):
    """Counts by reason under one heading."""

    title: str
    counts: dict[str, int]


def reasons_of(manifest: Json) -> Iterator[Reasons]:
    """Everything that was left out, by what it was."""
    counted = manifest.get("counts")
    counts: Json = counted if isinstance(counted, dict) else {}
    for name, found in counts.items():
        if name in MADE or not (name in REASONS or name.startswith(("dropped", "removed", "rejected", "left_out"))):
            continue
        if reasons := _counts(found):
            yield Reasons(REASONS.get(name) or name.replace("_", " ").capitalize(), reasons)
    not_made = at(counts, "not_made")
    if isinstance(not_made, dict):
        flat = {f"{method}: {reason}": n for method, of in not_made.items() for reason, n in _counts(of).items()}
        if flat:
            yield Reasons("Negatives not made", flat)
    bad = {
        f"{what}: {reason}": n for name, what in _BAD for reason, n in _counts(at(counts, name, "by_reason")).items()
    }
    if bad:
        yield Reasons("Rows that could not be read", bad)
    if failed := _counts(at(manifest, "failures", "by_kind")):
        yield Reasons("Replies that failed", failed)
    if unasked := never_asked(manifest):
        why = f"{unasked.why} (at least)" if unasked.is_least else unasked.why
        yield Reasons("Samples never asked for", {why: unasked.samples})


def dropped_figures(manifest: Json) -> list[Figure]:
    """One chart of reasons, and one of what was made where the stage makes several kinds."""
    found = []
    for title, counts in reasons_of(manifest):
        total = sum(counts.values())
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        bars = [Bar(reason, n / max(counts.values()), number(n), "bad") for reason, n in ordered]
        body = bar_table(bars, header=("reason", "rows"), caption=f"{title}, by reason")
        found.append(Figure(f"{title}, by reason", body, f"{number(total)} in all."))
    for name, title in MADE.items():
        counts = _counts(at(manifest, "counts", name))
        if counts:
            bars = [Bar(kind, n / max(counts.values()), number(n), "c4") for kind, n in counts.items()]
            found.append(Figure(title, bar_table(bars, header=("kind", "rows"), caption=title)))
    return found


def _counts(found: object) -> dict[str, int]:
    """Names with counts above 0; nothing if it is anything else."""
    if not isinstance(found, dict):
        return {}
    return {str(name): n for name, n in found.items() if isinstance(n, int) and not isinstance(n, bool) and n > 0}
