r"""Find the span of the final answer in a reply, before anything is compared.

Marks in order of trust: `#### 18`, `\boxed{18}`, "the answer is 18", a line `A: 18`, `<answer>18</answer>`, a
choice's letter; the last number is a fallback that is recorded as such. What stands in the last `<answer>` is read as
if it were the reply. Of several marks of one kind the last counts, because a reply that corrects itself does so later;
within a mark the first number counts, because what follows it explains ("The answer is 5. I hope 3 helps"), unless the
mark states two ("18 or 20"), a bound ("less than 18") or what the answer is not: see `single.py`. A mark in a question
("The answer is 18?") is none.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from datagen.answers.letter import last_letter, letter_of, names_several, same_choice
from datagen.answers.number import ascii_forms, parse_number
from datagen.answers.single import goes_on, is_denied_or_bound

MAX_ATTEMPTS = 4  # marks of one kind that are tried, from the last: it bounds the work on hostile text
MAX_SPAN = 1_000
_TAG = "<answer>"  # of replies in the manner of DeepSeek-R1
MAX_LINE_ANSWER = 60  # "A: So Janet sells ..." is a solution, not an answer
TAIL = 400  # characters in which the last number is looked for


_PLAIN = re.compile(r"-?[0-9]{1,15}(?:,[0-9]{3})*(?:\.[0-9]{1,20})?")


class Extracted(NamedTuple):
    """The answer's span, or a choice's letter; and the mark by which it was found."""

    text: str
    method: str  # hashes, boxed, phrase, a_line, tag, letter, last_number


class _Marked(NamedTuple):
    """What a mark marks."""

    span: str
    focus: str  # the part of it that is the answer
    method: str


_PHRASE = re.compile(
    r"\b(?:answer|ans)\b[*\s]{0,3}(?:(?:choice|option)[*\s]{0,3})?"
    r"(?::|=|[-–—](?=\s)|(?:is|was|are|equals|would be|should be|will be|must be)\b)[\s:*,]{0,8}",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:answer|ans)\b[*\s]{0,3}(?:is|was|are|were|would|should|could|can|ca|must|will|wo|does|do)"
    r"(?:\s{0,2}not\b|n['’]t\b|\s{1,2}(?:never|neither)\b)",
    re.IGNORECASE,
)
_INSTEAD = re.compile(r"\b(?:but|rather|instead)\b(?:\s+(?:it\s+)?is\b)?|[,;]\s*it(?:['’]s|\s+is)\b", re.IGNORECASE)
# The full stop of "Rs. 18" and "approx. 18" ends no sentence.
_SENTENCE_END = re.compile(r"\n|。|[.!?](?=\s|$|\*\*)(?!(?:(?<=\b[Rr][Ss]\.)|(?<=\bapprox\.))\s{0,2}[0-9])")
# A Markdown heading of level four looks like GSM8K's mark.
_HEADING = re.compile(
    r"\W{0,4}(?:the\s(?:\w+\s)?answer\b|step|part|question|problem|solution|explanation|answer|final|conclusion|given|verif)",
    re.IGNORECASE,
)
_A_LINE = re.compile(r"^[ \t*]{0,4}A[*]{0,2}:[*]{0,2}[ \t]*(.{1,200})$", re.MULTILINE)
_MAGNITUDE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:\s?/\s?[0-9]+)?|\.[0-9]+"
# What belongs to the number: %, a scale of money, cents beside dollars, a power of ten.
_AMOUNT = (
    r"(?:\s?\\?%|[KMB]\b"
    r"|(?:\s+dollars?)?\s+(?:and\s+)?[0-9]{1,2}\s+cents?\b"
    r"|\s?[xX×*·]\s?10\s?(?:\^\s?\{?-?[0-9]{1,4}\}?|⁻?[⁰¹²³⁴-⁹]{1,4}))?"
)
_LEADING = re.compile(rf"[*]{{0,2}}([-−–]?\s?\\?[$€£₹]?\s?(?:{_MAGNITUDE}){_AMOUNT})(?P<rest>.*)", re.DOTALL)
_NUMBER = re.compile(rf"(?<![\w.,/])[-−]?\s?\\?[$€£₹]?(?:{_MAGNITUDE}){_AMOUNT}(?![0-9])")
_NEGATIVE = re.compile(r"\b(?:minus|negative)\s+\Z", re.IGNORECASE)
# A label or "about" before a number: "Total: 18", "approximately 18".
_OPENING = re.compile(
    r"(?:[^\W\d_]+(?: [^\W\d_]+){0,4}:\s+)?(?:(?:about|approximately|approx\.?|around|roughly)\s+|[≈~]\s*)?"
    r"(?=[-−–\\$€£₹(.0-9])",
    re.IGNORECASE,
)
_SOLUTIONS = re.compile(r"=[^=]*\b(?:or|and)\b[^=]*=")  # x = 18 or x = 20
# What may follow a number that is the whole answer: an explanation in words or brackets, not more arithmetic.
_EXPLANATION = re.compile(
    r"[*]{0,2}(?:\s+\(|\s*[,;:.]\s*(?![\s0-9$])|\s+(?!(?:or|and|to|x|times|plus|minus|over)\b)[^\W\d_]|\s*$)"
)
# Before an equals sign that explains rather than answers: "18, since 20 - 2 = 18".
_CLAUSE = re.compile(r"[,;]\s|\s\(|\b(?:because|since|as|so|for|if|where)\b")
_OPERATOR_BEFORE = re.compile(r"[-+*/×÷·^]\s{0,3}\Z")
_UNFINISHED = re.compile(r"\s{0,3}(?:[-+*/×÷·^=<]|x\s?[0-9])")
_ANOTHER = re.compile(r"\s+[0-9]")


def extract_answer(text: str, *, choices: Sequence[str] | None = None) -> Extracted | None:
    """The final answer's span, or None; with choices, the letter that it names where it names one."""
    if choices:
        return _extract_choice(ascii_forms(text), choices)
    usual = _usual(text)
    if usual is not None:
        return usual
    text, is_tagged = _tagged(ascii_forms(text))
    for marked in _marked(text, is_tagged=is_tagged):
        return Extracted(marked.focus, marked.method)
    number = _last_number(text)
    return None if number is None else Extracted(number, "last_number")


