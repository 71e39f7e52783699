"""The numbers that a question or statement states, in digits or in words, exactly.

Decided here:
- Digits with thousands separators, decimals, fractions and mixed numbers ("2 1/2", "2½", "two and a half"); "25%" is
  25; a scale multiplies ("1.8 million"). A minus belongs to a number that it touches and does not join to another.
- Words: zero to trillions, half, twice/double, thrice/triple/treble, fractions ("two-thirds", "a fifth of"). A dozen
  is 12, a number of its own: "3 dozen" states 3 and 12.
- "6:00" is 6 and "6:30" is 13/2, so that "6 p.m." and "6:00 p.m." agree.
- No numbers: ordinals ("third", "3rd"), digits inside a name ("B12", "A4"), vague plurals ("hundreds"), quarters that
  may be coins.
- "one" and "once" may be a pronoun, an article or a conjunction. They count as 1, marked as a word, and who compares
  two texts decides how much that means.
"""

import re
from collections import Counter
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from datagen.answers.number import SCALES

MAX_DIGITS = 300


class StatedNumber(NamedTuple):
    """A number and where it stands."""

    value: Fraction
    start: int
    end: int
    is_word: bool  # written in words alone


_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: i for i, word in enumerate(_ONES)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_PARTS = {
    **{word: i for i, word in enumerate(("half", "third", "fourth", "fifth", "sixth", "seventh", "eighth"), start=2)},
    **{
        "quarter": 4,
        "ninth": 9,
        "tenth": 10,
        "eleventh": 11,
        "twelfth": 12,
        "fifteenth": 15,
        "sixteenth": 16,
        "twentieth": 20,
    },
    **{"hundredth": 100, "thousandth": 1000},
}
_MULTIPLES = {
    **dict.fromkeys(("twice", "double", "doubled", "doubles", "doubling"), 2),
    **dict.fromkeys(("thrice", "triple", "tripled", "triples", "tripling", "treble"), 3),
    **dict.fromkeys(("quadruple", "quadrupled", "quadruples"), 4),
    **dict.fromkeys(("dozen", "dozens"), 12),
    "once": 1,
}
_STARTS = frozenset((*_SMALL, *_MULTIPLES, "half", "a", "an"))
_AFTER_A_PART = frozenset(("of", "as", "the", "more", "less", "that", "this", "his", "her", "their", "its"))

_VULGAR = dict(zip("½⅓⅔¼¾⅕⅛", map(Fraction, ("1/2", "1/3", "2/3", "1/4", "3/4", "1/5", "1/8")), strict=True))
_INT = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_ITEM = re.compile(
    rf"""
    (?P<word>[^\W\d_½⅓⅔¼¾⅕⅛]+(?:['’][^\W\d_]+)?)(?P<name>[0-9][\w.]*)?
    |(?P<sign>(?<![\w)\].])[-−](?=[$€£¥₹]?[.0-9]))?
    (?:(?<=[-−])[$€£¥₹])?
    (?:(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-5][0-9])(?![0-9:])
      |(?P<whole>[0-9]{{1,3}})(?:[\s-](?P<up>[0-9]+)/(?P<down>[0-9]+)(?![0-9])|\s?(?P<vulgar>[½⅓⅔¼¾⅕⅛]))
      |\\[dt]?frac\s?{{(?P<top>[0-9]+)}}\s?{{(?P<bottom>[0-9]+)}}
      |(?P<numerator>{_INT})\s?[/⁄]\s?(?P<denominator>{_INT})(?![0-9.])
      |(?P<part>[½⅓⅔¼¾⅕⅛])
      |(?P<decimal>{_INT}(?:\.[0-9]+)?|(?<![\w.])\.[0-9]+)
    )(?P<ordinal>(?:st|nd|rd|ths?)\b)?
    """,
    re.VERBOSE,
)


class _Item(NamedTuple):
    word: str  # lower case; empty for digits
    value: Fraction | None
    start: int
    end: int


def numbers_of(text: str) -> Counter[Fraction]:
    """How often each number is stated, in digits or words."""
    return Counter(number.value for number in stated_numbers(text))


@lru_cache(maxsize=1 << 10)  # the rewrites of a question are compared with it one after another
def stated_numbers(text: str) -> tuple[StatedNumber, ...]:
    """The numbers of a text in reading order."""
    items = list(_items(text))
    out = []
    i = 0
    while i < len(items):
        if items[i].word and items[i].word not in _STARTS:
            i += 1
            continue
        value, after = _number(text, items, i)
        if value is None:
            i += 1
            continue
        out.append(StatedNumber(value, items[i].start, items[after - 1].end, all(x.word for x in items[i:after])))
        i = after
    return tuple(out)


def _items(text: str) -> list[_Item]:
    """Digits and words; ordinals in digits and names with digits are words that state nothing."""
    out = []
    for match in _ITEM.finditer(text):
        start, end = match.span()
        last = match.lastgroup  # nearly every item is a plain word or plain digits, where it is the only group
        if last == "word":
            out.append(_Item(match[0].lower(), None, start, end))
        elif last == "decimal" and match[0].isdigit() and end - start <= MAX_DIGITS:
            out.append(_Item("", Fraction(int(match[0])), start, end))
        elif match["word"] is not None:
            out.append(_Item("name", None, start, end))
        elif match["ordinal"] and not (match["denominator"] or match["down"]):  # 3rd, but not 1/3rd
            out.append(_Item("ordinal", None, start, end))
        elif end - start <= MAX_DIGITS:
            out.append(_Item("", _digits(match), start, end))
    return out


