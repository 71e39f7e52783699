"""Backward solutions: a plan is undone from the answer to the masked number, and passes the checks of any response."""

import json
import re

import pytest

from datagen.annotate import annotate
from datagen.augment.fobar import Masked, fobar_question, masks
from datagen.synthetic.backward import backward_solutions
from datagen.synthetic.problems import FAMILIES, MAX_NUMBER, synthetic_problems, vocabulary
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance


def problem_of(family: str, question: str, *, answer: str) -> Problem:
    meta = json.dumps({"family": family})
    return Problem(
        id="p",
        question=question,
        answer=answer,
        rationale=None,
        choices=None,
        source="synthetic",
        split="train",
        meta=meta,
    )


def solved(problem: Problem, number: str) -> tuple[str, ...]:
    return backward_solutions(problem, mask_of(problem, number))


def mask_of(problem: Problem, number: str) -> Masked:
    (masked,) = [masked for masked in masks(problem.question) if masked.original == number]
    return masked


SHELVES = problem_of(
    "shelves",
    "There are 6 shelves with 15 books on each shelf. Ben sells 20 books and puts the other books into boxes. "
    "Each box holds 5 books. Ben gives 3 of the boxes to Leo. How many boxes are left?",
    answer="11",
)
PRICES = problem_of(
    "two_prices_and_change",
    "Ivy has 60 dollars. Ivy buys 2 pens for 3 dollars each and 5 cups for 8 dollars each. How many dollars are left?",
    answer="14",
)


def test_every_kind_of_step_is_undone_as_by_hand() -> None:
    # Forwards: 6*15=90, 90-20=70, 70/5=14, 14-3=11; the third plan packs before it sells. The second uses 15 once:
    # 15/5=3, 6*3=18, 20/5=4, 18-4-3=11.
    assert solved(SHELVES, "15") == (
        "There are 11 boxes left. With 3 more that is <<11+3=14>>14.\n"
        "They need 14 boxes. 5 times 14 is <<5*14=70>>70.\n"
        "Without 20 there are 70 books. With 20 more that is <<70+20=90>>90.\n"
        "The shelves hold 90 books. So x = <<90/6=15>>15.\n"
        "#### 15",
        "The 20 books make <<20/5=4>>4 boxes.\n"
        "There are 11 boxes left. With 4 and 3 more that is <<11+4+3=18>>18.\n"
        "All shelves make 18 boxes. 18 is 6 times <<18/6=3>>3.\n"
        "One shelf makes 3 boxes. So x = <<5*3=15>>15.\n"
        "#### 15",
        "The 20 books make <<20/5=4>>4 boxes.\n"
        "There are 11 boxes left. With 3 more that is <<11+3=14>>14.\n"
        "There are 14 boxes left. With 4 more that is <<14+4=18>>18.\n"
        "They need 18 boxes. 5 times 18 is <<5*18=90>>90.\n"
        "The shelves hold 90 books. So x = <<90/6=15>>15.\n"
        "#### 15",
    )


def test_what_was_taken_away_is_undone_as_by_hand() -> None:
    assert solved(PRICES, "8") == (
        "The pens cost <<2*3=6>>6 dollars.\n"
        "There are 14 dollars left. 60 without 14 is <<60-14=46>>46.\n"
        "In all they cost 46 dollars. Without 6 that is <<46-6=40>>40.\n"
        "The cups cost 40 dollars. So x = <<40/5=8>>8.\n"
        "#### 8",
        "The pens cost <<2*3=6>>6 dollars.\n"
        "After that there are <<60-6=54>>54 dollars left.\n"
        "There are 14 dollars left. 54 without 14 is <<54-14=40>>40.\n"
        "The cups cost 40 dollars. So x = <<40/5=8>>8.\n"
        "#### 8",
        "The pens cost <<2*3=6>>6 dollars.\n"
        "There are 14 dollars left. 60 without 6 and 14 is <<60-6-14=40>>40.\n"
        "The cups cost 40 dollars. So x = <<40/5=8>>8.\n"
        "#### 8",
    )


def test_tens_and_ones_of_the_other_number_are_undone() -> None:
    question = "Ben has 35 pens. Ben gives 12 pens to Ivy. How many pens are left for Ben?"
    assert solved(problem_of("give_away", question, answer="23"), "35") == (
        "There are 23 pens left. So x = <<23+12=35>>35.\n#### 35",
        "There are 23 pens left. With 2 more that is <<23+2=25>>25.\n"
        "Without 10 there are 25 pens. So x = <<25+10=35>>35.\n"
        "#### 35",
        "There are 23 pens left. With 10 more that is <<23+10=33>>33.\n"
        "Without 2 there are 33 pens. So x = <<33+2=35>>35.\n"
        "#### 35",
    )


