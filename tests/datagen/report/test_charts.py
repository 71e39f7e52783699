"""Drawings."""

import re
import xml.etree.ElementTree as ET

import pytest

from datagen.report.charts import (
    Bar,
    Line,
    Series,
    bar_table,
    columns,
    lines,
    log_lines,
    number,
    percent,
    table,
    text_of,
)

HOSTILE = "<script>alert(1)</script>\"'&<!-- \u202e\u2028 </svg>"


def parsed(html: str) -> ET.Element:
    """As XML, which is stricter than HTML: nothing unescaped gets through."""
    return ET.fromstring(f"<div>{html}</div>")


def test_hostile_names_are_text_in_every_drawing() -> None:
    drawn = (
        bar_table([Bar(HOSTILE, 0.5, HOSTILE)], header=(HOSTILE, HOSTILE), caption=HOSTILE),
        table((HOSTILE, HOSTILE), [(HOSTILE, HOSTILE)], caption=HOSTILE),
        columns([HOSTILE], [Series(HOSTILE, "c1", [1]), Series("b", "c2", [2])], label=HOSTILE, x=HOSTILE, y=HOSTILE),
        lines([Line(HOSTILE, "c1", [(1, 2), (2, 3)]), Line("b", "c2", [(1, 1)])], label=HOSTILE, x=HOSTILE, y="y"),
        log_lines([Line(HOSTILE, "c1", [(1, 0.5), (2, 0.1)])], label=HOSTILE, x="x", y=HOSTILE, log_x=True),
    )
    for html in drawn:
        tags = {element.tag for element in parsed(html).iter()}
        assert tags <= {
            *("div", "svg", "rect", "line", "text", "title", "polyline", "circle", "ul", "li", "bdi"),
            *("table", "caption", "thead", "tbody", "tr", "th", "td"),
        }
        assert "\u202e" not in html
        assert "\u2028" not in html


def test_bars_have_the_heights_of_their_values() -> None:
    html = columns(["a", "b", "c"], [Series("n", "c1", [10, 5, 0])], label="l", x="x", y="y")
    heights = [float(of.attrib["height"]) for of in parsed(html).iter("rect")]
    assert heights[1] == pytest.approx(heights[0] / 2, abs=0.1)
    assert heights[2] == 0
    assert [of.text for of in parsed(html).iter("text") if of.attrib["class"] == "top"] == ["10", "5"]


def test_a_bar_table_has_the_widths_of_its_shares_and_the_ends_of_its_intervals() -> None:
    root = parsed(bar_table([Bar("a", 0.25, "1 of 4", low=0.1, high=0.5)], header=("n", "s"), caption="c"))
    assert [of.attrib["width"] for of in root.iter("rect")] == ["100%", "25.00%"]
    (whisker,) = root.iter("line")
    assert (whisker.attrib["x1"], whisker.attrib["x2"]) == ("10.00%", "50.00%")


def test_points_of_a_logarithmic_axis_stand_as_far_apart_as_their_logarithms() -> None:
    html = lines([Line("n", "c1", [(1, 1), (10, 1), (100, 1)])], label="l", x="x", y="y", log_x=True)
    xs = [float(of.attrib["cx"]) for of in parsed(html).iter("circle")]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)


def test_a_decade_is_as_high_as_the_next_on_a_logarithmic_axis() -> None:
    html = log_lines(
        [Line("n", "c1", [(1, 1.0), (2, 0.1), (3, 0.01), (4, 0.0)])], label="l", x="x", y="y", log_x=False
    )
    (line,) = parsed(html).iter("polyline")
    ys = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.2)
    assert ys[3] == ys[2]  # nothing lies on the axis


@pytest.mark.parametrize("values", [[0], [1e-9], [1e12], [0.3, 0.30000001], [7]])
def test_every_scale_ends_above_its_values_and_has_few_ticks(values: list[float]) -> None:
    html = columns([str(i) for i in range(len(values))], [Series("n", "c1", values)], label="l", x="x", y="y")
    rules = [float(of.attrib["y1"]) for of in parsed(html).iter("line")]
    tops = [float(of.attrib["y"]) for of in parsed(html).iter("rect")]
    assert 2 <= len(rules) <= 6
    assert all(19 <= top <= 197 for top in tops)


def test_no_inline_style_and_no_address_is_drawn() -> None:
    html = columns(["a"], [Series("n", "c1", [1])], label="l", x="x", y="y")
    assert not re.search(r"style=|href|url\(|xmlns", html)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567, "1,234,567"), (3.14159, "3.14"), (0.01234, "0.0123"), (2.0, "2")]
)
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    assert number(value) == text


def test_a_share_that_is_not_known_is_a_dash() -> None:
    assert (percent(None), percent(0.3793), percent(1.0, digits=0)) == ("–", "37.9 %", "100 %")


def test_long_names_are_cut() -> None:
    assert text_of("x" * 100, longest=10) == "x" * 9 + "…"
