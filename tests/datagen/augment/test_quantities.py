"""Which numbers of a question may be masked."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.augment.quantities import find_quantities, left_alone


def found(question: str) -> list[tuple[str, Fraction]]:
    return [(quantity.text, quantity.value) for quantity in find_quantities(question)]


def skipped(question: str) -> list[tuple[str, str]]:
    return [(number.text, number.reason) for number in left_alone(question)]


@pytest.mark.parametrize(
    ("question", "text", "value"),
    [
        ("A house costs $80,000.", "80,000", 80000),
        ("It is 25% off.", "25", 25),
        ("Pens cost $.50 each.", ".50", Fraction(1, 2)),
        ("He walks 2.75 miles.", "2.75", Fraction(11, 4)),
        ("He weighs 1,250.5 lbs.", "1,250.5", Fraction(2501, 2)),
        ("She ate 1/2 of it.", "1/2", Fraction(1, 2)),
        ("Add 1 1/2 cups.", "1 1/2", Fraction(3, 2)),
        ("Add 1-1/2 cups.", "1-1/2", Fraction(3, 2)),
        ("Add 2 and 1/2 cups.", "2 and 1/2", Fraction(5, 2)),
        ("It ran for 3 and a half hours.", "3 and a half", Fraction(7, 2)),
        ("It fills 2/3rds of it.", "2/3rds", Fraction(2, 3)),
        ("It was -14 degrees.", "-14", -14),
        ("He has $5.", "5", 5),
        ("A 5-year-old plays.", "5", 5),
        ("About 467 000 people came.", "467 000", 467000),
        ("About 1 250 000 people came.", "1 250 000", 1250000),
        ("It cost $2 million.", "2", 2),
        ("She has 3 dozen eggs.", "3", 3),
        ("A 5kg bag.", "5", 5),
        ("There are 2000 apples.", "2000", 2000),
        ("She sold 2000 in all.", "2000", 2000),
        ("In 2000 apples, all are red.", "2000", 2000),
    ],
)
def test_a_number_in_digits_is_found_without_what_surrounds_it(question: str, text: str, value: Fraction) -> None:
    assert found(question) == [(text, value)]


@pytest.mark.parametrize(
    ("question", "text", "value"),
    [
        ("He has three dogs.", "three", 3),
        ("Twelve dogs bark.", "Twelve", 12),
        ("He has thirty-five dogs.", "thirty-five", 35),
        ("He has thirty five dogs.", "thirty five", 35),
        ("He has one hundred dogs.", "one hundred", 100),
        ("He has a hundred dogs.", "a hundred", 100),
        ("He has two hundred and five dogs.", "two hundred and five", 205),
        ("He has one hundred forty-four dogs.", "one hundred forty-four", 144),
        ("He won five thousand two hundred dollars.", "five thousand two hundred", 5200),
        ("He won two million dollars.", "two million", 2000000),
        ("She ate half of it.", "half", Fraction(1, 2)),
        ("She has half as many.", "half", Fraction(1, 2)),
        ("Wait half an hour.", "half", Fraction(1, 2)),
        ("She has half Tom's age.", "half", Fraction(1, 2)),
        ("A half-hour show.", "half", Fraction(1, 2)),
        ("She sold a third of them.", "a third", Fraction(1, 3)),
        ("She sold two-thirds of them.", "two-thirds", Fraction(2, 3)),
        ("She sold three fourths of them.", "three fourths", Fraction(3, 4)),
        ("She sold a quarter of them.", "a quarter", Fraction(1, 4)),
        ("She slept two and a half hours.", "two and a half", Fraction(5, 2)),
        ("She ran three and one-fourth miles.", "three and one-fourth", Fraction(13, 4)),
        ("She has twice as many.", "twice", 2),
        ("She has thrice as many.", "thrice", 3),
        ("She has double the number.", "double", 2),
        ("She has triple what he has.", "triple", 3),
        ("She bought a dozen eggs.", "a dozen", 12),
        ("She bought half a dozen eggs.", "half a dozen", 6),
        ("She bought two dozen eggs.", "two", 2),
        ("She swims once a week.", "once", 1),
        ("She slept one hour.", "one", 1),
        ("Add a five-dollar bill.", "five", 5),
    ],
)
def test_a_number_in_words_is_found_where_it_is_a_quantity(question: str, text: str, value: Fraction) -> None:
    assert found(question) == [(text, value)]


def test_the_tens_before_a_hyphened_number_stand_alone() -> None:
    assert found("He has twenty five-dollar bills.") == [("twenty", Fraction(20)), ("five", Fraction(5))]


@pytest.mark.parametrize(
    ("question", "texts", "reason"),
    [
        ("She is on the 1st floor and the 22nd.", ["1", "22"], "ordinal"),
        ("His twenty-first birthday.", ["twenty"], "ordinal"),
        ("In 1998 she was born.", ["1998"], "year"),
        ("The year 2020 was good.", ["2020"], "year"),
        ("She was born in May 2000.", ["2000"], "year"),
        ("The car was made in 2005.", ["2005"], "year"),
        ("From 2017 to 2019 it grew.", ["2017", "2019"], "year"),
        ("On March 5 she left.", ["5"], "date"),
        ("On 12/25/2020 she left.", ["12/25", "2020"], "date"),
        ("School starts at 7:30.", ["7", "30"], "time"),
        ("It is open from 8 to 5 p.m. today.", ["8", "5"], "time"),
        ("It ends at 3 pm or 4PM.", ["3", "4"], "time"),
        ("She read until 4 o'clock.", ["4"], "time"),
        ("A vaccine for COVID-19 and A4 paper.", ["19", "4"], "name"),
        ("An iPhone 13 on Highway 66 in Room 12B.", ["13", "66", "12"], "name"),
        ("All students in Grade 5 and Grade 6.", ["5", "6"], "name"),
        ("How far on day 2?", ["2"], "name"),
        ("A 3D film at the 7-Eleven.", ["3", "7"], "name"),
        ("He met the Big Ten.", ["Ten"], "name"),
        ("Agent 007 called 555-1234.", ["007", "555", "1234"], "name"),
        ("It is 1,00,000 or #5.", ["1", "00,000", "5"], "name"),
        ("She works 24/7 here.", ["24/7"], "idiom"),
        ("1) Buy.\n2) Sell.", ["1", "2"], "label"),
        ("Either (1) buy or (2) sell.", ["1", "2"], "label"),
        ("An area in cm^2, and $x_1$.", ["2", "1"], "exponent or subscript"),
        ("One of them, each one, and no one; one day.", ["One", "one", "one", "one"], "one"),
        ("It is " + "9" * 101 + ".", ["9" * 101], "too long"),
    ],
)
def test_a_number_that_counts_nothing_is_left_alone_with_its_reason(
    question: str, texts: list[str], reason: str
) -> None:
    assert skipped(question) == [(text, reason) for text in texts]
    assert found(question) == []


@pytest.mark.parametrize(
    "question",
    [
        "She came in third place on the second day, in the first half.",
        "Once he was home, zero were left, a couple of hundreds of them.",
        "The other half of the cake, cut in half.",
        "It took an hour and a half.",
        "Eggs cost $3 a dozen, per dozen, several dozen.",
        "She wants to double her money and buy a double bed.",
        "A quarter was on the table; the quarter of the game.",
        "The third grade has a third baseman.",
    ],
)
def test_what_only_looks_like_a_quantity_is_not_found(question: str) -> None:
    assert [text for text, _ in found(question) if text != "3"] == []


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("Each day 3 apples, 8 hours a day 5 days a week.", ["3", "8", "5"]),
        ("The ratio of cats to dogs is 2:3.", ["2", "3"]),
        ("They share in the ratio 10:15.", ["10", "15"]),
        ("He has 4 quarters and three quarters.", ["4", "three"]),
        ("She ran 3, 4, and 5 miles.", ["3", "4", "5"]),
        ("At the point (10,20).", ["10", "20"]),
        ("It takes 3-4 hours.", ["3", "4"]),
        ("He sold in May 30 clips.", ["30"]),
        ("She gave Anna 5 apples.", ["5"]),
        ("A room of 11 x 12 feet.", ["11", "12"]),
        ("It fell by 3 4/2 times.", ["3", "4/2"]),
        (r"If $3x + 5 = 20$ and $\frac{1}{2}y$.", ["3", "5", "20", r"\frac{1}{2}"]),
        ("1) Buy 3 apples.\n2) Sell 2.", ["3", "2"]),
    ],
)
def test_quantities_beside_the_rules_are_found(question: str, texts: list[str]) -> None:
    assert [text for text, _ in found(question)] == texts


PIECES = (
    "one two twenty - half a third of dozen as and hundred thousand 1 2/3 0 , . : $ % 2005 in May pm ( ) x"
    " \\frac{1}{2} ^ Tom 's"
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(PIECES.split()), max_size=14), st.sampled_from(["", " "]))
def test_spans_are_exact_ordered_and_disjoint_on_any_text(words: list[str], glue: str) -> None:
    question = glue.join(words)
    spans = sorted(
        [(q.start, q.end, q.text) for q in find_quantities(question)]
        + [(number.start, number.end, number.text) for number in left_alone(question)]
    )
    assert all(question[start:end] == text != "" for start, end, text in spans)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_no_text_raises(question: str) -> None:
    assert all(question[q.start : q.end] == q.text for q in find_quantities(question))


@settings(deadline=None, max_examples=100)
@given(st.integers(min_value=1, max_value=10**12))
def test_any_amount_is_read_with_and_without_separators(n: int) -> None:
    assert found(f"She paid ${n:,} for it.") == [(f"{n:,}", Fraction(n))]
    assert found(f"She saw {n} apples.") == [(str(n), Fraction(n))]
