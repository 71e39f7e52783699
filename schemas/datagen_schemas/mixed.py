"""A mixture: rows that say which data set they come from, and what was left out as nearly another row."""

from typing import Literal

from pydantic import Field

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.preference import Preference
from datagen_schemas.provenance import Provenance
from datagen_schemas.record import Record

MixedKind = Literal["gold", "sampled", "AnsAug", "Rephrased", "SV", "FOBAR", "foreign"]

_ORIGIN = "Name of the input data set: its run's folder, or NAME of NAME=PATH."
_ORIGIN_ROW = "Row in the input's data, from 0."


class MixedExample(Record):
    """A prompt and the completion to learn, of any origin; what `datagen mix` writes."""

    prompt: str
    completion: str
    problem_id: str = Field(description="Rows that must stay together in a split have one id, or one question.")
    question: str | None = Field(description="The question alone, as it was read; None where it is not known.")
    answer: str | None = Field(description="Reference answer; None where it is not known.")
    kind: MixedKind
    origin: str = Field(description=_ORIGIN)
    origin_row: int = Field(description=_ORIGIN_ROW)
    provenance: Provenance


class MixedGroup(AlignmentGroup):
    """An alignment group in a mixture of such groups."""

    origin: str = Field(description=_ORIGIN)
    origin_row: int = Field(description=_ORIGIN_ROW)


class MixedPreference(Preference):
    """A preference pair in a mixture of such pairs."""

    origin: str = Field(description=_ORIGIN)
    origin_row: int = Field(description=_ORIGIN_ROW)


class NearDuplicate(Record):
    """A row that is not in a mixture, beside the row that stays for it; texts as they were compared, in lower case."""

    origin: str
    origin_row: int
    stays_origin: str
    stays_row: int
    question_ratio: float = Field(description="Similarity of the questions, 0 to 100 (rapidfuzz ratio).")
    completion_ratio: float = Field(description="The same of the completions.")
    question: str
    stays_question: str
    completion: str
    stays_completion: str
