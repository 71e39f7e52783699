"""Duplicates in a mixture: rows that teach the same thing, word for word or nearly so.

A row is a question with a completion, and two rows are duplicates only if both are. Two solution paths to one question
are not (RFT, Yuan et al. 2023, lives from them), nor are two questions that differ in their numbers alone, however
alike they look. (Arithmo-Data compares the completions of equal questions and takes a ratio of 70 for the same, which
most paths to one question reach.) So there are two steps:

- Exact: question and completion are equal but for case, white space, and the form of the answer line.
- Near: the deciding words of the questions are equal, and so are those of the completions (`deciding_words.py`); where
  both completions have equations in <<>>, these are equal, too; and the rapidfuzz ratios of the questions and of the
  completions are high.

Rows of equal deciding words form a block. A small one is compared pair by pair; in a larger one MinHash-LSH
(datasketch) finds the pairs, by the runs of two words that they share. Rows are taken in a given order, and each is
compared with those before it that stay: so a row that goes is near to one that stays, and no two that stay are near to
one another, as far as the search finds them.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

from rapidfuzz import fuzz

from datagen.augment.duplicates import SAME
from datagen.mix.answer_line import split_answer_line
from datagen.mix.deciding_words import question_words, solution_words

QUESTION_RATIO = SAME
COMPLETION_RATIO = 90.0

MAX_PAIRWISE = 64  # rows of a block that are compared pair by pair
N_PERMUTATIONS = 128
# Bands, and hashes a band: a pair that shares 60 % of its runs of words is found with a chance of 0.988, and one that
# shares 10 % is looked at with a chance of 0.003. Where one word in ten differs, about two thirds are shared.
BANDS = (32, 4)

_ANNOTATION = re.compile(r"<<[^<>]{0,200}>>")
_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_]+")  # where no spaces are written, a character is a word


class Text(NamedTuple):
    """What is compared of a row, in the form in which it is compared."""

    question: str
    completion: str

    def key(self) -> bytes:
        """Equal for exact duplicates."""
        return _hash(self.question, self.completion)

    def block(self) -> bytes:
        """Equal for rows of equal deciding words."""
        return _hash(question_words(self.question), solution_words(_without_annotations(self.completion)))


class Near(NamedTuple):
    """A row that is nearly one that stays, by their positions, and the two ratios."""

    row: int
    of: int
    question_ratio: float
    completion_ratio: float


def comparable(question: str, completion: str) -> Text:
    """A row as it is compared: without case, kinds of white space, and the form of the answer line."""
    body, answer = split_answer_line(completion)
    stated = "" if answer is None else f" #### {answer}"
    return Text(_plain(question), _plain(f"{body}{stated}"))


def near_duplicates(
    block: Sequence[Text],
    *,
    question_ratio: float = QUESTION_RATIO,
    completion_ratio: float = COMPLETION_RATIO,
) -> list[Near]:
    """The rows of a block that are nearly one before them that stays.

    Args:
        block: rows of equal deciding words, in the order in which they are to stay.
        question_ratio: rapidfuzz ratio, 0 to 100, from which two questions are one.
        completion_ratio: the same of completions.
    """
    similar = _by_minhash(block) if len(block) > MAX_PAIRWISE else None
    kept: list[int] = []
    found: list[Near] = []
    for i, text in enumerate(block):
        for j in kept if similar is None else similar(i, kept):
            questions = fuzz.ratio(block[j].question, text.question, score_cutoff=question_ratio)
            if questions < question_ratio:
                continue
            completions = _completion_ratio(block[j].completion, text.completion, cutoff=completion_ratio)
            if completions >= completion_ratio:
                found.append(Near(i, j, questions, completions))
                break
        else:
            kept.append(i)
    return found


def _completion_ratio(first: str, second: str, *, cutoff: float) -> float:
    """Of the texts around the equations in <<>>; less than any cutoff if these differ."""
    ours, theirs = _ANNOTATION.findall(first), _ANNOTATION.findall(second)
    if ours and theirs and ours != theirs:
        return -1.0
    return fuzz.ratio(_without_annotations(first), _without_annotations(second), score_cutoff=cutoff)


def _by_minhash(block: Sequence[Text]) -> Callable[[int, list[int]], Iterable[int]]:
    """A search among the rows that stay; to be asked for each row in turn."""
    # 1 s to import, and few data sets have a block of that size.
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]  # it has no type hints

    index = MinHashLSH(num_perm=N_PERMUTATIONS, params=BANDS)
    hashes = MinHash.generator(map(_runs, block), num_perm=N_PERMUTATIONS, hashfunc=zlib.crc32)
    last: MinHash | None = None

    def similar(i: int, kept: list[int]) -> Iterable[int]:
        nonlocal last
        if last is not None and kept and kept[-1] == i - 1:
            index.insert(i - 1, last)
        last = next(hashes)
        return sorted(cast(list[int], index.query(last)))  # its keys are what was inserted

    return similar


def _runs(text: Text) -> list[bytes]:
    """Every two words in a row of the question and of the completion, once; a lone word is a run, too."""
    runs: dict[str, None] = {}
    for part in (text.question, _without_annotations(text.completion)):
        words: list[str] = _WORD.findall(part)
        pairs = zip(words, words[1:], strict=False) if len(words) > 1 else [(word, "") for word in words]
        runs.update(dict.fromkeys(f"{a} {b}" for a, b in pairs))
    return [run.encode(errors="surrogatepass") for run in runs]


@lru_cache(maxsize=1 << 10)  # within a block, each is asked for again and again
def _without_annotations(completion: str) -> str:
    """The text around <<48/2=24>>; all of it, if nothing but the answer is left."""
    text = " ".join(_ANNOTATION.sub("", completion).split())
    return completion if not text or text.startswith("####") else text


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _hash(*parts: str) -> bytes:
    return hashlib.blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=16).digest()
