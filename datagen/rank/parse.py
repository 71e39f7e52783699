"""A judge's reply -> its evidence and its rating from 1 to 10, or the reason why there is none.

Strict on purpose: a number guessed from a reply would be a label of the training data. Decided here:
- A rating stands behind a label at the start of a line, `Rating:`, at most with Markdown around it; what stands in
  the middle of a line is evidence, whatever numbers it mentions, and a quoted line (`> `, `| `) is a quotation. Where
  no line has that label, `Score:` counts as one, for judges that were trained on it.
- A last line `8/10` is a rating without a label: it states its scale. A bare `8` is not.
- A JSON object with `rating`, alone or as the only one in a code fence, is held to the same form.
- Two labels must agree; one that is followed by no number makes the reply unreadable, even if another is.
- A reply that was cut off has no rating: what stands in it may be a step on the way.
- Evidence is what stands before the rating, since the paper wants it written first; there may be none.
"""

import json
import re
from typing import Any, NamedTuple

CUT_OFF = "the reply was cut off"
EMPTY = "the reply is empty"
UNCLOSED = "its thinking never ended"
NO_RATING = "no rating"
NOT_A_NUMBER = "the rating is not one number"
OUT_OF_RANGE = "the rating is not between 1 and 10"
OTHER_SCALE = "the rating is on another scale"
DIFFERENT = "two different ratings"

ERRORS = (CUT_OFF, EMPTY, UNCLOSED, NO_RATING, NOT_A_NUMBER, OUT_OF_RANGE, OTHER_SCALE, DIFFERENT)

# Full-width forms, which Chinese and Japanese keyboards give. All of NFKC would make 72 of 7².
_FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20}
_MARKDOWN = "*_#`- \t"
_LABEL = re.compile(
    r"[*_#`\s-]*(?:(?:final|overall)[ \t]+)?(?P<word>rating|score)[*_`\s]*:(?P<value>.*)", re.IGNORECASE | re.DOTALL
)
_EVIDENCE = re.compile(r"[*_#`\s-]*(?:evaluation[ \t]+)?evidence[*_`\s]*:[*_`]*", re.IGNORECASE)
_WRAPPED = re.compile(r"\[\[([^\[\]]*)\]\]|\[([^\[\]]*)\]|\(([^()]*)\)|<([^<>]*)>")
_OF_TEN = r"(?P<scale>\s*(?:/|out\s+of)\s*10)?(?:\s*points?)?\.?"
# Without leading zeros or an exponent, and no longer than what Python writes for a float.
_RATING = re.compile(rf"(?P<number>(?:0|[1-9][0-9]?)(?:\.[0-9]{{1,17}})?){_OF_TEN}", re.IGNORECASE)
_ANY_NUMBER = re.compile(rf"[-+−–]?[0-9]+(?:\.[0-9]+)?{_OF_TEN}", re.IGNORECASE)
_ANY_SCALE = re.compile(r"[-+−–]?[0-9]+(?:\.[0-9]+)?\s*(?:%|(?:/|out\s+of)\s*[0-9]+)\s*(?:points?)?\.?", re.IGNORECASE)
_THINKING = re.compile(r"\s*<(think|thinking)>", re.IGNORECASE)


class Parsed(NamedTuple):
    """What a reply says: a rating, or the reason why there is none."""

    rating: float | None
    evidence: str | None
    error: str | None


class _Value(NamedTuple):
    rating: float | None
    error: str | None
    has_scale: bool = False


def parse_rating(text: str, *, finish_reason: str | None = None) -> Parsed:
    """Read a judge's reply; never raises and never makes a number up.

    Args:
        text: the reply.
        finish_reason: why the server says it ended; 'length' makes it unreadable.
    """
    if finish_reason == "length":
        return _failed(CUT_OFF)
    if not text.strip():
        return _failed(EMPTY)
    said = _after_thinking(text)
    if said is None:
        return _failed(UNCLOSED)
    if not said.strip():
        return _failed(EMPTY)
    found = _json_object(said)
    return _from_json(found) if found is not None else _from_lines(said)


def _failed(error: str) -> Parsed:
    return Parsed(None, None, error)


def _after_thinking(text: str) -> str | None:
    """The reply behind a leading <think> block; None if that is never closed."""
    opened = _THINKING.match(text)
    if opened is None:
        return text
    closing = re.compile(f"</{opened[1]}>", re.IGNORECASE).search(text, opened.end())
    return None if closing is None else text[closing.end() :]


