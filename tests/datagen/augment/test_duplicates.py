"""Near-duplicates: the bounds pass over no question that a comparison with all of them would find."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz
from rapidfuzz.distance import Indel

from datagen.augment.duplicates import Duplicate, Existing, character_counts, count_differences, normalised
from datagen.augment.fobar import fobar_question, masks

TRAIN = Path(
    os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"), "gsm8k", "train.jsonl"
)
approx: Any = pytest.approx  # Any: its own type may not stand for a float in a tuple
Row = tuple[str, str, str]  # id, text, family

# Few characters, so that many pairs are alike, and some that are several bytes or none in other encodings.
words = st.lists(
    st.sampled_from(["pen", "pens", "3", "13", "Ana", "ana", "é", "π", "桃", "🍑", "\ud800", "?"]), max_size=12
)
texts = words.map(" ".join) | words.map("".join)


def slow(rows: list[Row], text: str, *, family: str | None, most_similar: float) -> Duplicate | None:
    """Every row compared, in order."""
    text = normalised(text)
    best: Duplicate | None = None
    for question_id, other, _ in rows:
        if normalised(other) == text:
            return Duplicate(question_id, 100.0)
    for question_id, other, other_family in rows:
        score = fuzz.ratio(text, normalised(other))
        if score >= most_similar and (family is None or family != other_family) and (best is None or score > best[1]):
            best = Duplicate(question_id, score)
    return best


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(texts, st.sampled_from("abc")), max_size=30),
    texts,
    st.sampled_from([None, "a", "b"]),
    st.sampled_from([1.0, 50.0, 80.0, 90.0, 95.0, 100.0]),
)
def test_it_finds_what_comparing_with_all_finds(
    added: list[tuple[str, str]], text: str, family: str | None, most_similar: float
) -> None:
    existing = Existing(most_similar=most_similar)
    rows: list[Row] = []
    for i, (other, of_family) in enumerate(added):
        expected = slow(rows, other, family=of_family, most_similar=most_similar)
        assert existing.find(other, family=of_family) == expected
        existing.add(f"q{i}", other, family=of_family)
        rows.append((f"q{i}", other, of_family))
    assert existing.find(text, family=family) == slow(rows, text, family=family, most_similar=most_similar)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=10), st.text(max_size=40))
def test_count_differences_are_at_most_the_indel_distance(many: list[str], one: str) -> None:
    for other in many:
        (bound,) = count_differences(character_counts(other)[:, None], character_counts(one))
        assert bound <= Indel.distance(other, one)


def test_a_text_too_long_to_count_is_found_all_the_same() -> None:
    existing = Existing()
    existing.add("long", "a" * 70_000 + "b" * 70_000, family="f")
    found = existing.find("a" * 70_000 + "b" * 69_000)
    assert found == Duplicate("long", approx(100 * (1 - 1000 / 279_000)))
    assert existing.find("a" * 60_000 + "b" * 60_000) is None  # 100 (1 - 20,000 / 260,000) = 92.3


def test_the_limit_itself_is_the_same_question() -> None:
    # 19 + 21 characters, 2 insertions: 100 (1 - 2 / 40) = 95
    existing = Existing()
    existing.add("q", "a" * 21, family="f")
    assert existing.find("a" * 19) == Duplicate("q", 95.0)
    assert existing.find("a" * 18) is None  # 100 (1 - 3 / 39) = 92.3


def test_case_spaces_and_final_marks_make_no_other_question() -> None:
    existing = Existing(most_similar=100)
    existing.add("q1", "Ana has 3 pens.  How many\nhas Tom?", family="ana")
    existing.add("q2", "ana has 3 pens. how many has tom", family="tom")
    for text in ("ANA has 3 pens. How many has Tom ?", "Ana has 3 pens. How many has Tom..."):
        assert existing.find(text, family="ana") == Duplicate("q1", 100.0)  # the oldest, and of any family
    assert existing.find("Ana has 3 pens. How many has Tim?") is None
    assert existing.find("Ana has 3 pens How many has Tom?") is None  # a mark inside may count


def test_questions_of_one_family_may_be_alike() -> None:
    question = (
        "Ana has {} pens and buys {} pens in each of the {} shops of the town. How many pens has Ana in the end?"
    )
    existing = Existing()
    existing.add("first", question.format("x", 5, 6), family="ana")
    other = question.format(4, "x", 6)
    assert existing.find(other, family="ana") is None
    found = existing.find(other, family="tom")
    assert found is not None
    assert found.of == "first"
    assert existing.find(other) == found


def test_it_can_be_sent_to_another_process() -> None:
    existing = Existing()
    existing.add("q", "a" * 21, family="f")
    copy: Existing = pickle.loads(pickle.dumps(existing))
    assert copy.find("a" * 20) == existing.find("a" * 20) == Duplicate("q", approx(100 * 40 / 41))


@pytest.mark.parametrize("most_similar", [0, -1, 100.5])
def test_a_limit_that_is_no_ratio_is_refused(most_similar: float) -> None:
    with pytest.raises(ValueError, match="most_similar"):
        Existing(most_similar=most_similar)


@pytest.mark.skipif(not TRAIN.is_file(), reason=f"no GSM8K at {TRAIN}: set DATAGEN_TEST_DATA")
def test_on_real_questions_it_finds_what_comparing_with_all_finds() -> None:
    with TRAIN.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    questions = [(f"p{i}", row["question"], f"p{i}") for i, row in enumerate(rows)]
    for i in (1314, 5162, 1137, 240):  # some are nearly the same problem, and so are their backward questions
        question, answer = rows[i]["question"], rows[i]["answer"].rsplit("#### ", 1)[1]
        made = (fobar_question(masked, answer=answer) for masked in masks(question))
        questions += [(f"p{i}-{j}", text, f"p{i}") for j, text in enumerate(made)]
    sample = {*range(0, 7473, 250), 5162, *range(7473, len(questions))}
    existing = Existing(most_similar=70)
    scores: list[float] = []
    for i, (question_id, text, family) in enumerate(questions):
        if i in sample:
            found = existing.find(text, family=family)
            assert found == slow(questions[:i], text, family=family, most_similar=70)
            scores += [] if found is None else [found.score]
        existing.add(question_id, text, family=family)
    assert len(scores) > 8
    assert min(scores) < 75
