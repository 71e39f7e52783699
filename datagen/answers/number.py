r"""The exact number that an answer states: `1,000`, `$18.00`, `-5`, `1 1/2`, `.5`, `5e3`, `50%`, `18 dollars`.

Decided here:
- A unit is dropped (18 dollars, 5 km/h, 3 dozen): the question says what is counted. A scale is not: 1.8 million is
  1,800,000, for hundred to trillion; "dozen" counts as a unit, since who asks "how many dozens" is answered "3 dozen".
  K, M and B are scales of money ($1.5M); elsewhere they may be anything, and there is no number.
- 18 dollars and 50 cents is 18.5; two of another unit (3 hours 20 minutes) are not added up.
- A space may group thousands (1 000), and the digits may be those of another script.
- 50% is 50, as the gold answers of word problems have it; with percent_as_fraction it is 1/2.
- What is more than one number (5 or 6, 3:30, 2 x 3) or holds an unknown (5x, 3\pi) is no number.
"""

import re
import unicodedata
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
_MONEY_SCALES = {"k": "thousand", "m": "million", "b": "billion"}

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
    {
        **dict.fromkeys(MINUS, "-"),
        "\N{FRACTION SLASH}": "/",
        "\N{DIVISION SLASH}": "/",
        **dict.fromkeys("\xa0\u2007\u2009\u202f", " "),
    }
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = re.compile(r"(?<=10)⁻?[⁰¹²³⁴-⁹]+")
# After a decimal: the power of ten of `5 x 10^3`.
_POWER = re.compile(
    r"\s?(?:[xX×*·⋅]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?\(?(?P<exponent>[-+]?[0-9]{1,4})\)?(?![0-9A-Za-z.])"
)
_GROUPED = re.compile(r"([-+]?[1-9][0-9]{0,2}(?: [0-9]{3})+)(?! ?[0-9/])")
_NEGATIVE = re.compile(r"(?:minus|negative)\s+(?=[0-9.])", re.IGNORECASE)
_AND_A_HALF = re.compile(r"(?<=[0-9])\s+and\s+(?:a|one)[\s-]half\b", re.IGNORECASE)
_CENTS = re.compile(
    rf"(?P<dollars>\$\s?{_DIGITS}(?=\s+and\b|\s+dollars?\b)|{_DIGITS}(?=\s+dollars?\b))(?:\s+dollars?)?\s+(?:and\s+)?"
    r"(?P<cents>[0-9]{1,2})\s+cents?\b",
    re.IGNORECASE,
)
_MONEY_SCALE = re.compile(
    rf"(?P<money>[{re.escape(CURRENCY)}]\s?{_DIGITS}(?:\.[0-9]+)?)\s?(?P<scale>[KMB])\b", re.IGNORECASE
)
# Digits of other scripts; letters, digits and signs in full-width, mathematical or circled form.
_OTHER_FORMS = re.compile(r"(?![0-9])\d|[\u3000\uff01-\uff5e\U0001d400-\U0001d7ff\u24b6-\u24e9]")
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}


def parse_number(text: str, *, percent_as_fraction: bool = False) -> Fraction | None:
    """The number, or None if the text does not state exactly one."""
    if text.isascii() and text.isdecimal() and len(text) <= MAX_CHARS:
        return Fraction(int(text))
    return _parsed(text, percent_as_fraction) if len(text) <= MAX_CHARS else None


def ascii_forms(text: str) -> str:
    """A text of the same length with its digits, and its letters and signs of other width or style, in ASCII."""
    return text if text.isascii() else _OTHER_FORMS.sub(_ascii_form, text)


def _ascii_form(match: re.Match[str]) -> str:
    digit = unicodedata.decimal(match[0], None)
    form = unicodedata.normalize("NFKC", match[0]) if digit is None else str(digit)
    return form if len(form) == 1 else match[0]


@lru_cache(maxsize=1 << 14)  # k samples of one problem repeat each other's answers
def _parsed(text: str, percent_as_fraction: bool) -> Fraction | None:
    text = ascii_forms(text).translate(_SPECIAL)
    for sign, fraction in _VULGAR.items():
        text = text.replace(sign, f" {fraction}")
    text = text.replace("{,}", ",")
    text = _FRACTION.sub(lambda match: f" ({match[1] or match[3]}/{match[2] or match[4]})", text)
    text = _TYPESETTING.sub(lambda match: match[1] or " ", text)
    text = _CENTS.sub(lambda match: f"{match['dollars']}.{match['cents']:0>2}", text)
    text = _MONEY_SCALE.sub(lambda match: f"{match['money']} {_MONEY_SCALES[match['scale'].lower()]}", text)
    text = _MONEY.sub(" ", text).strip("*_`~ ").rstrip(".").strip("*_`~ ")
    text = _NEGATIVE.sub("-", text) if text[:1] in "mMnN" else text
    text = re.sub(r"^([-+])\s+", r"\1", text)
    text = _AND_A_HALF.sub(" 1/2", text)
    text = _RAISED.sub(lambda match: "^" + match[0].translate(_SUPERSCRIPTS), text)
    grouped = _GROUPED.match(text)
    if grouped is not None:
        text = grouped[1].replace(" ", "") + text[grouped.end() :]
    match = _NUMBER.match(text)
    if match is None:
        return None
    value = _value(match)
    if value is None:
        return None
    end = match.end()
    power = _POWER.match(text, end) if match["decimal"] is not None else None
    if power is not None:
        if abs(int(power["exponent"])) > MAX_EXPONENT:
            return None
        value, end = value * Fraction(10) ** int(power["exponent"]), power.end()
    rest = text[end:].lstrip("*_`~")
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
    if touches and re.match(r"M\b", rest):
        return None  # million or metres
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
