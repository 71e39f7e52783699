"""Drawings as inline SVG and HTML tables with bars; colours are classes, so that they follow light and dark.

Widths and heights are attributes, never inline styles: the page's policy allows none. Every text is escaped here.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 440, 236
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 20, 40
LONGEST_LABEL = 60
MAX_TICKS = 12  # labels below a drawing, before some are left out
MAX_LABELLED_BARS = 16  # numbers on top of bars, before they would touch
MAX_LABELLED_POINTS, MAX_LABELLED_LINES = 8, 2
HEAD = 1.08  # room above the highest point


class Series(NamedTuple):
    """Values with a name and a colour, which is a class of the style sheet."""

    name: str
    colour: str
    values: Sequence[float]


class Line(NamedTuple):
    """Points with a name and a colour."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


class Bar(NamedTuple):
    """A row of a table with a bar: its share of the width, and the number as text."""

    label: str
    share: float
    number: str
    colour: str = "c1"
    low: float | None = None  # ends of an interval, as shares
    high: float | None = None


def text_of(value: str, *, longest: int | None = None) -> str:
    """Text that HTML and XML can hold: what cannot be seen (control characters, marks of direction) is replaced."""
    shown = "".join(c if c.isprintable() else " " if c in "\n\t\r" else "\N{REPLACEMENT CHARACTER}" for c in value)
    if longest is not None and len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return escape(shown)


