r"""The final answer's span: order of marks, and text after it that must not steal the match."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.answers.extract import MAX_SPAN, _marked, _usual, extract_answer
from datagen.answers.number import ascii_forms, parse_number

DATA = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CHOICES = ("10", "12 m", "the red cat", "20", "25")


@pytest.mark.parametrize(
    ("text", "answer", "method"),
    [
        ("#### 18\nNow 20 more", "18", "hashes"),
        ("#### 17\nNo, wait.\n#### 18", "18", "hashes"),
        ("####18", "18", "hashes"),
        ("####\n18", "18", "hashes"),
        ("#### 72 ####", "72", "hashes"),
        ("#### x = 5", "5", "hashes"),
        ("#### 1,080.", "1,080.", "hashes"),
        ("#### 5 apples (and 3 pears are left)", "5", "hashes"),
        ("#### yes", "yes", "hashes"),
        ("#### Step 2: 3*4\nThe final answer is 7", "7", "phrase"),
        (r"so \boxed{\frac{1}{2}} and 3", r"\frac{1}{2}", "boxed"),
        (r"\boxed{4}, no, \boxed{5}", "5", "boxed"),
        (r"\boxed{5} and \boxed{", "5", "boxed"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "boxed"),
        (r"\boxed 7", "7", "boxed"),
        (r"The answer is 4. Or \boxed{5}.", "5", "boxed"),
        ("The answer is 5. I hope 3 helps", "5", "phrase"),
        ("The answer is $1.50. Hope 3 helps", "$1.50", "phrase"),
        ("The answer is: \n\n**18**.\n4 of 5 agree", "18", "phrase"),
        ("The answer is that she makes $18 a day", "$18", "phrase"),
        ("The answer is 4. Sorry, the answer is 5.", "5", "phrase"),
        ("The answer is 3 + 4 = 7", "7", "phrase"),
        ("The answer is 18, since 20 - 3 = 17 and one more", "18", "phrase"),
        ("#### 18 (20 - 2 = 18)", "18", "hashes"),
        (r"\boxed{x = 5}", "5", "boxed"),
        ("FINAL ANSWER: 1 1/2", "1 1/2", "phrase"),
        ("Answer: yes", "yes", "phrase"),
        ("He eats 3.\nA: 18", "18", "a_line"),
        ("A: 17\nHm.\nA: 18\n20 left", "18", "a_line"),
        ("A: 10.50", "10.50", "a_line"),
        ("He has 72 clips left.", "72", "last_number"),
        ("The answer is not 5, but 6 is", "6 is", "phrase"),
        ("The answer is not clear. She has 18.", "18", "last_number"),
        ("<think>17</think><answer>18</answer>", "18", "tag"),
        ("<answer>17</answer> No.\n<answer>\n 18 \n</answer> In <answer> tags.", "18", "tag"),
        ("\\boxed{17} <answer>18", "18", "tag"),
        ("<answer>So 9 * 2 it is.\nThe answer is $18.</answer> 20", "$18", "phrase"),
        ("<answer>17</answer>\n#### 18", "18", "hashes"),
        ("#### The final answer is 18", "18", "phrase"),
        ("#### The final price is 18", "The final price is 18", "hashes"),
        ("#### Total cost: $18 (9 * 2)", "$18", "hashes"),
        ("#### about 18", "18", "hashes"),
        ("#### ((((18))))", "18", "hashes"),
        ("#### １８", "18", "hashes"),
        ("The answer is that it is minus 18 degrees", "minus 18", "phrase"),
    ],
)
def test_the_answer_is_this_span(text: str, answer: str, method: str) -> None:
    assert extract_answer(text) == (answer, method)


@pytest.mark.parametrize(
    "text",
    ["", "No idea.", r"\boxed{", "####", "He pays 5 * 1", "14 days: 32768 feet * 2 =", "8 * 4 = <<7962", "1" * 500],
)
def test_a_reply_without_an_answer_has_none(text: str) -> None:
    assert extract_answer(text) is None


@pytest.mark.parametrize("text", ["The answer is not 18", "The answer isn't 18.", "The answer cannot be 18. Hm."])
def test_what_is_not_the_answer_is_no_last_number(text: str) -> None:
    assert extract_answer(text) is None


def test_a_solution_after_a_colon_is_not_an_answer() -> None:
    text = "A: Janet sells 3 eggs, and then 4 more eggs, and then all the 5 eggs that she has left. So 12 eggs."
    assert extract_answer(text) == ("12", "last_number")


@pytest.mark.parametrize(
    ("text", "letter", "method"),
    [
        ("(B)", "B", "letter"),
        ("B)", "B", "letter"),
        ("B", "B", "letter"),
        ("It is option B", "B", "letter"),
        ("The answer is (b)", "B", "phrase"),
        ("The answer is b", "B", "phrase"),
        ("The Answer is, B.", "B", "phrase"),
        ("The answer is B because 12 is right", "B", "phrase"),
        ("Correct answer - A", "A", "phrase"),
        ("ANSWER:A", "A", "phrase"),
        ("The answer is the red cat.", "C", "phrase"),
        ("The answer is $20.", "D", "phrase"),
        ("12 m", "B", "letter"),
        ("#### E", "E", "hashes"),
        (r"\boxed{\text{B}}", "B", "boxed"),
        (r"\boxed{(B)}", "B", "boxed"),
        ("(A) no. (C) yes. Therefore (C).", "C", "letter"),
        ("= 150 + 100 = 250=D", "D", "letter"),
        ("So D is the correct choice", "D", "letter"),
        ("so we get 25", "E", "last_number"),
        ("Option C is correct, not A.", "C", "letter"),
        ("Therefore the choice (C) 12 m and not (B) 20", "C", "letter"),
        ("(C) is right. (A) is wrong.", "C", "letter"),
        ("The answer is C, not A or B", "C", "letter"),
        ("The answer is C because A and B are wrong", "C", "letter"),
        ("The answer is C, A is wrong", "C", "phrase"),
        ("The answer is not A but C", "C", "phrase"),
        ("The answer is D) 25", "D", "phrase"),
        ("The answer is C? No, it is not. So (B)", "B", "letter"),
        ("<think>A or B</think><answer>(C)</answer>", "C", "tag"),
        ("The answer is （Ｃ）", "C", "phrase"),
        ("\U0001d402", "C", "letter"),
    ],
)
def test_a_choice_is_named_by_its_letter_or_its_text(text: str, letter: str, method: str) -> None:
    assert extract_answer(text, choices=CHOICES) == (letter, method)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is A or C",
        "The answer is either B or C",
        "The answer is both (B) and (C).",
        "The answer is C, D",
        "The answer is C/D",
        "the answer is b or c",
        "The answer is C) 10 or D) 20",
        r"\boxed{C, D}",
        "#### C, D",
        "<answer>B or C</answer>",
        "C and D",
        "(B) or (C)",
        "The answer is not C",
        "The answer isn't C",
        "The answer is neither B nor C",
        "(C) is wrong",
    ],
)
def test_two_letters_or_a_denied_one_name_no_choice(text: str) -> None:
    found = extract_answer(text, choices=CHOICES)
    assert found is None or found.text not in set("ABCDE")


def test_a_choice_is_known_by_its_price_in_rupees() -> None:
    assert extract_answer("The answer is Rs. 18", choices=("Rs. 12", "Rs. 18")) == ("B", "phrase")


def test_repeating_the_list_of_choices_names_none() -> None:
    found = extract_answer("A) 10 B) 12 m C) the red cat D) 20 E) 25 it is", choices=CHOICES)
    assert found is None or found.method == "last_number"


def test_an_answer_that_is_no_choice_is_kept() -> None:
    assert extract_answer("#### 42", choices=CHOICES) == ("42", "hashes")


TEXTS = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            ["#### ", "\\boxed{", "}", "The answer is ", "A: ", "\n", "18", "-3.5", "1,000", ". ", " and ", "="]
            + ["<answer>", "</answer>", "not ", " or ", "C", "(", ")", "minus ", "about ", "Total: ", "? ", "１８"]
        )
    ).map("".join),
)


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_any_text_has_a_span_of_it_or_none(text: str) -> None:
    found = extract_answer(text)
    text = ascii_forms(text)
    assert found is None or (found.text in text and found.text == found.text.strip())
    chosen = extract_answer(text, choices=CHOICES)
    assert chosen is None or chosen.text in (*"ABCDE",) or chosen.text in text


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_the_short_cut_finds_what_the_long_way_finds(text: str) -> None:
    usual = _usual(text)
    assert usual is None or usual == next((focus, method) for _, focus, method in _marked(text))


@settings(deadline=None, max_examples=200)
@given(
    st.integers(), st.sampled_from(["#### {}", r"\boxed{{{}}}", "The answer is {}.", "\nA: {}"]), st.integers(0, 99)
)
def test_a_marked_number_is_found_before_other_numbers(n: int, mark: str, other: int) -> None:
    text = f"First {other} and 7.\n" + mark.format(n) + f"\nThat leaves {other} of them."
    found = extract_answer(text)
    assert found is not None
    assert parse_number(found.text) == n
    assert found.method != "last_number"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "#### " * 200_000,
        "\\boxed{" * 150_000,
        "answer is " * 100_000,
        "A: \n" * 250_000,
        "1" * 1_000_000,
        "1,111" * 200_000,
    ]
    + [
        "(A) " * 250_000,
        " " * 1_000_000,
        "answer" + " " * 1_000_000,
        "-" * 1_000_000,
        "1 / " * 250_000,
        "= " * 500_000,
        "<answer>" * 100_000,
        "The answer is not " * 50_000,
        "The answer is " + "A or " * 200_000,
        "The answer is 5" + " dollars" * 100_000,
        "B, " * 300_000,
        "#### " + "(" * 900 + "5" + ")" * 900,
    ],
    ids=lambda text: str(text)[:8],
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    # Quadratic work on these takes hours, so the time limit fails.
    for found in (extract_answer(text), extract_answer(text, choices=CHOICES)):
        assert found is None or len(found.text) <= MAX_SPAN


@pytest.mark.skipif(not (DATA / "aqua").is_dir(), reason=f"no AQuA at {DATA}: set DATAGEN_TEST_DATA")
def test_aquas_rationales_name_their_correct_letter() -> None:
    """500 of 508; the others break off, state no answer, or state one that is not the key (`ANSWER: 3` for E)."""
    right: Counter[str] = Counter()
    n = 0
    for split in ("dev", "test"):
        for line in (DATA / "aqua" / f"{split}.json").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            n += 1
            found = extract_answer(row["rationale"], choices=[option.partition(")")[2] for option in row["options"]])
            if found is not None and found.text == row["correct"]:
                right[found.method] += 1
    assert n == 508
    assert right == {"phrase": 330, "letter": 153, "last_number": 17}
