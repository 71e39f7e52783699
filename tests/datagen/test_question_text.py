"""A model is trained and asked with one and the same prompt."""

import json
from pathlib import Path

import pytest

from datagen.question_text import load_question_prompt, question_fields
from datagen.readers.read import DatasetSpec, read_problems
from datagen.recipes.formula_answers import example_of
from datagen.runs.replies import Generator
from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_schemas.problem import Problem


@pytest.fixture
def rain(tmp_path: Path) -> Problem:
    """A row in the shape of OpenBookQA."""
    row = {
        "question_stem": "Rain is made of",
        "choices": {"text": ["sand", "water"], "label": ["A", "B"]},
        "answerKey": "B",
        "fact1": "a cloud is made of water",
    }
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    (problem,) = read_problems(DatasetSpec(str(file)))
    return problem


def test_sampling_asks_with_the_very_prompt_that_an_example_has(rain: Problem) -> None:
    template = load_question_prompt("question-answer")
    example = example_of(rain, answers="letter", prompt=template)
    generator = Generator("m", 1, api="completions", prompt="question-answer")
    (request,) = generator.requests([rain], seed=0)
    assert isinstance(example, Example)
    assert request.turns[0].content == example.prompt
    assert example.prompt.endswith("\nB. water\nContext: a cloud is made of water\nAnswer:")


def test_a_template_without_a_place_for_it_leaves_the_context_out(rain: Problem) -> None:
    asked = load_question_prompt("plain").render_text(**question_fields(rain))
    assert asked == "Rain is made of\n(A) sand\n(B) water\n"


def test_a_question_without_context_has_no_line_for_it(rain: Problem) -> None:
    without = rain.model_copy(update={"meta": json.dumps({"fact1": 3, "context": " "})})
    assert "Context" not in load_question_prompt("question-answer").render_text(**question_fields(without))


def test_what_must_be_shown_is_asked_for_though_the_context_is_optional(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text("{{ context }}")
    with pytest.raises(DataError, match="never shows 'question'"):
        load_question_prompt(str(file))
    file.write_text("{{ question }} {{ hint }}")
    with pytest.raises(DataError, match="unknown field 'hint'. It can use: context, question"):
        load_question_prompt(str(file))
