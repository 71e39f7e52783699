"""Verdicts: exact where that decides, and the publisher's own verdicts on 5,276 real replies."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.answers.check import check_answer
from datagen.answers.extract import extract_answer
from datagen.answers.number import parse_number

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "gsm8k"
needs_gsm8k = pytest.mark.skipif(not DATA.is_dir(), reason=f"no GSM8K at {DATA}: set DATAGEN_TEST_DATA")
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


@pytest.mark.parametrize(
    ("response", "gold", "expected"),
    [
        ("#### 72", "72", ("72", "correct", "hashes/number")),
        ("#### 73", "72", ("73", "wrong", "hashes/number")),
        ("#### 1,000.00", "1000", ("1000", "correct", "hashes/number")),
        ("#### 0.5", "1/2", ("0.5", "correct", "hashes/number")),
        ("#### −5", "-5", ("-5", "correct", "hashes/number")),
        ("#### 072", "72", ("72", "correct", "hashes/number")),
        ("A: $18.00", "18", ("18", "correct", "a_line/number")),
        ("The answer is 1 1/2 cups.", "1.5", ("1.5", "correct", "phrase/number")),
        ("#### 0.3333", "1/3", ("0.3333", "wrong", "hashes/number")),
        ("#### 50%", "0.5", ("50", "wrong", "hashes/number")),
        (r"\boxed{\frac{1}{2}}", r"\frac{2}{4}", ("0.5", "correct", "boxed/number")),
        ("She has 72 left.", "72", ("72", "correct", "last_number/number")),
        ("#### Yes.", "yes", ("Yes", "correct", "hashes/text")),
        ("#### no", "yes", ("no", "wrong", "hashes/text")),
        ("#### twelve", "13", ("twelve", "wrong", "hashes/text")),
        (r"\boxed{\sqrt{8}}", r"2\sqrt{2}", (r"\sqrt{8}", "unknown", "boxed/undecided")),
        (r"\boxed{2\sqrt{2}}", r"2\sqrt{2}", (r"2\sqrt{2}", "correct", "boxed/text")),
        ("#### 3 + 4", "7", ("3 + 4", "unknown", "hashes/undecided")),
        ("No idea.", "72", (None, "wrong", "none")),
        ("", "72", (None, "wrong", "none")),
    ],
)
def test_a_verdict_and_how_it_was_reached(response: str, gold: str, expected: tuple[str | None, str, str]) -> None:
    assert check_answer(response, gold) == expected


@pytest.mark.parametrize(
    "said",
    [
        "either 18 or 20",
        "between 18 and 20",
        "neither 18 nor 20",
        "18 to 20",
        "18 dollars to 20 dollars",
        "18 (or 20)",
        "18, or 20",
        "18 men or 20 women",
        "18 men and 20 women",
        "18 hours 20 minutes",
        "18 hours and 20 minutes",
        "18 feet, 6 inches",
        "18 dollars and 50 cents",
        "18 and a half",
        "18 hours and a half",
        "less than 18",
        "at least 18",
        "more than 18",
        "18 only if the price was 2, else 20",
        "that she does not have 18",
        "x = 18 or x = 20",
        "x = 20 or x = 18",
        "18M",
        "$18M",
    ],
)
@pytest.mark.parametrize("mark", ["The answer is {}.", "#### {}", "<answer>{}</answer>"])
def test_two_numbers_a_bound_or_a_condition_are_not_the_answer(said: str, mark: str) -> None:
    assert check_answer(mark.format(said), "18").verdict != "correct"


@pytest.mark.parametrize(
    "said",
    [
        "18 dollars, 2 more than before",
        "18 (9 * 2)",
        "18 (20 with tax)",
        "18 because 9 or 10 are left",
        "18 dollars for 2 eggs and 3 hens",
        "18 eggs left after eating 3 and baking 4",
        "$18 per day, or $126 per week",
        "18 hours, or 1080 minutes",
        "18 dollars to 3 friends",
        "Rs. 18",
    ],
)
@pytest.mark.parametrize("mark", ["The answer is {}.", "#### {}", "<answer>{}</answer>"])
def test_one_number_with_an_explanation_is_the_answer(said: str, mark: str) -> None:
    assert check_answer(mark.format(said), "18").verdict == "correct"


def test_a_bound_that_is_asked_for_is_the_answer() -> None:
    assert check_answer("The answer is that she has to score at least 9 points.", "9").verdict == "correct"


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("18 dollars and 50 cents", "18.5"),
        ("that she makes 18 dollars and 50 cents a day", "18.5"),
        ("$1.5M", "1500000"),
        ("that he has $1.5M", "1500000"),
        ("5 × 10³ meters", "5000"),
        ("1 000 dollars", "1000"),
        ("negative 18 degrees", "-18"),
    ],
)
def test_a_number_is_taken_with_what_belongs_to_it(said: str, gold: str) -> None:
    assert check_answer(f"The answer is {said}.", gold).verdict == "correct"


def test_a_percentage_is_a_fraction_if_asked() -> None:
    assert check_answer("#### 50%", "0.5", percent_as_fraction=True).verdict == "correct"


def test_without_fallback_an_unmarked_number_is_no_answer() -> None:
    assert check_answer("She has 72 left.", "72", fallback=False) == (None, "wrong", "none")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("The answer is (b).", ("B", "correct", "phrase/choice")),
        ("#### 12", ("B", "correct", "hashes/choice")),
        ("#### A", ("A", "wrong", "hashes/choice")),
        ("#### 42", ("42", "wrong", "hashes/choice")),
    ],
)
def test_choices_are_compared_by_letter(response: str, expected: tuple[str, str, str]) -> None:
    assert check_answer(response, "B", choices=("10", "12", "14")) == expected


@settings(deadline=None, max_examples=300)
@given(st.text(), st.one_of(st.text(), st.integers().map(str)))
def test_any_reply_has_a_verdict(response: str, gold: str) -> None:
    checked = check_answer(response, gold)
    assert checked.verdict in ("correct", "wrong", "unknown")
    assert (checked.answer is None) == (checked.method == "none")


@settings(deadline=None, max_examples=300)
@given(st.fractions(max_denominator=1000), st.fractions(max_denominator=1000))
def test_numbers_are_compared_by_value(answer: object, gold: object) -> None:
    expected = "correct" if answer == gold else "wrong"
    assert check_answer(f"so\n#### {answer}", str(gold)).verdict == expected
    assert check_answer(f"so\n#### {gold}", str(gold)).verdict == "correct"


@needs_gsm8k
def test_every_gold_answer_of_gsm8k_is_a_number_and_correct_against_itself() -> None:
    n = 0
    for split in ("train", "test"):
        with (DATA / f"{split}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                answer = json.loads(line)["answer"]
                found = extract_answer(answer)
                assert found is not None
                assert found.method == "hashes"
                # Independent of our parser: all golds are integers, some with commas.
                gold = int(answer.rsplit("#### ", 1)[1].replace(",", ""))
                assert parse_number(found.text) == gold
                assert check_answer(answer, str(gold)).verdict == "correct"
                n += 1
    assert n == 8_792


@needs_gsm8k
def test_verdicts_on_real_replies_are_the_publishers() -> None:
    """All 5,276 agree. Eleven replies break off without `A:`; eight have no answer, three a wrong last number."""
    methods: Counter[str] = Counter()
    disagreements: list[tuple[int, str]] = []
    with (DATA / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for i, line in enumerate(lines):
            row = json.loads(line)
            gold = row["ground_truth"].rsplit("A: ", 1)[1]
            for model in MODELS:
                checked = check_answer(row[model]["solution"], gold)
                methods[checked.method] += 1
                if (checked.verdict == "correct") != row[model]["is_correct"]:
                    disagreements.append((i, model))
    assert disagreements == []
    assert methods == {"a_line/number": 5_264, "a_line/undecided": 1, "last_number/number": 3, "none": 8}
