"""Diversity gain: distances calculated by hand, and nearest questions found by comparing with all."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from datagen.augment.diversity import Gain, embedding_gain, text_distance_gain
from datagen.augment.fobar import fobar_question, masks

FOLDER = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"), "gsm8k")
approx: Any = pytest.approx  # Any: its own type may not stand for a float in a tuple
questions = st.lists(st.sampled_from(["Ana", "has", "3", "pens", "13", "?", "é", "桃"]), max_size=12).map(" ".join)


def slow(added: list[str], originals: list[str]) -> float:
    return sum(1 - max(fuzz.ratio(text, original) for original in originals) / 100 for text in added) / len(added)


def test_the_distance_is_that_to_the_nearest_original() -> None:
    # "abcd" to "abef": 2 deletions and 2 insertions of 8 characters, 1/2; to "abcdef": 2 of 10, 1/5. "xy" has nothing
    # in common with either, 1. So (1/5 + 1) / 2.
    gain = text_distance_gain(["abcd", "xy"], ["abef", "abcdef"], seed=0)
    assert gain == Gain(approx(0.6), 2)


def test_a_copy_adds_nothing() -> None:
    assert text_distance_gain(["pens", "pens"], ["books", "pens"], seed=0) == Gain(0.0, 2)


def test_nothing_to_compare_is_no_gain() -> None:
    assert text_distance_gain([], ["pens"], seed=0) is None
    assert text_distance_gain(["pens"], [], seed=0) is None


def test_a_sample_is_drawn_without_replacement_and_by_the_seed() -> None:
    added = [" " * i for i in range(1, 101)]  # distance of i spaces from one space: (i - 1) / (i + 1)
    distances = {(i - 1) / (i + 1) for i in range(1, 101)}
    drawn = [text_distance_gain(added, [" "], sample=99, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] is not None
    assert drawn[0].n == 99
    left_out = sum(distances) - 99 * drawn[0].mean  # all but one, each once
    assert min(abs(left_out - distance) for distance in distances) < 1e-9
    whole = Gain(approx(sum(distances) / 100), 100)
    assert text_distance_gain(added, [" "], sample=None, seed=1) == whole
    assert text_distance_gain(added, [" "], sample=100, seed=1) == whole


def test_a_sample_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="sample is 0"):
        text_distance_gain(["pens"], ["pens"], sample=0, seed=1)


def test_the_nearest_is_found_wherever_it_stands_among_others_nearly_as_near() -> None:
    text = "a" * 200
    farther = [text + "x" * i for i in range(2, 41)]
    for place in range(40):
        originals = [*farther[:place], text + "x", *farther[place:]]
        assert text_distance_gain([text], originals, seed=0) == Gain(approx(1 / 401), 1)


@settings(deadline=None, max_examples=200)
@given(st.lists(questions, min_size=1, max_size=8), st.lists(questions, min_size=1, max_size=60))
def test_it_is_what_comparing_with_all_gives(added: list[str], originals: list[str]) -> None:
    assert text_distance_gain(added, originals, seed=0) == Gain(approx(slow(added, originals)), len(added))


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no GSM8K at {FOLDER}: set DATAGEN_TEST_DATA")
def test_on_real_questions_it_is_what_comparing_with_all_gives() -> None:
    train, test = (
        [json.loads(line)["question"] for line in (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "test")
    )
    backward = [fobar_question(masked, answer="7") for question in train[:3000:300] for masked in masks(question)[:2]]
    added = [*backward, *test[:1000:100]]
    assert text_distance_gain(added, train, seed=0) == Gain(approx(slow(added, train), abs=1e-12), len(added))


def test_the_gain_of_embeddings_is_the_mean_squared_distance_to_the_nearest() -> None:
    originals = np.array([[0, 0], [3, 4]], np.float32)
    # (1, 0): 1 to the origin; (3, 3): 1 to (3, 4); (-3, 4): 25 to the origin, 36 to (3, 4); (3, 4): 0
    added = np.array([[1, 0], [3, 3], [-3, 4], [3, 4]], np.float32)
    assert embedding_gain(added, originals) == approx((1 + 1 + 25 + 0) / 4)


def test_the_gain_of_embeddings_is_that_of_the_formula_over_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.augment.diversity._CHUNK", 100)  # distances: 14 rows of 7 a time, and 1 row of 200
    rng = np.random.default_rng(0)
    for n in (7, 200):
        added, originals = (rng.normal(size=(m, 5)).astype(np.float32) for m in (50, n))
        expected = np.mean([min(((a - b) ** 2).sum() for b in originals) for a in added])
        assert embedding_gain(added, originals) == approx(expected, rel=1e-5)


def test_embeddings_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of one width"):
        embedding_gain(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="rows of one width"):
        embedding_gain(np.zeros((0, 3), np.float32), np.zeros((2, 3), np.float32))
