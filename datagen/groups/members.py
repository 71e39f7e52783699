"""What may stand in an alignment group, and which of several equal texts does."""

from collections import Counter
from collections.abc import Iterable
from statistics import fmean
from typing import Literal, NamedTuple

from datagen_schemas.candidate import Verdict
from datagen_schemas.corruption import Corruption
from datagen_schemas.problem import Problem

Kind = Literal["gold", "sampled", "corrupted"]
_KINDS: tuple[Kind, ...] = ("gold", "sampled", "corrupted")  # which name equal texts of equal score go by

WITHOUT_GROUP = "in a problem without a group"
BEYOND_LIMIT = "beyond the limit"


class Member(NamedTuple):
    """A response to one problem, and how good it is."""

    text: str
    score: float
    kind: Kind
    source: str  # as the dataset says it: gold, a model's name, sampled, corrupted/METHOD
    verdict: Verdict
    judged: bool = False  # the score is a judge's

    @property
    def key(self) -> str:
        """The text, white space aside: what makes two responses the same."""
        return text_key(self.text)

    @property
    def is_given(self) -> bool:
        """Whether it came in as a candidate; the gold path is added by us."""
        return self.judged or self.kind != "gold"


class Members(NamedTuple):
    """The usable responses to one problem, and why the other candidates are none."""

    kept: list[Member]
    dropped: Counter[str]


def text_key(text: str) -> str:
    """A text with its white space normalised."""
    return " ".join(text.split())


def source_name(kind: Kind, *, model: str | None, corruption: Corruption | None) -> str:
    """Where a response comes from, as `AlignmentGroup.sources` says it."""
    if corruption is not None:
        return f"corrupted/{corruption.method}"
    return kind if kind == "gold" else model or "sampled"


def gold_member(problem: Problem, *, score: float) -> Member | None:
    """The dataset's own path; None if the problem has none."""
    if problem.rationale is None:
        return None
    return Member(problem.rationale, score, "gold", "gold", "correct")


def distinct(members: Iterable[Member], *, reference: str | None) -> Members:
    """One member for each text, white space aside; the outcome does not depend on the members' order.

    A text that the judge rated has the judge's score (the mean, if rated more than once), any other its highest one:
    a corrupted copy that came out as a text that is verified correct is no negative. For the same reason, an unrated
    negative with the text of the gold path is left out.
    """
    dropped = Counter[str]()
    same: dict[str, list[Member]] = {}
    reference_key = text_key(reference) if reference is not None else None
    for member in members:
        if not member.key:
            dropped["empty"] += member.is_given  # no token to score
        elif member.verdict == "wrong" and not member.judged and member.key == reference_key:
            dropped["same text as the gold path"] += 1
        else:
            same.setdefault(member.key, []).append(member)
    kept: list[Member] = []
    for equals in same.values():
        best, *others = sorted(equals, key=_precedence)
        for other in others:
            contradicts = {best.verdict, other.verdict} == {"correct", "wrong"}
            dropped["same text as a correct one" if contradicts else "duplicate"] += other.is_given
        ratings = [member.score for member in equals if member.judged]
        kept.append(best._replace(score=fmean(ratings)) if ratings else best)
    return Members(in_order(kept), dropped)


def _precedence(member: Member) -> tuple[bool, bool, float, int, str, str]:
    """What names a text that several members have: the gold path, then what was rated, then the best score."""
    m = member
    return (m.kind != "gold", not m.judged, -m.score, _KINDS.index(m.kind), m.source, m.text)


def in_order(members: Iterable[Member]) -> list[Member]:
    """Best first; equally good ones with the gold path first, then by text."""
    return sorted(members, key=lambda m: (-m.score, _KINDS.index(m.kind) > 0, m.key))
