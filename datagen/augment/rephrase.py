"""Rephrased questions (MetaMath, section 3.2): a model's rewrite is accepted only if it still is the same problem.

By rule, each number of the original must stand in the rewrite as often, in digits or words, with a unit it could have
had; by sampling, its solutions must reach the original answer.

Decided here:
- Numbers are compared as a multiset (`stated_numbers`): a rewrite may reorder them. "a dozen" equals "12", "twice"
  equals "double" and "2"; "3 dozen" is not "36", and "25%" is not "a quarter".
- "one" as a word may be a pronoun or an article, so it need not be kept nor matched; a 1 in digits must be there in
  some form, and must not come from nowhere.
- A unit may be left out or spelt otherwise ("$5", "5 dollars"), but not exchanged: 5 km for 5 m, and 2 hours for 120
  minutes, are both "unit changed". A percent sign must stay a percent.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from datagen.answers.number import parse_number
from datagen.augment.question import NO_WORDING, NOT_REWRITTEN, Question, left_out
from datagen.augment.reply import one_paragraph
from datagen.augment.sentences import split_question
from datagen.augment.stated_numbers import StatedNumber, stated_numbers
from datagen.store.spill import Spilled
from datagen_schemas.problem import Problem

LABELS = (
    "rephrased question",
    "rephrased",
    "rewritten question",
    "rewritten",
    "rewrite",
    "new question",
    "new wording",
    "question",
)
MAX_LENGTH_RATIO = 4
REASONS = ("malformed", "same question", "leaks the answer", "unit changed", "numbers changed", "no question")


class Unit(NamedTuple):
    """A unit of measure: units of one dimension convert by their sizes."""

    dimension: str
    size: Fraction  # in the dimension's smallest unit here


def _units(dimension: str, sizes: dict[str, str]) -> dict[str, Unit]:
    return {word: Unit(dimension, Fraction(size)) for size, words in sizes.items() for word in words.split()}


UNITS = {
    **_units("money", {"1": "cent cents ¢", "100": "$ dollar dollars usd buck bucks"}),
    **_units("euro", {"100": "€ euro euros"}),
    **_units(
        "time",
        {
            "1": "second seconds sec secs",
            "60": "minute minutes min mins",
            "3600": "hour hours hr hrs",
            "86400": "day days",
            "604800": "week weeks",
        },
    ),
    **_units(
        "calendar", {"1": "month months", "12": "year years", "120": "decade decades", "1200": "century centuries"}
    ),
    **_units(
        "metric length",
        {
            "1": "mm millimeter millimeters millimetre millimetres",
            "10": "cm centimeter centimeters centimetre centimetres",
            "1000": "m meter meters metre metres",
            "1000000": "km kms kilometer kilometers kilometre kilometres",
        },
    ),
    **_units(
        "length", {"1": "inch inches", "12": "ft foot feet", "36": "yd yds yard yards", "63360": "mi mile miles"}
    ),
    **_units(
        "metric mass",
        {
            "1": "mg milligram milligrams",
            "1000": "g gram grams",
            "1000000": "kg kgs kilo kilos kilogram kilograms",
            "1000000000": "tonne tonnes",
        },
    ),
    **_units("mass", {"1": "oz ounce ounces", "16": "lb lbs pound pounds", "32000": "ton tons"}),
    **_units(
        "metric volume",
        {"1": "ml milliliter milliliters millilitre millilitres", "1000": "l liter liters litre litres"},
    ),
    **_units(
        "volume",
        {
            "1": "tsp teaspoon teaspoons",
            "3": "tbsp tablespoon tablespoons",
            "48": "cup cups",
            "96": "pint pints",
            "192": "quart quarts",
            "768": "gallon gallons gal",
        },
    ),
    **_units("percent", {"1": "% percent"}),
}
# Two systems of one dimension convert as well: 5 miles for 8 km is a change of unit, if not an exact one.
_SYSTEM = {"metric length": "length", "metric mass": "mass", "metric volume": "volume", "euro": "money"}
_UNIT_AFTER = re.compile(r"[\s-]*(?:per\s?cent\b|%|¢|[^\W\d_]+)")


def rephrased_questions(problem: Problem, replies: Sequence[Spilled]) -> Iterator[Question]:
    """The rewrites that a model replied; those that are another problem come as rejected ones."""
    if not replies:
        yield left_out("rephrase", problem, NOT_REWRITTEN)
    for reply in replies:
        parents = (reply.reply_key,) if reply.reply_key is not None else ()
        rewrite = parse_rewrite(reply.response)
        reason: str | None = "malformed"
        if rewrite is not None:
            reason = check_rewrite(problem.question, rewrite, answer=problem.answer)
        text = reply.response if rewrite is None else rewrite
        yield Question("rephrase", problem, f"rephrase-{reply.sample}", text, problem.answer, parents, reason)


def reworded_questions(problem: Problem, wordings: Sequence[str]) -> Iterator[Question]:
    """The same for wordings that a rule made."""
    if not wordings:
        yield left_out("rephrase", problem, NO_WORDING)
    for i, wording in enumerate(wordings):
        reason = check_rewrite(problem.question, wording, answer=problem.answer)
        yield Question("rephrase", problem, f"rephrase-rule-{i}", wording, problem.answer, reason=reason)


def parse_rewrite(reply: str) -> str | None:
    """The rewrite that a model replied; None if the reply is not one paragraph."""
    return one_paragraph(reply, labels=LABELS)


def check_rewrite(original: str, rewrite: str, *, answer: str) -> str | None:
    """Why a rewrite is rejected, or None if it is not: the first of `REASONS` that holds.

    Args:
        original: The question.
        rewrite: What `parse_rewrite` gave.
        answer: The answer of the question; "leaks the answer" if its number is new in the rewrite.
    """
    if not rewrite.strip() or len(rewrite) > MAX_LENGTH_RATIO * len(original) + 200:
        return "malformed"
    if _words(rewrite) == _words(original):
        return "same question"
    before, after = stated_numbers(original), stated_numbers(rewrite)
    value = parse_number(answer)
    if value is not None and _is_new(value, before, after):
        return "leaks the answer"
    measures, new_measures = _measures(original, before), _measures(rewrite, after)
    if _unit_exchanged(measures, new_measures):
        return "unit changed"
    if not _same_numbers(before, after):
        return "numbers changed"
    if _percents(measures) != _percents(new_measures):
        return "unit changed"
    return None if split_question(rewrite) is not None else "no question"


def is_solved(answers_right: int, *, n: int, m: int) -> bool:
    """Whether at least m of n sampled solutions of a rewrite reach the original answer.

    Raises:
        ValueError: more right answers than solutions, or an m that is not from 1 to n.
    """
    if not 1 <= m <= n or not 0 <= answers_right <= n:
        raise ValueError(f"{answers_right} right of n={n}, m={m}: needs 1 <= m <= n and 0 <= right <= n")
    return answers_right >= m


def _words(text: str) -> str:
    """The text without its case, spacing and final punctuation."""
    return " ".join(text.casefold().replace("’", "'").split()).rstrip(" .?!")


def _is_new(value: Fraction, before: tuple[StatedNumber, ...], after: tuple[StatedNumber, ...]) -> bool:
    if any(number.value == value for number in before):
        return False
    return any(number.value == value and not (value == 1 and number.is_word) for number in after)


def _same_numbers(before: tuple[StatedNumber, ...], after: tuple[StatedNumber, ...]) -> bool:
    if Counter(n.value for n in before if n.value != 1) != Counter(n.value for n in after if n.value != 1):
        return False
    return _ones_in_digits(before) <= _ones(after) and _ones_in_digits(after) <= _ones(before)


def _ones(numbers: tuple[StatedNumber, ...]) -> int:
    return sum(number.value == 1 for number in numbers)


def _ones_in_digits(numbers: tuple[StatedNumber, ...]) -> int:
    return sum(number.value == 1 and not number.is_word for number in numbers)


def _measures(text: str, numbers: tuple[StatedNumber, ...]) -> Counter[tuple[Fraction, Unit]]:
    """The numbers with a known unit next to them."""
    out: Counter[tuple[Fraction, Unit]] = Counter()
    for number in numbers:
        match = _UNIT_AFTER.match(text, number.end)
        word = re.sub(r"[\s-]", "", match[0]).lower() if match is not None else ""
        before = text[number.start - 1 : number.start].strip() or text[number.start : number.start + 2].strip("-−")[:1]
        unit = UNITS.get(word) if word in UNITS else UNITS.get(before)
        if before in ("$", "€"):
            unit = UNITS[before]  # $5 per hour, $5 cups
        if unit is not None:
            out[number.value, unit] += 1
    return out


def _unit_exchanged(before: Counter[tuple[Fraction, Unit]], after: Counter[tuple[Fraction, Unit]]) -> bool:
    """Whether a measure is gone, and one of its dimension and of its value or its size has come instead."""
    for value, unit in before - after:
        for other, new in after - before:
            if new == unit or _dimension(new) != _dimension(unit):
                continue
            is_inexact = new.dimension != unit.dimension
            if other == value or is_inexact or other * new.size == value * unit.size:
                return True
    return False


def _percents(measures: Counter[tuple[Fraction, Unit]]) -> Counter[Fraction]:
    return Counter({value: n for (value, unit), n in measures.items() if unit.dimension == "percent"})


def _dimension(unit: Unit) -> str:
    return _SYSTEM.get(unit.dimension, unit.dimension)
