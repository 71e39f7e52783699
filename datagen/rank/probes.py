"""Candidates whose score is known beforehand: what a judge that can be trusted says of them.

The reference itself should get 9 or more, an empty reply 2 or less, and the reference with a share of its characters
replaced (AFT paper, appendix E) less than the reference, the more so the larger the share.
"""

from collections.abc import Iterator, Sequence

from datagen.annotate import annotate
from datagen.corrupt.negatives import CorruptOptions, Parent, negatives
from datagen.rank.votes import Group
from datagen.seeding import rng_for
from datagen_schemas.candidate import Candidate
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

SOURCES = ("reference", "empty")  # of candidates 0 and 1; the others are "corrupted"


def probe_groups(
    problems: Sequence[Problem], *, n: int, alphas: Sequence[float], seed: int, provenance: Provenance
) -> Iterator[Group]:
    """Probes on `n` problems that have a reference solution, drawn by the seed, in their order."""
    usable = [problem for problem in problems if problem.rationale]
    drawn = sorted(rng_for(seed, "probes").sample(range(len(usable)), min(n, len(usable))))
    for i in drawn:
        yield usable[i], _probes(usable[i], alphas=alphas, seed=seed, provenance=provenance)


def source_of(candidate: Candidate) -> str:
    """What kind of probe it is: reference, empty or corrupted."""
    return SOURCES[candidate.sample] if candidate.sample < len(SOURCES) else "corrupted"


def _probes(problem: Problem, *, alphas: Sequence[float], seed: int, provenance: Provenance) -> list[Candidate]:
    reference = problem.rationale or ""
    source = provenance.model_copy(
        update={"model": None, "endpoint": None, "parents": (problem.id, f"{problem.id}#gold")}
    )
    parent = Parent(reference, None, source)
    copies = negatives(problem, [parent], options=CorruptOptions(("chars",), tuple(alphas)), seed=seed).candidates
    return [
        annotate(problem, reference, sample=0, provenance=source),
        annotate(problem, "", sample=1, provenance=source),
        *(copy.model_copy(update={"sample": i}) for i, copy in enumerate(copies, start=len(SOURCES))),
    ]
