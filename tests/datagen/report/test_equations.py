"""Where equations stand."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.equations.find import find_equations
from datagen.report.equations import checked_equations, shown


def painted(text: str) -> list[tuple[str, bool | None, str | None]]:
    return [(text[of.start : of.end], of.holds, of.value) for of in checked_equations(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He has 3*4 = <<3*4=12>>12.", [("3*4=12", True, None)]),
        ("So 6 + 2 = 9 pens.", [("6 + 2 = 9", False, "8")]),
        # The second link begins where the first one ends; its left side is 5.
        ("2 + 3 = 5 = 6", [("2 + 3 = 5", True, None), (" = 6", False, "5")]),
        ("<<10/3=3>>", [("10/3=3", False, "≈ 3.3333")]),
        # The same annotation twice, and equal words before it: each has its own place.
        ("2+2=4 is <<2+2=4>> and <<2+2=5>>", [("2+2=4", True, None), ("2+2=5", False, "4")]),
        ("no equation", []),
        ("", []),
    ],
)
def test_equations_are_painted_where_they_stand(
    text: str, expected: list[tuple[str, bool | None, str | None]]
) -> None:
    assert painted(text) == expected


def test_the_place_of_an_annotation_is_not_that_of_equal_words_before_it() -> None:
    text = "2+2=4 is <<2+2=4>>"
    assert [of.start for of in checked_equations(text)] == [text.index("<<") + 2]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["so", "=", "<<", ">>", "pens", "\n", "==", "𝟛", "“", "2 + 3 = 5", "2 * 3 = 7", "x = 4"]),
            st.builds(lambda a, b, c: f"{a}+{b}={c}", st.integers(0, 99), st.integers(0, 99), st.integers(0, 200)),
            st.builds(lambda a, b: f"<<{a}*{b}={a * b}>>", st.integers(0, 99), st.integers(0, 99)),
        ),
        max_size=12,
    )
)
def test_what_is_painted_is_what_the_equation_finder_judges(parts: list[str]) -> None:
    text = " ".join(parts)
    found, painted_at = find_equations(text), checked_equations(text)
    assert all(0 <= of.start < of.end <= len(text) for of in painted_at)
    assert all(a.end <= b.start for a, b in zip(painted_at, painted_at[1:], strict=False))
    assert {of.holds for of in painted_at} <= {of.holds for of in found}
    assert bool(painted_at) == bool(found)
    assert any(of.holds is False for of in painted_at) == any(of.holds is False for of in found)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(12), "12"),
        (Fraction(15, 2), "7.5"),
        (Fraction(-10, 3), "≈ -3.3333"),
        (Fraction(1, 3), "≈ 0.3333"),
        (Fraction(1, 3_000_000), "1/3000000"),
        (Fraction(10) ** 300, "about 1e300"),
    ],
)
def test_values_are_as_short_as_they_can_be_read(value: Fraction, text: str) -> None:
    assert shown(value) == text
