"""A question that one of MetaMath's methods made from a problem, or why there is none.

Every stage up to the solutions maps a stream of these to a stream of as many: what a rule rejects keeps its text, its
reason and what the reason rests on, so that all that was made can be counted and looked at.
"""

from typing import Any, Literal, NamedTuple

import orjson

from datagen_schemas.augmented import AugmentedType, RejectedQuestion
from datagen_schemas.problem import Problem

Method = Literal["ansaug", "rephrase", "sv", "fobar"]
METHODS: tuple[Method, ...] = ("ansaug", "rephrase", "sv", "fobar")
TYPES: dict[Method, AugmentedType] = {"ansaug": "AnsAug", "rephrase": "Rephrased", "sv": "SV", "fobar": "FOBAR"}
BACKWARD: frozenset[Method] = frozenset(("sv", "fobar"))

NOT_A_NUMBER = "answer is not a number"
NO_NUMBER = "no number to mask"
NO_FINAL_QUESTION = "no final question"
NOT_REWRITTEN = "no rewrite came back"
NO_WORDING = "no other wording by rule"
PROBLEM_REASONS = frozenset((NOT_A_NUMBER, NO_NUMBER, NO_FINAL_QUESTION, NOT_REWRITTEN, NO_WORDING))
"""Why a method makes nothing of a problem; every other reason is one question's."""


class Question(NamedTuple):
    """A question with its answer; rejected if it has a reason."""

    method: Method
    original: Problem
    name: str  # of the question among those of its problem, such as 'fobar-17'
    text: str
    answer: str  # canonical
    parents: tuple[str, ...] = ()  # keys of the replies that it was made from
    reason: str | None = None
    evidence: str | None = None  # what the reason rests on, such as the question that it repeats
    n_added: int = 0  # characters at the end of the text that ask for the unknown, in the same words in every question

    @property
    def id(self) -> str:
        """The original's id and the name."""
        return f"{self.original.id}/{self.name}"

    @property
    def type(self) -> AugmentedType:
        """The method's name in MetaMathQA."""
        return TYPES[self.method]

    @property
    def own_text(self) -> str:
        """The text without the words that all questions of the method share."""
        return self.text[: len(self.text) - self.n_added]

    @property
    def is_masked(self) -> bool:
        """Whether it asks for a number; a statement that is no use is counted as a backward question and does not."""
        return self.method in BACKWARD and self.n_added > 0

    def rejected(self, reason: str, evidence: str | None = None) -> "Question":
        """The same, with the reason why it is not used."""
        return self._replace(reason=reason, evidence=evidence)

    def as_problem(self) -> Problem:
        """The question as a problem that every command reads; `meta` says what it was made from."""
        origin: dict[str, Any] = {  # Any: JSON
            "method": self.method,
            "original_id": self.original.id,
            "original_question": self.original.question,
            "parents": self.parents,
        }
        return Problem(
            id=self.id,
            question=self.text,
            answer=self.answer,
            rationale=None,
            choices=None if self.method in BACKWARD else self.original.choices,
            source=self.original.source,
            split=self.original.split,
            meta=orjson.dumps(origin).decode(),
        )

    def as_rejected(self) -> RejectedQuestion:
        """The record of a rejected question."""
        assert self.reason is not None
        return RejectedQuestion(
            type=self.type,
            query=self.text,
            reason=self.reason,
            evidence=self.evidence,
            original_question=self.original.question,
            problem_id=self.original.id,
            reply_keys=self.parents,
        )


def left_out(method: Method, problem: Problem, reason: str) -> Question:
    """What stands for a problem of which a method makes nothing; `reason` is one of PROBLEM_REASONS."""
    return Question(method, problem, method, "", problem.answer, reason=reason)
