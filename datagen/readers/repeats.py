"""Questions that come twice."""

import hashlib

from datagen.readers.dropped import Dropped
from datagen_schemas.problem import Problem


class Repeats:
    """Remembers the questions of one file: a hash, a place and an answer each."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._questions: dict[bytes, tuple[str, str]] = {}
        self._ids: dict[str, str] = {}

    def check(self, problem: Problem, where: str, *, own_id: bool) -> Dropped | None:
        """A drop if the same question, choices and all, was there before; or the same id, if it is the row's own.

        Exactly the same text: what differs in a space is another question.
        """
        text = "\x1f".join((problem.question, *(problem.choices or ())))
        key = hashlib.blake2b(text.encode(), digest_size=12).digest()
        if first := self._questions.get(key):
            first_where, answer = first
            if answer == problem.answer:
                return Dropped(where, "duplicate question", f"the same question stands at {first_where}")
            detail = f"{problem.answer!r}, but the same question at {first_where} has {answer!r}"
            return Dropped(where, "conflicting answer", detail)
        if own_id:
            if first_where := self._ids.get(problem.id, ""):
                return Dropped(where, "duplicate id", f"{problem.id!r} is also the id at {first_where}")
            self._ids[problem.id] = where
        self._questions[key] = (where, problem.answer)
        return None
