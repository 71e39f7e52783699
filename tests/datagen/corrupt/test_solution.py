"""Steps, equations and the places of their numbers."""

from fractions import Fraction

import pytest

from datagen.corrupt.solution import Equation, Number, Operand, read_solution, stated_values


def texts(equation: Equation) -> tuple[list[list[str]], list[list[str]], list[str]]:
    return (
        [[copy.text for copy in operand.copies] for operand in equation.operands],
        [[copy.text for copy in operation.copies] for operation in equation.operations],
        [copy.text for copy in equation.result.copies],
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("line", ["1+1=<<1+1=2>>2 apples. ", "He has 1+1=2 apples. ", "1) 3 + 4 = 7\n"])
def test_a_reply_that_loops_is_read_in_linear_time(line: str) -> None:
    # Comparing each equation with each takes minutes.
    assert len(read_solution(line * 8_000).equations) == 8_000


def values(numbers: tuple[Number, ...]) -> list[int]:
    return [int(number.value) for number in numbers]


def test_an_annotation_and_its_running_text_are_one_equation() -> None:
    text = "She needs 6 x 8 = <<6*8=48>>48 rolls for 2 days."
    solution = read_solution(text)
    (equation,) = solution.equations
    assert texts(equation) == ([["6", "6"], ["8", "8"]], [["*", "x"]], ["48", "48"])
    assert values(solution.mentions) == [2]
    for operand in (*equation.operands, equation.result):
        assert all(text[copy.start : copy.end] == copy.text for copy in operand.copies)
        assert operand.is_clear


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("12 / 60 = $<<12/60=0.2>>0.2 a minute", ["0.2", "0.2"]),
        ("3*2=$<<3*2=6.00>>6.00", ["6.00", "6.00"]),
        ("3 * 2 = <<3*2=6>>6.00", ["6", "6.00"]),
        ("3 * 2 = 6<<3*2=6>> pens", ["6", "6"]),
        ("He buys <<3*2=6>>6 pens", ["6", "6"]),
        ("He buys 3*2 = 6 pens", ["6"]),
        (r"He pays $3 \times 2 = \$6", ["6"]),
    ],
)
def test_the_result_is_found_in_all_its_places(text: str, result: list[str]) -> None:
    (equation,) = read_solution(text).equations
    assert texts(equation)[2] == result


def test_a_number_that_prose_says_otherwise_is_not_clear() -> None:
    (equation,) = read_solution("Half of the 48 clips = <<48/2=24>>24").equations
    assert [operand.is_clear for operand in equation.operands] == [True, False]
    (equation,) = read_solution("20% of 80 = <<.2*80=16>>16").equations
    assert [operand.is_clear for operand in equation.operands] == [False, True]
    assert not any(operation.is_clear for operation in equation.operations)


def test_running_text_beside_annotations_is_not_what_the_equation_check_reads() -> None:
    solution = read_solution("1 + 2 = <<1+2=3>>3\nSo 3 + 4 = 7\n#### 7")
    assert [equation.is_checked for equation in solution.equations] == [True, False]
    assert values(solution.mentions) == [7]


def test_chains_and_unknowns_are_left_alone() -> None:
    solution = read_solution("2*3 = <<2*3=3+3=6>>6 and 4 * 5 = 10 * 2 = 20")
    assert [texts(equation)[2] for equation in solution.equations] == [["6"], ["20"]]
    opaque = {number.text for number in solution.opaque}
    assert {"2", "3", "4", "5"} <= opaque


def test_sentences_and_lines_are_steps() -> None:
    text = "Mr. Hall has 2 + 3 = 5 pens. Then he has 5 * 2 = 10.\nHe is glad.\nHe sells 10 - 1 = 9.\n#### 9"
    steps = [text[step.start : step.end] for step in read_solution(text).steps]
    assert steps == ["Mr. Hall has 2 + 3 = 5 pens.", "Then he has 5 * 2 = 10.", "He sells 10 - 1 = 9."]


def test_labels_of_steps_are_no_numbers_of_the_problem() -> None:
    solution = read_solution("1. 2 + 3 = 5\nStep 2: 5 * 2 = 10\n3. 10 - 1 = 9\n#### 9")
    assert values(solution.mentions) == [9]


def test_a_question_states_numbers_in_digits_words_and_by_what_it_speaks_of() -> None:
    stated = stated_values("Three boys buy 1,200 pens twice a week at 5% discount.")
    assert {Fraction(n) for n in (3, 1200, 2, 7, 5, 100)} <= stated
    assert Fraction(6) not in stated


def test_an_operand_keeps_its_exact_value() -> None:
    (equation,) = read_solution("0.10 * 3 = 0.3").equations
    assert equation.operands[0] == Operand(Fraction(1, 10), equation.operands[0].copies, True)
