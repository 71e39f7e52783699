"""What alignment training (AFT) reads."""

from pydantic import Field, model_validator

from datagen_schemas.record import Record


class AlignmentGroup(Record):
    """Several responses to one prompt with their scores: 1 and 0 for binary feedback, judge means for ranked."""

    prompt: str
    responses: tuple[str, ...]
    scores: tuple[float, ...]
    problem_id: str
    sources: tuple[str, ...] = Field(description="Per response: gold, sampled, corrupted, or a model's name.")
    reference: str | None = Field(default=None, description="The gold path, for the VFT term.")

    @model_validator(mode="after")
    def _lists_are_aligned(self) -> "AlignmentGroup":
        if not len(self.responses) == len(self.scores) == len(self.sources):
            raise ValueError("responses, scores and sources must have the same length")
        return self
