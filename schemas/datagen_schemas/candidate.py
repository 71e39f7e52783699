"""A model's solution to a problem, and what is known about it."""

from typing import Literal

from pydantic import Field

from datagen_schemas.corruption import Corruption
from datagen_schemas.provenance import Provenance
from datagen_schemas.record import Record

Verdict = Literal["correct", "wrong", "unknown"]


class Candidate(Record):
    """One sampled chain of thought (CoT) with its verified answer."""

    problem_id: str
    sample: int = Field(description="0..k-1 within the problem.")
    response: str
    answer: str | None = Field(description="Canonical text of the extracted answer; None if none was found.")
    verdict: Verdict
    verdict_method: str = Field(description="How the answer was found and compared, such as 'hashes/number'.")
    equations: tuple[str, ...] = Field(description="Normalised, in reading order.")
    equations_hold: bool = Field(description="False if at least one equation is arithmetically false.")
    model: str | None
    provenance: Provenance
    corruption: Corruption | None = Field(
        default=None, description="How it was corrupted; None for a model's own text."
    )
