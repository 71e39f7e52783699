"""The words that decide what a question asks and what a solution computes, in order.

Two questions that differ in one of them are two problems, however alike their texts are: in a number, in digits or in
words, in an unknown, or in a word that turns the calculation round, such as "more" and "less". Two solutions that
differ in a number or a sign of arithmetic are two paths: `3 * 2` and `2 * 3`, too, as for RFT.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")  # 1,000
_NUMBER = r"\d+(?:\.\d+)?|(?<!\d)\.\d+"
_TOKEN = re.compile(rf"{_NUMBER}|[^\W\d_]+(?:['’][^\W\d_]+)?|[-+*/^=<>%√½⅓⅔¼¾⅕⅛]")
_SAME_SIGN = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-"})
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_IN_DIGITS = {word: str(i) for i, word in enumerate(_ONES)} | {word: str(20 + 10 * i) for i, word in enumerate(_TENS)}
_QUANTITIES = frozenset(
    (
        *("hundred", "thousand", "million", "billion", "trillion", "dozen", "dozens", "percent"),
        *("half", "halves", "third", "thirds", "fourth", "quarter", "quarters", "fifth", "fifths", "sixth", "seventh"),
        *("eighth", "ninth", "tenth", "tenths", "twice", "thrice", "double", "doubled", "triple", "tripled"),
    )
)
_TURNING = frozenset(
    (
        *("more", "less", "fewer", "greater", "smaller", "larger", "bigger", "higher", "lower", "taller", "shorter"),
        *("longer", "older", "younger", "faster", "slower", "heavier", "lighter", "cheaper", "before", "after"),
        *("not", "no", "never", "without", "except", "each", "every", "per", "all", "both", "either", "neither"),
        *("first", "second", "last", "next", "most", "least", "maximum", "minimum", "total", "remaining", "left"),
        *("sum", "difference", "product", "quotient", "once", "again"),
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    )
)
_UNKNOWNS = frozenset("bcdefghjklmnopqrstuvwxyz")  # single letters that are no words
_SOLUTION = {word: word for word in (*_QUANTITIES, *_UNKNOWNS)} | _IN_DIGITS
_QUESTION = {word: word for word in _TURNING} | _SOLUTION


@lru_cache(maxsize=1 << 12)  # the solutions of a question come one after another
def question_words(question: str) -> str:
    """Of a question in lower case; equal for two questions that may be one."""
    return _deciding(question, _QUESTION)


def solution_words(solution: str) -> str:
    """Of a solution in lower case: its numbers, signs and unknowns; equal for two texts that may be one path."""
    return _deciding(solution, _SOLUTION)


def _deciding(text: str, words: Mapping[str, str]) -> str:
    """Numbers in digits, signs of arithmetic, and those of the given words."""
    tokens: list[str] = _TOKEN.findall(_GROUPED.sub("", text).translate(_SAME_SIGN))
    return " ".join(filter(None, [words.get(token) if token[0].isalpha() else token for token in tokens]))
