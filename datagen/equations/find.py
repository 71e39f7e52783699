r"""Equations in a reply: calculator annotations (GSM8K, Cobbe et al. 2021), else those of the running text.

Each link of a chain `a = b = c` is an equation of its own. A link holds if its sides differ by less than 1e-3, the
tolerance of RFT's published code; here in exact arithmetic.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from datagen.equations.evaluate import MAX_CHARS, MAX_DIGITS, NotArithmetic, evaluate_postfix, number, postfix
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
            # A bare number before the first sign is as often a label as a result (Day 1 = 3 * 4), and a fraction a
            # share of something (1/4 = 15 students, but not 1/4 = 0.3): only a link that holds is taken.
            is_share = right.is_bare and _is_share(lhs) and _is_something(rhs)
            if i == 0 and not equation.holds and (left.is_bare or is_share):
                continue
            yield equation


def _is_share(text: str) -> bool:
    match = _PROPER_FRACTION.fullmatch(text)
    return match is not None and int(match[1]) < int(match[2])


def _is_something(text: str) -> bool:
    """Whether a number has a unit or is too large for the value of a share; a percentage is a value."""
    kinds = {token.kind for token in tokenise(text)}
    if "%" in kinds:
        return False
    numbers = [token.text for token in tokenise(text) if token.kind == "num"]
    return bool(kinds & {"unit", "cur"}) or any(len(digits) > MAX_DIGITS or number(digits) > 1 for digits in numbers)


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
    is_unclear = _converts(lhs + rhs) or _holds_of_a_share(lhs, rhs_value) or _SPACED_DIVISION.search(left)
    return None if is_unclear else False


def _ends_in_percent(tokens: list[Token]) -> bool:
    kinds = [token.kind for token in tokens if token.kind not in ("unit", "cur")]
    return kinds[-1] == "%"


def _converts(tokens: list[Token]) -> bool:
    """Whether units matter: 3 * 20 cents = $0.60, 2 dozen * 3 = 72. With units ignored these cannot be judged.

    The same scale with every number matters to none: 2 dozen + 1 dozen = 4 dozen.
    """
    units = [token.text.lower().lstrip("\\") for token in tokens if token.kind in ("unit", "cur")]
    words = set(units)
    if words & SCALES:
        scales = [_singular(unit) for unit in units if unit in SCALES]
        n_numbers = sum(token.kind == "num" for token in tokens)
        if len(set(scales)) > 1 or len(scales) != n_numbers:
            return True
    names = {(MEASURES[word], _singular(word)) for word in words if word in MEASURES}
    return len({dimension for dimension, _ in names}) < len(names)


def _holds_of_a_share(lhs: list[Token], value: Fraction) -> bool:
    """Whether the first percentage that is added or taken is meant of what stands before it: 100 - 20% = 80."""
    tokens = [token for token in lhs if token.kind not in ("unit", "cur", "nl")]
    for i in range(1, len(tokens) - 2):
        sign, amount, percent = tokens[i : i + 3]
        is_added = sign.kind == "op" and sign.text in "+-" and (amount.kind, percent.kind) == ("num", "%")
        if is_added and tokens[i - 1].kind in ("num", ")"):
            start = _group_start(tokens, i)
            share = tokenise(f")*(1{sign.text}{amount.text}%)")
            try:
                meant = evaluate_postfix(
                    postfix([*tokens[:start], *tokenise("("), *tokens[start:i], *share, *tokens[i + 3 :]])
                )
            except NotArithmetic:
                return False
            return abs(meant - value) < TOLERANCE
    return False


def _group_start(tokens: list[Token], i: int) -> int:
    """Where the brackets that hold token i begin, or the side."""
    depth = 0
    while i and not (depth == 0 and tokens[i - 1].kind == "("):
        i -= 1
        depth += (tokens[i].kind == ")") - (tokens[i].kind == "(")
    return i


def _singular(unit: str) -> str:
    return "dollar" if unit == "$" else unit.removesuffix("s")
