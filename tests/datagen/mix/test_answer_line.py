"""The line that states the answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.mix.answer_line import AnswerLine, split_answer_line, standard_answer_line


@pytest.mark.parametrize(
    ("completion", "body", "answer"),
    [
        ("3*2=6 eggs.\n#### 6", "3*2=6 eggs.", "6"),
        ("3*2=6 eggs.\nThe answer is: 6", "3*2=6 eggs.", "6"),
        ("3*2=6 eggs.\n#### 6\nThe answer is: 6", "3*2=6 eggs.", "6"),
        ("3*2=6 eggs. So, the final answer is 6.", "3*2=6 eggs.", "6"),
        (" <<3*2=6>> #### 6", " <<3*2=6>>", "6"),
        ("#### 1,000", "", "1,000"),
        ("The answer is: $\\frac{1}{2}$.\n", "", "$\\frac{1}{2}$"),
        ("We know that the answer is 6, so x is 3.\nx = 3", "We know that the answer is 6, so x is 3.\nx = 3", None),
        ("six", "six", None),
        ("", "", None),
        ("#### 5 apples\nand more text", "#### 5 apples\nand more text", None),
    ],
)
def test_the_lines_at_the_end_that_state_the_answer_are_cut_off(
    completion: str, body: str, answer: str | None
) -> None:
    assert split_answer_line(completion) == (body, answer)


@pytest.mark.parametrize(
    ("completion", "answer", "form", "text", "left"),
    [
        ("3*2=6.\n#### 6", "6", "phrase", "3*2=6.\nThe answer is: 6", None),
        ("3*2=6.\n#### 6\nThe answer is: 6", "6", "hashes", "3*2=6.\n#### 6", None),
        ("3*2=6.\nThe answer is: $1,000.00", "1000", "hashes", "3*2=6.\n#### 1000", None),
        ("He has 6 eggs", "6", "hashes", "He has 6 eggs\n#### 6", None),
        (" <<3*2=6>> #### 6", "6", "hashes", " <<3*2=6>> #### 6", None),
        (" <<3*2=6>> #### 6", "6", "phrase", " <<3*2=6>>\nThe answer is: 6", None),
        (" #### 6", "6", "phrase", " The answer is: 6", None),
        ("3*2=6.\n#### 6", None, "phrase", "3*2=6.\nThe answer is: 6", None),
        ("3*2=6.\n#### 6", "6", "keep", "3*2=6.\n#### 6", None),
        ("3*2=6.\n#### 6", "7", "phrase", "3*2=6.\n#### 6", "states another answer"),
        ("I give up", "7", "phrase", "I give up", "no answer stated"),
        ("I give up", None, "phrase", "I give up", "no answer stated"),
        ("So.\n#### \\frac12", "\\frac{1}{2}", "phrase", "So.\nThe answer is: \\frac{1}{2}", None),
        ("So.\n#### \\sqrt{4}", "2", "phrase", "So.\nThe answer is: \\sqrt{4}", None),  # not known to differ
    ],
)
def test_a_completion_gets_the_line_of_the_answer_that_it_reaches(
    completion: str, answer: str | None, form: AnswerLine, text: str, left: str | None
) -> None:
    assert standard_answer_line(completion, answer=answer, form=form) == (text, left)


@given(st.text(alphabet="ab1 .\n#swerTh:is", max_size=60), st.sampled_from(["hashes", "phrase"]))
@settings(deadline=None, max_examples=100)
def test_writing_the_line_twice_changes_nothing_more(text: str, form: AnswerLine) -> None:
    once = standard_answer_line(text, answer=None, form=form).text
    assert standard_answer_line(once, answer=None, form=form).text == once


def test_long_hostile_text_is_read_at_its_end_alone() -> None:
    text = "the answer is " * 100_000 + "\n" * 100_000
    assert split_answer_line(text).answer is None  # it begins no sentence
    assert split_answer_line("#" * 1_000_000).answer is None
