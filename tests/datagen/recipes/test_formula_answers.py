"""The forms of appendix H; the rows are made up in the published shapes."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.answers.check import check_answer
from datagen.question_text import load_question_prompt
from datagen.readers.read import DatasetSpec, read_problems
from datagen.recipes.formula_answers import (
    PROMPT,
    AnswerForm,
    NotConverted,
    example_of,
    nested_steps,
    program_steps,
)
from datagen_schemas.example import Example
from datagen_schemas.problem import Problem

Row = Mapping[str, object]
TEMPLATE = load_question_prompt(PROMPT)

GSM8K = {
    "question": "Ada feeds 10 cats. Each eats .5 tins a day. How many tins do they eat in a week?",
    "answer": "They eat 10*.5=<<10*.5=5>>5 tins a day.\nThat is 5 * 7 = <<5*7=35>>35 tins a week.\n#### 35",
}
MATHQA = {
    "Problem": "ines read 2 / 3 of a book . 90 pages more than are left . how long is it ?",
    "Rationale": '"x is 270 . answer : b"',
    "options": "a ) 90 , b ) 270 , c ) 1,270 , d ) rs . 40 , e ) none of these",
    "correct": "b",
    "annotated_formula": "divide(90, subtract(const_1, divide(2, 3)))",
    "linear_formula": "divide(n0,n1)|subtract(const_1,#0)|divide(n2,#1)|",
    "category": "general",
}
OPENBOOKQA = {
    "id": "1-1",
    "question_stem": "Rain is made of",
    "choices": {"text": ["sand", "light", "drops of water", "wind"], "label": ["A", "B", "C", "D"]},
    "answerKey": "C",
    "fact1": "a cloud is made of water",
}
HELLASWAG = {
    "ind": 4,
    "ctx": "A cook puts a tray on the table. the cakes",
    "endings": ["fly away.", "are cut into pieces.", "are a car.", "sing (B) aloud."],
    "label": "1",
}


def problem_of(row: Row, tmp_path: Path) -> Problem:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    (problem,) = read_problems(DatasetSpec(str(file)))
    return problem


def made(row: Row, answers: AnswerForm, tmp_path: Path) -> Example:
    example = example_of(problem_of(row, tmp_path), answers=answers, prompt=TEMPLATE)
    assert isinstance(example, Example), example
    return example


def reason(row: Row, answers: AnswerForm, tmp_path: Path) -> str:
    found = example_of(problem_of(row, tmp_path), answers=answers, prompt=TEMPLATE)
    assert isinstance(found, NotConverted), found
    return found.reason


def test_gsm8k_is_its_annotations_as_published_and_the_answer(tmp_path: Path) -> None:
    example = made(GSM8K, "formulas", tmp_path)
    assert example.prompt == f"Question: {GSM8K['question']}\nAnswer:"
    assert example.completion == " <<10*.5=5>> <<5*7=35>> #### 35"
    assert example.equations == ("10*0.5=5", "5*7=35")
    assert (example.source, example.answer) == ("gold", "35")
    assert example.provenance.prompt_sha256 == TEMPLATE.sha256


def test_mathqa_is_its_program_and_the_number_of_the_right_choice(tmp_path: Path) -> None:
    example = made(MATHQA, "formulas", tmp_path)
    assert example.prompt == (
        f"Question: {MATHQA['Problem']}\nA. 90\nB. 270\nC. 1,270\nD. rs . 40\nE. none of these\nAnswer:"
    )
    assert example.completion == " <<divide(n0,n1)>> <<subtract(const_1,#0)>> <<divide(n2,#1)>> #### 270"
    assert example.equations == ("divide(n0,n1)", "subtract(const_1,#0)", "divide(n2,#1)")


def test_without_a_linear_program_the_nested_one_is_taken_apart(tmp_path: Path) -> None:
    nested = {**MATHQA, "linear_formula": None}
    assert made(nested, "formulas", tmp_path).completion == (
        " <<divide(2,3)>> <<subtract(const_1,#0)>> <<divide(90,#1)>> #### 270"
    )


@pytest.mark.parametrize(("letter", "answer"), [("c", "1270"), ("d", "rs . 40"), ("e", "none of these"), ("a", "90")])
def test_a_choice_that_is_no_plain_number_keeps_its_text(letter: str, answer: str, tmp_path: Path) -> None:
    assert made({**MATHQA, "correct": letter}, "formulas", tmp_path).completion.endswith(f" #### {answer}")


def test_openbookqa_is_a_letter_and_its_fact_the_context(tmp_path: Path) -> None:
    example = made(OPENBOOKQA, "letter", tmp_path)
    assert example.prompt == (
        "Question: Rain is made of\nA. sand\nB. light\nC. drops of water\nD. wind\n"
        "Context: a cloud is made of water\nAnswer:"
    )
    assert example.completion == " C"


def test_hellaswag_is_a_letter_and_its_endings_keep_their_text(tmp_path: Path) -> None:
    example = made(HELLASWAG, "letter", tmp_path)
    assert example.prompt == (
        "Question: A cook puts a tray on the table. the cakes\nA. fly away.\nB. are cut into pieces.\nC. are a car.\n"
        "D. sing (B) aloud.\nAnswer:"
    )
    assert example.completion == " B"


def test_gold_is_the_solution_as_published(tmp_path: Path) -> None:
    assert made(GSM8K, "gold", tmp_path).completion == f" {GSM8K['answer']}"


@pytest.mark.parametrize(
    ("row", "answers", "why"),
    [
        ({**GSM8K, "answer": "It is 35.\n#### 35"}, "formulas", "no annotated formula in the solution"),
        ({**GSM8K, "answer": "<<35>>\n#### 35"}, "formulas", "no annotated formula in the solution"),
        ({**GSM8K, "answer": "<<5*7=36>>\n#### 36"}, "formulas", "a formula that does not hold"),
        (GSM8K, "letter", "no choices"),
        (OPENBOOKQA, "formulas", "no solution"),
        (OPENBOOKQA, "gold", "no solution"),
        (
            {**MATHQA, "annotated_formula": "divide(2", "linear_formula": "divide(n0|"},
            "formulas",
            "the program cannot be read",
        ),
        # Two choices say 90: a reply with that number would name neither.
        (
            {**MATHQA, "options": "a ) 90 , b ) 90.0", "correct": "b"},
            "formulas",
            "the answer is not read back as right",
        ),
    ],
)
def test_a_problem_without_what_the_form_needs_says_why(
    row: Row, answers: AnswerForm, why: str, tmp_path: Path
) -> None:
    assert reason(row, answers, tmp_path) == why


def test_a_choice_beyond_those_that_are_shown_is_no_answer(tmp_path: Path) -> None:
    row = {"question": "?", "choices": [str(i) for i in range(11)], "answer": "K"}
    assert reason(row, "letter", tmp_path) == "no choice that is shown is the answer"


@pytest.mark.parametrize(
    ("linear", "steps"),
    [
        ("add(n0,n1)|", ("add(n0,n1)",)),
        (" add( n0 , n1 ) | sqrt(#0)", ("add(n0,n1)", "sqrt(#0)")),
        ("multiply(n0,const_0_25)|divide(#0,-1.5)|", ("multiply(n0,const_0_25)", "divide(#0,-1.5)")),
        ("", None),
        ("add(n0,#0)|", None),  # a step that needs itself
        ("add(n0,#1)|sqrt(n0)|", None),  # or a later one
        ("add(n0,)|", None),
        ("add(n0,n1", None),
        ("add(n0,x)|", None),
        ("__import__('os')|", None),
        ("add(n0,n1)||", ("add(n0,n1)",)),
        ("add(#" + "9" * 5000 + ")", None),
    ],
)
def test_a_program_is_read_step_by_step_or_not_at_all(linear: str, steps: tuple[str, ...] | None) -> None:
    assert program_steps(linear) == steps


@pytest.mark.parametrize(
    ("nested", "steps"),
    [
        ("add(1, 2)", ("add(1,2)",)),
        ("f(g(1,2),g(1,2))", ("g(1,2)", "f(#0,#0)")),
        ("area(square_area(3), area(3))", ("square_area(3)", "area(3)", "area(#0,#1)")),
        ("square_area(area(3))", ("area(3)", "square_area(#0)")),
        ("area(square_area(area(3)))", ("area(3)", "square_area(#0)", "area(#1)")),
        ("f(area(3), square_area(3))", ("area(3)", "square_area(3)", "f(#0,#1)")),
        ("5", None),
        ("", None),
        ("f(1) g(2)", None),
        ("f(" * 5000, None),
    ],
)
def test_a_nested_program_is_taken_apart_from_the_inside(nested: str, steps: tuple[str, ...] | None) -> None:
    assert nested_steps(nested) == steps


TREES = st.recursive(
    st.sampled_from(["n0", "n1", "const_2"]),
    lambda inner: st.tuples(st.sampled_from(["add", "divide", "square_add"]), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=12,
)
Tree = str | tuple[str, list["Tree"]]


def written(tree: Tree) -> str:
    return tree if isinstance(tree, str) else f"{tree[0]}({','.join(map(written, tree[1]))})"


@given(tree=TREES.filter(lambda tree: not isinstance(tree, str)))
@settings(deadline=None, max_examples=150)
def test_steps_put_together_again_are_the_nested_program(tree: Tree) -> None:
    steps = nested_steps(written(tree))
    assert steps is not None
    whole = list(steps)
    for i in range(len(whole)):  # `#12` before `#1`
        for j in reversed(range(i)):
            whole[i] = whole[i].replace(f"#{j}", whole[j])
    assert whole[-1] == written(tree)


@given(
    choices=st.lists(
        st.text(st.characters(codec="ascii", exclude_characters="\r"), max_size=12), min_size=2, max_size=10
    ),
    data=st.data(),
)
@settings(deadline=None, max_examples=200)
def test_a_lone_letter_is_read_back_whatever_the_choices_say(choices: list[str], data: st.DataObject) -> None:
    letter = "ABCDEFGHIJ"[data.draw(st.integers(0, len(choices) - 1))]
    for reply in (letter, f" {letter}", f" {letter}\n"):
        checked = check_answer(reply, letter, choices=choices)
        assert (checked.answer, checked.verdict) == (letter, "correct")
        other = "A" if letter != "A" else "B"
        assert check_answer(reply, other, choices=choices).verdict == "wrong"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (" <<divide(n0,n1)>> <<subtract(const_1,#0)>> <<divide(n2,#1)>> #### 270", "correct"),
        (" <<divide(n0,n1)>> #### 1,270", "wrong"),
        (" <<divide(n0,n1)>> #### 271", "wrong"),
        (" <<divide(n0,n1)>> <<divide(n2,#1)>>", "wrong"),
    ],
)
def test_a_reply_in_the_form_of_mathqa_is_checked_by_its_number(reply: str, verdict: str) -> None:
    choices = ("90", "270", "1,270", "rs . 40", "none of these")
    assert check_answer(reply, "B", choices=choices).verdict == verdict


def test_all_of_gsm8k_but_95_problems_without_an_annotation_converts() -> None:
    folder = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
    if not (folder / "gsm8k" / "train.jsonl").exists():
        pytest.skip(f"no published datasets at {folder}: set DATAGEN_TEST_DATA")
    problems = list(read_problems(DatasetSpec(str(folder / "gsm8k" / "train.jsonl"))))
    found = [example_of(problem, answers="formulas", prompt=TEMPLATE) for problem in problems]
    reasons = Counter(of.reason if isinstance(of, NotConverted) else "converted" for of in found)
    assert reasons == {"converted": 7378, "no annotated formula in the solution": 95}
    # Counted in the file itself: grep -vc '<<' train.jsonl
    assert sum("<<" not in (problem.rationale or "") for problem in problems) == 95
    for problem, of in zip(problems, found, strict=True):
        if isinstance(of, Example):
            assert of.completion.count("<<") == str(problem.rationale).count("<<")
