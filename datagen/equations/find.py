r"""Equations in a reply: calculator annotations (GSM8K, Cobbe et al. 2021), else those of the running text.

Each link of a chain `a = b = c` is an equation of its own. A link holds if its sides differ by less than 1e-3, the
tolerance of RFT's published code; here in exact arithmetic.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from datagen.equations.evaluate import MAX_CHARS, NotArithmetic, evaluate_postfix, postfix
from datagen.equations.normalise import normalise
from datagen.equations.running_text import chains
from datagen.equations.tokens import MEASURES, SCALES, Token, tokenise

TOLERANCE = Fraction(1, 1000)
MAX_CACHED_CHARS = 100

_ANNOTATION = re.compile(r"<<([^<>]*)>>")
_EQUALS = re.compile(r"=+")
_SPACED_DIVISION = re.compile(r"/\s{1,3}[0-9]{1,9}/[0-9]")
_PROPER_FRACTION = re.compile(r"\s*([0-9]{1,9}) ?/ ?([0-9]{1,9})\b[^0-9]*")


class Equation(NamedTuple):
    """One equation of a reply."""

    text: str
    normalised: str
    holds: bool | None  # None: it cannot be evaluated (an unknown, a bound, units that are converted); not false


def find_equations(text: str) -> tuple[Equation, ...]:
    """Annotated equations in reading order; where there are none, those of the running text."""
    if "=" not in text:
        return ()
    if "<<" in text:
        annotations = [annotation for annotation in _ANNOTATION.findall(text) if "=" in annotation]
        if annotations:
            return tuple(equation for annotation in annotations for equation in _links(annotation))
    return tuple(_in_running_text(text))


def _links(annotation: str) -> Iterator[Equation]:
    sides = _EQUALS.split(annotation)
    for left, right in zip(sides, sides[1:], strict=False):
        yield _equation(annotation if len(sides) == 2 else f"{left}={right}", left, right)


def _in_running_text(text: str) -> Iterator[Equation]:
    for chain in chains(tokenise(text)):
        for i, (left, right) in enumerate(zip(chain, chain[1:], strict=False)):
            if left.is_bare and right.is_bare and (i == 0 or left.has_unit or right.has_unit):
                continue  # "1 hour = 60 minutes" converts; "2 = 6" is what is left of "3 pens at $2 = $6"
            lhs, rhs = text[left.start : left.units_end], text[right.start : right.units_end]
            equation = _equation(text[left.start : right.end], lhs, rhs)
            # A bare number before the first sign is as often a label as a result (Day 1 = 3 * 4), and a
            # fraction a share of something (1/4 = 15 students): only a link that holds is taken.
            if i == 0 and not equation.holds and (left.is_bare or (right.is_bare and _is_share(lhs))):
                continue
            yield equation


def _is_share(text: str) -> bool:
    match = _PROPER_FRACTION.fullmatch(text)
    return match is not None and int(match[1]) < int(match[2])


def _equation(text: str, left: str, right: str) -> Equation:
    # The cache pays because k samples of one problem repeat each other's equations; long texts would only fill it.
    return _cached(text, left, right) if len(left) + len(right) <= MAX_CACHED_CHARS else _judged(text, left, right)


def _judged(text: str, left: str, right: str) -> Equation:
    return Equation(text, normalise(f"{left}={right}"), _holds(left, right))


_cached = lru_cache(maxsize=1 << 15)(_judged)


def _holds(left: str, right: str) -> bool | None:
    if max(len(left), len(right)) > MAX_CHARS:
        return None
    lhs, rhs = tokenise(left), tokenise(right)
    try:
        lhs_value, rhs_value = evaluate_postfix(postfix(lhs)), evaluate_postfix(postfix(rhs))
    except NotArithmetic:
        return None
    if abs(lhs_value - rhs_value) < TOLERANCE:
        return True
    # 15 / 60 * 100 = 25% and 1.2 x 100% = 120: the sign is a unit there.
    if _ends_in_percent(rhs) and abs(lhs_value - 100 * rhs_value) < TOLERANCE:
        return True
    if "100%" in left and abs(100 * lhs_value - rhs_value) < TOLERANCE:
        return True
    # 28 / 1/5: by the rules (28 / 1) / 5, but most who space it so mean 28 / (1/5).
    return None if _converts(lhs + rhs) or _SPACED_DIVISION.search(left) else False


def _ends_in_percent(tokens: list[Token]) -> bool:
    kinds = [token.kind for token in tokens if token.kind not in ("unit", "cur")]
    return kinds[-1] == "%"


def _converts(tokens: list[Token]) -> bool:
    """Whether units matter: 3 * 20 cents = $0.60, 2 dozen * 3 = 72. With units ignored these cannot be judged."""
    words = {token.text.lower().lstrip("\\") for token in tokens if token.kind in ("unit", "cur")}
    if words & SCALES:
        return True
    names = {(MEASURES[word], _singular(word)) for word in words if word in MEASURES}
    return len({dimension for dimension, _ in names}) < len(names)


def _singular(unit: str) -> str:
    return "dollar" if unit == "$" else unit.removesuffix("s")
