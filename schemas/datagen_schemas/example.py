"""A training example."""

from typing import Literal

from pydantic import Field

from datagen_schemas.provenance import Provenance
from datagen_schemas.record import Record


class Example(Record):
    """A prompt and the completion to learn; what VFT, RFT and segmentation training read."""

    prompt: str
    completion: str
    problem_id: str
    source: Literal["gold", "sampled"] = Field(
        description="gold: the dataset's own path; sampled: a selected candidate."
    )
    answer: str = Field(description="Canonical reference answer.")
    equations: tuple[str, ...] = Field(description="Normalised equation list that tells this path from the others.")
    sample: int | None = Field(description="Index of the candidate it came from; None for gold.")
    model: str | None
    provenance: Provenance
