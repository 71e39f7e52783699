"""Rows that our commands read besides our own records: other columns than those that they need are free.

`datagen train aft` reads responses with scores, right and wrong responses, and pairs (see datagen.readers.alignment);
--candidates reads replies (see datagen.readers.candidates).
"""

from collections.abc import Collection

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Foreign(BaseModel):
    """What the shapes have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ScoredResponses(_Foreign):
    """prompt, responses, scores: the trainers number the problems and call the sources unknown."""

    prompt: str
    responses: tuple[str, ...]
    scores: tuple[float, ...]
    reference: str | None = None

    @model_validator(mode="after")
    def _lists_are_aligned(self) -> "ScoredResponses":
        if len(self.responses) != len(self.scores):
            raise ValueError(f"{len(self.responses)} responses and {len(self.scores)} scores")
        return self


class RightAndWrong(_Foreign):
    """prompt, correct, incorrect: lists of responses, scored 1 and 0."""

    prompt: str
    correct: tuple[str, ...]
    incorrect: tuple[str, ...]
    reference: str | None = None


class Pair(_Foreign):
    """prompt, chosen, rejected: a group of two."""

    prompt: str
    chosen: str
    rejected: str
    reference: str | None = None


class Reply(_Foreign):
    """response, one text or a list of texts, and the problem that it answers."""

    response: str | tuple[str, ...]
    question: str | None = None
    problem_id: str | None = None
    sample: int | None = Field(default=None, ge=0)
    model: str | None = None

    @model_validator(mode="after")
    def _names_its_problem(self) -> "Reply":
        if not (self.question or self.problem_id):
            raise ValueError("neither question nor problem_id says what it answers")
        return self


Shape = tuple[type[BaseModel], str, frozenset[str]]
FOR_TRAINERS: tuple[Shape, ...] = (
    (ScoredResponses, "groups for the trainers", frozenset({"prompt", "responses", "scores"})),
    (RightAndWrong, "groups for the trainers", frozenset({"prompt", "correct", "incorrect"})),
    (Pair, "groups for the trainers", frozenset({"prompt", "chosen", "rejected"})),
)
REPLIES: tuple[Shape, ...] = (
    (Reply, "replies for --candidates", frozenset({"question", "response"})),
    (Reply, "replies for --candidates", frozenset({"problem_id", "response"})),
)
_OUR_OWN = (frozenset({"sources", "problem_id"}), frozenset({"chosen_score"}), frozenset({"rejected_score"}))


def foreign_rows(columns: Collection[str], shapes: tuple[Shape, ...]) -> tuple[str, type[BaseModel]] | None:
    """What rows of these columns are called, and their model; None if no command would read them, or as our record."""
    names = frozenset(columns)
    if any(own <= names for own in _OUR_OWN):
        return None
    return next(((title, model) for model, title, needed in shapes if needed <= names), None)