def _usual(text: str) -> Extracted | None:
    """`#### 18` or `A: 18` as the last line: what _marked would find, without the cost of four generators."""
    start = text.rfind("\n") + 1
    if text.startswith("#### ", start):
        span = text[start + 5 :]
        return Extracted(span, "hashes") if span.isdecimal() and span.isascii() or _is_plain_number(span) else None
    if text.startswith("A: ", start):
        span = text[start + 3 :]
        if (span.isdecimal() and span.isascii() or _is_plain_number(span)) and not (
            "####" in text or "\\boxed" in text or _TAG in text or _may_have_phrase(text)
        ):
            return Extracted(span, "a_line")
    return None


def _is_plain_number(span: str) -> bool:
    return _PLAIN.fullmatch(span) is not None and parse_number(span) is not None


def _may_have_phrase(text: str) -> bool:
    return "nswer" in text or "NSWER" in text or "Ans" in text


def _tagged(text: str) -> tuple[str, bool]:
    """What stands in the last <answer> of a reply, unless it marks its answer after that; else the reply."""
    end = text.rfind("</answer>")  # a reply may be cut there
    start = text.rfind(_TAG, 0, end if end >= 0 else len(text))
    content = text[start + len(_TAG) : end if end >= 0 else len(text)]
    if start < 0 or not content.strip() or (end >= 0 and "####" in text[end:]):
        return text, False
    return content, True


def _marked(text: str, *, is_tagged: bool = False) -> Iterator[_Marked]:
    """Spans that the reply marks as its answer, the most trusted first."""
    # Substring searches before regular expressions: they are what a reply of the usual form costs.
    for span in _after_hashes(text):
        yield _Marked(span, _focus(span), "hashes")
    for span in _boxed(text):
        yield _Marked(span, _focus(span), "boxed")
    yield from _phrases(text)
    yield from _a_lines(text)
    span = text.strip()
    if is_tagged and len(span) <= MAX_LINE_ANSWER:
        yield _Marked(span, _focus(span, search=True), "tag")


def _after_hashes(text: str) -> Iterator[str]:
    end = len(text)
    for _ in range(MAX_ATTEMPTS):
        i = text.rfind("####", 0, end)
        if i < 0:
            return
        span = text[i + 4 : min(end, i + 4 + MAX_SPAN)].strip("# \t\r\n").partition("\n")[0].rstrip()
        if span and (span.isdecimal() or not _HEADING.match(span)):
            yield span
        end = i


def _boxed(text: str) -> Iterator[str]:
    end = len(text)
    for _ in range(MAX_ATTEMPTS):
        i = text.rfind("\\boxed", 0, end)
        if i < 0:
            return
        span = _braced(text[i + 6 : i + 6 + MAX_SPAN].lstrip())
        if span is not None and span.strip():
            yield span.strip()
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


