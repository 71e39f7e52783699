import json

import pytest

from datagen.steps.step import Step, find_steps, gold_steps
from datagen_schemas.problem import Problem

MATHQA = Problem(
    id="m",
    question="Sophia finished 2/3 of a book ...",
    answer="A",
    rationale="let x be the pages : x = 270",
    choices=("270", "90"),
    source="mathqa",
    split="train",
    meta=json.dumps({"linear_formula": "divide(n0,n1)|subtract(const_1,#0)|divide(n2,#1)|"}),
)


def texts(reply: str) -> list[str]:
    return [step.text for step in find_steps(reply)]


def test_the_papers_gsm8k_and_mathqa_answers_have_the_steps_that_appendix_h_shows() -> None:
    assert texts("<<10*.5=5>> <<5*7=35>> #### 35") == ["10*0.5=5", "5*7=35"]
    program = "<<divide(n0,n1)>> <<subtract(const_1, #0)>> <<divide(n2,#1)>> #### 270"
    assert texts(program) == ["divide(n0,n1)", "subtract(const_1,#0)", "divide(n2,#1)"]
    assert [step.text for step in gold_steps(MATHQA)] == texts(program)


def test_a_step_is_the_same_however_its_numbers_are_written() -> None:
    assert texts("<<$1,000 x 0.50 = 500.0>> <<3×2=6>>") == ["1000*0.5=500", "3*2=6"]


def test_a_reply_without_annotations_has_the_steps_of_its_text() -> None:
    assert texts("She pays 3 * 2 = $6, then 6 + 1 = 7.") == ["3*2=6", "6+1=7"]
    assert texts("Nothing is computed.") == []


@pytest.mark.parametrize(
    ("reply", "operands", "operators"),
    [
        ("<<(16-3)/4=3.25>>", ("16", "3", "4"), ("-", "/")),
        ("<<20%*50=10>>", ("20", "50"), ("%", "*")),
        ("<<2*x=6>>", (), ()),
        ("<<divide(n2,#1)>>", ("n2", "#1"), ("divide",)),
    ],
)
def test_operands_and_operators_stand_in_reading_order_and_without_the_result(
    reply: str, operands: tuple[str, ...], operators: tuple[str, ...]
) -> None:
    (step,) = find_steps(reply)
    assert (step.operands, step.operators) == (operands, operators)


def commuted(reply: str) -> str:
    step: Step
    (step,) = find_steps(reply)
    return step.commuted


def test_only_sums_and_products_commute() -> None:
    assert commuted("<<2+3=5>>") == commuted("<<3+2=5>>")
    assert commuted("<<2+3=5>>") != commuted("<<3+2=6>>")
    assert commuted("<<6/3=2>>") != commuted("<<3/6=2>>")
    assert commuted("<<add(n0,n1)>>") == commuted("<<add(n1,n0)>>")
    assert commuted("<<multiply(n0,#1)>>") == commuted("<<multiply(#1,n0)>>")
    assert commuted("<<subtract(n0,n1)>>") != commuted("<<subtract(n1,n0)>>")


def test_a_problem_without_a_gold_path_has_no_gold_steps() -> None:
    assert gold_steps(MATHQA.model_copy(update={"rationale": None, "meta": "{}"})) == ()
