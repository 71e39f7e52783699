"""The sentences of a question, and its split into what it states and what it asks.

Decided here:
- A sentence keeps the white space that follows it, so that the pieces joined give the text back.
- A full stop ends a sentence if white space follows, unless an abbreviation, an initial or a list number is before it.
  After an abbreviation that may also end a sentence (a.m., U.S., etc., ft.) the next word decides. A line break ends a
  sentence only before a blank line, a list item or a question word: text may be wrapped.
- The question is the last sentence with a question mark of its own (not one inside quotation marks); without any, the
  last sentence that asks without the mark ("Find the ...", "Calculate ...", "How many ... left."). Earlier questions
  and hints after it belong to the statement.
- "If she sold 5, how many ...?" is one sentence and stays one: the statement may then be empty.
"""

import re
from typing import NamedTuple


class Split(NamedTuple):
    """A question in two parts; joined, they hold each of its sentences once."""

    statement: str  # without white space at its ends; empty if the question is one sentence
    question: str


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Nothing ends after these: a name or a number follows.
_TITLES = _set("mr mrs ms dr prof st mt ft gen sen rep rev hon capt sgt lt col vs e.g i.e cf approx fig eq")
# A number follows, or the sentence ends.
_NUMBERED = _set("no nos vol p pp ch")
# May end a sentence: it does before a capital.
_UNITS = _set(
    "etc jr sr inc co corp ltd a.m p.m am pm in ft yd mi oz lb lbs kg km cm mm sq cu hr hrs min mins sec secs wk qt pt"
    " gal tbsp tsp ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun"
)
_DAYS_AND_ZONES = _set(
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August"
    " September October November December ET EST EDT CST PST GMT UTC"
)
_ASKING = ("how", "what", "which", "who", "whom", "whose", "when", "where", "why")
# Words that begin a sentence and are no name, so that "plan B. They" and "the U.S. How" are two sentences.
_OPENERS = _set(
    "how what which who whom whose when where why if is are was were do does did can could will would should has have"
    " had the a an this that these those there he she it they we you i his her its their our my each every all both"
    " some most many after before then while during on in at by for from with to of as so but and or however since"
    " because until once first next finally find calculate compute determine given suppose assume let"
)
# Possessive, and from the first mark of a run: a reply of a thousand dots costs no more than one of words.
_END = re.compile(
    r"(?<![.?!])[.?!]++[\"'”’)\]]*+(?=\s)"
    r"|\n[^\S\n]*+(?=\n|[-*•][^\S\n]|(?:How|What|Which|Who|When|Where|Why|Find)\b)"
)
_MAX_WORD = 60
_WORD_AFTER = re.compile(r"[\s\"'“‘(\[]*([^\W\d_]+|\S)?")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")

_QUOTES_AND_BRACKETS = re.compile(r"\"[^\"]{0,500}\"|“[^”]{0,500}”|\([^)]{0,500}\)")
_IMPERATIVE = (
    r"(?:find|calculate|compute|determine|evaluate|solve|simplify|express|estimate|state|give|work out|figure out|show"
    r"|write|list|name|tell|count|convert|how (?:many|much|long|far|old|tall|big|fast|often))\b"
)
_BEGINS_ASKING = re.compile(rf"\W*(?:please |then )?(?:(?:{'|'.join(_ASKING)})(?:'s)?\b|{_IMPERATIVE})", re.IGNORECASE)
_SUPPOSES = re.compile(
    r"\W*(?:if|given|assum\w+|suppos\w+|when|since|after|considering|knowing|in|on|at)\b", re.IGNORECASE
)
_THEN_ASKS = re.compile(
    rf"[,;:]\s*(?:and |then |please )*(?:(?:at |in |by |on )?what(?:'s)?\s+|{_IMPERATIVE})", re.IGNORECASE
)


def sentences(text: str) -> tuple[str, ...]:
    """The sentences, each with the white space after it; joined, they are the text."""
    out = []
    start = end = 0
    for match in _END.finditer(text):
        if match.start() >= end and (match[0].isspace() or _ends(text, start, match)):
            end = match.end()
            while end < len(text) and text[end].isspace():
                end += 1
            if text[start:end].strip():
                out.append(text[start:end])
                start = end
    if start < len(text):
        out.append(text[start:])
    return tuple(out)


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether a mark that white space follows ends the sentence that begins at `start`."""
    following = _WORD_AFTER.match(text, match.end())
    after = (following[1] if following else None) or ""
    mark = match[0]
    if not after:
        return True
    is_quoted = mark[-1] not in ".?!"
    if mark[0] in "?!":
        return not (is_quoted and after[0].islower())  # "Really?" he asked
    if mark.startswith("..") or is_quoted:
        return not after[0].islower()
    words = text[max(start, match.start() - _MAX_WORD) : match.start()].split()
    word = words[-1].lstrip('"“”‘([') if words else ""
    name = word.lower().lstrip("'")
    if word.isdecimal() and not text[start : match.start() - len(word)].strip():
        return False  # 1. Fill the pot.
    is_capital = not after[0].islower() and not after[0].isdigit()
    is_opener = after.lower() in _OPENERS and is_capital
    if name in _NUMBERED:
        return not after[0].isdigit()
    if name in _TITLES and not (name == "ft" and word.islower()):
        return is_opener and name in ("st", "mt")  # on Main St. How many ...
    if name in _UNITS:
        return is_capital and after not in _DAYS_AND_ZONES
    if _INITIALS.fullmatch(word) and ("." in word or word.isupper()):
        return is_opener  # J. K. Rowling, the U.S. Army
    return True


def split_question(question: str) -> Split | None:
    """The declarative part and the final question; None if no sentence asks anything."""
    pieces = sentences(question)
    i = _asking(pieces)
    if i is None:
        return None
    statement = "".join(pieces[:i] + pieces[i + 1 :])
    return Split(statement.strip(), pieces[i].strip())


def _asking(pieces: tuple[str, ...]) -> int | None:
    """Index of the sentence that asks."""
    bare = [_QUOTES_AND_BRACKETS.sub(" ", piece) for piece in pieces]
    for texts, asks in ((bare, _has_mark), (bare, _asks_without_mark), (pieces, _has_mark)):
        for i in range(len(pieces) - 1, -1, -1):
            if asks(texts[i]):
                return i
    return None


def _has_mark(sentence: str) -> bool:
    return "?" in sentence


def _asks_without_mark(sentence: str) -> bool:
    """Whether it begins with a question word or an imperative, or supposes something first ("If ..., find ...")."""
    if _BEGINS_ASKING.match(sentence):
        return True
    return _SUPPOSES.match(sentence) is not None and _THEN_ASKS.search(sentence) is not None
