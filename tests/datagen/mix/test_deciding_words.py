"""What tells two questions, and two solutions, apart."""

import pytest

from datagen.mix.deciding_words import question_words, solution_words

TOM = "tom has 3 red and 12 blue pens."


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (TOM, "tom has 3 green and 12 blue pens.", True),
        (TOM, "tom has 4 red and 12 blue pens.", False),
        (TOM, "tom has 12 red and 3 blue pens.", False),
        (TOM, "tom has three red and twelve blue pens.", True),
        ("1,000 pens", "1000 pens", True),
        ("1,000 pens", "1,001 pens", False),
        ("2.5 pens", "2 pens and 5", False),
        ("x and 3 pens", "3 and x pens", False),
        ("a pen", "an apple", True),
        ("5 more pens", "5 fewer pens", False),
        ("half of it", "twice of it", False),
        ("5%", "5", False),
        ("3 + 4?", "3 * 4?", False),
        ("3 × 4?", "3 * 4?", True),
        ("tom's 3 pens", "toms 3 pens", True),
        ("٣ pens", "٤ pens", False),  # Arabic digits
    ],
)
def test_questions_are_one_only_if_their_numbers_unknowns_and_turning_words_are(
    first: str, second: str, same: bool
) -> None:
    assert (question_words(first) == question_words(second)) == same


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("3 * 2 = 6 pens", "3 * 2 = 6 apples", True),
        ("3 * 2 = 6", "2 * 3 = 6", False),
        ("2 + 2 = 4", "2 * 2 = 4", False),
        ("6 ÷ 2 = 3", "6 / 2 = 3", True),
        ("he has 6 left", "he has 6 more", True),  # the signs say it
        ("twice 3 is 6", "half 3 is 6", False),
        ("x = 3", "y = 3", False),
    ],
)
def test_solutions_are_one_only_if_their_calculations_are(first: str, second: str, same: bool) -> None:
    assert (solution_words(first) == solution_words(second)) == same


def test_the_words_between_are_not_counted() -> None:
    assert solution_words("so he has then 6 of them") == solution_words("6") == "6"
    assert question_words("") == ""
