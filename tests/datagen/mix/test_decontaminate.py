"""Decontamination: what counts as an overlap with a test set, and which of several is named."""

import json
import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from datagen.augment.duplicates import normalised
from datagen.mix.decontaminate import HeldOut, Overlap
from datagen_schemas.problem import Problem

FOLDER = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"), "gsm8k")
approx: Any = pytest.approx  # Any: its own type may not stand for a float in a tuple
ALPHABET = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo"]
ALPHABET += ["lima", "mike", "november", "oscar"]


def problem(question: str, *, i: int = 0) -> Problem:
    return Problem(
        id=f"test-{i}", question=question, answer="1", rationale=None, choices=None, source="made", split="test"
    )


def held_out(*questions: str, n: int = 13, fuzzy: float = 90.0) -> HeldOut:
    return HeldOut((problem(question, i=i) for i, question in enumerate(questions)), n=n, fuzzy=fuzzy)


def test_13_words_in_a_row_overlap_and_12_do_not() -> None:
    question = "Before it. " + " ".join(ALPHABET[:13]) + ". After it there is much more that the other text has not."
    test_set = held_out("Another one.", question)
    assert test_set.overlap("One two three four five, " + " ".join(ALPHABET[:13]).upper() + "!") == Overlap(
        "13-gram", "test-1", question, 100.0
    )
    assert test_set.overlap("One two three four five, " + " ".join(ALPHABET[:12]) + "!") is None
    assert test_set.overlap(" ".join([*ALPHABET[:6], "other", *ALPHABET[6:13]])) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("1,000", "1000", True),
        ("12,345,678", "12345678", True),
        ("1,234.50", "1234.50", True),
        ("1,000kg", "1000kg", True),
        ("1,00", "100", False),
        ("1,0000", "10000", False),
        ("1,000", "1,001", False),
        ("2.5", "2 5", False),
        ("$5", "5", True),
        ("5%", "5", True),
        ("Tom's", "TOM’S", True),
        ("3,4", "34", False),
    ],
)
def test_numbers_keep_their_digits_and_other_marks_are_no_words(ours: str, theirs: str, same: bool) -> None:
    text = "alpha bravo {} charlie"
    found = held_out(text.format(theirs) + " and something else that is a good deal longer", n=4).overlap(
        text.format(ours)
    )
    assert (found is not None) == same


def test_a_short_question_is_found_by_its_ratio_alone() -> None:
    question = "What is 12 plus 30?"  # 5 words
    test_set = held_out(question)
    assert test_set.overlap("what is 12 plus  30") == Overlap("fuzzy", "test-0", question, 100.0)
    found = test_set.overlap("What is 12 plus 31?")
    assert found == Overlap("fuzzy", "test-0", question, approx(100 * (1 - 2 / 36)))
    assert test_set.overlap("Tom asks his teacher about it. What is 12 plus 30?") is None


def test_words_in_a_row_come_before_the_ratio_and_the_first_question_before_the_others() -> None:
    sentence = " ".join(ALPHABET[:13])
    test_set = held_out("abcdefghij", f"{sentence} one", f"{sentence} two", f"{sentence} one", "abcdefghijk")
    assert test_set.overlap(f"{sentence} two") == Overlap("13-gram", "test-1", f"{sentence} one", 100.0)
    assert test_set.overlap("abcdefghij") == Overlap("fuzzy", "test-0", "abcdefghij", 100.0)
    assert test_set.overlap("abcdefghijkk") == Overlap("fuzzy", "test-4", "abcdefghijk", approx(100 * 22 / 23))


def test_no_test_set_has_no_overlap() -> None:
    assert held_out().overlap(" ".join(ALPHABET)) is None
    assert held_out("").overlap(" ".join(ALPHABET)) is None


def test_it_can_be_sent_to_another_process() -> None:
    test_set = held_out(" ".join(ALPHABET), "What is 12 plus 30?")
    copy = pickle.loads(pickle.dumps(test_set))
    for text in (" ".join(ALPHABET[1:]), "What is 12 plus 31?", "What is it?"):
        assert copy.overlap(text) == test_set.overlap(text)


def test_a_run_of_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="n is 0"):
        held_out("pens", n=0)


sentences = st.lists(st.sampled_from(["ab", "cd", "ef", "gh"]), max_size=10).map(" ".join)


@settings(deadline=None, max_examples=200)
@given(st.lists(sentences, max_size=12), sentences, st.sampled_from([2, 4, 13]), st.sampled_from([60.0, 80.0, 90.0]))
def test_it_finds_what_comparing_with_all_finds(questions: list[str], text: str, n: int, fuzzy: float) -> None:
    def runs(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    expected = next(
        (
            Overlap(f"{n}-gram", f"test-{i}", question, 100.0)
            for i, question in enumerate(questions)
            if runs(question.split()) & runs(text.split())
        ),
        None,
    )
    if expected is None and questions:
        scores = [fuzz.ratio(normalised(text), normalised(question)) for question in questions]
        best = scores.index(max(scores))
        if scores[best] >= fuzzy:
            expected = Overlap("fuzzy", f"test-{best}", questions[best], scores[best])
    assert held_out(*questions, n=n, fuzzy=fuzzy).overlap(text) == expected


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no GSM8K at {FOLDER}: set DATAGEN_TEST_DATA")
def test_four_questions_of_gsm8ks_training_set_overlap_its_test_set() -> None:
    train, test = (
        [json.loads(line)["question"] for line in (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "test")
    )
    test_set = held_out(*test)
    overlaps = {i: overlap for i, text in enumerate(train) if (overlap := test_set.overlap(text)) is not None}
    assert {i: (overlap.how, overlap.problem_id) for i, overlap in overlaps.items()} == {
        20: ("13-gram", "test-632"),
        406: ("13-gram", "test-581"),
        1314: ("13-gram", "test-602"),
        5162: ("13-gram", "test-602"),
    }
    # A copy with one word changed in the middle has no such run if it is short, but is nearly the same text.
    changed = [f"{text[: len(text) // 2]}, {text[len(text) // 2 :]}" for text in test]
    found = Counter(test_set.overlap(text) is not None for text in changed)
    assert found == {True: len(test)}
