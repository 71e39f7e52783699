r"""The exact number that an answer states: `1,000`, `$18.00`, `-5`, `1 1/2`, `.5`, `5e3`, `50%`, `18 dollars`.

Decided here:
- A unit is dropped (18 dollars, 5 km/h, 3 dozen): the question says what is counted. A scale is not: 1.8 million is
  1,800,000, for hundred to trillion; "dozen" counts as a unit, since who asks "how many dozens" is answered "3 dozen".
- 50% is 50, as the gold answers of word problems have it; with percent_as_fraction it is 1/2.
- What is more than one number (5 or 6, 3:30, 2 x 3) or holds an unknown (5x, 3\pi) is no number.
"""

import re
from fractions import Fraction
from functools import lru_cache

from datagen.equations.tokens import CURRENCY, MEASURES, MINUS

MAX_CHARS = 500
MAX_EXPONENT = 300

SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER = re.compile(
    rf"""
    (?P<sign>[-+]?)\s*
    (?:(?P<whole>{_DIGITS})(?:\s+|(?=\())(?P<mixed>\([0-9]+/[0-9]+\)|[0-9]+/[0-9]+)
      |(?P<numerator>{_DIGITS})\s*/\s*(?P<denominator>{_DIGITS})(?![0-9.])
      |\((?P<sign2>-?)(?P<num>[0-9]+)/(?P<den>-?[0-9]+)\)
      |(?P<decimal>{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](?P<exponent>[-+]?[0-9]{{1,4}})(?![0-9A-Za-z.]))?
    )
    """,
    re.VERBOSE,
)
_FRACTION = re.compile(r"\\[dt]?frac\s?(?:\{(-?[0-9]+)\}\s?\{(-?[0-9]+)\}|([0-9])\s?([0-9]))")
_TYPESETTING = re.compile(
    r"\\(?:text|textrm|textbf|mathrm|mathbf|mbox)\s?\{([^{}]*)\}"
    r"|\\(?:left|right|displaystyle|boxed)\b|\\[,;:! ()\[\]]|[{}]"
)
_MONEY = re.compile(rf"\\?[{re.escape(CURRENCY)}]|\b(?:Rs|USD|EUR|GBP)\b\.?", re.IGNORECASE)
# Words, "per", "/", powers of a unit; nothing with a number in it.
_UNITS = re.compile(r"(?:[^\W\d_](?:['’.]|²|³|\^[23]\b)?|[ °\"']|[/-](?=\s?[^\W\d_])|\^?\\circ)*")
_NOT_UNITS = frozenset(
    ("pi", "sqrt", "root", "or", "and", "to", "times", "plus", "minus", "over", "squared", "cubed", "log")
)
_SPECIAL = str.maketrans(
    {**dict.fromkeys(MINUS, "-"), "\N{FRACTION SLASH}": "/", "\N{DIVISION SLASH}": "/", "\xa0": " "}
)
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}


def parse_number(text: str, *, percent_as_fraction: bool = False) -> Fraction | None:
    """The number, or None if the text does not state exactly one."""
    if text.isascii() and text.isdecimal() and len(text) <= MAX_CHARS:
        return Fraction(int(text))
    return _parsed(text, percent_as_fraction) if len(text) <= MAX_CHARS else None


@lru_cache(maxsize=1 << 14)  # k samples of one problem repeat each other's answers
def _parsed(text: str, percent_as_fraction: bool) -> Fraction | None:
    text = text.translate(_SPECIAL)
    for sign, fraction in _VULGAR.items():
        text = text.replace(sign, f" {fraction}")
    text = text.replace("{,}", ",")
    text = _FRACTION.sub(lambda match: f" ({match[1] or match[3]}/{match[2] or match[4]})", text)
    text = _TYPESETTING.sub(lambda match: match[1] or " ", text)
    text = _MONEY.sub(" ", text).strip("*_`~ ").rstrip(".").strip("*_`~ ")
    text = re.sub(r"^([-+])\s+", r"\1", text)
    match = _NUMBER.match(text)
    if match is None:
        return None
    value = _value(match)
    if value is None:
        return None
    rest = text[match.end() :].lstrip("*_`~")
    percent = re.match(r"\s?\\?%|\s?percent\b|\s?per cent\b", rest)
    if percent is not None:
        rest = rest[percent.end() :]
        value = value / 100 if percent_as_fraction else value
    return _with_units(value, rest)


def _value(match: re.Match[str]) -> Fraction | None:
    part = match.groupdict()
    sign = -1 if part["sign"] == "-" else 1
    if part["decimal"] is not None:
        exponent = int(part["exponent"] or 0)
        if abs(exponent) > MAX_EXPONENT:
            return None
        digits = part["decimal"].replace(",", "").rstrip(".")
        return sign * Fraction(digits if digits[0] != "." else f"0{digits}") * Fraction(10) ** exponent
    if part["whole"] is not None:
        numerator, denominator = part["mixed"].strip("()").split("/")
    elif part["num"] is not None:
        numerator, denominator = part["num"], part["den"]
        sign = -sign if part["sign2"] else sign
    else:
        numerator, denominator = part["numerator"].replace(",", ""), part["denominator"].replace(",", "")
    if int(denominator) == 0:
        return None
    whole = int(part["whole"].replace(",", "")) if part["whole"] is not None else 0
    return sign * (whole + Fraction(int(numerator), int(denominator)))


def _with_units(value: Fraction, rest: str) -> Fraction | None:
    """The value if what follows the number is only a unit; scaled if that begins with a scale."""
    if not rest:
        return value
    words = rest.lower().split()
    if not words:
        return value
    first = words[0].strip(".")
    touches = not rest[0].isspace()
    if not _UNITS.fullmatch(rest) or not _NOT_UNITS.isdisjoint(words):
        return None
    if first in SCALES:
        return value * SCALES[first]
    name = re.split(r"[^\w]", first)[0]
    if (touches or len(name) == 1) and name not in MEASURES and first not in ("a", "°") and name:
        return None  # 5x, 5 x
    return value


def canonical(value: Fraction) -> str:
    """An integer or a finite decimal in digits, without trailing zeros; else p/q in lowest terms."""
    numerator, denominator = value.numerator, value.denominator
    if denominator == 1:
        return str(numerator)
    twos = fives = 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    if denominator != 1 or max(twos, fives) > MAX_EXPONENT:
        return f"{numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if numerator < 0 else ''}{digits[:-places]}.{digits[-places:]}"
