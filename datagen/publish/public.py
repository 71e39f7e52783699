"""Text that others may read: absolute paths, which name people and machines, become file names."""

import re
from collections.abc import Mapping
from typing import Any

# A path that begins at the root or on a drive, at the start of a word; not the path of a URL, nor `a/b`.
_POSIX = re.compile(r"(?<![\w:/.~)\]}-])~?/(?:[^\s/'\"`|<>:;,]+/)+([^\s/'\"`|<>:;,]*)")
_WINDOWS = re.compile(r"(?<![\w])[A-Za-z]:\\(?:[^\s\\'\"]+\\)*([^\s\\'\"]*)")
_FILE_URL = re.compile(r"\bfile:/+(?:[^\s/'\"]+/)*([^\s/'\"]*)")
PERSONAL = r"(?:/home/|/Users/|/root/|[A-Za-z]:\\Users\\)[A-Za-z0-9._-]+"
"""A path that names a person, as a regular expression that RE2 knows too."""


def public_text(text: str) -> str:
    """The text with the last part of each absolute path in its place."""
    for pattern in (_FILE_URL, _WINDOWS, _POSIX):
        text = pattern.sub(lambda match: match[1] or ".", text)
    return text


def public_json(value: Any) -> Any:  # Any: JSON
    """The same of every text in a JSON value."""
    if isinstance(value, str):
        return public_text(value)
    if isinstance(value, Mapping):
        return {public_text(str(name)): public_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [public_json(item) for item in value]
    return value
