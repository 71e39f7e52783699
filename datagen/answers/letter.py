"""The choice that a text names: by its letter, `B`, `(b)`, `option B`, `B) 12`, or by the choice's own text or number.

Two different letters joined by "or", "and", a comma or a stroke name no choice, and "not B" names none either.
"""

import re
from collections.abc import Sequence

from datagen.answers.number import parse_number

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_OPENING = r"[\s*$:(\[\\]{0,6}(?:text|mathrm|textbf)?\{?\s?"
_NAMED = re.compile(
    rf"{_OPENING}(?P<word>(?:option|choice|answer)\s{{0,3}})?[*(\[]{{0,3}}(?P<letter>[A-Za-z])(?!\w|['’-])"
    r"(?P<close>[)\].:,;]|\})?[*}]{0,3}(?P<more>\s*\S)?",
    re.IGNORECASE,
)
_JOIN = r"(?:\s*[,/&]\s*(?:(?:or|and)\s+)?|\s+(?:or|and|nor)\s+)(?:(?:also|maybe|perhaps|option|choice)\s+){0,2}"
# A letter that a clause begins with is not joined: "B, A is wrong", "C and I am sure".
_ALONE = (
    r"(?!\w|['’])[)\]*}]{0,3}"
    r"(?!\s+(?:is|was|are|isn|does|do|would|will|gives|can|cannot|has|have|am|think|got|get|chose|pick)\b)"
)
_PAIR = (
    rf"[(\[*]{{0,3}}(?P<first>[A-Za-z])[)\]*]{{0,3}}(?:\s+[$\d.,%]+)?{_JOIN}[(\[*]{{0,3}}(?P<second>[A-Za-z]){_ALONE}"
)
_PAIR_AT_ONCE = re.compile(
    rf"{_OPENING}(?:(?:either|neither|both|between)\s+)?(?:(?:options?|choices?|answers?)\s+)?{_PAIR}"
)
_PAIR_ANYWHERE = re.compile(rf"(?<![\w'’]){_PAIR}")
_LETTER = re.compile(
    r"\b(?:option|choice|answer|ans)\b[\s:.*-]{0,4}(?:is\s{1,3})?\(?([A-Za-z])\b(?!['’])\)?|\(([A-Z])\)|(?<![\w(])([A-Z])\)"
    r"|^\W{0,4}([A-Z])\W{0,3}$|[=\s]([A-Z])\W{0,3}\Z"
    r"|\b([A-Z])\s{1,3}is\s{1,3}(?:the\s{1,3})?(?:correct|right|answer)\b",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_BEFORE = re.compile(
    r"(?:\b(?:not|cannot be|neither|nor)|n['’]t)\s{1,3}(?:(?:the|option|choice|answer)\s{1,3}){0,2}"
    r"(?:\(?[A-Z]\)?(?:\s{0,2},|\s{1,3}(?:or|nor|and))\s{1,3})?\(?\Z",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(r"\)?\s{1,3}(?:is|are|was)(?:n['’]t\b|\s{1,3}(?:not|wrong|incorrect|false)\b)", re.IGNORECASE)


def letter_of(span: str, choices: Sequence[str]) -> str | None:
    """The letter that a span names: `B`, `(b)`, `option B`, `B) 12`, or the choice's own text or number."""
    named = None if names_several(span, len(choices)) else _NAMED.match(span)
    # "A train" is an article and "b trains" a text; "B because" and "(b) trains" name a choice.
    if named is not None and (
        named["word"]
        or named["close"]
        or not named["more"]
        or (named["letter"].isupper() and named["letter"] not in ("A", "I"))
    ):
        letter = named["letter"].upper()
        if letter in LETTERS[: len(choices)]:
            return letter
    return same_choice(span, choices)


def names_several(span: str, n_choices: int) -> bool:
    """Whether a span begins with two different letters: `A or C`, `either B or C`, `C, D`."""
    pair = _PAIR_AT_ONCE.match(span)
    return pair is not None and _is_pair(pair, LETTERS[:n_choices])


def _is_pair(pair: re.Match[str], letters: str) -> bool:
    first, second = pair["first"], pair["second"]
    if first.islower():
        # "b or a dog": a small letter before a word is an article.
        first, second = first.upper(), second.upper() if second.islower() else ""
        if pair.string[pair.end() : pair.end() + 2].strip(" .,;:")[:1].isalnum():
            return False
    return first != second and first in letters and second in letters and second != ""


def same_choice(span: str, choices: Sequence[str]) -> str | None:
    """The letter of the only choice with this text or this number."""
    plain = _plain(span)
    same = [i for i, choice in enumerate(choices) if _plain(choice) == plain]
    if len(same) != 1:
        value = parse_number(span)
        same = [] if value is None else [i for i, choice in enumerate(choices) if parse_number(choice) == value]
    return LETTERS[same[0]] if len(same) == 1 else None


def last_letter(text: str, n_choices: int) -> str | None:
    """The last letter that stands as a choice does; not where the reply only repeats the list of choices."""
    letters = LETTERS[:n_choices]
    found = [
        (match[match.lastindex or 0].upper(), match.start(match.lastindex or 0)) for match in _LETTER.finditer(text)
    ]
    found = [(letter, at) for letter, at in found if letter in letters]
    if [letter for letter, _ in found] == list(letters):
        return None
    for letter, at in reversed(found):
        if not (_NOT_BEFORE.search(text, max(at - 40, 0), at) or _NOT_AFTER.match(text, at + 1)):
            pairs = _PAIR_ANYWHERE.finditer(text, max(at - 60, 0), at + 60)
            return None if any(_is_pair(p, letters) and p.start() <= at < p.end() for p in pairs) else letter
    return None


def _plain(text: str) -> str:
    return " ".join(text.casefold().strip(" .$*\t").split())
