"""GSM8K-RANK: candidates ranked by a judge (AFT paper, Wang et al. 2023, arXiv:2309.02144, appendix A).

1,000 problems of GSM8K's training set, 8 candidates each, 3 votes of a judge on each candidate, from 1 to 10 with the
evidence before the rating; the mean is the score, and the scores are the ranking.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from datagen.rank.ranking import Judged, judged, ranked_group
from datagen.rank.reliability import PREFILLED
from datagen.rank.steps import judge_steps
from datagen.rank.votes import Group
from datagen.seeding import rng_for
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.rating import RankedGroup, Rating

PROBLEMS = 1_000
CANDIDATES = 8
STEPS = "steps"  # the built-in judge's name

Judge = Callable[[Problem, Candidate], list[Rating]]


@dataclass(frozen=True)
class RankOptions:
    """What decides the ranking, beside the judges."""

    problems: int | None = PROBLEMS  # drawn; None: all
    k: int | None = CANDIDATES  # the first k candidates of each problem; None: all
    min_votes: int = 1  # valid votes that a candidate needs from every judge
    min_gap: float = 0.0  # scores closer than this tie
    prefill: bool = False  # take the step judge's word where it is certain
    probes: int = 20  # problems whose reference, an empty reply and corrupted references are judged too
    probe_alphas: tuple[float, ...] = (0.1, 0.3, 0.5)


class RankedPart(NamedTuple):
    """One problem's ranking and the votes that it rests on."""

    group: RankedGroup
    ratings: list[Rating]


def draw(problems: Sequence[Problem], n: int | None, *, seed: int) -> list[Problem]:
    """`n` problems, in their own order; all of them if there are no more, or if n is None."""
    if n is None or n >= len(problems):
        return list(problems)
    return [problems[i] for i in sorted(rng_for(seed, "draw").sample(range(len(problems)), n))]


def rank(
    groups: Iterable[Group],
    judges: dict[str, Judge],
    *,
    options: RankOptions,
    source_of: Callable[[Candidate], str] | None = None,
) -> Iterator[RankedPart]:
    """A ranking for each problem, in order.

    Args:
        groups: problems with their candidates.
        judges: name -> who gives the votes on a candidate; they are the panel.
        options: see RankOptions.
        source_of: where a candidate comes from; by default sampled or corrupted, as it says itself.
    """
    for problem, candidates in groups:
        everyone: list[Judged] = []
        rows: list[Rating] = []
        for candidate in candidates:
            votes = votes_on(problem, candidate, judges, prefill=options.prefill)
            rows.extend(rating for of_judge in votes.values() for rating in of_judge)
            source = source_of(candidate) if source_of is not None else None
            everyone.append(judged(candidate, votes, min_votes=options.min_votes, source=source))
        yield RankedPart(ranked_group(problem, everyone, min_gap=options.min_gap), rows)


def votes_on(
    problem: Problem, candidate: Candidate, judges: dict[str, Judge], *, prefill: bool
) -> dict[str, list[Rating]]:
    """Every judge's votes on one candidate; the step judge's alone where it is certain and may be."""
    if prefill and judge_steps(problem, candidate).is_certain:
        return {PREFILLED: by_steps(problem, candidate, name=PREFILLED)}
    return {name: judge(problem, candidate) for name, judge in judges.items()}


def by_steps(problem: Problem, candidate: Candidate, *, name: str = STEPS) -> list[Rating]:
    """The built-in judge's one vote."""
    found = judge_steps(problem, candidate)
    return [
        Rating(
            problem_id=problem.id,
            sample=candidate.sample,
            judge=name,
            vote=0,
            evidence=found.evidence,
            rating=found.rating,
            parse_error=None,
        )
    ]


def to_be_asked(groups: Iterable[Group], *, prefill: bool) -> Iterator[Group]:
    """The candidates that need a judge's word."""
    for problem, candidates in groups:
        if prefill:
            candidates = [one for one in candidates if not judge_steps(problem, one).is_certain]
        yield problem, candidates
