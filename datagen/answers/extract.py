r"""Find the span of the final answer in a reply, before anything is compared.

Marks in order of trust: `#### 18`, `\boxed{18}`, "the answer is 18", a line `A: 18`, a choice's letter; the last
number is a fallback that is recorded as such. Of several marks of one kind the last counts, because a reply that
corrects itself does so later; within a mark the first number counts, because what follows it explains ("The answer is
5. I hope 3 helps").
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from datagen.answers.number import parse_number

MAX_ATTEMPTS = 4  # marks of one kind that are tried, from the last: it bounds the work on hostile text
MAX_SPAN = 1_000
MAX_LINE_ANSWER = 60  # "A: So Janet sells ..." is a solution, not an answer
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TAIL = 400  # characters in which the last number is looked for


_PLAIN = re.compile(r"-?[0-9]{1,15}(?:,[0-9]{3})*(?:\.[0-9]{1,20})?")


class Extracted(NamedTuple):
    """The answer's span, or a choice's letter; and the mark by which it was found."""

    text: str
    method: str  # hashes, boxed, phrase, a_line, letter, last_number


_PHRASE = re.compile(
    r"\b(?:answer|ans)\b[*\s]{0,3}(?:(?:choice|option)[*\s]{0,3})?"
    r"(?::|=|[-–—](?=\s)|(?:is|was|are|equals|would be|should be|will be|must be)\b)[\s:*,]{0,8}",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$|\*\*)")
# A Markdown heading of level four looks like GSM8K's mark.
_HEADING = re.compile(
    r"\W{0,4}(?:step|part|question|problem|solution|explanation|answer|final|conclusion|given|verif)", re.IGNORECASE
)
_A_LINE = re.compile(r"^[ \t*]{0,4}A[*]{0,2}:[*]{0,2}[ \t]*(.{1,200})$", re.MULTILINE)
_MAGNITUDE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:\s?/\s?[0-9]+)?|\.[0-9]+"
_LEADING = re.compile(rf"[*]{{0,2}}([-−–]?\s?\\?[$€£]?\s?(?:{_MAGNITUDE})(?:\s?\\?%)?)(?P<rest>.*)", re.DOTALL)
_NUMBER = re.compile(rf"(?<![\w.,/])[-−]?\s?\\?[$€£]?(?:{_MAGNITUDE})(?:\s?\\?%)?(?![0-9])")
# What may follow a number that is the whole answer: an explanation in words or brackets, not more arithmetic.
_EXPLANATION = re.compile(
    r"[*]{0,2}(?:\s+\(|\s*[,;:.]\s*(?![\s0-9$])|\s+(?!(?:or|and|to|x|times|plus|minus|over)\b)[^\W\d_]|\s*$)"
)
# Before an equals sign that explains rather than answers: "18, since 20 - 2 = 18".
_CLAUSE = re.compile(r"[,;]\s|\s\(|\b(?:because|since|as|so|for|if|where)\b")
_OPERATOR_BEFORE = re.compile(r"[-+*/×÷·^]\s{0,3}\Z")
_UNFINISHED = re.compile(r"\s{0,3}[-+*/×÷·^=<]")


def extract_answer(text: str, *, choices: Sequence[str] | None = None) -> Extracted | None:
    """The final answer's span, or None; with choices, the letter that it names where it names one."""
    if choices:
        return _extract_choice(text, choices)
    usual = _usual(text)
    if usual is not None:
        return usual
    for span, method in _marked(text):
        return Extracted(span, method)
    number = _last_number(text)
    return None if number is None else Extracted(number, "last_number")


