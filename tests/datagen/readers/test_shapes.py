"""Each dataset's own columns; the rows are made up in the published forms."""

from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
import pytest

from datagen.readers.mathqa import split_options
from datagen.readers.read import DatasetSpec, read_problems
from datagen.readers.svamp import joined
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

Row = Mapping[str, object]

GSM8K = {"question": "How many?", "answer": "2 and 3 make <<2+3=5>>5.\n#### 5"}
MATHQA = {
    "Problem": "a train runs 60 km in 1 1 / 2 hours . what is its speed ?",
    "Rationale": '"60 / 1.5 = 40 . answer : b"',
    "options": "a ) 38 , b ) 40 , c ) 27.675 , d ) 1,000 , e ) none of these",
    "correct": "b",
    "annotated_formula": "divide(60, 1.5)",
    "linear_formula": "divide(n0,n1)|",
    "category": "physics",
}
OPENBOOKQA = {
    "id": "7-980",
    "question_stem": "The sun is responsible for",
    "choices": {"text": ["puppies", "children ageing", "plants growing", "clothing"], "label": ["A", "B", "C", "D"]},
    "answerKey": "C",
    "fact1": "plants need light",
}
HELLASWAG = {
    "ind": 4,
    "ctx": "A man sits on a roof. he",
    "endings": ["sings.", "starts pulling up tiles.", "is a roof.", "swims."],
    "label": "1",
}
ECQA = {
    "q_text": "Where do you keep milk?",
    "q_op1": "fridge",
    "q_op2": "oven",
    "q_op3": "roof",
    "q_op4": "car",
    "q_op5": "shoe",
    "q_ans": "fridge",
    "taskA_pos": "A fridge is cold.",
    "taskA_neg": "An oven is hot.",
    "taskB": "Milk spoils when warm, and a fridge is cold.",
}
MATH = {
    "problem": "What is half of $\\frac{1}{2}$?",
    "solution": "Half of it is \\boxed{x}, or rather $\\boxed{\\frac{1}{4}}$.",
    "level": "Level 1",
    "type": "Algebra",
}
AQUA = {
    "question": "1 + 1 = ?",
    "options": ["A)1", "B) 2", "C)None of these", "D)(a) + b)", "E)5"],
    "rationale": "It is 2.\nAnswer: B",
    "correct": "B",
}
SVAMP = {
    "ID": "chal-1",
    "Body": "A pack costs $ 1.5",
    "Question": "What do 2 cost?",
    "Equation": "( 1.5 * 2.0 )",
    "Answer": 3.0,
    "Type": "Multiplication",
}


@pytest.fixture
def read_one(write_lines: Callable[..., Path]) -> Callable[[Row], Problem]:
    def read(row: Row) -> Problem:
        (problem,) = read_problems(DatasetSpec(name=str(write_lines(row))))
        return problem

    return read


ReadOne = Callable[[Row], Problem]


@pytest.mark.parametrize(
    ("row", "question", "answer", "rationale", "choices", "meta"),
    [
        (GSM8K, GSM8K["question"], "5", GSM8K["answer"], None, set()),
        (SVAMP, "A pack costs $ 1.5. What do 2 cost?", "3", None, None, {"ID", "Equation", "Type"}),
        (AQUA, "1 + 1 = ?", "B", AQUA["rationale"], ("1", "2", "None of these", "(a) + b)", "5"), set()),
        (
            MATHQA,
            MATHQA["Problem"],
            "B",
            MATHQA["Rationale"],
            ("38", "40", "27.675", "1,000", "none of these"),
            {"annotated_formula", "linear_formula", "category"},
        ),
        (
            OPENBOOKQA,
            "The sun is responsible for",
            "C",
            None,
            ("puppies", "children ageing", "plants growing", "clothing"),
            {"id", "fact1"},
        ),
        (
            HELLASWAG,
            HELLASWAG["ctx"],
            "B",
            None,
            ("sings.", "starts pulling up tiles.", "is a roof.", "swims."),
            {"ind"},
        ),
        (
            ECQA,
            ECQA["q_text"],
            "A",
            ECQA["taskB"],
            ("fridge", "oven", "roof", "car", "shoe"),
            {"taskA_pos", "taskA_neg"},
        ),
        (MATH, MATH["problem"], "\\frac{1}{4}", MATH["solution"], None, {"level", "type"}),
    ],
    ids=["gsm8k", "svamp", "aqua", "mathqa", "openbookqa", "hellaswag", "ecqa", "math"],
)
def test_the_published_columns_become_a_problem(
    read_one: ReadOne,
    row: Row,
    question: str,
    answer: str,
    rationale: str | None,
    choices: tuple[str, ...] | None,
    meta: set[str],
) -> None:
    problem = read_one(row)
    assert (problem.question, problem.answer, problem.rationale, problem.choices) == (
        question,
        answer,
        rationale,
        choices,
    )
    assert orjson.loads(problem.meta) == {column: row[column] for column in meta}


@pytest.mark.parametrize("choices", [[], None, "", "[]"])
def test_no_choices_are_none(read_one: ReadOne, choices: object) -> None:
    problem = read_one({"question": "2 + 2?", "answer": "4", "choices": choices})
    assert (problem.answer, problem.choices) == ("4", None)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1,000", "1000"),
        ("$1,234.50", "1234.5"),
        ("-5", "-5"),
        (".5", "0.5"),
        ("18 dollars", "18"),
        ("109,200,000", "109200000"),
        ("\N{MINUS SIGN}7", "-7"),
    ],
)
def test_gsm8k_golds_in_every_spelling_are_exact_numbers(read_one: ReadOne, gold: str, answer: str) -> None:
    assert read_one({"question": "?", "answer": f"So it is.\n#### {gold}"}).answer == answer


