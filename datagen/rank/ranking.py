"""Ratings -> a quality ranking of one problem's candidates (GSM8K-RANK; AFT paper, appendix A, Eq. 11 to 14).

A candidate's score is the mean of its votes; with a panel, the mean of the judges' means, so that each judge counts
the same. Only strictly different scores order a pair: ties stay ties.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.rating import JudgeVotes, MissingCandidate, RankedCandidate, RankedGroup, Rating

# Scores are means of numbers with few digits: a smaller difference than this is rounding.
ROUNDING = 1e-9


class Judged(NamedTuple):
    """A candidate with its votes, judge by judge."""

    candidate: Candidate
    source: str
    judges: tuple[JudgeVotes, ...]
    lacking: str | None  # why it cannot be ranked


def judged(
    candidate: Candidate, ratings: Mapping[str, Sequence[Rating]], *, min_votes: int, source: str | None = None
) -> Judged:
    """Gather the valid votes on one candidate.

    Args:
        candidate: what was rated.
        ratings: judge -> its votes, valid or not.
        min_votes: valid votes that each judge must have given: a mean over fewer judges than the next candidate's
            could not be compared with it.
        source: where the candidate comes from, if not told by the candidate itself.
    """
    votes = {judge: [vote for vote in of_judge if vote.rating is not None] for judge, of_judge in ratings.items()}
    short = [
        f"{judge}: {len(votes[judge])} of {len(ratings[judge])} votes are valid, {needed} needed"
        for judge in votes
        # A built-in judge has one vote to give.
        if len(votes[judge]) < (needed := min(min_votes, len(ratings[judge])))
    ]
    if source is None:
        source = "corrupted" if candidate.corruption is not None else "sampled"
    judges = tuple(_votes(judge, valid) for judge, valid in votes.items() if valid)
    return Judged(candidate, source, judges, "; ".join(short) or None)


def ranked_group(problem: Problem, candidates: Iterable[Judged], *, min_gap: float = 0.0) -> RankedGroup:
    """Best first; equal scores share a rank, and the rank after a tie of two is two further on (1, 1, 3).

    Args:
        problem: what the candidates answer.
        candidates: with their votes; those that lack some are listed apart.
        min_gap: scores that are less than this below the best of their rank share it; 0 joins equal scores only.
    """
    everyone = list(candidates)
    scored = [(fmean(votes.mean for votes in one.judges), one) for one in everyone if one.lacking is None]
    scored.sort(key=lambda item: (-item[0], item[1].candidate.sample))
    ranked: list[RankedCandidate] = []
    rank, best_of_rank = 1, 0.0
    for i, (score, one) in enumerate(scored):
        if i == 0 or best_of_rank - score >= max(min_gap - ROUNDING, ROUNDING):
            rank, best_of_rank = i + 1, score
        ranked.append(_ranked(one, score=score, rank=rank))
    return RankedGroup(
        problem=problem,
        candidates=tuple(ranked),
        missing=tuple(_missing(one) for one in everyone if one.lacking is not None),
    )


def _votes(judge: str, valid: Sequence[Rating]) -> JudgeVotes:
    values = tuple(vote.rating for vote in valid if vote.rating is not None)
    evidence = tuple(vote.evidence or "" for vote in valid)
    return JudgeVotes(judge=judge, votes=values, evidence=evidence, mean=fmean(values))


def _all_votes(one: Judged) -> tuple[float, ...]:
    return tuple(value for of_judge in one.judges for value in of_judge.votes)


def _ranked(one: Judged, *, score: float, rank: int) -> RankedCandidate:
    votes = _all_votes(one)
    return RankedCandidate(
        sample=one.candidate.sample,
        response=one.candidate.response,
        score=score,
        votes=votes,
        deviation=stdev(votes) if len(votes) > 1 else 0.0,
        rank=rank,
        judges=one.judges,
        verdict=one.candidate.verdict,
        source=one.source,
        corruption=one.candidate.corruption,
        provenance=one.candidate.provenance,
    )


def _missing(one: Judged) -> MissingCandidate:
    return MissingCandidate(
        sample=one.candidate.sample,
        response=one.candidate.response,
        reason=one.lacking or "",
        votes=_all_votes(one),
        verdict=one.candidate.verdict,
        source=one.source,
        corruption=one.candidate.corruption,
        provenance=one.candidate.provenance,
    )