def _digits(match: re.Match[str]) -> Fraction | None:
    part = {name: text.replace(",", "") for name, text in match.groupdict("").items()}
    sign = -1 if part["sign"] else 1
    if part["hour"]:
        return int(part["hour"]) + Fraction(int(part["minute"]), 60)
    if part["part"]:
        return sign * _VULGAR[part["part"]]
    if part["vulgar"]:
        return sign * (int(part["whole"]) + _VULGAR[part["vulgar"]])
    if part["decimal"]:
        return sign * Fraction("0" + part["decimal"])
    top, bottom = part["up"] or part["top"] or part["numerator"], part["down"] or part["bottom"] or part["denominator"]
    if int(bottom) == 0:
        return None
    return sign * (int(part["whole"] or 0) + Fraction(int(top), int(bottom)))


def _number(text: str, items: list[_Item], i: int) -> tuple[Fraction | None, int]:
    """The number that begins at item i, and the item after it."""
    word, value = items[i].word, items[i].value
    if not word:
        after = i + 1
        while value is not None and after < len(items) and items[after].word in SCALES and _joined(text, items, after):
            value, after = value * SCALES[items[after].word], after + 1
    elif word in _MULTIPLES:
        return Fraction(_MULTIPLES[word]), i + 1
    elif word == "half":
        return Fraction(1, 2), i + 1
    else:
        value, after = _cardinal(text, items, i)
        if value is None:
            return (value, after) if word not in ("a", "an") else _part_of(text, items, i, Fraction(1))
    if value is None:
        return None, i + 1
    if value.denominator == 1:
        fraction, end = _part_of(text, items, after - 1, value)
        if fraction is not None:
            return fraction, end
    return _and_a_part(text, items, value, after)


def _cardinal(text: str, items: list[_Item], i: int) -> tuple[Fraction | None, int]:
    """Two hundred and five; a thousand; twenty-five."""
    total, current, room = 0, 0, 0  # room: what is added next must be smaller
    first = i
    if items[i].word in ("a", "an") and i + 1 < len(items) and items[i + 1].word in SCALES:
        current, i = 1, i + 1
    while i < len(items):
        word = items[i].word
        if i > first and not _joined(text, items, i, comma=room >= 1000):
            break
        if word in SCALES and (current or total) and i > first:
            scale = SCALES[word]
            if scale == 100:
                current, room = current * 100, 100
            else:
                total, current, room = total + current * scale, 0, 1000
        elif word in _SMALL and (i == first or 0 < _SMALL[word] < room):
            current += _SMALL[word]
            room = 10 if _SMALL[word] >= 20 else 0
        elif word == "and" and room >= 100 and i + 1 < len(items) and items[i + 1].word in _SMALL:
            if i + 2 < len(items) and items[i + 2].word.rstrip("s") in _PARTS:
                break
        else:
            break
        i += 1
    return (Fraction(total + current), i) if i > first else (None, first + 1)


def _part_of(text: str, items: list[_Item], i: int, value: Fraction) -> tuple[Fraction | None, int]:
    """Two thirds, a fifth of; item i is the last of the numerator."""
    if i + 1 >= len(items) or not _joined(text, items, i + 1):
        return None, i + 1
    word = items[i + 1].word
    name = word.removesuffix("s")
    has_hyphen = text[items[i].end : items[i + 1].start] == "-"
    follows = items[i + 2].word if i + 2 < len(items) else ""
    is_share = has_hyphen or follows in _AFTER_A_PART
    if word == "half" and value == 1:
        return Fraction(1, 2), i + 2
    if name not in _PARTS or (value == 1 and name != word) or (value != 1 and name == word and not has_hyphen):
        return None, i + 1
    if not is_share and (name == "quarter" or items[i].word in ("a", "an")):
        return None, i + 1  # three quarters and a dime; a third time
    return value / _PARTS[name], i + 2


def _and_a_part(text: str, items: list[_Item], value: Fraction, after: int) -> tuple[Fraction, int]:
    """Two and a half, 3 and three quarters; else the value itself."""
    if value.denominator != 1 or after + 1 >= len(items) or items[after].word != "and":
        return value, after
    if not _joined(text, items, after) or not _joined(text, items, after + 1):
        return value, after
    nxt = items[after + 1]
    part: Fraction | None
    if nxt.word in ("a", "an", "one") and after + 2 < len(items) and items[after + 2].word in ("half", "quarter"):
        part, end = Fraction(1, _PARTS[items[after + 2].word]), after + 3
    elif nxt.word:
        count, end = _cardinal(text, items, after + 1)
        part, end = _part_of(text, items, end - 1, count) if count is not None else (None, end)
    else:
        part, end = nxt.value, after + 2
    return (value + part, end) if part is not None and 0 < part < 1 else (value, after)


def _joined(text: str, items: list[_Item], i: int, *, comma: bool = False) -> bool:
    """Whether only white space or a hyphen is between an item and the one before it."""
    between = text[items[i - 1].end : items[i].start]
    return between.strip() in ("", "-") or (comma and between.strip() == ",")
