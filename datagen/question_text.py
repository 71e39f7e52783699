"""A problem as a model is asked it."""

import json
from collections.abc import Sequence

from datagen_prompts.template import PromptTemplate, load_prompt
from datagen_schemas.problem import Problem

LETTERS = "ABCDEFGHIJ"
CONTEXT = ("context", "fact1")  # what a source calls the text that a question rests on; fact1 is OpenBookQA's


def load_question_prompt(name: str) -> PromptTemplate:
    """A template that asks a question: it shows `question`, and `context` if it wants to."""
    return load_prompt(name, fields=("question",), optional=("context",))


def question_fields(problem: Problem) -> dict[str, str]:
    """What such a template is filled with; no context is an empty one."""
    meta = json.loads(problem.meta)
    found = (meta[name] for name in CONTEXT if isinstance(meta.get(name), str))
    return {"question": question_text(problem), "context": next(found, "").strip()}


def question_text(problem: Problem) -> str:
    """The question, followed by its options on lines of their own where it has any."""
    return with_options(problem.question, problem.choices)


def with_options(question: str, choices: Sequence[str] | None) -> str:
    """A question, and below it its options by letter."""
    options = (f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices or (), strict=False))
    return "\n".join([question, *options])
