"""Looks for what must not be published: keys, tokens and passwords of the usual shapes, and paths that name people."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datagen.publish.public import PERSONAL


class Shape(NamedTuple):
    """What a kind of secret looks like."""

    pattern: str  # in the syntax that Python and RE2 share: columns are searched by Arrow, rows and files by Python.
    # What may begin anywhere and needs something after it has a longest length: else long texts take quadratic time.
    holds: tuple[str, ...]  # in lower case: one of these is in each of them, which is quickly looked for


SHAPES = {
    "API key (sk-...)": Shape(r"\bsk-[A-Za-z0-9_-]{20,}", ("sk-",)),
    "Stripe key": Shape(r"\b[sr]k_live_[A-Za-z0-9]{16,}", ("k_live_",)),
    "Hugging Face token": Shape(r"\bhf_[A-Za-z0-9]{30,}", ("hf_",)),
    "GitHub token": Shape(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    ),
    "GitLab token": Shape(r"\bglpat-[A-Za-z0-9_-]{20,}", ("glpat-",)),
    "AWS access key": Shape(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", ("akia", "asia")),
    "Google API key": Shape(r"\bAIza[A-Za-z0-9_-]{35}", ("aiza",)),
    "Slack token": Shape(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", ("xox",)),
    "private key": Shape(r"-----BEGIN [A-Z ]*PRIVATE KEY", ("private key",)),
    "bearer token": Shape(r"\b(?i:bearer)\s+[A-Za-z0-9._~+/-]{20,}", ("bearer",)),
    "JSON web token": Shape(r"\beyJ[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10,900}\.[A-Za-z0-9_-]{10,}", ("eyj",)),
    "password in a URL": Shape(r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/:@]*:[^\s/@]+@", ("://",)),
    "password or key": Shape(
        r"(?i:api[_-]?key|secret[_-]?key|access[_-]?token|password)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9+/_-]{16,}",
        ("api", "secret", "access", "password"),
    ),
    "path that names a person": Shape(PERSONAL, ("/home/", "/users/", "/root/", ":\\users\\")),
}
_PATTERNS = {what: re.compile(shape.pattern) for what, shape in SHAPES.items()}
_FROM_ENVIRONMENT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN", "OPENAI_API_KEY")
SHORTEST = 8  # characters of a key in the environment; "none" and "x" stand there too
SHOWN = 6  # characters of a finding: enough to find it again, and no use to anyone
MAX_FINDINGS = 20
ENVIRONMENT = "a key of your environment"


class Finding(NamedTuple):
    """Something that looks like a secret, never the whole of it."""

    what: str
    where: str
    begins: str

    def __str__(self) -> str:
        """For a line of an error."""
        return f"{self.what} in {self.where} ({self.begins}...)"


def keys_in_use() -> tuple[str, ...]:
    """The very keys that this process was given."""
    values = (os.environ.get(name, "") for name in _FROM_ENVIRONMENT)
    return tuple(dict.fromkeys(value for value in values if len(value) >= SHORTEST))


def hidden(text: str, *, keys: Sequence[str]) -> str:
    """The text without anything that looks like a secret: for messages that others wrote."""
    for key in keys:
        text = text.replace(key, "***")
    for pattern in _PATTERNS.values():
        text = pattern.sub("***", text)
    return text


def in_text(text: str, *, where: str, keys: Sequence[str] = ()) -> Iterator[Finding]:
    """What looks like a secret in a text, the first of each shape."""
    for key in keys:
        if key in text:
            yield Finding(ENVIRONMENT, where, key[:SHOWN])
    for what, pattern in _PATTERNS.items():
        if match := pattern.search(text):
            yield Finding(what, where, match[0][:SHOWN])


def in_value(value: Any, *, where: str, keys: Sequence[str] = ()) -> Iterator[Finding]:  # Any: a row's values
    """The same of every text in a row or a JSON value, its names included."""
    if isinstance(value, str):
        yield from in_text(value, where=where, keys=keys)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from in_text(str(name), where=where, keys=keys)
            yield from in_value(item, where=f"{where}, {name}" if "," not in where else where, keys=keys)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from in_value(item, where=where, keys=keys)


def in_batch(batch: pa.RecordBatch, *, part: str, first_row: int, keys: Sequence[str] = ()) -> Iterator[Finding]:
    """The same of the rows of a batch; whole columns are searched at once, and rows only if there is something."""
    suspects = [column for column in batch.columns if any(_may_hold_one(of, keys) for of in _texts(column))]
    if not suspects:
        return
    for i, row in enumerate(batch.to_pylist()):
        yield from in_value(row, where=f"{part} row {first_row + i}", keys=keys)


def _may_hold_one(texts: "pa.StringArray", keys: Sequence[str]) -> bool:
    # RE2 reads 15 MB a second with these patterns, and a search for words in the bytes 1 GB.
    content = texts.buffers()[2]
    if content is None:
        return False
    lower = content.to_pybytes().lower()
    if any(key.encode().lower() in lower for key in keys):
        return True
    return any(
        pc.any(pc.match_substring_regex(texts, shape.pattern)).as_py()
        for shape in SHAPES.values()
        if any(word.encode() in lower for word in shape.holds)
    )


def _texts(column: "pa.Array[Any]") -> Iterator["pa.StringArray"]:  # Any: a column of any type
    """The texts of a column, however deep they lie."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        yield column  # type: ignore[misc]  # the stubs do not narrow by the type's test
    elif isinstance(column, pa.StructArray):
        for child in column.flatten():
            yield from _texts(child)
    elif isinstance(column, pa.ListArray | pa.LargeListArray):
        yield from _texts(column.flatten())
