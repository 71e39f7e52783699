import json
import os
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.readers.read import DatasetSpec, read_problems
from datagen.steps.step import Step, find_steps, gold_steps
from datagen.steps.step_metrics import StepScores, mean_scores, scores_of, step_scores
from datagen_schemas.problem import Problem

DATA = Path(os.environ.get("DATAGEN_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data") / "gsm8k"


def scores(predicted: str, gold: str) -> StepScores:
    return step_scores(find_steps(predicted), find_steps(gold))


def annotated(*equations: str) -> str:
    return " ".join(f"<<{equation}>>" for equation in equations)


def test_every_metric_is_what_a_hand_calculates() -> None:
    # PS has 5 distinct steps in 6, GTS has 4; one is shared (2+3=5), 5*2=10 is commuted. The wrong ones, E:
    # 5*2=10 (right but for the order), 4-10=6 (inverted), 6+2=3 (wrong operator), 1+1=2 (extra).
    predicted = annotated("2+3=5", "5*2=10", "4-10=6", "6+2=3", "1+1=2", "1+1=2")
    gold = annotated("2+3=5", "2*5=10", "10-4=6", "6/2=3")
    assert scores(predicted, gold)._asdict() == pytest.approx(
        {
            "iou": 1 / 8,  # of 5 + 4 - 1
            "commutative_iou": 2 / 7,  # two matched: of 5 + 4 - 2
            "precision": 1 / 5,
            "recall": 1 / 4,
            "dice": 2 / 9,
            "extra_steps": 4 / 5,
            "missing_steps": 3 / 4,
            "wrong_operators": 1 / 4,
            "inverted_operands": 1 / 4,
            "repetition": 1 / 6,
        }
    )


def test_programs_are_compared_like_equations() -> None:
    # subtract inverted, multiply commuted, divide with another operator, and one right.
    predicted = annotated("add(n0,n1)", "multiply(#0,n2)", "subtract(n1,#1)", "add(n3,#2)")
    gold = annotated("add(n0,n1)", "multiply(n2,#0)", "subtract(#1,n1)", "divide(n3,#2)")
    found = scores(predicted, gold)
    assert found.iou == pytest.approx(1 / 7)
    assert found.commutative_iou == pytest.approx(2 / 6)
    assert [found.wrong_operators, found.inverted_operands] == pytest.approx([1 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("step", "gold", "wrong_operator", "inverted"),
    [
        ("2*3=6", "2+3=5", True, False),
        ("3*2=6", "2+3=5", True, False),
        ("2+3=6", "2+3=5", False, False),  # the result alone
        ("3+2=5", "2+3=5", False, False),
        ("2-5=3", "5-2=3", False, True),
        ("2/5=3", "5-2=3", True, False),
        ("4+2*3=10", "2*3+4=10", False, False),  # commuted
        ("2*3+4=10", "2+3*4=14", True, False),
        ("(2+3)*4=20", "2+3*4=14", False, False),  # brackets
        ("2-(3+4)=5", "(3+4)-2=5", False, True),  # the same operators, in another order with their operands
        ("4/2-10=8", "10-4/2=8", False, True),
        ("2+4=6", "2+3=5", False, False),  # another operand
        ("x-2=3", "2-x=3", False, False),  # operands that cannot be told
    ],
)
def test_an_error_has_the_name_that_section_4_6_gives_it(
    step: str, gold: str, wrong_operator: bool, inverted: bool
) -> None:
    found = scores(annotated(step), annotated(gold))
    assert (found.wrong_operators, found.inverted_operands) == (float(wrong_operator), float(inverted))


def test_errors_are_told_by_all_gold_steps_also_by_those_that_were_made() -> None:
    assert scores(annotated("2+3=5", "2*3=6"), annotated("2+3=5")).wrong_operators == 1
    assert scores(annotated("5-2=3", "2-5=3"), annotated("5-2=3")).inverted_operands == 1


def test_steps_that_only_differ_in_order_match_one_to_one() -> None:
    assert scores(annotated("3+2=5", "4*5=20"), annotated("2+3=5", "5*4=20")).commutative_iou == 1
    assert scores(annotated("3+2=5", "2+3=5"), annotated("2+3=5")).commutative_iou == 1 / 2


def test_a_reply_without_steps_misses_all_and_adds_nothing() -> None:
    assert step_scores((), find_steps("<<1+1=2>>")) == StepScores(0, 0, 0, 0, 0, 0, 1, 0, 0, 0)


def test_without_gold_steps_nothing_is_defined() -> None:
    problem = Problem(
        id="p", question="?", answer="2", rationale="By magic.", choices=None, source="s", split="t", meta="{}"
    )
    assert scores_of("<<1+1=2>>", problem) is None
    with pytest.raises(ValueError, match="no gold steps"):
        step_scores(find_steps("<<1+1=2>>"), ())


def test_replies_to_one_problem_count_as_their_mean() -> None:
    first, second = scores("<<1+1=2>>", "<<1+1=2>>"), scores("<<1-1=0>>", "<<1+1=2>>")
    assert mean_scores([first, second]).iou == 1 / 2
    assert mean_scores([first, second]).wrong_operators == 1 / 2


operands = st.sampled_from(["1", "2", "3", "1.0"])
binary = st.builds("{}{}{}={}".format, operands, st.sampled_from("+-*/"), operands, st.sampled_from("23"))
program = st.builds(
    "{}(n{},n{})".format, st.sampled_from(["add", "divide", "multiply"]), st.sampled_from("01"), st.sampled_from("01")
)
solutions = st.one_of(st.lists(binary, max_size=6), st.lists(program, max_size=6)).map(lambda of: annotated(*of))
gold_paths = st.one_of(st.lists(binary, min_size=1, max_size=5), st.lists(program, min_size=1, max_size=5)).map(
    lambda of: annotated(*of)
)


def obvious(predicted: Sequence[Step], gold: Sequence[Step]) -> StepScores:
    """Set by set, as the paper writes it; the best one-to-one match by trying every one."""
    ps, gts = {step.text for step in predicted}, {step.text for step in gold}
    by_text = {step.text: step for step in (*predicted, *gold)}
    short, long = sorted((sorted(ps), sorted(gts)), key=len)
    matched = max(
        sum(by_text[a].commuted == by_text[b].commuted for a, b in zip(short, order, strict=False))
        for order in permutations(long, len(short))
    )

    def differs(a: str, b: str, *, in_operators: bool) -> bool:
        one, other = by_text[a], by_text[b]
        if not one.operands or sorted(one.operands) != sorted(other.operands) or one.expression == other.expression:
            return False
        return (one.operators != other.operators) is in_operators and (in_operators or one.operands != other.operands)

    e = ps - gts
    ps_wo = {a for a in e if any(differs(a, b, in_operators=True) for b in gts)}
    ps_io = {a for a in e if any(differs(a, b, in_operators=False) for b in gts)}
    return StepScores(
        iou=len(ps & gts) / len(ps | gts),
        commutative_iou=matched / (len(ps) + len(gts) - matched),
        precision=len(ps & gts) / len(ps) if ps else 0,
        recall=len(ps & gts) / len(gts),
        dice=2 * len(ps & gts) / (len(ps) + len(gts)),
        extra_steps=len(ps - gts) / len(ps) if ps else 0,
        missing_steps=len(gts - ps) / len(gts),
        wrong_operators=len(ps_wo) / len(e) if e else 0,
        inverted_operands=len(ps_io) / len(e) if e else 0,
        repetition=1 - len(ps) / len(predicted) if predicted else 0,
    )


@settings(deadline=None, max_examples=150)
@given(solutions, gold_paths)
def test_the_scores_are_those_of_the_obvious_version(predicted: str, gold: str) -> None:
    made, wanted = find_steps(predicted), find_steps(gold)
    assert step_scores(made, wanted)._asdict() == pytest.approx(obvious(made, wanted)._asdict())


@settings(deadline=None, max_examples=150)
@given(solutions, gold_paths)
def test_the_scores_keep_to_their_ranges_and_to_each_other(predicted: str, gold: str) -> None:
    made, wanted = find_steps(predicted), find_steps(gold)
    found = step_scores(made, wanted)
    assert all(0 <= value <= 1 for value in found)
    assert found.iou <= min(found.dice, found.precision, found.recall, found.commutative_iou)
    assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))
    assert found.missing_steps == pytest.approx(1 - found.recall)
    if made:
        assert found.extra_steps == pytest.approx(1 - found.precision)
        turned = step_scores(wanted, made)
        assert (turned.iou, turned.commutative_iou) == (found.iou, found.commutative_iou)
        assert (turned.precision, turned.extra_steps) == (found.recall, found.missing_steps)


