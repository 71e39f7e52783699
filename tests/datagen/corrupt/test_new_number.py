"""Wrong numbers of the right kind."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.corrupt.new_number import is_plain, value_of, written_like, wrong_numbers


@pytest.mark.parametrize(
    ("value", "like", "written"),
    [
        ("25", "24", "25"),
        ("1250", "1,200", "1,250"),
        ("950", "1,200", "950"),
        ("1250", "950", "1250"),
        ("7.5", "6.00", "7.50"),
        ("7.5", "6", None),  # an integer stays an integer
        ("1/3", "0.33", None),
        ("0.5", ".4", ".5"),
        ("1.5", ".4", "1.5"),
        ("0.05", "0.25", "0.05"),
        ("0", "5", None),
        ("-3", "5", None),
        ("10000000000000000", "5", None),
    ],
)
def test_a_value_is_written_like_another_number(value: str, like: str, written: str | None) -> None:
    assert written_like(Fraction(value), like) == written


def test_slips_are_the_realistic_ones() -> None:
    # one and two off, digits swapped, 10 % (4.8, so 5), ten off, half, double, ten times; 4.8 is no integer
    assert set(map(int, wrong_numbers("48"))) == {49, 47, 50, 46, 84, 53, 43, 58, 38, 480, 96, 24}
    assert set(wrong_numbers("1")) == {Fraction(n) for n in (2, 3, 10)}


numbers = st.one_of(
    st.integers(1, 10**9).map(str),
    st.integers(1, 10**9).map("{:,}".format),
    st.tuples(st.integers(0, 10**5), st.integers(1, 99)).map(lambda n: f"{n[0]}.{n[1]:02d}"),
    st.integers(1, 9).map(".{}".format),
)


@settings(deadline=None, max_examples=300)
@given(text=numbers)
def test_every_slip_is_positive_different_and_of_the_same_kind(text: str) -> None:
    value = Fraction(text.replace(",", ""))
    assert is_plain(text)
    assert value_of(text) == value
    slips = wrong_numbers(text)
    assert slips
    for slip in slips:
        written = written_like(slip, text)
        assert written is not None
        assert Fraction(written.replace(",", "")) == slip
        assert slip > 0
        assert slip != value
        assert len(written.partition(".")[2]) == len(text.partition(".")[2])
        assert "," in written or "," not in text or slip < 1000


@pytest.mark.parametrize("text", ["1{,}200", r"1\,200", "", "1,20", "1234567890123456"])
def test_what_is_written_otherwise_is_left_alone(text: str) -> None:
    assert not is_plain(text)
