"""What MetaMath's recipe decides about single questions and solutions."""

from collections.abc import Iterator

import pytest

from datagen.augment.question import Question
from datagen.recipes.metamath import DUPLICATE, AugmentOptions, new, styled
from datagen_schemas.problem import Problem

LONG = (
    "A farmer brings {} baskets of apples and {} baskets of pears to the market in the morning, and every one of the "
    "baskets holds {} pieces of fruit when he arrives there. How many pieces of fruit does he {} bring to the market?"
)


def problem(i: int, question: str) -> Problem:
    return Problem(
        id=f"p{i}",
        question=question,
        answer=str(i),
        rationale=None,
        choices=None,
        source="made",
        split="train",
        meta="{}",
    )


def questions(problems: list[Problem], texts: list[str]) -> Iterator[Question]:
    for i, (original, text) in enumerate(zip(problems, texts, strict=True)):
        yield Question("rephrase", original, f"rephrase-{i}", text, original.answer)


def test_problems_of_one_long_template_are_not_one_problem() -> None:
    problems = [problem(i, LONG.format(20 + i, 80 - i, 3 + i % 5, "now")) for i in range(40)]
    texts = [LONG.format(20 + i, 80 - i, 3 + i % 5, "then") for i in range(40)]
    found = list(new(questions(problems, texts), originals=problems, held_out=None, options=AugmentOptions()))
    # Each repeats its own original, and no other: its numbers are the same, and a word that decides nothing differs.
    assert [(question.reason, question.evidence) for question in found] == [
        (DUPLICATE, f"99 % p{i}") for i in range(40)
    ]
    texts = [LONG.format(120 + i, 80 - i, 3 + i % 5, "then") for i in range(40)]
    found = list(new(questions(problems, texts), originals=problems, held_out=None, options=AugmentOptions()))
    assert [question.reason for question in found] == [None] * 40


@pytest.mark.parametrize(
    ("question", "masked", "other", "reason"),
    [
        ("{} has $50. A pen costs $9.", "{} has $x. A pen costs $9.", "{} has $50. A pen costs $9.", DUPLICATE),
        ("{} has $50. A pen costs $9.", "{} has $x. A pen costs $9.", "{} has $51. A pen costs $9.", None),
        ("{} has $50. A pen costs $9.", "{} has $50. A pen costs $x.", "{} has $50. A pen costs $8.", None),
        ("{} has 5 more pens.", "{} has x more pens.", "{} has 5 less pens.", None),
    ],
)
def test_a_masked_number_counts_as_what_it_stands_for(
    question: str, masked: str, other: str, reason: str | None
) -> None:
    tail = " She buys all the pens that she can with what she has, and gives none of them away. How many are there?"
    josie, amanda = problem(1, question.format("Josie") + tail), problem(2, other.format("Jodie") + tail)
    asked = Question("fobar", josie, "fobar-1", masked.format("Josie") + tail + "?!", "50", n_added=2)
    found = new([asked], originals=[josie, amanda], held_out=None, options=AugmentOptions())
    assert [question.reason for question in found] == [reason]


@pytest.mark.parametrize("ending", ["#### 24", "The answer is: 24", "the answer is 24."])
def test_a_solution_ends_in_the_style_asked_for_however_it_ended_before(ending: str) -> None:
    assert styled(f"2*3*4 = 24\n{ending}\n", answer="24", style="metamath") == "2*3*4 = 24\nThe answer is: 24"
    assert styled(f"2*3*4 = 24\n{ending}", answer="24", style="gsm8k") == "2*3*4 = 24\n#### 24"
