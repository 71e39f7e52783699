"""The question of a row, whatever its columns."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.augment.fobar import fobar_question, masks
from datagen.augment.self_verification import sv_question
from datagen.mix.questions import (
    MIN_TEXTS,
    Frame,
    common_frame,
    frames_of,
    own_words,
    problem_id_of,
    question_of,
    questions_of,
    text_at,
    unframed,
)
from datagen.question_text import load_question_prompt

ASKED = "Mia has 5 pens and buys 7.\nHow many has she?"


@pytest.mark.parametrize(
    ("row", "question"),
    [
        ({"question": ASKED, "prompt": "Say it: x"}, ASKED),
        ({"query": ASKED, "original_question": "old"}, ASKED),
        ({"original_question": ASKED, "prompt": "new"}, ASKED),
        ({"problem": {"question": ASKED, "id": "1"}, "candidates": []}, ASKED),
        ({"problem": ASKED, "solution": "12"}, ASKED),
        ({"Body": "Mia has 5 pens.", "Question": "How many has she?"}, "Mia has 5 pens.\nHow many has she?"),
        ({"prompt": ASKED}, ASKED),
        ({"question": None, "prompt": ASKED}, ASKED),
        ({"question": "  ", "prompt": ASKED}, ASKED),
        ({"instruction": "Answer.", "input": ASKED}, f"Answer.\n{ASKED}"),
        ({"instruction": ASKED, "input": ""}, ASKED),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": ASKED}]}, ASKED),
        ({"prompt": [{"role": "user", "content": ASKED}]}, ASKED),
        ({"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": "12"}]}, ASKED),
        ({"messages": [{"role": "assistant", "content": "a"}]}, None),
        ({"response": "12", "problem_id": "1"}, None),
        ({"question": 3, "prompt": ["a", 1]}, None),
        ({}, None),
    ],
)
def test_the_question_is_found_in_every_shape(row: Mapping[str, Any], question: str | None) -> None:
    assert question_of(row) == question


@pytest.mark.parametrize("template", ["plain", "question-answer", "fewshot", "solve", "instruction", "step-by-step"])
def test_a_prompt_of_a_built_in_template_is_its_question(template: str) -> None:
    prompt = load_question_prompt(template).render_text(question=ASKED, context="")
    assert question_of({"prompt": prompt}) == ASKED


@pytest.mark.parametrize("template", ["question-answer", "fewshot", "solve", "solve-metamath"])
def test_a_named_template_is_taken_off_the_whole_text_and_off_its_last_turn(template: str) -> None:
    prompt = load_question_prompt(template)
    for text in (
        prompt.render_text(question=ASKED, context=""),
        prompt.render(question=ASKED, context="")[-1].content,
    ):
        assert unframed(text, frames_of(template)) == ASKED


def test_a_text_that_is_only_a_template_or_another_one_stays() -> None:
    frames = (Frame("Question: ", " Answer:"),)
    for text in ("Question: Answer:", "Question:  Answer:", "Q: a Answer:", "Question: a"):
        assert unframed(text, frames) == text
    assert unframed("Question: a Answer:", frames) == "a"


def test_a_rewrite_has_its_original_too() -> None:
    row = {"query": "new?", "original_question": "old?", "type": "Rephrased"}
    assert questions_of(row) == ("new?", "old?")
    assert questions_of({"query": "same?", "original_question": "same?"}) == ("same?",)
    assert questions_of({"response": "r"}) == ()


@pytest.mark.parametrize(
    ("row", "problem_id"),
    [
        ({"problem_id": "p", "id": "row-1"}, "p"),
        ({"id": 17}, "17"),
        ({"id": True}, None),
        ({"problem": {"id": "p"}, "id": "x"}, "p"),
        ({"problem_id": "", "id": None}, None),
        ({"problem": "a text"}, None),
    ],
)
def test_rows_know_their_problem(row: Mapping[str, Any], problem_id: str | None) -> None:
    assert problem_id_of(row) == problem_id


def test_a_column_is_named_by_its_path() -> None:
    row = {"problem": {"question": "q"}, "responses": ["a", "b"], "completion": "c", "n": 1}
    assert [text_at(row, path) for path in ("problem.question", "responses", "completion")] == ["q", "a\nb", "c"]
    assert [text_at(row, path) for path in ("problem", "n", "nope", "completion.x")] == [None] * 4


def test_backward_questions_lose_the_words_that_ask() -> None:
    masked = masks(ASKED)[0]
    assert own_words(fobar_question(masked, answer="12")) == masked.question
    assert own_words(sv_question(masked)) == masked.question
    asked = (
        "She has x pens. If we know the answer to the above question is 12, what is the value of unknown variable x?"
    )
    assert own_words(asked) == "She has x pens."
    assert own_words(ASKED) == ASKED
    in_the_middle = "What is the value of the unknown variable x? Then double it."
    assert own_words(in_the_middle) == in_the_middle


def test_white_space_without_end_takes_no_time() -> None:
    assert own_words("a" + " " * 1_000_000 + "b") == "a" + " " * 1_000_000 + "b"


def test_what_all_prompts_share_is_a_template_and_half_a_word_is_not() -> None:
    prompts = [f"Solve this.\nTask: An{i:x} costs {i}?\nThink first." for i in range(MIN_TEXTS)]
    assert common_frame(prompts) == Frame("Solve this.\nTask: ", "\nThink first.")
    assert common_frame(prompts[:-1]) is None
    assert common_frame([prompts[0]] * 1000) is None
    assert common_frame([f"{i} and {i}" for i in range(100)]) is None


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text("ab \n", max_size=6), min_size=MIN_TEXTS, max_size=80), st.text("xy ", max_size=5))
def test_a_common_frame_is_in_every_text_and_leaves_whole_words(texts: list[str], word: str) -> None:
    prompts = [f"{word} {text} {word}" for text in texts]
    frame = common_frame(prompts)
    if frame is not None:
        assert all(prompt.startswith(frame.prefix) for prompt in prompts)
        assert all(prompt.endswith(frame.suffix) for prompt in prompts)
        assert all(len(frame.prefix) + len(frame.suffix) <= len(prompt) for prompt in prompts)
        assert frame.prefix == "" or frame.prefix[-1].isspace()
        assert frame.suffix == "" or frame.suffix[0].isspace()
