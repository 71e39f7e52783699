import random
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.answers.latex import LatexJudge
from datagen.select.majority import answer_classes, majority, majority_at_k


def test_numbers_are_one_class_as_numbers_and_no_answer_is_none() -> None:
    assert answer_classes(["0.5", "1/2", None, "2", "0.50", "$2.00"]) == [0, 0, None, 1, 0, 1]


def test_letters_of_choices_are_not_read_as_anything_else() -> None:
    assert answer_classes(["A", "B", "A"], choices=["5", "five"]) == [0, 1, 0]


def test_texts_differ_in_typesetting_only_are_one_class() -> None:
    assert answer_classes(["Monday", "monday", "\\text{Monday}", "Tuesday"]) == [0, 0, 0, 1]


def test_latex_goes_to_the_judge_and_without_it_stays_apart() -> None:
    answers = ["2\\sqrt{3}", "\\sqrt{12}", "\\sqrt{13}", "\\frac{\\sqrt{4}}{2}", "1"]
    with LatexJudge() as latex:
        assert answer_classes(answers, latex=latex) == [0, 0, 1, 2, 2]
    assert answer_classes(answers) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("classes", "winner"),
    [([0, 1, 1], 1), ([0, 1], 0), ([None, 1, 0], 1), ([None, None], None), ([None, None, 3], 2), ([2, 0, 0, 2, 1], 0)],
)
def test_the_largest_class_wins_and_of_equal_ones_the_first_seen(
    classes: list[int | None], winner: int | None
) -> None:
    assert majority(classes) == winner


def slow_majority_is_correct(answers: Sequence[int | None], gold: int) -> bool:
    """By sorting (-count, position): another way than the one under test."""
    given = [answer for answer in answers if answer is not None]
    ordered = sorted(set(given), key=lambda answer: (-given.count(answer), given.index(answer)))
    return bool(ordered) and ordered[0] == gold


ANSWERS = st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=7)


@given(ANSWERS, st.data())
@settings(deadline=None, max_examples=150)
def test_maj_at_k_is_the_mean_over_every_subset(answers: list[int | None], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(answers)))
    expected = [slow_majority_is_correct(of, 2) for of in combinations(answers, k)]
    found = majority_at_k(answers, [answer == 2 for answer in answers], k, rng=random.Random(0))
    assert found == pytest.approx(sum(expected) / len(expected))


def test_drawn_subsets_come_close_to_all_of_them_and_repeat_with_their_seed() -> None:
    answers = [2, 1, 2, None, 0, 2, 1, 1, 0, 2, 2, 1]
    correct = [answer == 2 for answer in answers]
    exact = majority_at_k(answers, correct, 5, rng=random.Random(0), subsets=10**6)
    drawn = majority_at_k(answers, correct, 5, rng=random.Random(1), subsets=700)
    assert 0 < abs(drawn - exact) < 4 * (exact * (1 - exact) / 700) ** 0.5
    assert drawn == majority_at_k(answers, correct, 5, rng=random.Random(1), subsets=700)


def test_more_votes_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="k = 3"):
        majority_at_k([0, 1], [True, False], 3, rng=random.Random(0))
