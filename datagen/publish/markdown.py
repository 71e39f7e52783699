"""Text that others wrote, as Markdown that it cannot leave: longer fences than any in it, and nothing invisible."""

import re
import unicodedata
from collections.abc import Sequence

_TICKS = re.compile(r"`+")
_KEPT = "\n\t"


def visible(text: str) -> str:
    """The text with control characters, and those that reorder or hide others, written out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        # Cc: control, Cf: bidirectional marks, zero width; Cs: lone halves; Zl, Zp: line ends of their own
        f"\\u{ord(character):04x}"
        if character not in _KEPT and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def fence(text: str, *, language: str = "text") -> str:
    """A fenced block that ends where the text ends."""
    text = visible(text)
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def code(text: str) -> str:
    """A code span, in a table too."""
    text = " ".join(visible(text).split()).replace("|", "\\|") or " "
    ticks = "`" * (1 + max((len(found) for found in _TICKS.findall(text)), default=0))
    space = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def plain(text: str) -> str:
    """Text in a line or a table's cell that is nothing but text."""
    text = " ".join(visible(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]#|~$!])", r"\\\1", text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column to the left, numbers to the right. The cells are Markdown already."""
    numbers = [bool(rows) and all(re.fullmatch(r"[-\d.,%$ ]+", row[i]) for row in rows) for i in range(len(header))]
    lines = [header, ["---:" if number else "---" for number in numbers], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
