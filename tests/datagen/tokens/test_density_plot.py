import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.tokens.density_plot import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, density_svg
from datagen.tokens.imbalance import Density

SVG = "{http://www.w3.org/2000/svg}"


def curves(svg: str) -> list[list[tuple[float, float]]]:
    lines = ET.fromstring(svg).iter(f"{SVG}polyline")
    pairs = ([pair.split(",") for pair in line.attrib["points"].split()] for line in lines)
    return [[(float(x), float(y)) for x, y in of] for of in pairs]


def texts(svg: str) -> list[str]:
    return [of.text or "" for of in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_tenth_of_the_density_is_one_decade_lower_and_nothing_is_left_of_the_axis() -> None:
    ((peak, lower, none),) = curves(density_svg({"a": Density([0, 50, 100], [0.01, 0.001, 0.0])}, title="t"))
    decade = (HEIGHT - TOP - BOTTOM) / 6
    assert peak == (LEFT, TOP)
    assert list(lower) == pytest.approx([(LEFT + WIDTH - RIGHT) / 2, TOP + decade], abs=0.06)
    assert none == (WIDTH - RIGHT, HEIGHT - BOTTOM)  # a density of zero has no logarithm: it lies on the axis


def test_every_data_set_has_a_curve_and_its_name() -> None:
    names = [f"set {i}" for i in range(8)]
    svg = density_svg({name: Density([0, 9], [0.5, 0.1]) for name in names}, title="Tokens")
    assert len(curves(svg)) == 8
    assert set(names) <= set(texts(svg))
    styles = [(p.attrib["stroke"], p.attrib["stroke-dasharray"]) for p in ET.fromstring(svg).iter(f"{SVG}polyline")]
    assert len(set(styles)) == 8


@pytest.mark.parametrize("last", [1, 9, 50_256, 151_935])
def test_ticks_are_round_and_few(last: int) -> None:
    svg = density_svg({"a": Density([0, last], [0.5, 0.1])}, title="t")
    ticks = [int(text.replace(",", "")) for text in texts(svg) if re.fullmatch(r"[\d,]+", text)]
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 11
    assert set(str(ticks[1]).strip("0")) <= set("125")


@given(name=st.text(max_size=30))
@settings(deadline=None, max_examples=100)
def test_whatever_a_name_holds_it_is_text(name: str) -> None:
    hostile = f"{name}</text><script>alert(1)</script>&\x00"
    root = ET.fromstring(density_svg({hostile: Density([0, 9], [0.5, 0.1])}, title=hostile))
    assert not list(root.iter(f"{SVG}script"))
    assert any((of.text or "").endswith("</text><script>alert(1)</script>&\N{REPLACEMENT CHARACTER}") for of in root)
