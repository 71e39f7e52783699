import json
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.answers.check import check_answer
from datagen.augment.rephrase import check_rewrite, is_solved, parse_rewrite
from datagen.augment.sentences import split_question
from datagen.augment.stated_numbers import numbers_of, stated_numbers
from datagen.equations.find import find_equations
from datagen_prompts.template import load_prompt

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "gsm8k"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("He has 5 pens, $80,000, 2.5 kg and .5 l.", "5 80000 5/2 1/2"),
        ("25% and 25 percent", "25 25"),
        ("1/2 of 2 1/2, 2½ and ¾", "1/2 5/2 5/2 3/4"),
        ("twenty-five, two hundred and five, a hundred", "25 205 100"),
        ("two thousand, five hundred and 1.8 million", "2500 1800000"),
        ("five, six and seven", "5 6 7"),
        ("two-thirds of a third of one-half", "2/3 1/3 1/2"),
        ("the third day, the 3rd row, room B12", ""),
        ("1/3rd as many, 2 1/4th and 3/5ths of the 4th", "1/3 9/4 3/5"),
        ("three quarters of it, three quarters and a dime", "3/4 3"),
        ("twice, double, thrice, half a dozen, 3 dozen", "2 2 3 1/2 12 3 12"),
        ("two and a half hours or 3 and 1/2", "5/2 7/2"),
        ("-5 and -$7, but 3-5 and a 5-year-old", "-5 -7 3 5 5"),
        ("at 6:00 or 6:30", "6 13/2"),
        ("one of them, once", "1 1"),
        ("1/0", ""),
        ("9" * 5000, ""),
        ("one and " * 2000, "1 " * 2000),
    ],
)
def test_numbers_are_read_in_digits_and_words(text: str, values: str) -> None:
    assert numbers_of(text) == Counter(map(Fraction, values.split()))


@given(st.integers(0, 10**12), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_thousands_separators_and_zeros_do_not_change_a_number(whole: int, cents: int) -> None:
    plain, separated = f"a ${whole}.{cents:02} b", f"a ${whole:,}.{cents:02}0 b"
    assert numbers_of(plain) == numbers_of(separated) == {whole + Fraction(cents, 100): 1}


@given(st.text("0123456789.,/:-$% \n½aond", max_size=40) | st.text(max_size=40))
@settings(deadline=None, max_examples=200)
def test_stated_numbers_are_in_order_and_do_not_overlap(text: str) -> None:
    ends = [0]
    for number in stated_numbers(text):
        assert ends[-1] <= number.start < number.end <= len(text)
        ends.append(number.end)


ORIGINAL = "Tom walks 5 km in 2 hours and pays $3 twice, 25% of his money. One friend has 1 dog. How much had Tom?"


@pytest.mark.parametrize(
    "rewrite",
    [
        "Twice Tom pays 3 dollars, which is 25 percent of what he owns; a friend owns one dog. He goes 5 kilometers in"
        " two hours. What did Tom own?",
        "In 2 hours Tom goes 5 km and pays $3 twice: 25% of his money. Find what he had, if 1 friend has one dog.",
    ],
)
def test_a_rewrite_with_the_same_numbers_and_units_is_accepted(rewrite: str) -> None:
    assert check_rewrite(ORIGINAL, rewrite, answer="24") is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (ORIGINAL, " ", "malformed"),
        (ORIGINAL, ORIGINAL * 9, "malformed"),
        ("Tom walks", "TOM  walks", "same question"),
        ("Tom walks", "Tom strolls for 24 of", "leaks the answer"),
        ("Tom walks", "Tom strolls twenty-four of", "leaks the answer"),
        ("5 km", "6 km", "numbers changed"),
        ("5 km", "5 long km, or 5 km", "numbers changed"),
        ("in 2 hours", "in hours", "numbers changed"),
        ("25%", "30%", "numbers changed"),
        ("1 dog", "dog", None),  # "One friend" may be the 1
        ("One friend has 1 dog", "A friend has a dog", "numbers changed"),
        ("One friend has 1 dog", "1 friend has 1 dog and 1 cat", "numbers changed"),
        ("5 km", "5 m", "unit changed"),
        ("5 km", "5000 m", "unit changed"),
        ("5 km", "3.1 miles", "unit changed"),
        ("2 hours", "120 minutes", "unit changed"),
        ("2 hours", "two-minute", "unit changed"),
        ("$3", "300 cents", "unit changed"),
        ("$3", "3 ¢", "unit changed"),
        ("25%", "$25", "unit changed"),
        ("25%", "25", "unit changed"),
        ("How much had Tom?", "Tom had much.", "no question"),
    ],
)
def test_a_rewrite_is_rejected_with_its_reason(old: str, new: str, reason: str | None) -> None:
    assert check_rewrite(ORIGINAL, ORIGINAL.replace(old, new), answer="24") == reason


