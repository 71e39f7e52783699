"""Exact numbers out of answers."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.answers.number import canonical, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("1,000", 1000),
        ("1000.00", 1000),
        ("12,345.67", Fraction(1234567, 100)),
        ("1/2", Fraction(1, 2)),
        ("0.5", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("-.5", Fraction(-1, 2)),
        ("1 1/2", Fraction(3, 2)),
        ("-1 1/2", Fraction(-3, 2)),
        ("½", Fraction(1, 2)),
        ("1½", Fraction(3, 2)),
        (r"\frac{1}{2}", Fraction(1, 2)),
        (r"-\frac{1}{2}", Fraction(-1, 2)),
        (r"\dfrac{10}{4}", Fraction(5, 2)),
        (r"1\frac{1}{2}", Fraction(3, 2)),
        ("-5", -5),
        ("−5", -5),
        ("–5", -5),
        ("- 5", -5),
        ("+5", 5),
        ("$18.00", 18),
        ("-$5", -5),
        ("$-5", -5),
        (r"\$18", 18),
        ("€5", 5),
        ("Rs. 500", 500),
        ("18 dollars", 18),
        ("18 square feet", 18),
        ("12 cm^2", 12),
        ("5kg", 5),
        ("5 km/h", 5),
        ("5 a day", 5),
        ("$1,080 per week", 1080),
        (r"18\text{ cm}", 18),
        ("90°", 90),
        ("18.", 18),
        ("**18**", 18),
        ("{18}", 18),
        ("5e3", 5000),
        ("1E-2", Fraction(1, 100)),
        ("-1.8 billion", -1_800_000_000),
        ("3 dozen", 3),
        ("50%", 50),
        (r"50\%", 50),
        ("50 percent", 50),
        ("18 dollars and 50 cents", Fraction(37, 2)),
        ("$18 and 5 cents", Fraction(361, 20)),
        ("1,018 dollars 50 cents per day", Fraction(2037, 2)),
        ("$1.5M", 1_500_000),
        ("-$5K", -5000),
        ("$2 B", 2_000_000_000),
        ("5 M", 5),
        ("1 000", 1000),
        ("12 345 678.5 dollars", Fraction(24691357, 2)),
        ("1\xa0000", 1000),
        ("1\u2009000", 1000),
        ("1\u202f000", 1000),
        ("1 100/200", Fraction(3, 2)),
        ("5 x 10^3", 5000),
        ("5 × 10³", 5000),
        ("1.5×10⁻²", Fraction(3, 200)),
        (r"5 \times 10^{3}", 5000),
        ("5*10**3 meters", 5000),
        ("minus 18", -18),
        ("Negative $18", -18),
        ("7 and a half hours", Fraction(15, 2)),
        ("１８", 18),
        ("１，０００", 1000),
        ("١٨", 18),
        ("\U0001d7cf\U0001d7d6", 18),
    ],
)
def test_an_answer_states_this_number(text: str, value: int | Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "five",
        "5x",
        "5 x",
        r"3\pi",
        "3 sqrt 2",
        "5 or 6",
        "3:30",
        "2 x 3",
        "2*3",
        "2**3",
        "2^3",
        "70-5",
        "1,00",
    ]
    + ["1,2", "1.5.2", "1/0", "3/4/5", "{1}{2}", "x=5", "5/", "٣x", "5e9999", "1" * 501]
    + ["5M", "5K", "1 00", "1 0000", "0 000", "1  000", "18 and 50 cents", "18 dollars and 150 cents", "5 x 10^9999"]
    + ["3 hours 20 minutes", "minus -5", "²"],
)
def test_what_is_not_one_number_is_none(text: str) -> None:
    assert parse_number(text) is None


def test_a_percentage_is_a_fraction_if_asked() -> None:
    assert parse_number("50%", percent_as_fraction=True) == Fraction(1, 2)
    assert parse_number("50", percent_as_fraction=True) == 50


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1000), "1000"),
        (Fraction(-7), "-7"),
        (Fraction(0), "0"),
        (Fraction(1, 2), "0.5"),
        (Fraction(-1, 40), "-0.025"),
        (Fraction(5, 4), "1.25"),
        (Fraction(1, 3), "1/3"),
        (Fraction(-22, 7), "-22/7"),
    ],
)
def test_the_canonical_text_of_a_number(value: Fraction, text: str) -> None:
    assert canonical(value) == text


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.fractions(), st.decimals(allow_nan=False, allow_infinity=False, places=6).map(Fraction)))
def test_the_canonical_text_states_the_number(value: Fraction) -> None:
    assert parse_number(canonical(value)) == value


@settings(deadline=None, max_examples=300)
@given(st.integers(), st.integers(0, 3), st.sampled_from(["{}", "${}", "{} dollars", " {} ", "{}.", "**{}**", "{} %"]))
def test_the_way_it_is_written_does_not_change_a_number(n: int, zeros: int, shape: str) -> None:
    number = f"{n:,}" + ("." + "0" * zeros if zeros else "")
    assert parse_number(shape.format(number)) == n


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.text(), st.text(alphabet="0123456789.,-−/$%\\{}fracex *½", max_size=30)))
def test_any_text_is_a_number_or_none(text: str) -> None:
    value = parse_number(text)
    assert value is None or parse_number(canonical(value)) == value