def test_the_gold_stands_behind_the_last_marker(read_one: ReadOne) -> None:
    assert read_one({"question": "?", "answer": "#### 3\nNo:\n#### 4"}).answer == "4"


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"So $\boxed{1}$, no, $\boxed{\left\{1, \frac{2}{3}\right\}}$.", r"\left\{1, \frac{2}{3}\right\}"),
        (r"So \fbox{10\,000}.", r"10\,000"),
        (r"It is $\boxed 2$.", "2"),
        (r"From $x^2 = 4$: $\boxed{x = \pm 2}$. The answer is 5.", r"x = \pm 2"),
    ],
)
def test_the_answer_of_a_math_problem_is_what_stands_in_its_last_box(
    read_one: ReadOne, solution: str, answer: str
) -> None:
    assert read_one({"problem": "?", "solution": solution}).answer == answer


@pytest.mark.parametrize(
    ("body", "question"),
    [
        ("He has 3", "He has 3. How many?"),
        ("He has 3. ", "He has 3. How many?"),
        ("Really?", "Really? How many?"),
    ],
)
def test_svamp_sentences_have_one_stop_between_them(body: str, question: str) -> None:
    assert joined(body, " How many? ") == question


@pytest.mark.parametrize(
    ("options", "choices"),
    [
        ("a ) 1 , b ) 2", ("1", "2")),
        ("a ) ( a + b ) / 2 , b ) 3", ("( a + b ) / 2", "3")),  # ' b )' inside an option begins none
        ("a ) rs . 1,234 , b ) $ 2,000 , c ) e", ("rs . 1,234", "$ 2,000", "e")),
        ("['a ) 1 / 3 ( a - 2 b )', 'b ) 5', 'c ) 0']", ("1 / 3 ( a - 2 b )", "5", "0")),
        ("a)1,b)2,c)3", ("1", "2", "3")),
        ("A ) 1 , B ) 2", ("1", "2")),
    ],
)
def test_mathqa_options_are_cut_at_the_letters_and_nowhere_else(options: str, choices: tuple[str, ...]) -> None:
    assert split_options(options) == choices


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (AQUA, {"correct": "F"}, "unparsable gold: 'correct' is 'F', no letter of the 5 choices"),
        (AQUA, {"options": ["A)1", "C)2"]}, "unparsable choices: option 'C)2' does not begin with 'B)'"),
        (AQUA, {"correct": None}, "unparsable gold: 'correct' is None"),
        (MATHQA, {"options": "38, 40"}, "unparsable choices: 'options' is '38, 40'"),
        (OPENBOOKQA, {"answerKey": "E"}, "unparsable gold: 'answerKey' is 'E', the labels are A, B, C, D"),
        (HELLASWAG, {"label": ""}, "unparsable gold: 'label' is '', not 0 to 3"),
        (ECQA, {"q_ans": "moon"}, "unparsable gold: 'q_ans' is 'moon', which is 0 of the choices"),
        (ECQA, {"q_op2": "fridge"}, "unparsable gold: 'q_ans' is 'fridge', which is 2 of the choices"),
        (MATH, {"solution": "\\boxed{ }, so the answer is 5"}, "unparsable gold: no \\boxed{...} in the solution"),
        (SVAMP, {"Answer": "three"}, "unparsable gold: 'three' is no number"),
        (SVAMP, {"Answer": True}, "unparsable gold: 'Answer' is True"),
        (GSM8K, {"answer": "5\n####"}, "unparsable gold: '' is no number"),
        (GSM8K, {"answer": "#### ?"}, "unparsable gold: '?' is no number"),
    ],
)
def test_a_gold_answer_that_cannot_be_read_is_named(read_one: ReadOne, row: Row, change: Row, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_one({**row, **change})
    assert message in str(error.value)
    assert "mine.jsonl:1: " in str(error.value)
    assert "--skip-bad" in str(error.value)


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"question": "?", "answer": "1,000.00"}, "1000"),
        ({"question": "?", "answer": 0.1}, "0.1"),
        ({"question": "?", "answer": 7}, "7"),
        ({"question": "?", "answer": "\\sqrt{2}"}, "\\sqrt{2}"),
        ({"question": "?", "answer": "yes "}, "yes"),
        ({"question": "?", "answer": "b", "choices": ["x", "y"]}, "B"),
        ({"question": "?", "answer": "y", "choices": ["x", "y"]}, "B"),
        ({"question": "?", "answer": "y", "choices": '["x", "y"]'}, "B"),
    ],
)
def test_own_columns_give_numbers_letters_or_the_text(read_one: ReadOne, row: Row, answer: str) -> None:
    assert read_one(row).answer == answer


def test_the_published_spelling_of_an_own_answer_is_kept(read_one: ReadOne) -> None:
    assert orjson.loads(read_one({"question": "?", "answer": "12 apples", "level": 3}).meta) == {
        "answer": "12 apples",
        "level": 3,
    }
    assert orjson.loads(read_one({"question": "?", "answer": "12"}).meta) == {}


def test_an_integer_too_large_for_a_json_reader_is_refused_instead_of_rounded(
    write_lines: Callable[..., Path],
) -> None:
    file = write_lines(b'{"question": "?", "answer": 109200000000000000000001}')
    with pytest.raises(DataError, match="not exact as a JSON number: quote it"):
        list(read_problems(DatasetSpec(name=str(file))))
    (problem,) = read_problems(
        DatasetSpec(name=str(write_lines(b'{"question": "?", "answer": "109200000000000000000001"}', name="b.jsonl")))
    )
    assert problem.answer == "109200000000000000000001"