def test_an_answer_that_stands_in_the_original_is_no_leak() -> None:
    assert check_rewrite("Al has 5 and gets 0. How many?", "Al gets 0 and has 5. How many?", answer="5") is None
    assert check_rewrite("Al has 5 and eats 4. How many?", "Al, 5, one eats 4. How many?", answer="1") is None
    assert check_rewrite("Al has 5 and eats 4. How many?", "Al, 5, eats 4: 1. How many?", answer="1") == (
        "leaks the answer"
    )


@pytest.mark.parametrize(
    ("reply", "rewrite"),
    [
        ("Al had 5. How many?", "Al had 5. How many?"),
        ("Rephrased question: Al had 5.\nHow many?", "Al had 5. How many?"),
        ('"Al had 5. How many?"', "Al had 5. How many?"),
        ('"Is it 5?" asks Al. "No?"', '"Is it 5?" asks Al. "No?"'),
        ("Here it is:\n\nAl had 5. How many?", None),
        ("Al had 5. How many?\nAnswer: 5", None),
        ("  \n", None),
    ],
)
def test_a_reply_is_one_paragraph_or_malformed(reply: str, rewrite: str | None) -> None:
    assert parse_rewrite(reply) == rewrite


def test_a_rewrite_is_solved_from_m_of_n_on() -> None:
    assert [is_solved(right, n=4, m=2) for right in range(5)] == [False, False, True, True, True]
    for right, n, m in ((5, 4, 2), (-1, 4, 2), (1, 4, 0), (1, 4, 5)):
        with pytest.raises(ValueError, match="m <= n"):
            is_solved(right, n=n, m=m)


def test_the_prompts_own_examples_pass_the_checks() -> None:
    turns = load_prompt("augment-rephrase", fields=("question",)).render(question="Q?")
    asked = [turn.content for turn in turns if turn.role == "user"][:-1]
    answered = [turn.content for turn in turns if turn.role == "assistant"]
    assert len(asked) == len(answered) == 3
    for prompt, rewrite, answer in zip(asked, answered, ("1080", "21", "60"), strict=True):
        original = prompt.split("[Problem]\n")[1].split("\n[End")[0]
        assert check_rewrite(original, rewrite, answer=answer) is None


def test_the_backward_prompts_own_solutions_are_right() -> None:
    turns = load_prompt("solve-backward", fields=("question",)).render(question="Q?")
    answered = [turn.content for turn in turns if turn.role == "assistant"]
    for solution, x in zip(answered, ("45", "12", "25"), strict=True):
        assert check_answer(solution, x).method.startswith("hashes")
        assert check_answer(solution, x).verdict == "correct"
        assert all(equation.holds for equation in find_equations(solution))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no GSM8K at {DATA}: set DATAGEN_TEST_DATA")
def test_reordered_questions_of_gsm8k_are_accepted_and_changed_numbers_are_not() -> None:
    rows = [json.loads(line) for line in (DATA / "train.jsonl").read_text().splitlines()]
    n_accepted = n_moved = 0
    for row in rows:
        question, answer = row["question"], row["answer"].split("#### ")[1]
        assert check_rewrite(question, question.upper() + " ", answer=answer) == "same question"
        number = next((n for n in stated_numbers(question) if not n.is_word), None)
        if number is not None:
            changed = question[: number.start] + "98765" + question[number.end :]
            assert check_rewrite(question, changed, answer=answer) in ("numbers changed", "unit changed"), question
        split = split_question(question)
        if split is None or not split.statement:
            continue
        n_moved += 1
        moved = f"{split.question} Here is what is known. {split.statement}"
        n_accepted += check_rewrite(question, moved, answer=answer) is None
    assert n_moved > 7000
    assert n_accepted >= 0.995 * n_moved
