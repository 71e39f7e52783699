"""A problem to solve."""

from pydantic import Field

from datagen_schemas.record import Record


class Problem(Record):
    """One question with its reference answer, whatever dataset it came from."""

    id: str = Field(description="Stable: content hash and index, so that the same file always gives the same ids.")
    question: str
    answer: str = Field(
        description="Canonical text: an exact number ('1000', '1/3', '-0.5'), a choice's letter, or LaTeX."
    )
    rationale: str | None = Field(description="The dataset's own solution (the gold path), as published.")
    choices: tuple[str, ...] | None = Field(description="Options in order, without their letters; None if open.")
    source: str = Field(description="Dataset name, or the file's name.")
    split: str
    meta: str = Field(default="{}", description="JSON object with what else the source says of the problem.")