def _usual(text: str) -> Extracted | None:
    """`#### 18` or `A: 18` as the last line: what _marked would find, without the cost of four generators."""
    start = text.rfind("\n") + 1
    if text.startswith("#### ", start):
        span = text[start + 5 :]
        return Extracted(span, "hashes") if span.isdecimal() or _is_plain_number(span) else None
    if text.startswith("A: ", start):
        span = text[start + 3 :]
        if (span.isdecimal() or _is_plain_number(span)) and not (
            "####" in text or "\\boxed" in text or _may_have_phrase(text)
        ):
            return Extracted(span, "a_line")
    return None


def _is_plain_number(span: str) -> bool:
    return _PLAIN.fullmatch(span) is not None and parse_number(span) is not None


def _may_have_phrase(text: str) -> bool:
    return "nswer" in text or "NSWER" in text or "Ans" in text


def _marked(text: str) -> Iterator[tuple[str, str]]:
    """Spans that the reply marks as its answer, the most trusted first."""
    # Substring searches before regular expressions: they are what a reply of the usual form costs.
    for span in _after_hashes(text):
        yield span, "hashes"
    for span in _boxed(text):
        yield span, "boxed"
    for span in _phrases(text):
        yield span, "phrase"
    for span in _a_lines(text):
        yield span, "a_line"


def _after_hashes(text: str) -> Iterator[str]:
    end = len(text)
    for _ in range(MAX_ATTEMPTS):
        i = text.rfind("####", 0, end)
        if i < 0:
            return
        span = text[i + 4 : min(end, i + 4 + MAX_SPAN)].strip("# \t\r\n").partition("\n")[0].rstrip()
        if span and (span.isdecimal() or not _HEADING.match(span)):
            yield _focus(span)
        end = i


def _boxed(text: str) -> Iterator[str]:
    end = len(text)
    for _ in range(MAX_ATTEMPTS):
        i = text.rfind("\\boxed", 0, end)
        if i < 0:
            return
        span = _braced(text[i + 6 : i + 6 + MAX_SPAN].lstrip())
        if span is not None and span.strip():
            yield _focus(span.strip())
        end = i


def _braced(text: str) -> str | None:
    """What stands in the braces that the text begins with; without braces, its first word."""
    if not text.startswith("{"):
        match = re.match(r"[^\s$.,]+", text)
        return match[0] if match else None
    depth = 0
    i = 0
    while i < len(text):
        if text[i] == "\\":
            i += 1  # \{ and \} are not structure
        elif text[i] == "{":
            depth += 1
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return text[1:i]
        i += 1
    return None


def _phrases(text: str) -> Iterator[str]:
    if not _may_have_phrase(text):
        return
    ends = [match.end() for match in _PHRASE.finditer(text)][-MAX_ATTEMPTS:]
    wordy: list[str] = []
    for end in reversed(ends):
        segment = text[end : end + MAX_SPAN]
        span = _SENTENCE_END.split(segment, maxsplit=1)[0].strip("* \t\r")
        if not span or span.lower().startswith("not "):
            continue
        focused = _focus(span, search=True)
        if any(c.isdigit() or c == "\\" for c in focused) or len(focused) == 1:
            yield focused
        elif len(focused.split()) <= 4:
            wordy.append(focused)
    yield from wordy


def _a_lines(text: str) -> Iterator[str]:
    if "A:" not in text and "A**:" not in text:
        return
    for match in reversed(list(_A_LINE.finditer(text))[-MAX_ATTEMPTS:]):
        span = match[1].strip()
        focused = _focus(span)
        if len(span) <= MAX_LINE_ANSWER or parse_number(focused) is not None:
            yield focused


def _focus(span: str, *, search: bool = False) -> str:
    """The part of a span that is the answer: `18` of "18 (9 * 2)", of "x = 18", and of "that she makes $18 a day"."""
    if span.isdecimal():
        return span
    if "=" in span and "\\" not in span and not _CLAUSE.search(span, 0, span.rfind("=")):
        right = span.rpartition("=")[2].strip()
        if parse_number(right) is not None:
            return right
    if parse_number(span) is not None:
        return span
    leading = _LEADING.match(span)
    if leading is not None:
        return leading[1].strip() if _EXPLANATION.match(leading["rest"]) else span
    if search and "\\" not in span:
        found = _NUMBER.search(span)
        if found is not None and not _UNFINISHED.match(span, found.end()):
            return found[0].strip()
    return span.rstrip(".").strip("* \t")


