r"""The numbers of a question that may be masked, by rule: how many and how much, not which one, when or what name.

A quantity is digits (48, 80,000, 0.5, 1/2, 1 1/2, -5, \frac{1}{2}) or words (three, thirty-five, two hundred and five,
two thirds, two and a half, half, twice, a dozen). Its span covers the number alone: currency, percent sign,
punctuation and unit stay outside, and so does a scale or a dozen after digits ("2 million" is 2, counted in millions).

Left alone, each with its reason (`left_alone` lists what is written in digits or in number words):
- ordinal: 1st, third place, twenty-first.
- year: a number from 1500 to 2099 that follows a month, "year" or "in" and does not count what follows it.
- date: March 5, 12/25/2020.   time: 7:30, 3 pm, 8 to 5 p.m., 5 o'clock. A ratio (2:3) is two quantities.
- name: A4, COVID-19, Room 12, Grade 5, day 2, 7-Eleven, 3D, #5, 007, 555-1234, Big Ten.
- label: "1)" or "2." before an item of a list.   idiom: 24/7, 50/50.
- exponent or subscript: cm^2, x_1.   one: "one of", "each one", "one day"; but "one hour" is a quantity.
- too long: more than 100 characters.
Zero, once (but "once a week" is 1), pair, couple, "hundreds of", "per dozen" and "$3 a dozen" are no candidates.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from datagen.equations.tokens import MEASURES


class Quantity(NamedTuple):
    """A number, how it is written, and where: `question[start:end] == text`."""

    start: int
    end: int
    text: str
    value: Fraction


class LeftAlone(NamedTuple):
    """A number that is not masked, and the rule that says so."""

    start: int
    end: int
    text: str
    reason: str


MAX_CHARS = 100


def _numbered(words: str, *, start: int, step: int = 1) -> dict[str, int]:
    return dict(zip(words.split(), count(start, step), strict=False))


_ONES = _numbered("one two three four five six seven eight nine", start=1)
_TEENS = _numbered("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", start=10)
_TENS = _numbered("twenty thirty forty fifty sixty seventy eighty ninety", start=20, step=10) | {"fourty": 40}
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_CARDINALS = {**_ONES, **_TEENS, **_TENS, "a": 1, "an": 1}
_PARTS = _numbered("half third fourth fifth sixth seventh eighth ninth tenth", start=2)
_PARTS |= {"halve": 2, "quarter": 4, "twelfth": 12, "fifteenth": 15, "sixteenth": 16, "twentieth": 20}
_TIMES = {"once": 1, "twice": 2, "thrice": 3, "double": 2, "triple": 3, "quadruple": 4}
_ORDINAL = r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)\b"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\b\.?"
)


def _any(words: dict[str, int]) -> str:
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"


_BELOW_100 = (
    rf"(?:{_any(_TENS)}(?:-{_any(_ONES)}\b|\s{_any(_ONES)}\b(?!-|\shundred|\sthousand|\smillion))?"
    rf"|{_any(_TEENS)}|{_any(_ONES)})\b"
)
_BELOW_1000 = rf"(?:(?:{_BELOW_100}|an?)[-\s]hundred\b(?:(?:\sand\s|[-\s]){_BELOW_100}(?!-))?|{_BELOW_100})"
_CARDINAL = (
    rf"(?:(?:{_BELOW_1000}|an?)[-\s](?:thousand|million|billion)\b(?:(?:,?\sand\s|,?\s){_BELOW_1000}(?!-))?"
    rf"|{_BELOW_1000})"
)
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]{1,3}(?:\s[0-9]{3})*\s000(?![0-9,])|[0-9]+)"
_AND_PART = (
    r"\s+and\s+(?:(?:a|one)[-\s](?P<{0}>half|third|fourth|quarter)\b|(?P<{0}n>[0-9]+)/(?P<{0}d>[0-9]+)(?![0-9/]))"
)
_CANDIDATE = re.compile(
    rf"""
      \\[dt]?frac\{{(?P<num>[0-9]+)\}}\{{(?P<den>[0-9]+)\}}
    | (?P<sign>(?<![\w)%$.-])-)?
      (?:(?P<numerator>[0-9]+)/(?P<denominator>[0-9]+)(?:(?:th|rd|nd)s?\b)?
        |(?P<whole>{_DIGITS})(?:(?:\s+|-)(?P<mixed_num>[0-9]+)/(?P<mixed_den>[0-9]+)(?![0-9/])|{_AND_PART.format("more")})
        |(?P<decimal>{_DIGITS}(?:\.[0-9]+)?|(?<![0-9.])\.[0-9]+))
    | \b(?:
        (?P<half_dozen>half(?:\sa)?[-\s]dozen|a\shalf[-\s]dozen)
      | (?P<dozen>a\sdozen)
      | (?P<hyphened>{_any(_ONES)}|{_any(_TEENS)})-(?P<part1>{_any(_PARTS)})s?
      | (?P<count>{_any(_ONES)}|{_any(_TEENS)}|an?)\s(?P<part2>{_any(_PARTS)}(?P<plural>s?))
      | (?P<cardinal>{_CARDINAL})(?:{_AND_PART.format("over")})?
      | (?P<half>half)
      | (?P<times>{_any(_TIMES)})
      )\b
    """,
    re.VERBOSE | re.IGNORECASE,
)

# What a share is taken of, or compared with: "half of", "a third as many", "double the", "twice Tom's age".
_OF = re.compile(
    r"(?:\s+of\b|\s+(?:as|the|an?|that|this|these|those|his|her|their|its|my|your|our|what|all|more|less|longer|times)\b"
    r"|\s+[A-Z]\w*['’]s?\b)"
)
_OF_THEM = re.compile(r"\s+(?:are|were|is|was|have|had|of|each|off|again)\b|[.,]?\s+(?:hours?|ounces?|cups?|miles?)\b")
_ARE = re.compile(r"\s+(?:are|were|have|had)\b")
_HYPHEN_UNIT = re.compile(r"-(?:hour|mile|pound|gallon|cup|inch|foot|ounce|liter|acre|minute)", re.IGNORECASE)
_NOT_HALF = re.compile(
    r"(?:\b(?:other|first|second|last|latter|former|each|every|bottom|top|remaining|this|that|the|back|front|left|right"
    r"|upper|lower|and\sa|and\sone)\s+|-)$",
    re.IGNORECASE,
)
_NUMBER_AND = re.compile(rf"(?:[0-9]|\b{_any(_CARDINALS)}|\bhours?)\s+and\s+$", re.IGNORECASE)
_TO_DOUBLE = re.compile(r"\b(?:to|will|would|can|could|I|he|she|they|we|you|it|must|should|then|and|who|not)\s+$")
_AFTER_CAPITAL = re.compile(r"\b[A-Z]\w*\s\||[a-z,]\s\|\s[A-Z]$")  # | stands for the number
_RATE_BEFORE = re.compile(r"(?:[0-9]|\bcents?|\bdollars?|\beach)\s+$")
_ONE_UNITS = frozenset(MEASURES) - {"day", "days", "second", "score", "in", "quarter"} | {"dozen", "percent"}
_ONCE = re.compile(r"\s+(?:an?|per|every|each)\s+(?:day|week|month|year|hour|minute|night|morning)\b")

# A number that is followed by one of these, by a capital or by no word at all counts nothing.
_COUNTS_NOTHING = re.compile(
    r"['’]s?\b|\s*(?:[.,;:?!)]|$)|\s+(?:[A-Z]|(?:and|or|to|until|till|through|when|where|while|if|then|he|she|it|they|we"
    r"|there|the|an?|his|her|their|was|were|is|are|has|had|have|as|at|on|in|by|for|from|of|with|after|before|than|how"
    r"|but|compared|did|does|do|only|about|because|so|who|which|that|what|at|onwards?|will|would)\b)"
)
_YEAR_BEFORE = re.compile(
    rf"(?:\b(?:{_MONTH}|years?(?:\sis)?|currently|now|in|since|until|till|during|early|late|mid|spring|summer|fall|autumn|winter)"
    r"(?:\s+of)?\s+(?:[0-9]{1,2}(?:st|nd|rd|th)?,\s+)?|(?:\w-))$",
    re.IGNORECASE,
)
_YEAR_OTHER = re.compile(r"\b(?:from|to|by|between|and|of|before|after|than|the|with|or|both|for)\s+$|-$", re.I)
_DAY_BEFORE = re.compile(rf"\b{_MONTH}\s+(?:the\s+)?$")
_DAY_AFTER = re.compile(rf"\s+(?:of\s+)?{_MONTH}(?!\s+[a-z]+ed\b)")
_CLOCK = re.compile(
    r"(?:\s*(?:-|–|to|and|until|till|or)\s*[0-9]{1,2}(?::[0-9]{2})?)?\s*(?:[ap]\.?m\b|o['’]?\s?clock)", re.IGNORECASE
)
_LABELS = (
    r"room|highway|route|table|apartment|class|grade|chapter|page|day|week|level|stage|step|flight|gate|bus|lane|channel"
    r"|team|group|building|floor|section|part|question|problem|number|no\.|exit|district|size|book|year|night|round|phase"
    r"|station|box|episode|season|quarter|month|hour|house|game"
)
_LABEL = re.compile(rf"(?<!\w)(?P<before>[A-Za-z]+\s+)?(?P<label>{_LABELS})s?\s+$", re.IGNORECASE)
_PRODUCT = re.compile(r"\b(?:iPhone|iPad|Galaxy|Windows|Boeing|Apollo|PlayStation|Xbox|Formula)\s+$")
# "each day 3 apples", "8 hours a day 5 days": day is no label there.
_NOT_LABELLED = frozenset(_numbered("a an the each every per one this that next last first second his her", start=0))
_TOUCHES_WORD = re.compile(r"(?:[^\W\d_]|[^\W\d_][-–]|[0-9]\.|# ?)$")
_SUFFIX = re.compile(r"[A-Za-z]+|[^\W\d_]")
_SUFFIX_UNITS = frozenset(MEASURES) - {"s"} | {"c", "kb", "mb", "gb", "tb"}


@lru_cache(maxsize=1 << 8)  # each mask of a question looks for the others in it
def find_quantities(question: str) -> tuple[Quantity, ...]:
    """The numbers of a question that may be masked, in reading order."""
    return tuple(found for found in _judged(question) if isinstance(found, Quantity))


def left_alone(question: str) -> tuple[LeftAlone, ...]:
    """The numbers of a question that are not masked, in reading order, each with the rule that left it alone."""
    return tuple(found for found in _judged(question) if isinstance(found, LeftAlone))


def _judged(question: str) -> Iterator[Quantity | LeftAlone]:
    at = 0
    while (match := _CANDIDATE.search(question, at)) is not None:
        if match.end() - match.start() > MAX_CHARS:
            at = match.end()
            yield LeftAlone(*match.span(), match[0], "too long")
            continue
        judge = _words if match[0][0].isalpha() else _digits
        start, end, value, reason = judge(match, question)
        at = max(end, start + 1)
        if reason == "":
            yield Quantity(start, end, question[start:end], value)
        elif reason is not None:
            yield LeftAlone(start, end, question[start:end], reason)


# Start, end, value, and why it is left alone: "" if it is not, None if it is no number at all.
_Judgement = tuple[int, int, Fraction, str | None]


def _words(match: re.Match[str], question: str) -> _Judgement:
    """Number words."""
    part = {name: text.lower() for name, text in match.groupdict().items() if text is not None}
    start, end = match.span()
    before, rest = question[max(0, start - 24) : start], question[end:]
    if before[-1:] == "-" and "half" not in part:
        return start, end, Fraction(0), "name" if before[-2:-1].isalpha() else None
    if "half_dozen" in part:
        return start, end, Fraction(6), None if _NUMBER_AND.search(before) else ""
    if "dozen" in part:
        return start, end, Fraction(12), None if _RATE_BEFORE.search(before) else ""
    if "times" in part:
        return start, end, Fraction(_TIMES[part["times"]]), _times(part["times"], before, rest)
    if "half" in part:
        is_share = any(after.match(rest) for after in (_OF, _OF_THEM, _HYPHEN_UNIT))
        is_rest = _NOT_HALF.search(before) or _NUMBER_AND.search(before)  # the other half; two and half
        return start, end, Fraction(1, 2), "" if is_share and not is_rest else None
    if "hyphened" in part:
        return start, end, Fraction(_CARDINALS[part["hyphened"]], _PARTS[part["part1"]]), ""
    if "count" in part:
        parts, noun = _CARDINALS[part["count"]], part["part2"].removesuffix("s")
        is_share = _OF.match(rest) is not None
        if noun == "half":
            is_share = is_share or part["count"] == "one" or _OF_THEM.match(rest) is not None
        else:
            is_plural = noun != "quarter" and bool(part["plural"])  # three quarters may be coins
            is_share = is_share or is_plural or _ARE.match(rest) is not None
        if is_share and not (_NOT_HALF.search(before) and part["count"] in ("a", "an")):
            return start, end, Fraction(parts, _PARTS[noun]), ""
        end = start + len(part["count"])
        if part["count"] in ("a", "an"):
            return start, end, Fraction(0), None
        return start, end, Fraction(parts), _cardinal(part["count"], question, start, end)
    value = _cardinal_value(part["cardinal"])
    if "over" in part:
        return start, end, value + Fraction(1, _PARTS[part["over"]]), ""
    if "overn" in part and int(part["overd"]):
        return start, end, value + Fraction(int(part["overn"]), int(part["overd"])), ""
    end = match.end("cardinal")
    return start, end, value, _cardinal(part["cardinal"], question, start, end)


def _times(word: str, before: str, rest: str) -> str | None:
    if word == "once":
        return "" if _ONCE.match(rest) else None
    if word in ("twice", "thrice"):
        return None if rest[:1] == "-" else ""
    # "double the number" is a quantity; "to double the number", "a double bed" are not.
    return "" if _OF.match(rest) and not _TO_DOUBLE.search(before) else None


def _cardinal(text: str, question: str, start: int, end: int) -> str:
    """Why a number in words is left alone; "" if it is a quantity."""
    rest = question[end : end + 40]
    if text.split()[-1].split("-")[-1] in _TENS and re.match(rf"[-\s]{_ORDINAL}", rest, re.IGNORECASE):
        return "ordinal"
    if text == "one":
        unit = re.match(r"[-\s]([a-z]+)", rest)
        return "" if unit is not None and unit[1] in _ONE_UNITS else "one"
    before = question[max(0, start - 24) : start]
    # The Big Ten, at Six Flags; not "cut more yards by Fifty percent".
    if question[start].isupper() and _AFTER_CAPITAL.search(before + "|" + rest[:2]):
        return "name"
    if _PRODUCT.search(before) or _is_label(before, rest):
        return "name"
    return "time" if _CLOCK.match(rest) else ""


def _cardinal_value(text: str) -> Fraction:
    total = group = 0
    for word in re.findall(r"[a-z]+", text):
        if word == "hundred":
            group *= 100
        elif word in _SCALES:
            total, group = total + group * _SCALES[word], 0
        elif word != "and":
            group += _CARDINALS[word]
    return Fraction(total + group)


def _digits(match: re.Match[str], question: str) -> _Judgement:
    """A number in digits."""
    part = match.groupdict()
    start, end = match.span()
    sign = -1 if part["sign"] else 1
    if part["num"] is not None:
        return (start, end, *_ratio(0, part["num"], part["den"], 1))
    reason = _around(question, start + len(part["sign"] or ""), end, is_plain=part["decimal"] is not None)
    if part["numerator"] is not None:
        if question[end : end + 2].strip(" ")[:1] == "/" or question[start - 1 : start] == "/":
            return start, end, Fraction(0), "date"
        if (part["numerator"], part["denominator"]) in (("24", "7"), ("50", "50")):
            return start, end, Fraction(0), "idiom"
        value, none = _ratio(0, part["numerator"], part["denominator"], sign)
        return start, end, value, none or reason
    if part["whole"] is not None:
        whole = int(re.sub(r"[,\s]", "", part["whole"]))
        if part["more"] is not None:
            return start, end, sign * (whole + Fraction(1, _PARTS[part["more"].lower()])), reason
        numerator = part["mixed_num"] or part["moren"]
        value, none = _ratio(whole, numerator, part["mixed_den"] or part["mored"], sign)
        if not none and int(numerator) < int(part["mixed_den"] or part["mored"]):
            return start, end, value, reason
        end = match.end("whole")  # 3 4/2: two numbers
        return start, end, Fraction(sign * whole), _around(question, start, end, is_plain=True)
    digits = re.sub(r"[,\s]", "", part["decimal"])
    value = sign * Fraction(digits if digits[0] != "." else "0" + digits)
    return start, end, value, reason or _plain(question, start, end, digits)


def _ratio(whole: int, numerator: str, denominator: str, sign: int) -> tuple[Fraction, str]:
    if int(denominator) == 0:
        return Fraction(0), "zero"
    return sign * (whole + Fraction(int(numerator), int(denominator))), ""


def _around(question: str, start: int, end: int, *, is_plain: bool) -> str:
    """Whether the text around digits makes them part of a name, a date or an idiom; "" if not."""
    before, rest = question[max(0, start - 40) : start], question[end : end + 40]
    if before.endswith(("^", "^{", "_", "_{")):
        return "exponent or subscript"
    is_part = _TOUCHES_WORD.search(before) or re.match(r"\.[0-9]|,0[0-9]|,[0-9]{3}", rest)
    return "name" if is_part or is_plain and re.match(r"-[A-Z]", rest) else ""


def _plain(question: str, start: int, end: int, digits: str) -> str:
    """Why a number without a fraction is left alone; "" if it is a quantity."""
    before, rest = question[max(0, start - 40) : start], question[end : end + 40]
    if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
        return "time" if before[-1:] == ":" else "name"
    if re.match(r"(?:\^\{?\\?(?:text\{)?)?(?:st|nd|rd|th|1st)s?\b", rest):
        return "ordinal"
    suffix = _SUFFIX.match(rest)
    if suffix is not None and not _is_measured(suffix[0], question, start):
        return "time" if suffix[0].lower() in ("am", "pm") else "name"
    if before.rstrip().endswith(("$", "€", "£", "¥", "₹")) or re.match(r"\s?\\?%|\s?percent\b", rest):
        return ""
    if re.match(r":[0-9]", rest) or re.search(r"[0-9]:$", before):
        return "" if _is_ratio(question, start, end) else "time"
    if len(digits) <= 2 and _CLOCK.match(rest):
        return "time"
    if re.match(r"/[0-9]", rest) or re.search(r"[0-9]/$", before):
        return "date"
    if re.search(r"[0-9]{3}-$", before) or re.match(r"-[0-9]{4}(?![0-9])", rest) and not _is_year(digits):
        return "name"
    if _is_year(digits) and question[start:end].isdigit() and _reads_as_year(question, start, end):
        return "year"
    if len(digits) <= 2 and (_DAY_BEFORE.search(before) and _COUNTS_NOTHING.match(rest) or _DAY_AFTER.match(rest)):
        return "date"
    if re.search(r"(?:^|\n)\s*\(?$", before) and re.match(r"[.)]\s", rest):
        return "label"
    if before.endswith("(") and rest.startswith(") ") and "(1)" in question and "(2)" in question:
        return "label"
    if _PRODUCT.search(before) or _is_label(before, rest):
        return "name"
    return ""


def _is_measured(suffix: str, question: str, start: int) -> bool:
    """5kg, $40k; in mathematics also 3x. Not 3D, 20s, 12B, 401k, 3pm."""
    if suffix.lower() in ("am", "pm"):
        return False
    if suffix in ("k", "K", "M", "m") and question[start - 1 : start] == "$":
        return True
    if suffix in _SUFFIX_UNITS or suffix.lower() in _SUFFIX_UNITS and len(suffix) > 1:
        return True
    return any(begin <= start < end for begin, end in math_spans(question))


_MATH = re.compile(r"(?<![\\$])\$([^$\n]+)(?<![\s\\])\$(?![0-9])|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_WORD_IN_MATH = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{3,}")


def math_spans(question: str) -> tuple[tuple[int, int], ...]:
    r"""Where LaTeX mathematics stands: between dollar signs without words (not "$5 and $6"), or in \( \) and \[ \]."""
    if "$" not in question and "\\" not in question:
        return ()
    return tuple(
        match.span() for match in _MATH.finditer(question) if not (match[1] and _WORD_IN_MATH.search(match[1]))
    )


def _is_ratio(question: str, start: int, end: int) -> bool:
    """2:3 and 2:3:5 are ratios, 12:30 is a time; 5:10 is what the words before it say."""
    before = question[max(0, start - 20) : start]
    chain_start = start - len(before) + len(before.rstrip("0123456789:"))
    chain = re.findall(r"^[0-9:]*", question[chain_start : end + 20])[0].strip(":")
    if re.search(r"\b(?:ratio|proportion)s?\b", question[max(0, chain_start - 80) : chain_start]):
        return True
    return any(len(part) != 2 for part in chain.split(":")[1:])


def _is_year(digits: str) -> bool:
    return len(digits) == 4 and digits.isdecimal() and 1500 <= int(digits) <= 2099


def _reads_as_year(question: str, start: int, end: int) -> bool:
    """By what stands before it and that it counts nothing; "from 2017 to 2019" needs another sign of years."""
    before, rest = question[max(0, start - 40) : start], question[end:]
    if not _COUNTS_NOTHING.match(rest) and not re.match(r"-[0-9]{4}", rest):
        return False
    if _YEAR_BEFORE.search(before) and not before.endswith("-"):
        return True
    # Round numbers are rather amounts; 2017 hardly ever counts anything.
    is_odd = int(question[start:end]) % 10 != 0 and 1900 <= int(question[start:end]) <= 2099
    has_other = re.search(r"\b(?:[Ii]n|year|since)\s(?:1[5-9]|20)[0-9]{2}\b(?!\s[a-z]+s\b)", question) is not None
    return bool(_YEAR_OTHER.search(before)) and (is_odd or has_other)


def _is_label(before: str, rest: str) -> bool:
    """Room 12, Grade 5, day 2; not "each day 3 apples", nor "a size 20 gigabytes" that counts something."""
    match = _LABEL.search(before)
    if match is None or match["label"][0].isupper() and match["before"] is not None:
        return match is not None
    return (match["before"] or "").strip().lower() not in _NOT_LABELLED and bool(_COUNTS_NOTHING.match(rest))