def _phrases(text: str) -> Iterator[_Marked]:
    if not _may_have_phrase(text):
        return
    ends = [match.end() for match in _PHRASE.finditer(text)][-MAX_ATTEMPTS:]
    wordy: list[_Marked] = []
    for end in reversed(ends):
        segment = text[end : end + MAX_SPAN]
        stop = _SENTENCE_END.search(segment)
        span = (segment if stop is None else segment[: stop.start()]).strip("* \t\r")
        if span.lower().startswith("not "):
            instead = _INSTEAD.search(span)
            span = "" if instead is None else span[instead.end() :].strip("* \t\r")
        if not span or (stop is not None and stop[0] == "?"):
            continue
        marked = _Marked(span, _focus(span, search=True), "phrase")
        if any(c.isdigit() or c == "\\" for c in marked.focus) or len(marked.focus) == 1:
            yield marked
        elif len(marked.focus.split()) <= 4:
            wordy.append(marked)
    yield from wordy


def _a_lines(text: str) -> Iterator[_Marked]:
    if "A:" not in text and "A**:" not in text:
        return
    for match in reversed(list(_A_LINE.finditer(text))[-MAX_ATTEMPTS:]):
        span = match[1].strip()
        focus = _focus(span)
        if len(span) <= MAX_LINE_ANSWER or parse_number(focus) is not None:
            yield _Marked(span, focus, "a_line")


def _focus(span: str, *, search: bool = False) -> str:
    """The part of a span that is the answer: `18` of "18 (9 * 2)", of "x = 18", and of "that she makes $18 a day"."""
    if span.isdecimal():
        return span
    if "=" in span and "\\" not in span and not _CLAUSE.search(span, 0, span.rfind("=")):
        right = span.rpartition("=")[2].strip()
        if parse_number(right) is not None:
            return span if _SOLUTIONS.search(span) else right
    if parse_number(span) is not None:
        return span
    opening = None if "=" in span else _OPENING.match(span)
    if opening is not None and opening.end():
        return _focus(span[opening.end() :], search=search)
    if span.startswith("("):
        inner = span.strip("()")
        n_brackets = (len(span) - len(inner)) // 2
        if span == "(" * n_brackets + inner + ")" * n_brackets and parse_number(inner) is not None:
            return inner
    leading = _LEADING.match(span)
    if leading is not None:
        is_one = _EXPLANATION.match(leading["rest"]) and not goes_on(leading[1], leading["rest"])
        return leading[1].strip() if is_one else span
    if search and "\\" not in span:
        found = _NUMBER.search(span)
        if found is not None and _is_the_answer(span, found):
            negative = _NEGATIVE.search(span, 0, found.start())
            return span[found.start() if negative is None else negative.start() : found.end()].strip()
    return span.rstrip(".").strip("* \t")


def _is_the_answer(span: str, number: re.Match[str]) -> bool:
    """Whether the first number of a sentence is what the sentence states."""
    before, rest = span[: number.start()], span[number.end() :]
    if _UNFINISHED.match(rest) or _ANOTHER.match(rest):
        return False
    return not (is_denied_or_bound(before) or goes_on(number[0], rest))


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
    if _may_have_phrase(tail) and _is_denied(tail, found.start()):
        return None
    return found[0].strip()


def _is_denied(text: str, position: int) -> bool:
    """Whether a position is in a sentence that says what the answer is not."""
    for denial in _DENIAL.finditer(text, 0, position):
        if not _SENTENCE_END.search(text, denial.end(), position):
            return True
    return False


def _extract_choice(text: str, choices: Sequence[str]) -> Extracted | None:
    """The letter that the reply names; a marked span that names none is kept, for the record."""
    text, is_tagged = _tagged(text)
    unresolved: Extracted | None = None
    for span, focus, method in _marked(text, is_tagged=is_tagged):
        if method == "a_line" and _lists_options(text):
            continue
        is_several = names_several(span, len(choices))
        letter = letter_of(span, choices) or (None if is_several else letter_of(focus, choices))
        if letter is not None:
            return Extracted(letter, method)
        if is_several:
            return Extracted(span, method)
        unresolved = unresolved or Extracted(focus, method)
    letter = last_letter(text, len(choices)) or same_choice(text[-TAIL:].strip().rpartition("\n")[2], choices)
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