def _last_number(text: str) -> str | None:
    """The last number, unless it belongs to a calculation that breaks off: `He pays 5 * 1`."""
    tail = text[-TAIL:].rstrip()
    found = None
    for match in _NUMBER.finditer(tail):
        found = match
    if found is None or tail.rfind("<<") > tail.rfind(">>") or (found.start() == 0 and len(text) > TAIL):
        return None
    if _OPERATOR_BEFORE.search(tail, 0, found.start()) or _UNFINISHED.match(tail, found.end()):
        return None
    return found[0].strip()


def _extract_choice(text: str, choices: Sequence[str]) -> Extracted | None:
    """The letter that the reply names; a marked span that names none is kept, for the record."""
    unresolved: Extracted | None = None
    for span, method in _marked(text):
        if method == "a_line" and _lists_options(text):
            continue
        letter = letter_of(span, choices)
        if letter is not None:
            return Extracted(letter, method)
        unresolved = unresolved or Extracted(span, method)
    letter = _last_letter(text, len(choices)) or _same_choice(text[-TAIL:].strip().rpartition("\n")[2], choices)
    if letter is not None:
        return Extracted(letter, "letter")
    if unresolved is not None:
        return unresolved
    number = _last_number(text)
    if number is None:
        return None
    return Extracted(letter_of(number, choices) or number, "last_number")


def _lists_options(text: str) -> bool:
    return "\nB:" in text


def letter_of(span: str, choices: Sequence[str]) -> str | None:
    """The letter that a span names: `B`, `(b)`, `option B`, `B) 12`, or the choice's own text or number."""
    named = _NAMED.match(span)
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
    return _same_choice(span, choices)


def _same_choice(span: str, choices: Sequence[str]) -> str | None:
    """The letter of the only choice with this text or this number."""
    plain = _plain(span)
    same = [i for i, choice in enumerate(choices) if _plain(choice) == plain]
    if len(same) != 1:
        value = parse_number(span)
        same = [] if value is None else [i for i, choice in enumerate(choices) if parse_number(choice) == value]
    return LETTERS[same[0]] if len(same) == 1 else None


_NAMED = re.compile(
    r"[\s*$:(\[\\]{0,6}(?:text|mathrm|textbf)?\{?\s?(?P<word>(?:option|choice|answer)\s{0,3})?[*(\[]{0,3}(?P<letter>[A-Za-z])(?!\w|['’-])"
    r"(?P<close>[)\].:,;]|\})?[*}]{0,3}(?P<more>\s*\S)?",
    re.IGNORECASE,
)
_LETTER = re.compile(
    r"\b(?:option|choice|answer|ans)\b[\s:.*-]{0,4}(?:is\s{1,3})?\(?([A-Za-z])\b(?!['’])\)?|\(([A-Z])\)|(?<![\w(])([A-Z])\)"
    r"|^\W{0,4}([A-Z])\W{0,3}$|[=\s]([A-Z])\W{0,3}\Z"
    r"|\b([A-Z])\s{1,3}is\s{1,3}(?:the\s{1,3})?(?:correct|right|answer)\b",
    re.IGNORECASE | re.MULTILINE,
)


def _last_letter(text: str, n_choices: int) -> str | None:
    """The last letter that stands as a choice does; not where the reply only repeats the list of choices."""
    letters = LETTERS[:n_choices]
    found = [match[match.lastindex or 0].upper() for match in _LETTER.finditer(text)]
    found = [letter for letter in found if letter in letters]
    return found[-1] if found and found != list(letters) else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().strip(" .$*\t").split())