def _from_lines(text: str) -> Parsed:
    lines = text.splitlines()
    found = _labelled(lines, "rating") or _labelled(lines, "score")
    if not found:
        last = max(i for i, line in enumerate(lines) if line.strip())
        value = _value(lines[last])
        if value.rating is None or not value.has_scale:
            return _failed(NO_RATING)
        found = [(last, value)]
    for _, value in found:
        if value.error is not None:
            return _failed(value.error)
    if len({value.rating for _, value in found}) > 1:
        return _failed(DIFFERENT)
    first, value = found[0]
    return Parsed(value.rating, _evidence("\n".join(lines[:first])), None)


def _labelled(lines: list[str], word: str) -> list[tuple[int, _Value]]:
    """Every line with this label, and the value behind it: on the same line, or alone on the next that has text."""
    found: list[tuple[int, _Value]] = []
    for i, line in enumerate(lines):
        match = _LABEL.fullmatch(line.translate(_FULL_WIDTH))
        if match is None or match["word"].lower() != word:
            continue
        value = match["value"]
        if not value.strip(_MARKDOWN):
            value = next((later for later in lines[i + 1 :] if later.strip(_MARKDOWN)), "")
        found.append((i, _value(value)))
    return found


def _value(text: str) -> _Value:
    """The rating that a text states if it states nothing else."""
    plain = text.translate(_FULL_WIDTH).strip()
    # '-' is Markdown only before a space: -3 is a number, if no rating.
    plain = re.sub(r"^-\s+", "", plain).strip("*_#` \t")
    wrapped = _WRAPPED.fullmatch(plain.rstrip("."))
    if wrapped is not None:
        plain = (wrapped[wrapped.lastindex or 0] or "").strip("*_` \t")
    match = _RATING.fullmatch(plain)
    if match is not None:
        rating = float(match["number"])
        if 1 <= rating <= 10:
            return _Value(rating, None, has_scale=match["scale"] is not None)
        return _Value(None, OUT_OF_RANGE)
    if _ANY_NUMBER.fullmatch(plain):
        return _Value(None, OUT_OF_RANGE if _is_outside(plain) else NOT_A_NUMBER)
    return _Value(None, OTHER_SCALE if _ANY_SCALE.fullmatch(plain) else NOT_A_NUMBER)


def _is_outside(number: str) -> bool:
    """Whether the whole part alone says so: -3, 11, 100; not 07, nor 7 with a hundred decimals."""
    digits = re.match(r"0*([0-9]*)", number.lstrip("+"))
    whole = digits[1] if digits is not None else ""
    return not number[0].isdigit() and number[0] != "+" or len(whole) > 2 or not 1 <= int(whole or 0) <= 10


def _evidence(text: str) -> str | None:
    stripped = text.strip()
    label = _EVIDENCE.match(stripped.translate(_FULL_WIDTH))
    if label is not None:
        stripped = stripped[label.end() :].strip()
    return stripped if stripped.strip(_MARKDOWN) else None


def _json_object(text: str) -> list[tuple[str, Any]] | None:  # Any: JSON
    """Names and values of the object that the reply is, or that is the only one in its code fences."""
    whole = text.strip()
    if whole.startswith("{"):
        return _object(whole)
    objects = [found for part in text.split("```")[1::2] if (found := _object(_without_language(part))) is not None]
    return objects[0] if len(objects) == 1 else None


def _without_language(fenced: str) -> str:
    return re.sub(r"^[A-Za-z0-9]*\s*(?=\{)", "", fenced.strip())


def _object(text: str) -> list[tuple[str, Any]] | None:  # Any: JSON
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        # Numbers stay text, so that 1e1, NaN and a thousand digits are judged as in a line. Objects stay pairs:
        # two ratings must not become one.
        found = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_Pairs, strict=False
        )
    except (ValueError, RecursionError):
        return None
    return list(found) if isinstance(found, _Pairs) else None


class _Pairs(list[tuple[str, Any]]):  # Any: JSON
    """An object of a JSON text, told apart from an array."""


def _from_json(pairs: list[tuple[str, Any]]) -> Parsed:  # Any: JSON
    named = [value for name, value in pairs if name.strip().lower() == "rating"]
    if not named:
        return _failed(NO_RATING)
    values = [_value(value) if isinstance(value, str) else _Value(None, NOT_A_NUMBER) for value in named]
    for value in values:
        if value.error is not None:
            return _failed(value.error)
    if len({value.rating for value in values}) > 1:
        return _failed(DIFFERENT)
    said = next((value for name, value in pairs if name.strip().lower() == "evidence"), None)
    return Parsed(values[0].rating, _evidence(said) if isinstance(said, str) else None, None)
