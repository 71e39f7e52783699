"""What every record shares: it cannot be changed, and it refuses fields that it does not know."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """One row of a dataset. Numbers that decide correctness are exact and stored as text."""

    model_config = ConfigDict(frozen=True, extra="forbid")
