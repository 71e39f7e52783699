"""Texts of data sets, counted in a stream."""

from collections import Counter

import pytest

from datagen.report.texts import WORD, Text, TextCounts, texts_of
from datagen.store.arrow_dataset import to_batch
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.example import Example
from datagen_schemas.preference import Preference
from datagen_schemas.provenance import Provenance

MADE = Provenance.of_stage("test", package_version="0")


def test_words_numbers_and_signs_are_told_apart() -> None:
    assert WORD.findall("it's 1,234.5 (x_y) £3 “né”") == [
        *("it's", "1,234.5", "(", "x", "_", "y", ")", "£", "3"),
        *("“", "né", "”"),
    ]


def test_lengths_are_those_of_answers_and_words_those_of_all() -> None:
    counts = TextCounts()
    texts = [Text("gold", "Q q?", False), Text("gold", "abc", True), Text("sampled", "abcd q", True)]
    counts.add(texts, tokenise=None, of_tokens=True)
    assert counts.answer_lengths() == {"gold": Counter({3: 1}), "sampled": Counter({6: 1})}
    assert counts.tokens == Counter({"q": 3, "?": 1, "abc": 1, "abcd": 1})
    assert counts.texts == 3


def test_lengths_are_in_tokens_where_there_is_a_tokenizer() -> None:
    counts = TextCounts()
    counts.add([Text("gold", "a b a", True)], tokenise=lambda texts: [[1, 2, 1] for _ in texts], of_tokens=True)
    assert (counts.answer_lengths(), counts.tokens) == ({"gold": Counter({3: 1})}, Counter({1: 2, 2: 1}))


def test_questions_are_measured_where_nothing_is_answered() -> None:
    counts = TextCounts()
    counts.add([Text("question", "abcde", False)], tokenise=None, of_tokens=False)
    assert counts.answer_lengths() == {"questions": Counter({5: 1})}
    assert TextCounts().answer_lengths() == {}


@pytest.mark.parametrize(
    ("record", "row", "expected"),
    [
        (
            "example",
            Example(
                prompt="P", completion="C", problem_id="p", source="gold", answer="1", equations=(), sample=None,
                model=None, provenance=MADE,
            ),
            [("gold", "P", False), ("gold", "C", True)],
        ),
        (
            "alignment-group",
            AlignmentGroup(
                prompt="P", responses=("a", "", "b"), scores=(1, 0, 0), problem_id="p",
                sources=("gold", "m", "corrupted/chars"),
            ),
            [("prompt", "P", False), ("responses", "a", True), ("corrupted", "b", True)],
        ),
        (
            "preference",
            Preference(
                prompt="P", chosen="a", rejected="b", problem_id="p", chosen_score=2, rejected_score=1,
                chosen_source="gold", rejected_source="m",
            ),
            [("prompt", "P", False), ("chosen", "a", True), ("rejected", "b", True)],
        ),
    ],
)  # fmt: skip
def test_the_texts_of_a_row_are_found_by_its_record(
    record: str, row: Example | AlignmentGroup | Preference, expected: list[tuple[str, str, bool]]
) -> None:
    assert [tuple(text) for text in texts_of(to_batch([row], type(row)), record)] == expected
    assert list(texts_of(to_batch([row], type(row)), "augmentation-count")) == []
