"""An augmented question with its response, in MetaMathQA's columns."""

from typing import Literal

from datagen_schemas.provenance import Provenance
from datagen_schemas.record import Record


class Augmented(Record):
    """One row of a MetaMath-style dataset (Yu et al. 2023)."""

    type: Literal["AnsAug", "Rephrased", "SV", "FOBAR"]
    query: str
    response: str
    original_question: str
    answer: str
    problem_id: str
    provenance: Provenance
