"""Binary feedback: positives reach the reference answer, negatives do not (AFT, arXiv:2309.02144, section 4.1)."""

from collections import Counter
from collections.abc import Iterable

from datagen.groups.members import Kind, Member, Members, distinct, gold_member, source_name
from datagen.select.statistics import Filter
from datagen.store.spill import Spilled
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.rating import MissingCandidate, RankedCandidate, RankedGroup

POSITIVE, NEGATIVE = 1.0, 0.0


def binary_members(problem: Problem, candidates: Iterable[Candidate], *, keep: Filter, gold: bool) -> Members:
    """Positives and negatives of one problem, each text once.

    A correct candidate that `keep` refuses (a false equation on the way, an answer that it never states) is neither:
    training must not raise it, and lowering it would lower a right answer.
    """
    dropped = Counter[str]()
    members: list[Member] = []
    for candidate in candidates:
        reason = keep.reason(candidate)
        if reason is not None and reason != "wrong":
            dropped[reason] += 1
            continue
        kind: Kind = "sampled" if candidate.corruption is None else "corrupted"
        source = source_name(kind, model=candidate.model, corruption=candidate.corruption)
        score = POSITIVE if reason is None else NEGATIVE
        members.append(Member(candidate.response, score, kind, source, candidate.verdict))
    if gold and (path := gold_member(problem, score=POSITIVE)) is not None:
        members.append(path)
    kept, repeated = distinct(members, reference=problem.rationale)
    return Members(kept, dropped + repeated)


def unranked(group: RankedGroup) -> list[Spilled]:
    """The candidates of a ranked group as plain replies, with or without votes; the gold path is the problem's."""
    given: list[RankedCandidate | MissingCandidate] = [*group.candidates, *group.missing]
    return [_reply(candidate) for candidate in given if candidate.source != "gold"]


def _reply(candidate: RankedCandidate | MissingCandidate) -> Spilled:
    source, corruption = candidate.provenance, candidate.corruption
    return Spilled(
        response=candidate.response,
        sample=source.sample,
        model=source.model,
        endpoint=source.endpoint,
        reply_key=source.reply_key,
        is_correct=None,
        corruption=corruption.model_dump(mode="json") if corruption is not None else None,
    )
