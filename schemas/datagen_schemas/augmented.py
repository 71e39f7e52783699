"""An augmented question with its response, in MetaMathQA's columns, and what is known of those that were left out."""

from typing import Literal

from pydantic import Field

from datagen_schemas.provenance import Provenance
from datagen_schemas.record import Record

AugmentedType = Literal["AnsAug", "Rephrased", "SV", "FOBAR"]


class Augmented(Record):
    """One row of a MetaMath-style dataset (Yu et al. 2023)."""

    type: AugmentedType
    query: str
    response: str
    original_question: str
    answer: str
    problem_id: str
    provenance: Provenance


class RejectedQuestion(Record):
    """A question that was made and is not used."""

    type: AugmentedType
    query: str = Field(description="The question; a model's reply, if no question could be made of it; else empty.")
    reason: str
    evidence: str | None = Field(description="What the reason rests on: the text that it overlaps, for one.")
    original_question: str
    problem_id: str
    reply_keys: tuple[str, ...] = Field(description="Keys, in the reply store, of what it was made from.")


class ReasonCount(Record):
    """How often a reason was given."""

    reason: str
    n: int


class AugmentationCount(Record):
    """What one method made of one problem."""

    problem_id: str
    type: AugmentedType
    questions: int = Field(description="Made, accepted or not.")
    accepted: int = Field(description="Questions in the dataset.")
    rejected: tuple[ReasonCount, ...]
    solutions: int = Field(description="Rows in the dataset.")
