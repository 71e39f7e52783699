"""Whether a reply is right: extract its answer, compare exactly, and ask Math-Verify only where that cannot decide.

A verdict is correct, wrong or unknown. A reply in which no answer is found is wrong with method 'none': it did not
answer, and it is counted with that method rather than dropped. Unknown is kept for an answer that is there and could
not be compared.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from datagen.answers.extract import extract_answer
from datagen.answers.letter import letter_of
from datagen.answers.number import canonical, parse_number
from datagen_schemas.candidate import Verdict

if TYPE_CHECKING:
    from datagen.answers.latex import LatexJudge


class Checked(NamedTuple):
    """A reply's answer and its verdict."""

    answer: str | None  # canonical text; None if none was found
    verdict: Verdict
    method: str  # how it was found and compared, such as 'hashes/number'


NO_ANSWER = Checked(None, "wrong", "none")


def check_answer(
    response: str,
    gold: str,
    *,
    choices: Sequence[str] | None = None,
    latex: "LatexJudge | None" = None,
    percent_as_fraction: bool = False,
    fallback: bool = True,
) -> Checked:
    """Compare the final answer of a reply with the reference answer.

    Args:
        response: The reply.
        gold: Reference answer: a number, a text, LaTeX, or a choice's letter.
        choices: Options in order, without their letters; the answer is then a letter.
        latex: Judge of what exact comparison cannot decide; without it such answers are unknown.
        percent_as_fraction: Read 50% as 1/2; by default it is 50.
        fallback: Take the last number of a reply that marks no answer. The method says so: 'last_number/...'.
    """
    found = extract_answer(response, choices=choices)
    if found is None or (found.method == "last_number" and not fallback):
        return NO_ANSWER
    text, method = found
    if choices:
        return _check_choice(text, method, gold, choices)
    if _is_canonical_integer(text) and _is_canonical_integer(gold):
        return Checked(text, "correct" if text == gold else "wrong", method + "/number")
    value = parse_number(text, percent_as_fraction=percent_as_fraction)
    reference = _reference(gold, percent_as_fraction)
    if value is not None and reference.value is not None:
        verdict: Verdict = "correct" if value == reference.value else "wrong"
        return Checked(canonical(value), verdict, method + "/number")
    answer = " ".join(text.split()) if value is None else canonical(value)
    if _plain(text) == reference.text:
        return Checked(answer, "correct", method + "/text")
    if not (reference.is_symbolic or _is_symbolic(text)):
        return Checked(answer, "wrong", method + "/text")
    if latex is None:
        return Checked(answer, "unknown", method + "/undecided")
    is_equal = latex.equal(text, gold)
    return Checked(answer, "unknown" if is_equal is None else "correct" if is_equal else "wrong", method + "/latex")


def _check_choice(text: str, method: str, gold: str, choices: Sequence[str]) -> Checked:
    letter = gold if len(gold) == 1 and gold.isupper() else letter_of(gold, choices)
    if letter is None:
        return Checked(text, "unknown", method + "/undecided")
    return Checked(text, "correct" if text == letter else "wrong", method + "/choice")


class _Reference(NamedTuple):
    value: Fraction | None
    text: str
    is_symbolic: bool


@lru_cache(maxsize=1 << 14)  # k replies are compared with one gold answer
def _reference(gold: str, percent_as_fraction: bool) -> _Reference:
    return _Reference(
        parse_number(gold, percent_as_fraction=percent_as_fraction), _plain(gold), bool(_is_symbolic(gold))
    )


def _is_canonical_integer(text: str) -> bool:
    return text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0")


_WRAPPERS = re.compile(r"\\(?:text|textrm|textbf|mathrm|mathbf|mbox)\s?\{([^{}]*)\}|\\[,;:! ()\[\]]|[$*`]")
_SYMBOLS = re.compile(r"[\\^_{}=+*/<>|√π∞]|[0-9][^\W\d_]|[^\W\d_][0-9]|[0-9]\s?-\s?[0-9]|[\[(][^\])]*,")


def _plain(text: str) -> str:
    """Text without its typesetting, case and spacing."""
    return " ".join(_WRAPPERS.sub(lambda match: match[1] or "", text).casefold().strip(" .").split())


def _is_symbolic(text: str) -> bool:
    """Whether a text that is no number may still be equal to one: an expression, LaTeX, an interval."""
    return _SYMBOLS.search(text) is not None
