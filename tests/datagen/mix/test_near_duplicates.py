"""Duplicates: rows that teach the same thing, and no others."""

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from datagen.augment.fobar import fobar_question, masks
from datagen.mix.deciding_words import question_words
from datagen.mix.near_duplicates import MAX_PAIRWISE, Near, Text, comparable, near_duplicates
from datagen.readers.read import DatasetSpec, read_problems

FOLDER = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"), "gsm8k")
approx: Any = pytest.approx  # Any: its own type may not stand for a float in a tuple
PENS = "Mia has 5 pens and buys 7 more pens at the shop on the corner. How many pens does she have now?"
PATH = "She has 5 + 7 = <<5+7=12>>12 pens after she has been to the shop.\n#### 12"


def is_duplicate(first: tuple[str, str], second: tuple[str, str]) -> bool:
    one, other = comparable(*first), comparable(*second)
    return one.key() == other.key() or (one.block() == other.block() and near_duplicates([one, other]) != [])


def test_case_spaces_and_the_form_of_the_answer_line_are_no_difference() -> None:
    copy = (PENS.upper(), PATH.replace(" ", "  ").replace("#### 12", "The answer is: 12."))
    assert comparable(*copy).key() == comparable(PENS, PATH).key()
    assert comparable(PENS, PATH.replace("#### 12", "#### 13")).key() != comparable(PENS, PATH).key()


@pytest.mark.parametrize(
    ("question", "path", "expected"),
    [
        (PENS.replace("corner", "market"), PATH, True),
        (PENS, PATH.replace("pens after", "pens, after"), True),
        (PENS, PATH.replace("<<5+7=12>>", ""), True),
        (PENS.replace("5", "five"), PATH, True),
        (PENS.replace("5", "6"), PATH, False),
        (PENS.replace("more", "fewer"), PATH, False),
        (PENS, PATH.replace("5 + 7", "7 + 5"), False),
        (PENS, PATH.replace("<<5+7=12>>", "<<7+5=12>>"), False),
        (PENS, "Before she had 5 and she bought 7 + = 12 of them, so 12.", False),
        ("How many pens has Mia, who had 5 of them and then went to buy 7 more?", PATH, False),
    ],
)
def test_a_row_is_a_duplicate_only_if_its_question_and_its_path_are(question: str, path: str, expected: bool) -> None:
    assert is_duplicate((PENS, PATH), (question, path)) == expected
    assert is_duplicate((question, path), (PENS, PATH)) == expected


def test_formulas_alone_are_not_taken_away_before_they_are_compared() -> None:
    """Without what is in <<>>, both would be '#### 12'."""
    assert not is_duplicate((PENS, " <<5+7=12>> #### 12"), (PENS, " <<6*2=12>> #### 12"))
    assert not is_duplicate((PENS, " <<5+7=12>> #### 12"), (PENS, " #### 12"))


def test_a_row_goes_for_the_first_one_that_stays_and_not_for_one_that_went() -> None:
    """Ratios by hand: 100 (1 - d / (m + n)), d the insertions and deletions."""
    words = ["abcdefghij" * 2, "abcdefghij" * 2 + "kk", "abcdefghij" * 2 + "kkkk"]
    block = [Text("q", word) for word in words]
    # 20 against 22: 1 - 2/42 = 95.2; 20 against 24: 1 - 4/44 = 90.9; 22 against 24: 1 - 2/46 = 95.7
    assert [near[:2] for near in near_duplicates(block, completion_ratio=95)] == [(1, 0)]
    assert near_duplicates(block, completion_ratio=90) == [
        Near(1, 0, 100.0, approx(100 * 40 / 42)),
        Near(2, 0, 100.0, approx(100 * 40 / 44)),
    ]
    assert near_duplicates(block, completion_ratio=99) == []


texts = st.builds(
    Text,
    st.lists(st.sampled_from(["ab", "cd", "ef"]), max_size=5).map(" ".join),
    st.lists(st.sampled_from(["ab", "cd", "ef", "gh"]), max_size=6).map(" ".join),
)


@given(st.lists(texts, max_size=15), st.sampled_from([60.0, 80.0, 100.0]), st.sampled_from([60.0, 90.0]))
@settings(deadline=None, max_examples=80)
def test_it_finds_what_comparing_with_all_that_stay_finds(
    block: list[Text], question: float, completion: float
) -> None:
    kept: list[int] = []
    expected: dict[int, int] = {}
    for i, text in enumerate(block):
        alike = [
            j
            for j in kept
            if fuzz.ratio(block[j].question, text.question) >= question
            and fuzz.ratio(block[j].completion, text.completion) >= completion
        ]
        if alike:
            expected[i] = alike[0]
        else:
            kept.append(i)
    found = near_duplicates(block, question_ratio=question, completion_ratio=completion)
    assert {near.row: near.of for near in found} == expected


def test_a_large_block_is_searched_by_hash_and_gives_the_same() -> None:
    """Stories without a number are all in one block; every third is there again with another word."""
    rng = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bdfglmnprstv" for b in "aeiou" for c in "lmnrst"]
    words = [word for word in words if not question_words(word)]
    stories = [rng.sample(words, 40) for _ in range(90)]
    copies = [[*story[:7], "another", *story[8:]] for story in stories[::3]]
    block = [comparable(" ".join(story[:25]), " ".join(story[25:])) for story in (*stories, *copies)]
    assert len({text.block() for text in block}) == 1
    assert len(block) > MAX_PAIRWISE
    found = near_duplicates(block, question_ratio=90)
    assert [near[:2] for near in found] == [(90 + i, 3 * i) for i in range(30)]


def test_half_characters_do_not_stop_it() -> None:
    block = [Text("\ud800 a b", "c \udfff d")] * 2 + [Text("x", "y")] * MAX_PAIRWISE
    assert block[0].key() == block[1].key()
    assert near_duplicates(block)[0][:2] == (1, 0)


def test_languages_without_spaces_are_compared_too() -> None:
    stories = [
        Text(f"小明有{i}个苹果,他又买了一些苹果。他现在有多少个苹果呢", "他有很多苹果")
        for i in "一二三四五六七八九十" * 7
    ]
    found = near_duplicates(stories, question_ratio=97)
    assert len(stories) > MAX_PAIRWISE
    assert [near.row for near in found] == list(range(10, 70))


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no GSM8K at {FOLDER}: set DATAGEN_TEST_DATA")
def test_no_backward_question_of_gsm8k_is_taken_for_another_one() -> None:
    """They differ in where x stands, and in what it is; the solution above the last line is the same for all."""
    blocks: dict[bytes, list[Text]] = {}
    for problem in read_problems(DatasetSpec(str(FOLDER / "train.jsonl"), limit=500)):
        body = (problem.rationale or "").rpartition("####")[0]
        for masked in masks(problem.question):
            question = fobar_question(masked, answer=problem.answer)
            text = comparable(question, f"{body}\nThe answer is: {masked.value}")
            blocks.setdefault(text.block(), []).append(text)
    found = [block[near.row].question for block in blocks.values() for near in near_duplicates(block)]
    assert found == []
    assert sum(map(len, blocks.values())) > 1500
