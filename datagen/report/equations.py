"""Where a text's equations stand, whether they hold, and what their left side comes to: what the page paints."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from datagen.answers.number import canonical
from datagen.equations.evaluate import NotArithmetic, evaluate
from datagen.equations.find import Equation, find_equations

LONGEST_VALUE = 12  # characters of an exact value; beyond, it is rounded
_ANNOTATION = re.compile(r"<<([^<>]*)>>")


class Checked(NamedTuple):
    """A stretch of text that is an equation, or one link of a chain of them."""

    start: int
    end: int
    holds: bool | None  # None: it cannot be evaluated
    value: str | None  # of the left side, where the equation does not hold


def checked_equations(text: str) -> tuple[Checked, ...]:
    """The equations of `find_equations` at their places; they do not overlap.

    Of a chain a = b = c the second link is painted from where the first one ends.
    """
    found: list[Checked] = []
    end = 0
    for start, stop, equation in _located(text):
        first = max(start, end)
        if first < stop:
            found.append(Checked(first, stop, equation.holds, _value(equation)))
            end = stop
    return tuple(found)


def _located(text: str) -> Iterator[tuple[int, int, Equation]]:
    annotations = [match for match in _ANNOTATION.finditer(text) if "=" in match[1]] if "<<" in text else []
    if not annotations:
        yield from _in_order(text, find_equations(text), 0)
    # Each annotation brings its own links, so that a place is never guessed between equal ones.
    for match in annotations:
        inner = find_equations(match[0])
        places = list(_in_order(match[1], inner, match.start(1)))
        if places:
            yield from places
        else:  # signs such as '==' between the sides: the annotation as a whole is as wrong as its worst link
            worst = min(inner, key=lambda equation: (equation.holds is not False, equation.holds is True))
            yield match.start(1), match.end(1), worst


def _in_order(text: str, equations: tuple[Equation, ...], offset: int) -> Iterator[tuple[int, int, Equation]]:
    """Places of equations that come one after the other; those that cannot be found literally are left out."""
    at = 0
    for equation in equations:
        start = text.find(equation.text, at)
        if start >= 0:
            yield offset + start, offset + start + len(equation.text), equation
            at = start + 1


def _value(equation: Equation) -> str | None:
    return None if equation.holds is not False else _left_value(equation.normalised)


@lru_cache(maxsize=1 << 14)
def _left_value(normalised: str) -> str | None:
    try:
        return shown(evaluate(normalised.partition("=")[0]))
    except NotArithmetic:
        return None


def shown(value: Fraction) -> str:
    """A number as short as it can be read: exact where that is short, else rounded and marked so."""
    exact = canonical(value)
    if value.denominator == 1 or ("/" not in exact and len(exact) <= LONGEST_VALUE):
        return exact if len(exact) <= 2 * LONGEST_VALUE else f"about 1e{len(exact.lstrip('-')) - 1}"
    if abs(value) >= 10**LONGEST_VALUE or abs(value) < Fraction(1, 10**4):
        return f"{exact[: 2 * LONGEST_VALUE]}…" if len(exact) > 2 * LONGEST_VALUE else exact
    return f"≈ {float(value):.4f}".rstrip("0").rstrip(".")
