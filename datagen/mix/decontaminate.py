"""Decontamination: training questions that overlap a test set.

A text overlaps when it shares a run of 13 words with a test question, as in appendix C of GPT-3 (Brown et al. 2020,
arXiv:2005.14165), or when it is nearly the same text (rapidfuzz ratio of 90 and more). Both compare letters and
digits: a test question told in other words, or with other numbers in every sentence, is not found. A run of 13 words
that belongs to a question's form rather than to its story counts too, so the sentence by which all backward questions
ask for their unknown must be left out of one side.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from datagen.augment.duplicates import Existing, normalised
from datagen.question_text import question_text
from datagen_schemas.problem import Problem

NGRAM = 13  # words
FUZZY = 90.0  # ratio, 0 to 100
MANY = 10  # questions may share a run of words, however small the test set

_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)")  # 1,000
_WORD = re.compile(r"\d+\.\d+|[^\W_]+")


class Overlap(NamedTuple):
    """The test question that a text overlaps."""

    how: str  # "exact", "13-gram" (for n = 13) or "fuzzy"
    problem_id: str
    text: str
    score: float  # ratio, 0 to 100; 100 for equal texts and for words in common


class HeldOut:
    """A test set, ready to be compared with many texts."""

    def __init__(
        self,
        problems: Iterable[Problem],
        *,
        n: int | None = NGRAM,
        fuzzy: float | None = FUZZY,
        exact: bool = False,
        form_share: float | None = None,
        options: bool = False,
    ) -> None:
        """Index the questions.

        Args:
            problems: the test set.
            n: words in a row that make an overlap; a question of fewer words has no such run. None: none is enough.
            fuzzy: ratio, over 0 to 100, from which two texts are nearly the same. None: none is enough.
            exact: whether equal texts, but for case, spaces and the marks at their end, are told apart from those two.
            form_share: a run of words that more than this share of the questions have, and more than ten, is the form
                of the test set (how it wants its answers written, for one) and no overlap. None: every run is one.
            options: whether a question with options is also compared with them, as prompts show it.
        """
        if n is not None and n < 1:
            raise ValueError(f"n is {n}, and must be 1 or more")
        listed = tuple(problems)
        self._n = n
        self._problems = tuple((problem.id, problem.question) for problem in listed)
        self._runs: dict[str, int] = {}
        self._exact: dict[str, int] = {}
        self._similar = None if fuzzy is None else Existing(most_similar=fuzzy)
        shared: Counter[str] = Counter()
        for i, problem in enumerate(listed):
            runs = () if n is None else runs_of(problem.question, n=n)
            for run in runs:
                self._runs.setdefault(run, i)
            if form_share is not None:
                shared.update(set(runs))
            texts = {problem.question, question_text(problem)} if options else {problem.question}
            for text in sorted(texts, key=len):
                if exact and (key := normalised(text)):
                    self._exact.setdefault(key, i)
                if self._similar is not None:
                    self._similar.add(str(i), text, family="")
        if form_share is not None:
            most = max(MANY, form_share * len({normalised(problem.question) for problem in listed}))
            for run in (run for run, count in shared.items() if count > most):
                del self._runs[run]

    def overlap(self, text: str, *, whole: str | None = None) -> Overlap | None:
        """The test question that is equal, else the first with n words in a row in common, else the most similar one.

        Args:
            text: the question.
            whole: the text that it stands in, with the words of a template: it may be equal or similar too, but a run
                of words in it says nothing.
        """
        texts = (text,) if whole is None or whole == text else (text, whole)
        equal = [i for each in texts if (i := self._exact.get(normalised(each))) is not None] if self._exact else []
        if equal:
            return Overlap("exact", *self._problems[equal[0]], 100.0)
        runs = () if self._n is None else runs_of(text, n=self._n)
        first = min((self._runs[run] for run in runs if run in self._runs), default=None)
        if first is not None:
            return Overlap(f"{self._n}-gram", *self._problems[first], 100.0)
        if self._similar is None:
            return None
        similar = [found for each in texts if (found := self._similar.find(each)) is not None]
        if not similar:
            return None
        best = max(similar, key=lambda found: found.score)
        return Overlap("fuzzy", *self._problems[int(best.of)], best.score)


def words_of(text: str) -> list[str]:
    """The words that count: runs of letters and digits, and decimals; 1,000 is 1000."""
    return _WORD.findall(_GROUPED.sub(lambda match: match[0].replace(",", ""), text.casefold()))


def runs_of(text: str, *, n: int) -> list[str]:
    """Every n words in a row."""
    words = words_of(text)
    return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