def test_a_number_that_the_family_computes_from_the_question_is_known() -> None:
    question = (
        "Ben has 9 jars with 8 cups in each jar and 13 more cups on the table. How many cups does Ben have in all?"
    )
    *_, last = solved(problem_of("packed_and_more", question, answer="85"), "13")
    assert last == (
        "The other 8 jars hold <<8*8=64>>64 cups.\n"
        "Ben has 85 cups in all. Without 64 that is <<85-64=21>>21.\n"
        "One jar and the other cups make 21 cups. So x = <<21-8=13>>13.\n"
        "#### 13"
    )


def test_a_divisor_is_undone_by_dividing() -> None:
    question = "There are 6 friends. They share 42 pens equally. How many pens does each friend get?"
    # The plans that halve the friends first undo that: 2*3.
    first, *_ = solved(problem_of("share", question, answer="7"), "6")
    assert first == "Each friend gets 7 pens. So x = <<42/7=6>>6.\n#### 6"


def test_a_plan_that_uses_the_unknown_twice_is_not_undone() -> None:
    question = "Ben has 10 pens. Ivy has 4 more pens than Ben. How many pens do they have together?"
    # 10+4=14, 10+14=24 and 10+10+4=24 use the 10 twice; 10*2=20, 20+4=24 does not.
    assert solved(problem_of("more_together", question, answer="24"), "10") == (
        "Together they have 24 pens. Without 4 that is <<24-4=20>>20.\n"
        "Two times x pens is 20 pens. So x = <<20/2=10>>10.\n"
        "#### 10",
    )


@pytest.mark.parametrize("number", ["2", "three"])
def test_a_number_in_the_words_of_a_family_is_not_solved(number: str) -> None:
    question = (
        "Ben has 10 pens. Ivy has 4 more pens than Ben. Leo has 2 times as many pens as Ivy. "
        "How many pens do the three friends have together?"
    )
    problem = problem_of("three_friends", question, answer="52")
    assert solved(problem, number) == ()
    assert solved(problem, "10") != ()


def test_a_changed_problem_is_not_solved() -> None:
    masked = mask_of(SHELVES, "15")
    assert backward_solutions(SHELVES.model_copy(update={"answer": "12"}), masked) == ()
    assert backward_solutions(SHELVES.model_copy(update={"answer": "1/2"}), masked) == ()
    assert backward_solutions(SHELVES.model_copy(update={"meta": "{}"}), masked) == ()
    assert backward_solutions(PRICES, masked) == ()
    other = SHELVES.model_copy(update={"question": SHELVES.question.replace("Ben", "Ivy")})
    assert solved(other, "15") != ()
    assert backward_solutions(other, masked) == ()
    assert backward_solutions(SHELVES, masked._replace(original="16", value="16")) == ()


def test_an_answer_that_is_not_the_questions_leads_to_no_solution() -> None:
    question = "Ben is 20 years old. How old will Ben be in 6 years?"
    assert len(solved(problem_of("age", question, answer="26"), "20")) > 0
    assert solved(problem_of("age", question, answer="27"), "20") == ()


def test_solutions_of_all_families_are_correct_and_distinct_and_every_masked_slot_has_one() -> None:
    provenance = Provenance.model_construct(model="rule")
    words = {*vocabulary(), "So", "x", "without"}
    for problem in synthetic_problems(seed=21, split="train", n=8 * len(FAMILIES), plan="random"):
        for masked in masks(problem.question):
            texts = backward_solutions(problem, masked)
            question = fobar_question(masked, answer=problem.answer)
            backward = problem.model_copy(update={"question": question, "answer": masked.value})
            found = [annotate(backward, text, sample=0, provenance=provenance) for text in texts]
            # In digits, only the "2 times as many" of one family is no slot; its slots are never 2.
            is_literal = not masked.original.isdigit() or (masked.original == "2" and "three_friends" in problem.meta)
            assert texts or is_literal, (problem.question, masked)
            assert all(one.verdict == "correct" and one.equations_hold for one in found), (question, texts)
            assert len({one.equations for one in found}) == len(texts)
            for one, text in zip(found, texts, strict=True):
                assert len(one.equations) == text.count("<<")
                assert f"So {masked.unknown} = <<" in text.splitlines()[-2]
                assert all(2 <= int(n) <= MAX_NUMBER for n in re.findall(r">>(\d+)", text))
                assert set(re.findall(r"[A-Za-z]+", text)) <= words
