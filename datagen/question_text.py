"""A problem as a model is asked it."""

from datagen_schemas.problem import Problem

LETTERS = "ABCDEFGHIJ"


def question_text(problem: Problem) -> str:
    """The question, followed by its options on lines of their own where it has any."""
    if not problem.choices:
        return problem.question
    options = (f"({letter}) {choice}" for letter, choice in zip(LETTERS, problem.choices, strict=False))
    return "\n".join([problem.question, *options])
