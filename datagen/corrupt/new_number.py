"""Wrong numbers that a person might write: of the same kind, written like the number that they replace."""

import random
import re
from fractions import Fraction

MAX_DIGITS = 15

_WRITTEN = re.compile(r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.(?P<decimals>[0-9]+))?")


def is_plain(text: str) -> bool:
    """Whether a number is written so that another one can be written like it: 1,200 or 0.25; not 1{,}200."""
    return _WRITTEN.fullmatch(text) is not None and 0 < sum(map(str.isdigit, text)) <= MAX_DIGITS


def value_of(text: str) -> Fraction:
    """The value of a plainly written number."""
    return Fraction("0" + text.replace(",", ""))


def written_like(value: Fraction, like: str) -> str | None:
    """The value with as many decimals as `like` has, and its thousands separators; None if that is not exact.

    An integer stays an integer, and only positive numbers are written.
    """
    match = _WRITTEN.fullmatch(like)
    if match is None or value <= 0:
        return None
    n_decimals = len(match["decimals"] or "")
    scaled = value * 10**n_decimals
    if scaled.denominator != 1 or len(str(scaled.numerator)) > MAX_DIGITS:
        return None
    digits = str(scaled.numerator).rjust(n_decimals + 1, "0")
    whole, decimals = (digits[:-n_decimals], digits[-n_decimals:]) if n_decimals else (digits, "")
    if "," in match["whole"]:
        whole = f"{int(whole):,}"
    elif not match["whole"] and whole == "0":
        whole = ""  # .5
    return f"{whole}.{decimals}" if n_decimals else whole


def wrong_number(text: str, rng: random.Random) -> Fraction | None:
    """Another value that can be written like `text`, by a realistic slip; None if there is no such value."""
    values = wrong_numbers(text)
    return rng.choice(values) if values else None


def wrong_numbers(text: str) -> list[Fraction]:
    """All the slips considered: off by one, ten or 10 %, digits swapped, a digit wrong, a factor of ten or two."""
    value = value_of(text)
    match = _WRITTEN.fullmatch(text)
    assert match is not None, "the caller asks is_plain"
    unit = Fraction(1, 10 ** len(match["decimals"] or ""))
    slips = [value + unit, value - unit, value + 2 * unit, value - 2 * unit, *_digits_swapped(text)]
    if value.denominator == 1 and unit != 1:
        slips += [value + 1, value - 1]
    if value >= 10 * unit:
        tenth = max(unit, unit * round(value / 10 / unit))
        slips += [value + tenth, value - tenth, value + 10 * unit, value / 10]
    if value >= 20 * unit:
        slips.append(value - 10 * unit)
    slips += [value * 10, value * 2, value / 2]
    out: list[Fraction] = []
    for slip in slips:
        if slip != value and slip not in out and written_like(slip, text) is not None:
            out.append(slip)
    return out


def _digits_swapped(text: str) -> list[Fraction]:
    """48 -> 84, 0.25 -> 0.52: neighbouring digits in the wrong order; a number does not begin with a swapped-in 0."""
    places = [i for i, c in enumerate(text) if c.isdigit()]
    out = []
    for i, j in zip(places, places[1:], strict=False):
        swapped = list(text)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        if swapped[0] != "0" or text[0] == "0":
            out.append(value_of("".join(swapped)))
    return out
