"""Near-duplicate questions: which new question is one that exists already.

Two questions are the same when they are equal but for case, spaces and the marks at their end, or when the ratio of
their texts is high: 100 (1 - d / (m + n)), where d is the indel distance (insertions and deletions of characters) and
m and n are the lengths. No pair that could be as similar is passed over: candidates are left out only by two bounds,
d >= |m - n| and d >= the sum of differences between the counts of each character.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

SAME = 95.0  # ratio from which two questions are taken for one

_LENGTHS = 16  # texts whose lengths differ by less share a block
_FIRST_ROOM = 16  # texts a block has room for at first; doubled when it is full
_END_MARKS = " .?!…"


def _columns() -> NDArray[np.uint8]:
    """Column of each code point's low byte: one each for letters, digits and the space, the others spread over some.

    Characters that share a column can only hide a difference, so that the sum of differences stays a lower bound.
    """
    columns = (np.arange(256) % 11 + 37).astype(np.uint8)
    columns[97:123] = np.arange(26)
    columns[48:58] = np.arange(26, 36)
    columns[32] = 36
    return columns


_COLUMN = _columns()
N_COLUMNS = int(_COLUMN.max()) + 1


class Duplicate(NamedTuple):
    """The existing question that a text repeats."""

    of: str
    score: float


class _Question(NamedTuple):
    id: str
    text: str
    family: str
    deciding: str


class _Block:
    """Character counts of texts of about one length: a column a text, so that sums over characters are vectorised."""

    def __init__(self) -> None:
        self.n = 0
        self.counts = np.zeros((N_COLUMNS, _FIRST_ROOM), np.int16)
        self.lengths = np.zeros(_FIRST_ROOM)
        self.indices = np.zeros(_FIRST_ROOM, np.int64)

    def add(self, counts: NDArray[np.int16], *, length: int, index: int) -> None:
        """Put a text into the next column."""
        if self.n == len(self.lengths):
            self.counts = np.concatenate((self.counts, np.zeros_like(self.counts)), axis=1)
            self.lengths = np.concatenate((self.lengths, np.zeros_like(self.lengths)))
            self.indices = np.concatenate((self.indices, np.zeros_like(self.indices)))
        self.counts[:, self.n] = counts
        self.lengths[self.n] = length
        self.indices[self.n] = index
        self.n += 1

    def within(self, counts: NDArray[np.int16], *, length: int, share: float) -> NDArray[np.int64]:
        """Texts whose counts differ by no more than this share of both lengths."""
        bounds = count_differences(self.counts[:, : self.n], counts)
        # A hair more, because the share is a rounded number; rapidfuzz has the last word.
        close = bounds <= share * (self.lengths[: self.n] + length) + 1e-6
        return self.indices[: self.n][close]


class Existing:
    """Questions that exist, in the order in which they were added."""

    def __init__(self, *, most_similar: float = SAME) -> None:
        """Start without questions.

        Args:
            most_similar: ratio, over 0 to 100, from which two questions are the same; 100 finds equal ones only.
        """
        if not 0 < most_similar <= 100:
            raise ValueError(f"most_similar is {most_similar}, and must be over 0 and at most 100")
        self._most_similar = most_similar
        self._share = 1 - most_similar / 100
        self._exact: dict[str, str] = {}
        self._questions: list[_Question] = []
        self._blocks: dict[int, _Block] = {}

    def add(self, question_id: str, text: str, *, family: str, deciding: str = "") -> None:
        """Remember a question."""
        text = normalised(text)
        self._exact.setdefault(text, question_id)
        if self._most_similar < 100:
            block = self._blocks.setdefault(len(text) // _LENGTHS, _Block())
            block.add(character_counts(text), length=len(text), index=len(self._questions))
            self._questions.append(_Question(question_id, text, family, deciding))

    def find(self, text: str, *, family: str | None = None, deciding: str = "") -> Duplicate | None:
        """The question that this one repeats: an equal one, else the most similar one, the oldest of several.

        Args:
            text: the new question.
            family: questions of this family are not looked at unless they are equal, because they are alike by
                design: the backward questions of one problem differ in one number. None leaves out nothing.
            deciding: what decides which problem it is, such as its numbers: one that is similar, and not equal, is
                the same question only if it was added with the same.
        """
        text = normalised(text)
        if text in self._exact:
            return Duplicate(self._exact[text], 100.0)
        similar = [
            question
            for question in (self._questions[i] for i in self._candidates(text))
            if question.deciding == deciding and (family is None or question.family != family)
        ]
        found = process.extractOne(
            text, [question.text for question in similar], scorer=fuzz.ratio, score_cutoff=self._most_similar
        )
        return None if found is None else Duplicate(similar[found[2]].id, found[1])

    def _candidates(self, text: str) -> list[int]:
        """Questions that the bounds do not rule out, oldest first."""
        length, share = len(text), self._share
        # |m - n| <= share (m + n), solved for n
        shortest = math.floor(length * (1 - share) / (1 + share)) - 1
        longest = math.ceil(length * (1 + share) / (1 - share)) + 1
        counts = character_counts(text)
        found: list[int] = []
        for key in _keys(self._blocks, shortest // _LENGTHS, longest // _LENGTHS):
            found += self._blocks[key].within(counts, length=length, share=share).tolist()
        return sorted(found)


def normalised(text: str) -> str:
    """Text without what makes no other question: case, kinds of space, and the marks at its end."""
    return " ".join(text.casefold().split()).rstrip(_END_MARKS)


def character_counts(text: str) -> NDArray[np.int16]:
    """How often each group of characters occurs, (N_COLUMNS,); modulo 2^16 in a very long text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint8)
    return np.bincount(_COLUMN[codes], minlength=N_COLUMNS).astype(np.int16)


def count_differences(many: NDArray[np.int16], one: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sums over characters of |many - one|: lower bounds of indel distances.

    Args:
        many: (N_COLUMNS, n), counts of n texts.
        one: (N_COLUMNS,).

    Returns:
        (n,). What is too large for its type wraps round and comes out too small, which is a lower bound still.
    """
    difference = many - one[:, None]
    np.abs(difference, out=difference)
    sums: NDArray[np.int16] = np.add.reduce(difference, axis=0, dtype=np.int16)
    return sums


def _keys(blocks: dict[int, _Block], first: int, last: int) -> list[int]:
    """Keys from first to last that are there."""
    if last - first > len(blocks):
        return [key for key in blocks if first <= key <= last]
    return [key for key in range(first, last + 1) if key in blocks]
