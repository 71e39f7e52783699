"""The one paragraph that a model was asked for, or nothing."""

import re
from collections.abc import Sequence

_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "`": "`"}
# What a chat template or a reasoning model writes around a text, and control characters: never part of a question.
_MARKUP = re.compile(r"<\|[^<>|]{1,40}\|>|</?think>|\[/?INST\]|</?s>|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", re.IGNORECASE)
_TURN = re.compile(r"^\W*(?:system|user|assistant|question|answer|statement|solution|rewrite|note)\s*:", re.IGNORECASE)


def one_paragraph(reply: str, *, labels: Sequence[str]) -> str | None:
    """The paragraph of a reply, without a label ("Statement: ...") and quotation marks around it; lines are joined.

    Strict: None for an empty reply, for several paragraphs (an introduction, a remark, a further example), for a
    second labelled line and for the marks of a chat template. What a model adds to its answer would else become part
    of a question.
    """
    text = reply.strip()
    names = "|".join(sorted(map(re.escape, labels), key=len, reverse=True))
    text = re.sub(rf"\A[*_#\s]*(?:{names})[*_]*\s*:\s*[*_]*\s*", "", text, flags=re.IGNORECASE)
    text = _unquoted(text.strip())
    lines = [line.strip() for line in text.splitlines()]
    if not any(lines) or not all(lines) or any(_TURN.match(line) for line in lines):
        return None
    if "```" in text or _MARKUP.search(text):
        return None
    return " ".join(" ".join(lines).split())


def _unquoted(text: str) -> str:
    """Without a pair of quotation marks around the whole; "A" and "B" keep theirs."""
    if len(text) >= 2 and _QUOTES.get(text[0]) == text[-1]:
        inside = text[1:-1]
        if text[0] not in inside and text[-1] not in inside.replace("n't", "").replace("'s", ""):
            return inside.strip()
    return text
