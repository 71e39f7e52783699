"""Families: several plans for the same question, and the rules that an instance must keep."""

import re
from collections.abc import Iterator
from random import Random

import pytest

from datagen.synthetic.family import Family, Instance, draw_instance, draw_numbers, solution
from datagen.synthetic.four_steps import FOUR_STEPS
from datagen.synthetic.one_step import ONE_STEP
from datagen.synthetic.three_steps import THREE_STEPS
from datagen.synthetic.two_steps import TWO_STEPS

ALL = (*ONE_STEP, *TWO_STEPS, *THREE_STEPS, *FOUR_STEPS)

BAGS = Family(
    name="bags",
    steps=2,
    numbers="a=3..3 b=4..4 c=5..5",
    questions=("{A} has {a} bags of {b} {x} and {c} more. How many?",),
    plans=(
        ("The bags hold [u=a*b] {x}.", "{A} has [t=u+c] {x}."),
        ("One bag and the rest make [u=b+c] {x}.", "Two bags hold [v=b*2] {x}.", "{A} has [t=u+v] {x}."),
    ),
)


def instances(family: Family, *, n: int) -> Iterator[Instance]:
    rng = Random(7)
    found = 0
    while found < n:
        instance = draw_instance(family, draw_numbers(family, rng), rng)
        if instance is not None:
            found += 1
            yield instance


def with_changes(**changes: str | tuple[str, ...] | tuple[tuple[str, ...], ...]) -> Family:
    return Family(**{**BAGS.__dict__, **changes})


def test_a_solution_is_written_as_by_hand() -> None:
    instance = draw_instance(BAGS, {"a": 3, "b": 4, "c": 5}, Random(0))
    assert instance is not None
    name, things = instance.slots["A"], instance.slots["x"]
    assert instance.question == f"{name} has 3 bags of 4 {things} and 5 more. How many?"
    assert instance.answer == 17
    assert instance.equations == (("3*4=12", "12+5=17"), ("4+5=9", "4*2=8", "9+8=17"))
    assert solution(instance, plan=0) == (
        f"The bags hold <<3*4=12>>12 {things}.\n{name} has <<12+5=17>>17 {things}.\n#### 17"
    )


@pytest.mark.parametrize(
    ("why", "numbers"),
    [
        ("two numbers of the question are equal", {"a": 4, "b": 4, "c": 5}),
        ("a number is 1", {"a": 3, "b": 4, "c": 1}),
        ("a result is above the largest number", {"a": 51, "b": 4, "c": 5}),
    ],
)
def test_numbers_that_break_a_rule_are_refused(why: str, numbers: dict[str, int]) -> None:
    family = with_changes(plans=BAGS.plans[:1])
    assert draw_instance(family, {"a": 3, "b": 4, "c": 5}, Random(0)) is not None
    assert draw_instance(family, numbers, Random(0)) is None, why


@pytest.mark.parametrize(
    ("why", "plan"),
    [
        ("the answer is a number of the question", "[t=b+c]"),  # 3 + 6 is a
        ("a quotient is not whole", "[t=a/c]"),
        ("a difference is negative", "[t=b-a]"),
    ],
)
def test_results_that_break_a_rule_are_refused(why: str, plan: str) -> None:
    family = with_changes(plans=((plan,),))
    assert draw_instance(family, {"a": 9, "b": 3, "c": 6}, Random(0)) is None, why


def test_plans_that_come_out_equal_are_refused() -> None:
    family = with_changes(questions=("{a}",), plans=(("[t=a*b]",), ("[t=b*a]",)))
    assert draw_instance(family, {"a": 3, "b": 4}, Random(0)) is not None
    assert draw_instance(family, {"a": 4, "b": 4}, Random(0)) is None


def test_plans_that_disagree_are_our_bug() -> None:
    family = with_changes(plans=(("[t=a*b]",), ("[t=a+b]",)))
    with pytest.raises(AssertionError, match="plans of bags disagree"):
        draw_instance(family, {"a": 3, "b": 4, "c": 5}, Random(0))


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_every_family_has_two_to_four_plans_with_different_equations(family: Family) -> None:
    assert 2 <= len(family.plans) <= 4
    for instance in instances(family, n=20):
        written = [re.findall(r"<<(.+?)>>", solution(instance, plan=i)) for i in range(len(family.plans))]
        assert written == [list(equations) for equations in instance.equations]
        assert len({tuple(equations) for equations in written}) == len(family.plans)


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_every_family_has_two_or_more_wordings_that_show_the_same_numbers(family: Family) -> None:
    assert len(family.questions) >= 2
    shown = {frozenset(re.findall(r"\{([a-z])\}", question)) - {"x", "y", "f"} for question in family.questions}
    assert len(shown) == 1


# Worked by hand from the question's text: name, numbers, answer.
BY_HAND = [
    ("gift", {"a": 34, "b": 27}, 61),
    ("fill", {"h": 3, "n": 7, "q": 6, "t": 42}, 6),  # 42 into boxes of 7
    ("get_and_give", {"a": 40, "b": 25, "c": 12}, 53),  # 40 + 25 - 12
    ("packed_and_less", {"a": 5, "b": 8, "c": 3, "j": 4}, 37),  # 5 boxes of 8, 3 gone
    ("pool_and_share", {"n": 4, "i": 3, "j": 5, "a": 12, "b": 20}, 8),  # 32 among 4
    ("half_and_more", {"h": 20, "t": 40, "c": 6}, 14),  # 40, half gone, 6 gone
    ("two_prices", {"b": 3, "d": 2, "a": 5, "p": 4, "q": 7}, 41),  # 5 for 4 dollars, 3 for 7 dollars
    ("times_then_fewer", {"a": 6, "k": 4, "c": 5}, 25),  # 6, 24, 19: 6 + 19
    ("reading", {"t": 90, "a": 5, "b": 7, "d": 4}, 42),  # 90 - 12 pages on 4 days
    ("half_price", {"h": 3, "p": 6, "n": 5}, 45),  # 5 for 6 dollars, 5 for 3 dollars
    ("three_friends", {"a": 5, "b": 3}, 29),  # 5, 8, 16
    ("teams", {"n": 4, "i": 2, "j": 3, "a": 8, "b": 12, "p": 6, "d": 9}, 21),  # 5 teams need 30, 9 are there
    ("farm", {"n": 4, "e": 2, "a": 8, "j": 3, "b": 2, "d": 5, "c": 12}, 17),  # 80 eggs, 68 left, 4 a box
    ("shelves", {"a": 5, "n": 3, "i": 4, "j": 2, "d": 7, "b": 12, "c": 6}, 11),  # 60, 54, 18 boxes, 7 given away
]


@pytest.mark.parametrize(("name", "numbers", "answer"), BY_HAND)
def test_the_answer_is_the_one_worked_by_hand(name: str, numbers: dict[str, int], answer: int) -> None:
    (family,) = (family for family in ALL if family.name == name)
    instance = draw_instance(family, numbers, Random(0))
    assert instance is not None
    assert instance.answer == answer
