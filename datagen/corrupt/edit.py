"""An edit of a solution, and a draft: an edited solution with what is known of its error."""

from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """`text` instead of what stands in [start, end) of the parent."""

    start: int
    end: int
    text: str


class Draft(NamedTuple):
    """A corrupted text that has still to prove that it is wrong."""

    text: str
    kind: str
    where: str
    before: str
    after: str
    positions: tuple[int, ...]
    alpha: float | None = None
    realised_alpha: float | None = None


class Unusable(NamedTuple):
    """A draw that came to nothing, and why."""

    reason: str


NO_EQUATION = Unusable("no equation to change")
NO_PLAIN_SITE = Unusable("no number that can be changed by itself")
AMBIGUOUS = Unusable("it is not clear which later numbers follow")
NOT_PLAIN = Unusable("the new result cannot be written like the old one")
NOT_EXACT = Unusable("a later step is not exact, so that it cannot be recomputed")
UNCONNECTED = Unusable("the final answer does not follow from the step")


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; edits are of the parent's offsets and do not overlap."""
    out: list[str] = []
    end = 0
    for edit in sorted(set(edits)):
        assert edit.start >= end, "edits overlap"
        out += (text[end : edit.start], edit.text)
        end = edit.end
    return "".join(out) + text[end:]


def starts(edits: Iterable[Edit]) -> tuple[int, ...]:
    """Where the edits begin, ascending."""
    return tuple(sorted({edit.start for edit in edits}))


def kept_from(text: str, *, keep_answer: bool) -> int:
    """Where the text that must not change begins: with `keep_answer`, at the end of the line before the last one."""
    if not keep_answer:
        return len(text)
    # The line break before it is kept as well: else the line would no longer be a line.
    return max(text.rfind("\n", 0, len(text.rstrip())), 0)
