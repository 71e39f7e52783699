"""Decontamination: training questions that overlap a test set.

A text overlaps when it shares a run of 13 words with a test question, as in appendix C of GPT-3 (Brown et al. 2020,
arXiv:2005.14165), or when it is nearly the same text (rapidfuzz ratio of 90 and more). Both compare letters and
digits: a test question told in other words, or with other numbers in every sentence, is not found. A run of 13 words
that belongs to a question's form rather than to its story counts too, so the sentence by which all backward questions
ask for their unknown must be left out of one side.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from datagen.augment.duplicates import Existing
from datagen_schemas.problem import Problem

NGRAM = 13  # words
FUZZY = 90.0  # ratio, 0 to 100

_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)")  # 1,000
_WORD = re.compile(r"\d+\.\d+|[^\W_]+")


class Overlap(NamedTuple):
    """The test question that a text overlaps."""

    how: str  # "13-gram", for n = 13, or "fuzzy"
    problem_id: str
    text: str
    score: float  # ratio, 0 to 100; 100 for words in common


class HeldOut:
    """A test set, ready to be compared with many texts."""

    def __init__(self, problems: Iterable[Problem], *, n: int = NGRAM, fuzzy: float = FUZZY) -> None:
        """Index the questions.

        Args:
            problems: the test set.
            n: words in a row that make an overlap; a question of fewer words has no such run.
            fuzzy: ratio, over 0 to 100, from which two texts are nearly the same.
        """
        if n < 1:
            raise ValueError(f"n is {n}, and must be 1 or more")
        self._n = n
        self._problems = tuple((problem.id, problem.question) for problem in problems)
        self._runs: dict[str, int] = {}
        self._similar = Existing(most_similar=fuzzy)
        for i, (_, question) in enumerate(self._problems):
            for run in _runs(question, n=n):
                self._runs.setdefault(run, i)
            self._similar.add(str(i), question, family="")

    def overlap(self, text: str) -> Overlap | None:
        """The first test question with n words in a row in common, else the most similar one, else None."""
        first = min((self._runs[run] for run in _runs(text, n=self._n) if run in self._runs), default=None)
        if first is not None:
            return Overlap(f"{self._n}-gram", *self._problems[first], 100.0)
        similar = self._similar.find(text)
        return None if similar is None else Overlap("fuzzy", *self._problems[int(similar.of)], similar.score)


def _runs(text: str, *, n: int) -> list[str]:
    """Every n words in a row; a word is a run of letters and digits or a decimal, and 1,000 is 1000."""
    words: list[str] = _WORD.findall(_GROUPED.sub(lambda match: match[0].replace(",", ""), text.casefold()))
    return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
