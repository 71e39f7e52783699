from collections import Counter

from datagen.augment.question import NO_NUMBER, NOT_A_NUMBER, Question, left_out
from datagen.augment.statistics import Outcome, by_method, by_original, totals
from datagen_schemas.problem import Problem


def problem(name: str) -> Problem:
    question = f"{name} has 5 pens and buys 7. How many pens has {name}?"
    return Problem(id=name, question=question, answer="12", rationale=None, choices=None, source="s", split="train")


ANN, BEN, CAT = problem("Ann"), problem("Ben"), problem("Cat")
MASKED = Question("sv", BEN, "sv-8", "Ben has x pens and buys 7. Ben has 12 pens. x?", "5", n_added=3)
USELESS = Question("sv", ANN, "sv-statement-0", "Ann has pens.", "12", reason="statement: no answer")
OUTCOMES = [
    Outcome(USELESS, 0, Counter(), 0),
    Outcome(left_out("fobar", ANN, NO_NUMBER), 0, Counter(), 0),
    Outcome(MASKED, 2, Counter(wrong=1), 30),
    Outcome(MASKED.rejected("elsewhere"), 0, Counter(), 0),
    Outcome(left_out("sv", CAT, NOT_A_NUMBER), 0, Counter(), 0),
    Outcome(left_out("fobar", CAT, NOT_A_NUMBER), 0, Counter(), 0),
]


def test_the_questions_of_all_methods_are_accepted_or_rejected_and_left_out_problems_are_no_questions() -> None:
    """Ann's statement is no question for a number, and Cat, which no method can use, is one problem."""
    assert totals(OUTCOMES, n_problems=3) == {
        "problems": 3,
        "problems_masked": 1,
        "questions": 3,
        "accepted": 1,
        "rejected": {"elsewhere": 1, "statement: no answer": 1},
        "problems_left_out": {"answer is not a number": 1, "no number to mask": 1},
        "rejected_solutions": {"wrong": 1},
    }


def test_each_method_has_its_own_numbers_and_means() -> None:
    found = by_method(OUTCOMES, originals=[ANN, BEN, CAT], seed=0)
    assert list(found) == ["SV", "FOBAR"]
    sv = found["SV"]
    assert (sv["problems"], sv["questions"], sv["accepted"], sv["solutions"]) == (2, 3, 1, 2)
    assert sv["problems_left_out"] == {"answer is not a number": 1}
    assert (sv["mean_question_chars"], sv["mean_solution_chars"]) == (len(MASKED.text), 15)
    assert (found["FOBAR"]["questions"], found["FOBAR"]["mean_question_chars"]) == (0, None)


def test_each_original_has_its_counts_by_method() -> None:
    counted = [(one.problem_id, one.type, one.questions, one.accepted, one.solutions) for one in by_original(OUTCOMES)]
    assert counted == [
        ("Ann", "SV", 1, 0, 0),
        ("Ann", "FOBAR", 0, 0, 0),
        ("Ben", "SV", 2, 1, 2),
        ("Cat", "SV", 0, 0, 0),
        ("Cat", "FOBAR", 0, 0, 0),
    ]
