"""Hard negatives of made-up and of real solutions, each checked by a reading that is not the code's own."""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.corrupt.edit import Unusable
from datagen.corrupt.negatives import CorruptOptions, Parent, negatives
from datagen.corrupt.solution import read_solution
from datagen.corrupt.steps import changed_steps
from datagen_schemas.candidate import Candidate
from datagen_schemas.corruption import Corruption, CorruptionMethod
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

Corrupt = Callable[..., list[Candidate]]
Annotations = Callable[[str], list[Any]]  # Any: the conftest's Annotation

HARD: tuple[CorruptionMethod, ...] = ("numbers", "operators", "steps", "answer", "carry")
ROLLS = "A box has 6 rows of 8 rolls. Ann takes 5 rolls. Bo takes 4 times what is left. How many does Bo take?"
SOLUTION = (
    "There are 6 * 8 = <<6*8=48>>48 rolls.\n"
    "Ann leaves 48 - 5 = <<48-5=43>>43 of them.\n"
    "Bo takes 43 * 4 = <<43*4=172>>172 rolls.\n"
    "#### 172"
)


@pytest.mark.parametrize(
    ("options", "warns"),
    [
        (CorruptOptions, False),
        (lambda: CorruptOptions(alphas=(0.3, 0.05)), True),
        (lambda: CorruptOptions(methods=("numbers",), alphas=(0.01,)), False),
    ],
)
def test_an_alpha_that_hardly_damages_a_text_is_warned_of(
    options: Callable[[], CorruptOptions], warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    options()
    assert ("alpha 0.05: with so few characters" in caplog.text) is warns
    assert bool(caplog.records) is warns


def record(candidate: Candidate) -> Corruption:
    assert candidate.corruption is not None
    return candidate.corruption


def numbers(text: str) -> list[str]:
    return re.findall(r"[0-9]+(?:\.[0-9]+)?", text)


@pytest.mark.parametrize("seed", range(8))
def test_numbers_changes_one_number_in_all_its_places(corrupt: Corrupt, seed: int) -> None:
    (made,) = corrupt(SOLUTION, "numbers", question=ROLLS, answer="172", seed=seed)
    what = record(made)
    pairs = zip(numbers(SOLUTION), numbers(made.response), strict=True)
    changed = [(old, new) for old, new in pairs if old != new]
    assert changed == [(what.before, what.after)] * 2  # the annotation and the text
    assert [SOLUTION[position:].startswith(what.before) for position in what.positions] == [True, True]
    assert not made.equations_hold
    assert made.response.endswith("#### 172")


@pytest.mark.parametrize("seed", range(8))
def test_operators_changes_one_sign_in_all_its_places(corrupt: Corrupt, seed: int) -> None:
    (made,) = corrupt(SOLUTION, "operators", question=ROLLS, answer="172", seed=seed)
    what = record(made)
    changed = [(SOLUTION[i], made.response[i]) for i in range(len(SOLUTION)) if SOLUTION[i] != made.response[i]]
    assert changed == [(what.before, what.after)] * 2
    assert {what.before, what.after} <= set("+-*/")
    assert not made.equations_hold


def test_a_product_that_is_also_a_sum_is_no_false_equation(corrupt: Corrupt) -> None:
    made = corrupt("2 * 2 = <<2*2=4>>4\n#### 4", "operators", answer="4", n=3)
    assert {record(row).after for row in made} == {"-", "/"}


def test_a_sign_keeps_its_style(corrupt: Corrupt) -> None:
    made = corrupt("7 × 3 = 21\n#### 21", "operators", answer="21", n=3)
    assert {record(row).after for row in made} == {"+", "−", "÷"}
    made = corrupt(r"$7 \times 3 = 21$" + "\n#### 21", "operators", answer="21", n=3)
    assert {record(row).after for row in made} == {"+", "-", r"\div"}


@pytest.mark.parametrize("seed", range(4))
def test_answer_changes_the_final_answer_alone(corrupt: Corrupt, seed: int) -> None:
    (made,) = corrupt(SOLUTION, "answer", question=ROLLS, answer="172", seed=seed)
    body, _, answer = made.response.rpartition("#### ")
    assert body == SOLUTION.rpartition("#### ")[0]
    assert answer == made.answer == record(made).after != "172"
    assert made.equations_hold


@pytest.mark.parametrize(
    ("text", "answer", "pattern"),
    [
        ("So it is $1,200.\nThe answer is $1,200.", "1200", r"So it is \$1,200\.\nThe answer is \$[0-9,]+\."),
        (r"Thus \boxed{0.25}", "0.25", r"Thus \\boxed\{[0-9]\.[0-9]{2}\}"),
        ("A: 50%", "50", r"A: [0-9]+%"),
        ("He has 3 + 4 = <<3+4=7>>7 pens", "7", r"He has 3 \+ 4 = <<3\+4=([0-9]+)>>\1 pens"),
    ],
)
def test_an_answer_keeps_its_form(corrupt: Corrupt, text: str, answer: str, pattern: str) -> None:
    (made,) = corrupt(text, "answer", answer=answer)
    assert re.fullmatch(pattern, made.response)
    assert made.response != text


def test_the_answer_to_a_choice_is_another_letter(corrupt: Corrupt) -> None:
    made = corrupt("A train is fast.\nCorrect answer - B", "answer", answer="B", choices=("1", "2", "3"), n=4)
    assert {row.response for row in made} == {f"A train is fast.\nCorrect answer - {letter}" for letter in "AC"}


def test_carry_follows_the_wrong_number_to_the_end(corrupt: Corrupt) -> None:
    """By hand: with a result r instead of 48, the rest is r - 5 and 4 (r - 5); likewise from the later steps."""
    made = corrupt(SOLUTION, "carry", question=ROLLS, answer="172", n=12)
    assert len(made) == 12
    for row in made:
        # "6 * 8 = <<6*8=48>>48": the annotation's three numbers are the last but one to the last but three.
        lines = [tuple(map(int, numbers(line)[2:5])) for line in row.response.splitlines()[:3]]
        (a, b, r), (c, d, s), (e, f, t) = lines
        truths = [a * b == r, c - d == s, e * f == t]
        step = int(record(row).where.split(",")[0].removeprefix("step ")) - 1
        if record(row).kind == "result carried":
            assert truths == [i != step for i in range(3)]
            assert (a, b, c, d, e, f) == (6, 8, r, 5, s, 4)
        else:
            assert truths == [True, True, True]
            # All operands but one are those of the parent, or follow.
            assert [x == y for x, y in zip((a, b, c, d, e, f), (6, 8, r, 5, s, 4), strict=True)].count(False) == 1
        assert int(numbers(row.response)[-1]) == t != 172
        assert row.equations_hold == all(truths)


def test_carry_leaves_numbers_that_may_mean_something_else(corrupt: Corrupt) -> None:
    # The 5 of the second line may be the sum or the price that the question gives.
    text = "He has 2 + 3 = <<2+3=5>>5 pens.\nThey cost 5 * 5 = <<5*5=25>>25.\n#### 25"
    made = corrupt(text, "carry", question="2 pens and 3 pens at 5 each?", answer="25", n=8)
    assert made
    assert all(row.response.startswith("He has 2 + 3 = <<2+3=5>>5 pens.\n") for row in made)


def test_carry_changes_what_the_line_says_of_the_result(corrupt: Corrupt) -> None:
    text = "He eats 32 slices because 2 x 16 = <<2*16=32>>32\nThat is 32 + 16 = <<32+16=48>>48\n#### 48"
    for row in corrupt(text, "carry", question="2 pizzas of 16 slices, and 16 more?", answer="48", n=8):
        first, second, _ = (numbers(line) for line in row.response.splitlines())
        assert first[0] == first[-1]
        assert second[-1] == numbers(row.response)[-1]


def test_dropped_repeated_and_swapped_steps_by_hand(corrupt: Corrupt) -> None:
    made = {row.response: record(row) for row in corrupt(SOLUTION, "steps", question=ROLLS, answer="172", n=40)}
    dropped = "There are 6 * 8 = <<6*8=48>>48 rolls.\nBo takes 48 * 4 = <<48*4=192>>192 rolls.\n#### 192"
    repeated = (
        "There are 6 * 8 = <<6*8=48>>48 rolls.\nAnn leaves 48 - 5 = <<48-5=43>>43 of them.\n"
        "Ann leaves 43 - 5 = <<43-5=38>>38 of them.\nBo takes 38 * 4 = <<38*4=152>>152 rolls.\n#### 152"
    )
    swapped = (
        "There are 6 * 8 = <<6*8=48>>48 rolls.\nBo takes 48 * 4 = <<48*4=192>>192 rolls.\n"
        "Ann leaves 192 - 5 = <<192-5=187>>187 of them.\n#### 187"
    )
    kinds = {dropped: "step dropped", repeated: "step repeated", swapped: "steps swapped"}
    assert {text: made[text].kind for text in kinds if text in made} == kinds
    assert made[dropped].before == "Ann leaves 48 - 5 = <<48-5=43>>43 of them."
    assert (made[dropped].where, made[swapped].where) == ("step 2", "steps 2 and 3")


def test_a_step_that_is_the_whole_text_is_not_dropped(corrupt: Corrupt) -> None:
    text, question = "3 + 4 = <<3+4=7>>7 apples. #### 7", "Ann has 3 apples and buys 4. How many?"
    made = [row for seed in range(8) for row in corrupt(text, "steps", question=question, answer="7", n=3, seed=seed)]
    assert made == []
    drafts = changed_steps(read_solution(text), random.Random(0), stated={Fraction(3), Fraction(4)}, final=None)
    assert Unusable("nothing would be left") in set(islice(drafts, 30))


def test_swapping_what_may_be_swapped_is_not_a_negative(corrupt: Corrupt) -> None:
    text = "2 + 3 = <<2+3=5>>5\n5 + 4 = <<5+4=9>>9\n#### 9"
    for row in corrupt(text, "steps", question="2 and 3 and 4", answer="9", n=20):
        assert record(row).kind != "steps swapped"
        assert row.answer != "9"


@pytest.mark.parametrize("method", HARD)
def test_nothing_to_change_is_not_made(corrupt: Corrupt, method: str) -> None:
    assert corrupt("It is a blue one.", method, answer="blue") == []


def test_why_is_counted(provenance: Provenance) -> None:
    problem = Problem(id="p", question="?", answer="4", rationale=None, choices=None, source="t", split="t")
    parents = [Parent("It is 4", 0, provenance), Parent("It is 4", 1, provenance)]
    made = negatives(problem, parents, options=CorruptOptions(methods=("chars", "numbers"), alphas=(1.0,)), seed=0)
    assert [row.response for row in made.candidates] == ["......."]
    assert made.not_made == {("chars", "same text as another"): 1, ("numbers", "no equation to change"): 2}


@pytest.mark.parametrize("method", ["numbers", "operators", "carry", "chars"])
def test_the_final_line_is_kept_byte_for_byte(corrupt: Corrupt, method: str) -> None:
    text = SOLUTION + " \n\n"
    made = corrupt(text, method, question=ROLLS, answer="172", n=4, keep_answer=True)
    assert made
    for row in made:
        assert row.response.endswith("\n#### 172 \n\n")
        assert row.response != text
        assert method == "chars" or (not row.equations_hold and row.answer == "172")


@pytest.mark.parametrize("method", ["answer", "steps"])
def test_what_needs_the_final_line_is_not_made_if_it_is_kept(corrupt: Corrupt, method: str) -> None:
    assert corrupt(SOLUTION, method, "chars", question=ROLLS, answer="172", keep_answer=True)[0].verdict_method == (
        "corrupted/chars"
    )


def test_rows_say_what_they_were_made_of(provenance: Provenance) -> None:
    problem = Problem(
        id="p7", question=ROLLS, answer="172", rationale=SOLUTION, choices=None, source="t", split="train"
    )
    sampled = provenance.model_copy(update={"stage": "sample", "model": "m", "reply_key": "k", "seed": 99})
    other = SOLUTION.replace("rolls", "of them")
    parents = [Parent(SOLUTION, None, provenance), Parent(other, 3, sampled)]
    options = CorruptOptions(methods=("numbers", "chars"), alphas=(0.1, 0.2), per_parent=2)
    rows = negatives(problem, parents, options=options, seed=5).candidates
    assert [row.sample for row in rows] == list(range(8))
    assert [record(row).method for row in rows] == ["numbers", "numbers", "chars", "chars"] * 2
    assert [record(row).alpha for row in rows] == [None, None, 0.1, 0.2] * 2
    assert {(row.verdict, row.verdict_method) for row in rows} == {
        ("wrong", "corrupted/numbers"),
        ("wrong", "corrupted/chars"),
    }
    assert {(row.provenance.stage, row.provenance.seed) for row in rows} == {("corrupt", 5)}
    assert [row.provenance.parents for row in rows] == [("p7", "p7#gold")] * 4 + [("p7", "p7#3")] * 4
    assert [row.model for row in rows] == [None] * 4 + ["m"] * 4
    assert rows[4].provenance.reply_key == "k"
    for row, text in zip(rows, [SOLUTION] * 4 + [other] * 4, strict=True):
        assert record(row).parent == hashlib.sha256(text.encode()).hexdigest()
    # Alone or among others, a parent gives the same negatives.
    alone = negatives(problem, parents[1:], options=options, seed=5).candidates
    assert [row.response for row in alone] == [row.response for row in rows[4:]]


def test_a_wrong_parent_does_not_become_right(corrupt: Corrupt) -> None:
    # Of the slips of 25, 24 is the right answer.
    made = corrupt("It is 24 + 1 = <<24+1=25>>25\n#### 25", "answer", "carry", answer="24", n=30)
    assert made
    assert "24" not in {row.answer for row in made}


# The real gold paths.


def is_wrong(row: Candidate, problem: Problem, annotations: Annotations) -> bool:
    """Another number after ####, or an annotation that is false and was not in the parent."""
    assert problem.rationale is not None
    mark = row.response.rpartition("#### ")[2].replace(",", "")
    if Fraction(mark) != Fraction(problem.answer):
        return True
    false = [{a.content for a in annotations(text) if a.holds is False} for text in (row.response, problem.rationale)]
    return bool(false[0] - false[1])


@pytest.fixture(scope="module")
def real(gsm8k: list[Problem], provenance: Provenance) -> list[tuple[Problem, Candidate]]:
    options = CorruptOptions(methods=HARD, per_parent=2)
    return [
        (problem, row)
        for problem in gsm8k
        for row in negatives(
            problem, [Parent(problem.rationale or "", None, provenance)], options=options, seed=1
        ).candidates
    ]


def test_every_real_negative_is_wrong_by_an_independent_check(
    real: list[tuple[Problem, Candidate]], annotations: Annotations
) -> None:
    unseen = [row.response for problem, row in real if not is_wrong(row, problem, annotations)]
    # The independent check reads annotations only; a few gold paths have none, or one that it cannot parse.
    assert len(unseen) < 0.01 * len(real), unseen[:3]
    for text in unseen:
        assert "<<" not in text or any(a.holds is None for a in annotations(text)), text


def test_most_real_solutions_give_a_negative_of_each_method(
    real: list[tuple[Problem, Candidate]], gsm8k: list[Problem]
) -> None:
    made = Counter(record(row).method for problem, row in real)
    assert all(made[method] > 0.9 * 2 * len(gsm8k) for method in HARD), made


def test_carry_keeps_all_other_equations_true(real: list[tuple[Problem, Candidate]], annotations: Annotations) -> None:
    kinds = Counter[tuple[str, int]]()
    for problem, row in real:
        if record(row).method == "carry":
            parent = sum(a.holds is False for a in annotations(problem.rationale or ""))
            n_false = sum(a.holds is False for a in annotations(row.response)) - parent
            assert n_false <= 1, row.response
            assert n_false == 0 or record(row).kind == "result carried", row.response
            mark = row.response.rpartition("#### ")[2].replace(",", "")
            assert Fraction(mark) != Fraction(problem.answer)
            kinds[record(row).kind, n_false] += 1
    assert kinds["result carried", 1] > 100
    assert kinds["operand carried", 0] > 100


@pytest.mark.parametrize("method", HARD)
def test_annotations_and_the_numbers_after_them_still_agree(
    real: list[tuple[Problem, Candidate]], annotations: Annotations, method: str
) -> None:
    def disagreements(text: str) -> int:
        return sum(
            a.echo is not None and a.result.strip() != "" and value(a.echo) != value(a.result)
            for a in annotations(text)
        )

    def value(text: str) -> Fraction | str:
        plain = text.replace(",", "").strip().strip("$.")
        return Fraction(plain) if re.fullmatch(r"-?[0-9]*\.?[0-9]+", plain) else plain

    for problem, row in real:
        # A repeated step may be one in which they did not agree.
        if record(row).method == method and disagreements(problem.rationale or "") == 0:
            assert disagreements(row.response) == 0, row.response


def test_one_number_is_one_number_in_real_text(real: list[tuple[Problem, Candidate]]) -> None:
    pattern = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|\.[0-9]+")
    for problem, row in real:
        what = record(row)
        if what.method in ("numbers", "answer"):
            old, new = (
                [match[0] for match in pattern.finditer(text)] for text in (problem.rationale or "", row.response)
            )
            changed = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
            assert 1 <= len(changed) == len(what.positions) <= 2, row.response
            values = {tuple(Fraction(text.replace(",", "")) for text in pair) for pair in changed}
            assert values == {tuple(Fraction(text.replace(",", "")) for text in (what.before, what.after))}
            assert pattern.sub("N", problem.rationale or "") == pattern.sub("N", row.response)


def test_one_sign_is_one_sign_in_real_text(real: list[tuple[Problem, Candidate]]) -> None:
    pattern = re.compile(r"[-+*/xX×÷−–·]|times|plus|minus|divided by")
    for problem, row in real:
        if record(row).method == "operators":
            assert pattern.sub("o", problem.rationale or "") == pattern.sub("o", row.response)
            pairs = zip(pattern.findall(problem.rationale or ""), pattern.findall(row.response), strict=True)
            assert sum(old != new for old, new in pairs) == len(record(row).positions) <= 2


parts = st.sampled_from(
    [
        "<<",
        ">>",
        "<<2*3=6>>",
        "6",
        "2 * 3 = ",
        " = ",
        "+",
        "12",
        "$1,200",
        ".5",
        "50% of ",
        "(",
        ")",
        "\n",
        ". ",
        "So ",
    ]
    + ["#### 6", "x", "/", "\\frac{1}{2}", "three ", "Step 2: ", "The answer is 6", "<<6+6=12=12>>", "-"]
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(parts, max_size=25), keep_answer=st.booleans())
def test_any_text_can_be_tried(corrupt: Corrupt, pieces: list[str], keep_answer: bool) -> None:
    text = "".join(pieces)
    for row in corrupt(text, "chars", *HARD, answer="6", keep_answer=keep_answer):
        assert row.response != text
        assert list(record(row).positions) == sorted(set(record(row).positions))
        assert all(0 <= position <= len(text) for position in record(row).positions)
        assert row.corruption is not None
        if row.corruption.method in ("answer", "steps", "carry") and not keep_answer:
            assert row.answer != "6"
