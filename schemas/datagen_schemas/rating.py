"""A judge's rating of a candidate, and candidates ranked by their ratings (GSM8K-RANK, AFT paper, appendix A)."""

from typing import Annotated

from pydantic import Field, model_validator

from datagen_schemas.candidate import Verdict
from datagen_schemas.corruption import Corruption
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.record import Record


class Rating(Record):
    """One vote: a rating from 1 to 10, or the reason why there is none. Never a made-up number."""

    problem_id: str
    sample: int
    judge: str
    vote: int = Field(description="0..votes-1 of this judge for this candidate.")
    evidence: str | None = Field(description="What the judge wrote before its rating.")
    rating: float | None
    parse_error: str | None = Field(description="Why there is no rating: what the last reply lacked, or 'no reply'.")
    asks: int = Field(default=1, description="How often the judge was asked for this vote.")
    reply_key: str | None = Field(default=None, description="Key in the reply store; None for a built-in judge.")

    @model_validator(mode="after")
    def _is_a_rating_or_an_error(self) -> "Rating":
        if (self.rating is None) == (self.parse_error is None):
            raise ValueError("exactly one of rating and parse_error must be set")
        if self.rating is not None and not 1 <= self.rating <= 10:
            raise ValueError(f"rating {self.rating} is not between 1 and 10")
        return self


class JudgeVotes(Record):
    """What one judge said of one candidate."""

    judge: str
    votes: tuple[float, ...] = Field(description="Valid ratings, in order of vote.")
    evidence: tuple[str, ...] = Field(description="One text a valid rating; empty where the judge gave none.")
    mean: float


class RankedCandidate(Record):
    """A candidate with the mean of its votes; equal means share a rank, and 1 is the best."""

    sample: int
    response: str
    score: float = Field(description="Mean of the judges' means; each judge counts the same.")
    votes: tuple[float, ...] = Field(description="All valid votes, judge by judge.")
    deviation: float = Field(description="Standard deviation of `votes` (n - 1); 0 for a single vote.")
    rank: Annotated[int, Field(ge=1)]
    judges: tuple[JudgeVotes, ...]
    verdict: Verdict = Field(description="Of the answer check, not of the judge.")
    source: str = Field(description="gold, sampled or corrupted.")
    corruption: Corruption | None
    provenance: Provenance


class MissingCandidate(Record):
    """A candidate without enough valid votes: listed apart, never ranked and never dropped."""

    sample: int
    response: str
    reason: str
    votes: tuple[float, ...] = Field(description="The valid votes that there are, judge by judge.")
    verdict: Verdict
    source: str
    corruption: Corruption | None
    provenance: Provenance


class RankedGroup(Record):
    """The candidates of one problem, ranked by one judge or a panel (GSM8K-RANK)."""

    problem: Problem
    candidates: tuple[RankedCandidate, ...] = Field(description="Best first; ties in order of sample.")
    missing: tuple[MissingCandidate, ...]
