"""A judge's rating of a candidate, and candidates ranked by their ratings."""

from typing import Annotated

from pydantic import Field, model_validator

from datagen_schemas.problem import Problem
from datagen_schemas.record import Record


class Rating(Record):
    """One vote: a rating from 1 to 10, or the reason why the judge's reply has none. Never a made-up number."""

    problem_id: str
    sample: int
    judge: str
    vote: int
    evidence: str | None
    rating: float | None
    parse_error: str | None

    @model_validator(mode="after")
    def _is_a_rating_or_an_error(self) -> "Rating":
        if (self.rating is None) == (self.parse_error is None):
            raise ValueError("exactly one of rating and parse_error must be set")
        if self.rating is not None and not 1 <= self.rating <= 10:
            raise ValueError(f"rating {self.rating} is not between 1 and 10")
        return self


class RankedCandidate(Record):
    """A candidate with the mean of its votes; equal means share a rank, and 1 is the best."""

    sample: int
    response: str
    score: float
    votes: tuple[float, ...]
    rank: Annotated[int, Field(ge=1)]


class RankedGroup(Record):
    """The candidates of one problem, ranked by a judge (GSM8K-RANK)."""

    problem: Problem
    candidates: tuple[RankedCandidate, ...]
