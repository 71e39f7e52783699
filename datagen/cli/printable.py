"""Text of models and files on a terminal: nothing in it moves the cursor, changes colours or hides other text."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

# Control characters but tab and line feed (an escape sequence starts with one, C1's 0x9b does too), marks that turn
# the direction of writing, line separators, what shows nothing (zero width, tags) and halves of characters.
# The joiners U+200C and U+200D stay: scripts and emoji need them.
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """The text with every such character written as its escape, such as \\x1b."""
    return _HOSTILE.sub(_escape, text)


def shortened(text: str, *, most: int) -> str:
    """The text in one line of at most so many characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def printable_json(value: Mapping[str, Any]) -> str:  # Any: JSON
    """JSON that means the same and has no such character as it is; JSON's own writers escape only those below 0x20."""
    return _HOSTILE.sub(_json_escape, orjson.dumps(value).decode())


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