@settings(deadline=None, max_examples=50)
@given(gold_paths, st.randoms(use_true_random=False))
def test_order_changes_nothing_and_a_repeated_step_the_repetition_alone(gold: str, rng: object) -> None:
    wanted = find_steps(gold)
    perfect = StepScores(1, 1, 1, 1, 1, 0, 0, 0, 0, 0)
    once = list(dict.fromkeys(wanted))
    rng.shuffle(once)  # type: ignore[attr-defined]  # hypothesis does not type its generators
    assert step_scores(once, wanted) == perfect
    again = step_scores([*once, *once, once[0]], wanted)
    assert again == perfect._replace(repetition=(len(once) + 1) / (2 * len(once) + 1))


@pytest.mark.skipif(not DATA.exists(), reason="needs DATAGEN_TEST_DATA: GSM8K and its published replies")
def test_real_replies_have_the_scores_of_the_obvious_version() -> None:
    problems = {
        " ".join(problem.question.split()): problem for problem in read_problems(DatasetSpec(str(DATA / "test.jsonl")))
    }
    compared = 0
    with (DATA / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, list(lines)[::20]):
            problem = problems[" ".join(row["question"].split())]
            wanted = gold_steps(problem)
            for name in ("6b_finetuning", "175b_verification"):
                made = find_steps(row[name]["solution"])
                if not wanted or max(len(made), len(wanted)) > 7:  # the obvious version tries every order
                    continue
                found = scores_of(row[name]["solution"], problem)
                assert found is not None
                assert found._asdict() == pytest.approx(obvious(made, wanted)._asdict())
                compared += 1
    assert compared > 100
