"""Ranked feedback: the judge's scores order the responses (AFT, arXiv:2309.02144, section 4.3 and GSM8K-RANK)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal

from datagen.groups.members import Kind, Member, Members, distinct, gold_member, in_order, source_name, text_key
from datagen.rank.ranking import ROUNDING
from datagen.store.spill import Spilled
from datagen_schemas.corruption import Corruption
from datagen_schemas.errors import DataError
from datagen_schemas.rating import RankedGroup

TOP_RATING, LOWEST_RATING = 10.0, 1.0

NegativeScore = float | Literal["alpha"]


def ranked_members(
    group: RankedGroup,
    replies: Iterable[Spilled],
    *,
    gold: bool | None,
    negative_score: NegativeScore = LOWEST_RATING,
    min_gap: float = 0.0,
) -> Members:
    """The rated candidates of one problem, corrupted negatives and the gold path, each text once.

    Args:
        group: what the judge rated.
        replies: what was given beside it: a corrupted one is added, another one has no score and is left out.
        gold: add the gold path with the top rating, unless it was rated; False leaves out even a rated one; None
            takes it as the judge left it.
        negative_score: score of a corrupted reply that the judge did not rate; 'alpha' makes it 10 (1 - alpha), not
            below 1, where characters were replaced. We know that it is wrong, so it is left out unless its score is
            below that of every correct response.
        min_gap: scores that are less than this below the best of their tie share it.

    Raises:
        DataError: the group's ranks and scores contradict each other.
    """
    dropped = Counter[str]()
    members = _judged(group)
    if group.missing:
        dropped["missing (no valid vote)"] += len(group.missing)
    if gold is False:
        members, rated = [m for m in members if m.kind != "gold"], members
        dropped["gold path"] += len(rated) - len(members)
    if gold and (path := gold_member(group.problem, score=TOP_RATING)) is not None:
        members.append(path)
    known = {member.key for member in members}
    lowest_correct = min((member.score for member in members if member.verdict == "correct"), default=float("inf"))
    for reply in replies:
        is_known = text_key(reply.response) in known
        if reply.corruption is None:
            dropped["duplicate" if is_known else "not judged"] += 1
            continue
        member = _negative(reply, Corruption.model_validate(reply.corruption), negative_score=negative_score)
        if is_known or member.score < lowest_correct - ROUNDING:
            members.append(member)
        else:
            dropped["negative not below a correct one"] += 1
    kept, repeated = distinct(members, reference=group.problem.rationale)
    scores = levelled([member.score for member in kept], min_gap=min_gap)
    kept = in_order(member._replace(score=score) for member, score in zip(kept, scores, strict=True))
    return Members(kept, +(dropped + repeated))


def levelled(scores: Sequence[float], *, min_gap: float = 0.0) -> list[float]:
    """The scores, in their order, each replaced by the mean of its tie.

    A tie is what `datagen rank` makes one: the scores that are less than `min_gap` below the best of them.
    """
    ties: list[list[int]] = []
    for i in sorted(range(len(scores)), key=scores.__getitem__, reverse=True):
        if ties and scores[ties[-1][0]] - scores[i] < max(min_gap - ROUNDING, ROUNDING):
            ties[-1].append(i)
        else:
            ties.append([i])
    result = list(scores)
    for tie in ties:
        mean = fmean(scores[i] for i in tie)
        for i in tie:
            result[i] = mean
    return result


def _judged(group: RankedGroup) -> list[Member]:
    """The rated candidates; those that share a rank share their mean score, so that different scores are ranks."""
    by_rank: dict[int, list[float]] = {}
    for candidate in group.candidates:
        by_rank.setdefault(candidate.rank, []).append(candidate.score)
    mean_of = {rank: fmean(by_rank[rank]) for rank in sorted(by_rank)}
    means = list(mean_of.values())
    if any(better <= worse for better, worse in zip(means, means[1:], strict=False)):
        raise DataError(
            f"ranked group of problem {group.problem.id}: a better rank has no higher score ({means}). "
            "Rank it again with: datagen rank"
        )
    members: list[Member] = []
    for candidate in group.candidates:
        kind: Kind = (
            "gold" if candidate.source == "gold" else "sampled" if candidate.corruption is None else "corrupted"
        )
        source = source_name(kind, model=candidate.provenance.model, corruption=candidate.corruption)
        members.append(
            Member(candidate.response, mean_of[candidate.rank], kind, source, candidate.verdict, judged=True)
        )
    return members


def _negative(reply: Spilled, corruption: Corruption, *, negative_score: NegativeScore) -> Member:
    source = source_name("corrupted", model=reply.model, corruption=corruption)
    if negative_score != "alpha":
        score = negative_score
    elif corruption.alpha is None:
        score = LOWEST_RATING  # an error in the reasoning has no alpha
    else:
        # Rounded, as 10 * (1 - 0.7) is 3.0000000000000004.
        score = max(LOWEST_RATING, round(TOP_RATING * (1 - corruption.alpha), 9))
    return Member(reply.response, score, "corrupted", source, "wrong")
