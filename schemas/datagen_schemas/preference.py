"""A pair of responses of which one is better."""

from pydantic import Field

from datagen_schemas.record import Record


class Preference(Record):
    """The columns that preference trainers read (prompt, chosen, rejected), and where the pair comes from."""

    prompt: str
    chosen: str
    rejected: str
    problem_id: str
    chosen_score: float
    rejected_score: float = Field(description="Strictly below chosen_score: ties are no preference.")
    chosen_source: str
    rejected_source: str
