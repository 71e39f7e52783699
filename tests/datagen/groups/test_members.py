"""Which of several equal texts stands in a group."""

import random

import pytest

from datagen.groups.members import Member, distinct


def sampled(text: str, score: float, model: str = "a") -> Member:
    return Member(text, score, "sampled", model, "correct" if score else "wrong")


def corrupted(text: str, score: float = 0.0) -> Member:
    return Member(text, score, "corrupted", "corrupted/steps", "wrong")


GOLD = Member("2+2 = 4", 1.0, "gold", "gold", "correct")


def test_texts_that_differ_in_white_space_alone_are_one_and_counted() -> None:
    found = distinct([sampled("a  b\n", 1.0), sampled("a b", 1.0), sampled("ab", 1.0)], reference=None)
    assert ([member.text for member in found.kept], dict(found.dropped)) == (["a  b\n", "ab"], {"duplicate": 1})


def test_a_sampled_path_that_is_the_gold_one_is_called_gold() -> None:
    found = distinct([sampled("2+2  = 4", 1.0), GOLD], reference=GOLD.text)
    assert (found.kept, dict(found.dropped)) == ([GOLD], {"duplicate": 1})


def test_a_corrupted_copy_with_a_correct_text_is_no_negative() -> None:
    found = distinct([corrupted("x y"), sampled("x y", 1.0)], reference=None)
    assert found.kept == [sampled("x y", 1.0)]
    assert dict(found.dropped) == {"same text as a correct one": 1}


@pytest.mark.parametrize("negative", [corrupted("2+2 = 4"), sampled("2+2 =  4", 0.0)])
def test_a_negative_with_the_gold_path_as_its_text_is_left_out_even_without_gold(negative: Member) -> None:
    found = distinct([negative], reference=GOLD.text)
    assert (found.kept, dict(found.dropped)) == ([], {"same text as the gold path": 1})


def test_a_judges_rating_wins_over_any_other_score() -> None:
    rated = Member("x", 4.0, "sampled", "m", "correct", judged=True)
    found = distinct([Member("x", 10.0, "gold", "gold", "correct"), rated, corrupted("x", 1.0)], reference="x")
    ((kept,), dropped) = found
    assert (kept.score, kept.source) == (4.0, "gold")
    assert dict(dropped) == {"duplicate": 1, "same text as the gold path": 1}
    twice = [rated, rated._replace(text=" x", score=6.0)]
    assert [member.score for member in distinct(twice, reference=None).kept] == [5.0]


def test_the_outcome_does_not_depend_on_the_order() -> None:
    members = [
        sampled("a", 1.0),
        sampled("a ", 1.0, "b"),
        corrupted("a"),
        sampled("c", 0.0),
        corrupted("c"),
        sampled("c", 0.0, "a"),
        GOLD,
    ]
    expected = distinct(members, reference=GOLD.text)
    assert [member.source for member in expected.kept] == ["gold", "a", "a"]
    for seed in range(20):
        shuffled = members[:]
        random.Random(seed).shuffle(shuffled)
        assert distinct(shuffled, reference=GOLD.text) == expected


def test_a_response_without_text_is_left_out() -> None:
    found = distinct([sampled(" \n", 0.0), sampled("a", 1.0)], reference=None)
    assert ([member.text for member in found.kept], dict(found.dropped)) == (["a"], {"empty": 1})
