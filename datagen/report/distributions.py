"""Figures of texts: lengths, and how unevenly tokens occur (Fig. 3 of the CV-loss paper)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from datagen.report.charts import Line, Series, columns, log_lines, number, percent
from datagen.report.figure import Figure
from datagen.tokens.imbalance import Imbalance

COLOUR = {
    "correct": "good",
    "wrong": "bad",
    "corrupted": "c4",
    "unknown": "c3",
    "chosen": "good",
    "rejected": "bad",
    "gold": "c2",
    "sampled": "c1",
    "responses": "c1",
}
PALETTE = ("c1", "c2", "c4", "good", "bad", "c3")
N_BINS = 12
MOST_POINTS = 400  # of a line: more do not show


class Occurrences(NamedTuple):
    """How often each token of a data set occurs, as numbers and as a line to draw."""

    name: str
    numbers: Imbalance
    line: Sequence[tuple[float, float]]
    most_frequent: Sequence[tuple[str, float]]  # token, share


def length_figure(lengths: Mapping[str, Counter[int]], *, unit: str, title: str) -> Figure | None:
    """Histogram of lengths by kind."""
    kinds = [kind for kind, counts in lengths.items() if counts]
    if not kinds:
        return None
    kinds.sort(key=lambda kind: (list(COLOUR).index(kind) if kind in COLOUR else len(COLOUR), kind))
    everything = sum((lengths[kind] for kind in kinds), Counter[int]())
    width = _round(quantile(everything, 0.99) / N_BINS)
    n_bins = min(quantile(everything, 0.99) // width + 1, N_BINS + 2)
    names = [f"{i * width:,}" for i in range(n_bins)]
    binned = {kind: [0] * n_bins for kind in kinds}
    for kind in kinds:
        for length, n in lengths[kind].items():
            binned[kind][min(length // width, n_bins - 1)] += n
    is_open = max(everything) >= n_bins * width
    series = [Series(kind, _colour(kind, i), binned[kind]) for i, kind in enumerate(kinds)]
    said = "; ".join(f"{kind}: median {number(quantile(lengths[kind], 0.5))}" for kind in kinds)
    last = f"{names[-1]} or more" if is_open else names[-1]
    return Figure(
        title,
        columns(names, series, label=f"Lengths in {unit}. {said}", x=f"{unit}, from", y="texts"),
        f"In {unit}. {said[0].upper()}{said[1:]}."
        + (f" The last bar holds all of {names[-1]} or more." if is_open else ""),
        ("", *kinds),
        [
            ("texts", *(number(lengths[kind].total()) for kind in kinds)),
            ("mean", *(f"{_mean(lengths[kind]):.1f}" for kind in kinds)),
            ("median", *(number(quantile(lengths[kind], 0.5)) for kind in kinds)),
            ("95 % are at most", *(number(quantile(lengths[kind], 0.95)) for kind in kinds)),
            ("longest", *(number(max(lengths[kind])) for kind in kinds)),
            *(
                (f"from {name}", *(number(binned[kind][i]) for kind in kinds))
                for i, name in enumerate([*names[:-1], last])
            ),
        ],
    )


def token_figure(found: Sequence[Occurrences], *, tokenizer: str | None) -> Figure | None:
    """Density over token ids with a tokenizer; words by rank without one, and said so."""
    if not found:
        return None
    unit = "tokens" if tokenizer is not None else "words"
    lines = [Line(of.name, PALETTE[i % len(PALETTE)], of.line) for i, of in enumerate(found)]
    top = "; ".join(f"{of.name}: the 10 commonest make up {percent(of.numbers.top_10)}" for of in found)
    if tokenizer is None:
        title = "Word distribution"
        note = (
            "No tokenizer was named, so these are words, numbers and signs in lower case, by rank. With --tokenizer "
            "the page draws densities over token ids, as Fig. 3 of the CV-loss paper does."
        )
        drawn = log_lines(
            lines, label=f"Share of the text by rank. {top}", x="rank", y="share of the text", log_x=True
        )
    else:
        title = "Token distribution"
        note = (
            f"Density over token ids (Fig. 3 of the CV-loss paper), special tokens left out. Tokenizer: {tokenizer}."
        )
        lines = [line._replace(points=_thinned(line.points)) for line in lines]
        drawn = log_lines(lines, label=f"Density over token ids. {top}", x="token id", y="density", log_x=False)
    rows: list[tuple[str, ...]] = [
        (unit, *(number(of.numbers.n_tokens) for of in found)),
        ("distinct", *(number(of.numbers.n_distinct) for of in found)),
    ]
    if tokenizer is not None:
        rows.append(("in the vocabulary", *(number(of.numbers.n_vocabulary) for of in found)))
    rows += [
        ("entropy, bits", *(f"{of.numbers.entropy_bits:.2f}" for of in found)),
        ("as if equal", *(number(round(of.numbers.effective_tokens)) for of in found)),
        ("10 commonest", *(percent(of.numbers.top_10) for of in found)),
        ("100 commonest", *(percent(of.numbers.top_100) for of in found)),
    ]
    if tokenizer is not None:
        rows.append(("Gini", *(f"{of.numbers.gini:.3f}" for of in found)))
    for i in range(max(len(of.most_frequent) for of in found)):
        cells = [
            f"{of.most_frequent[i][0]} {percent(of.most_frequent[i][1])}" if i < len(of.most_frequent) else ""
            for of in found
        ]
        rows.append((f"no. {i + 1}", *cells))
    return Figure(title, drawn, note, ("", *(of.name for of in found)), rows)


def quantile(counts: Counter[int], share: float) -> int:
    """The smallest value that at least this share of the values does not exceed."""
    needed, seen = share * counts.total(), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= needed - 1e-9:
            return value
    return 0


def _mean(counts: Counter[int]) -> float:
    return sum(value * n for value, n in counts.items()) / counts.total()


def _round(width: float) -> int:
    """The next round number: 1, 2, 5, 10, 20, 25, 50, 100, ..."""
    power = 1
    while True:
        for factor in (1, 2, 2.5, 5):
            if factor * power >= width and factor * power == int(factor * power):
                return int(factor * power)
        power *= 10


def _thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Fewer points: of neighbours the highest, so that no peak is lost."""
    size = -(-len(line) // MOST_POINTS)
    groups = (line[i : i + size] for i in range(0, len(line), size))
    return [max(group, key=lambda point: point[1]) for group in groups]


def _colour(kind: str, i: int) -> str:
    return COLOUR.get(kind, PALETTE[i % len(PALETTE)])