def number(value: float) -> str:
    """A number for people: 12,345, 3.21, 0.004."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def percent(share: float | None, *, digits: int = 1) -> str:
    """A share as a percentage; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def bar_table(bars: Sequence[Bar], *, header: tuple[str, str], caption: str) -> str:
    """A table that is its own chart: label, bar, number."""
    rows = "".join(
        f'<tr><th scope="row"><bdi>{text_of(bar.label, longest=200)}</bdi></th>'
        f'<td class="bar"><svg aria-hidden="true" height="14" width="100%">'
        f'<rect class="rail" width="100%" height="14" rx="2"/>'
        f'<rect class="{bar.colour}" width="{_part(bar.share)}" height="14" rx="2"/>{_whisker(bar)}</svg></td>'
        f'<td class="n">{text_of(bar.number)}</td></tr>'
        for bar in bars
    )
    return (
        f'<table class="bars"><caption class="sr">{text_of(caption)}</caption>'
        f'<thead class="sr"><tr><th scope="col">{text_of(header[0])}</th><td></td>'
        f'<th scope="col">{text_of(header[1])}</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str) -> str:
    """A table of numbers: the first column names the row."""
    head = "".join(f'<th scope="col">{text_of(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row"><bdi>{text_of(row[0], longest=200)}</bdi></th>'
        + "".join(f"<td>{text_of(cell, longest=200)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{text_of(caption)}"><table class="numbers">'
        f'<caption class="sr">{text_of(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def columns(
    categories: Sequence[str], series: Sequence[Series], *, label: str, x: str, y: str, shares: bool = False
) -> str:
    """Grouped vertical bars."""
    highest = max((value for of in series for value in of.values), default=0) or 1
    scale = _Scale(highest * HEAD)
    step = (WIDTH - LEFT - RIGHT) / len(categories)
    gap = min(0.24 * step, 10)
    width = (step - gap) / len(series)
    parts = [*_axes(scale, x=x, y=y, shares=shares)]
    numbered = len(categories) * len(series) <= MAX_LABELLED_BARS
    every = math.ceil(len(categories) / MAX_TICKS)
    for i, category in enumerate(categories):
        left = LEFT + i * step + gap / 2
        if i % every == 0:
            parts.append(_text(left + (step - gap) / 2, HEIGHT - BOTTOM + 15, category, anchor="middle"))
        for j, of in enumerate(series):
            top = scale.y(of.values[i])
            name = f"{of.name}, {category}: " if len(series) > 1 else f"{category}: "
            shown = percent(of.values[i]) if shares else number(of.values[i])
            size = f'width="{max(width - 1, 0.8):.1f}" height="{max(HEIGHT - BOTTOM - top, 0):.1f}"'
            parts.append(
                f'<rect class="{of.colour}" x="{left + j * width:.1f}" y="{top:.1f}" {size}>'
                f"<title>{text_of(name + shown)}</title></rect>"
            )
            if numbered and of.values[i]:
                at = left + j * width + (width - 1) / 2
                parts.append(_text(at, top - 4, _short(of.values[i], shares=shares), anchor="middle", kind="top"))
    return _legend(series) + _svg(parts, label=label)


def lines(drawn: Sequence[Line], *, label: str, x: str, y: str, log_x: bool = False, shares: bool = False) -> str:
    """Lines through points; with `log_x` the distances are those of logarithms, and the ticks stand at the points."""
    xs = sorted({point[0] for of in drawn for point in of.points})
    scale = _Scale(1.0 if shares else (max(point[1] for of in drawn for point in of.points) or 1) * HEAD)
    low, high = (_log(xs[0], log_x), _log(xs[-1], log_x))

    def at(value: float) -> float:
        share = (_log(value, log_x) - low) / (high - low) if high > low else 0.5
        return LEFT + 20 + share * (WIDTH - LEFT - RIGHT - 30)

    parts = [*_axes(scale, x=x, y=y, shares=shares)]
    parts += _x_ticks(xs, at)
    for of in drawn:
        points = " ".join(f"{at(px):.1f},{scale.y(py):.1f}" for px, py in of.points)
        parts.append(f'<polyline class="line {of.colour}" points="{points}"/>')
        for px, py in of.points:
            shown = percent(py) if shares else number(py)
            name = text_of(f"{of.name}, {number(px)}: {shown}")
            parts.append(
                f'<circle class="{of.colour}" cx="{at(px):.1f}" cy="{scale.y(py):.1f}" r="3.5"><title>{name}</title>'
                "</circle>"
            )
        for px, py in of.points if len(of.points) <= MAX_LABELLED_POINTS and len(drawn) <= MAX_LABELLED_LINES else ():
            anchor = "end" if at(px) > WIDTH - RIGHT - 14 else "middle"
            parts.append(_text(at(px), scale.y(py) - 8, _short(py, shares=shares), anchor=anchor, kind="top"))
    return _legend(drawn) + _svg(parts, label=label)


def log_lines(drawn: Sequence[Line], *, label: str, x: str, y: str, log_x: bool, decades: int = 6) -> str:
    """Lines on a logarithmic y axis; what is `decades` below the highest peak lies on the axis."""
    top = math.ceil(math.log10(max(py for of in drawn for _, py in of.points)))
    lowest = min((py for of in drawn for _, py in of.points if py > 0), default=1.0)
    decades = min(decades, max(top - math.floor(math.log10(lowest)), 1))
    xs = sorted({point[0] for of in drawn for point in of.points})
    low, high = _log(xs[0], log_x), _log(xs[-1], log_x)

    def at(value: float) -> float:
        return LEFT + (_log(value, log_x) - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        below = min(top - math.log10(value), decades) if value > 0 else decades
        return TOP + below / decades * (HEIGHT - TOP - BOTTOM)

    parts = []
    for exponent in range(top - decades, top + 1):
        parts.append(_rule(LEFT, up(10.0**exponent), WIDTH - RIGHT))
        parts.append(_text(LEFT - 6, up(10.0**exponent) + 4, _power(exponent), anchor="end"))
    parts += _names(x, y)
    parts += _x_ticks(_round_ticks(xs[0], xs[-1], log_x=log_x), at)
    for of in drawn:
        points = " ".join(f"{at(px):.1f},{up(py):.1f}" for px, py in of.points)
        parts.append(f'<polyline class="line {of.colour}" points="{points}"/>')
    return _legend(drawn) + _svg(parts, label=label)


class _Scale:
    """The y axis: from 0 to a round number above the highest value."""

    def __init__(self, highest: float) -> None:
        power = 10.0 ** math.floor(math.log10(highest / 4))
        self.step = next(f * power for f in (1, 2, 2.5, 5, 10, 20, 25, 50) if highest / (f * power) <= 4.001)
        self.top = max(highest, self.step)

    def y(self, value: float) -> float:
        return TOP + (1 - value / self.top) * (HEIGHT - TOP - BOTTOM)

    def ticks(self) -> list[float]:
        return [i * self.step for i in range(int(self.top / self.step + 1e-9) + 1)]


def _axes(scale: _Scale, *, x: str, y: str, shares: bool) -> list[str]:
    parts = []
    for tick in scale.ticks():
        parts.append(_rule(LEFT, scale.y(tick), WIDTH - RIGHT))
        parts.append(_text(LEFT - 6, scale.y(tick) + 4, _short(tick, shares=shares), anchor="end"))
    return parts + _names(x, y)


def _names(x: str, y: str) -> list[str]:
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    return [_text(middle, HEIGHT - 6, x, anchor="middle", kind="axis"), _text(4, 11, y, kind="axis")]


def _x_ticks(ticks: Sequence[float], at: Callable[[float], float]) -> list[str]:
    parts, last = [], -math.inf
    for tick in ticks:
        shown = _short(tick)
        room = 4 + 3.2 * len(shown)
        if at(tick) - room < last:
            continue
        last = at(tick) + room
        parts.append(_text(min(at(tick), WIDTH - room), HEIGHT - BOTTOM + 15, shown, anchor="middle"))
    return parts


def _round_ticks(low: float, high: float, *, log_x: bool) -> list[float]:
    if log_x:
        return [10.0**i for i in range(math.ceil(math.log10(low)), math.floor(math.log10(high) + 1e-9) + 1)]
    return _Scale(max(high, 1)).ticks()


def _log(value: float, log: bool) -> float:
    return math.log(value) if log else value


def _power(exponent: int) -> str:
    return "1" if exponent == 0 else f"1e{exponent}"


def _short(value: float, *, shares: bool = False) -> str:
    """For axes: 12k, 3.5M."""
    if shares:
        return f"{100 * value:.0f} %"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            of = 1000 if unit == "k" else size
            return f"{value / of:.1f}".rstrip("0").rstrip(".") + unit
    return f"{value:,.0f}" if value == int(value) else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _legend(series: Sequence[Series] | Sequence[Line]) -> str:
    if len(series) < 2:
        return ""
    items = "".join(
        f'<li><svg aria-hidden="true" width="10" height="10"><rect class="{of.colour}" width="10" height="10" rx="2"/>'
        f"</svg><bdi>{text_of(of.name, longest=LONGEST_LABEL)}</bdi></li>"
        for of in series
    )
    return f'<ul class="legend">{items}</ul>'


def _svg(parts: Sequence[str], *, label: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text_of(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "tick") -> str:
    shown = text_of(text, longest=LONGEST_LABEL)
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'


def _rule(x1: float, y: float, x2: float) -> str:
    return f'<line class="rule" x1="{x1:.1f}" y1="{y:.1f}" x2="{x2:.1f}" y2="{y:.1f}"/>'


def _part(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.2f}%"


def _whisker(bar: Bar) -> str:
    if bar.low is None or bar.high is None:
        return ""
    low, high = _part(bar.low), _part(bar.high)
    return f'<line class="whisker" x1="{low}" x2="{high}" y1="7" y2="7"/>'
