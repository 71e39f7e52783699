"""Files on disk have these schemas: a change here is a breaking change."""

import json

import pyarrow as pa
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.arrow import arrow_schema
from datagen_schemas.augmented import AugmentationCount, Augmented, RejectedQuestion
from datagen_schemas.candidate import Candidate
from datagen_schemas.catalog import RECORDS
from datagen_schemas.example import Example
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import Rating


def text(name: str, *, nullable: bool = False) -> "pa.Field[pa.DataType]":
    return pa.field(name, pa.string(), nullable=nullable)


TEXTS = pa.list_(pa.string())
PROVENANCE = [
    text("stage"),
    text("model", nullable=True),
    text("endpoint", nullable=True),
    text("prompt_id", nullable=True),
    text("prompt_sha256", nullable=True),
    text("sampling", nullable=True),
    pa.field("seed", pa.int64(), nullable=True),
    pa.field("sample", pa.int64(), nullable=True),
    text("reply_key", nullable=True),
    pa.field("parents", TEXTS, nullable=False),
    text("package_version"),
]


CORRUPTION = [
    text("method"),
    text("kind"),
    pa.field("alpha", pa.float64(), nullable=True),
    pa.field("realised_alpha", pa.float64(), nullable=True),
    pa.field("positions", pa.list_(pa.int64()), nullable=False),
    text("where"),
    text("before"),
    text("after"),
    text("parent"),
]


def test_schema_of_problem_is_frozen() -> None:
    assert arrow_schema(Problem) == pa.schema(
        [
            text("id"),
            text("question"),
            text("answer"),
            text("rationale", nullable=True),
            pa.field("choices", TEXTS, nullable=True),
            text("source"),
            text("split"),
            text("meta"),
        ]
    )


def test_schema_of_candidate_is_frozen() -> None:
    assert arrow_schema(Candidate) == pa.schema(
        [
            text("problem_id"),
            pa.field("sample", pa.int64(), nullable=False),
            text("response"),
            text("answer", nullable=True),
            text("verdict"),
            text("verdict_method"),
            pa.field("equations", TEXTS, nullable=False),
            pa.field("equations_hold", pa.bool_(), nullable=False),
            text("model", nullable=True),
            pa.field("provenance", pa.struct(PROVENANCE), nullable=False),
            pa.field("corruption", pa.struct(CORRUPTION), nullable=True),
        ]
    )


def test_schema_of_example_is_frozen() -> None:
    assert arrow_schema(Example) == pa.schema(
        [
            text("prompt"),
            text("completion"),
            text("problem_id"),
            text("source"),
            text("answer"),
            pa.field("equations", TEXTS, nullable=False),
            pa.field("sample", pa.int64(), nullable=True),
            text("model", nullable=True),
            pa.field("provenance", pa.struct(PROVENANCE), nullable=False),
        ]
    )


def test_schemas_of_augmented_rows_are_frozen() -> None:
    """The first five columns of Augmented are those of MetaMathQA, and its answer."""
    names = ("type", "query", "response", "original_question", "answer", "problem_id")
    provenance = pa.field("provenance", pa.struct(PROVENANCE), nullable=False)
    assert arrow_schema(Augmented) == pa.schema([*map(text, names), provenance])
    assert arrow_schema(RejectedQuestion) == pa.schema(
        [
            *map(text, ("type", "query", "reason")),
            text("evidence", nullable=True),
            *map(text, ("original_question", "problem_id")),
            pa.field("reply_keys", TEXTS, nullable=False),
        ]
    )
    reasons = pa.list_(pa.struct([text("reason"), pa.field("n", pa.int64(), nullable=False)]))
    numbers = {name: pa.field(name, pa.int64(), nullable=False) for name in ("questions", "accepted", "solutions")}
    assert arrow_schema(AugmentationCount) == pa.schema(
        [
            *map(text, ("problem_id", "type")),
            numbers["questions"],
            numbers["accepted"],
            pa.field("rejected", reasons, nullable=False),
            numbers["solutions"],
        ]
    )


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_has_an_arrow_schema_and_a_json_schema(name: str) -> None:
    record = RECORDS[name]
    assert arrow_schema(record).names == list(record.model_fields)
    assert json.loads(json.dumps(record.model_json_schema()))["additionalProperties"] is False


def test_records_cannot_be_changed_and_refuse_unknown_fields() -> None:
    problem = Problem(id="p", question="q", answer="1", rationale=None, choices=None, source="s", split="train")
    with pytest.raises(ValidationError, match="frozen"):
        problem.answer = "2"  # pyright: ignore[reportAttributeAccessIssue]  # the point of the test
    with pytest.raises(ValidationError, match="extra"):
        Problem.model_validate({**problem.model_dump(), "hint": "?"})


def test_a_rating_is_a_number_or_an_error_and_never_both_or_neither() -> None:
    vote = {"problem_id": "p", "sample": 0, "judge": "j", "vote": 0, "evidence": None}
    Rating.model_validate({**vote, "rating": 10, "parse_error": None})
    for rating, error in [(None, None), (7, "no rating"), (0, None), (11, None)]:
        with pytest.raises(ValidationError):
            Rating.model_validate({**vote, "rating": rating, "parse_error": error})


def test_an_alignment_group_has_one_score_per_response() -> None:
    with pytest.raises(ValidationError, match="same length"):
        AlignmentGroup(prompt="q", responses=("a", "b"), scores=(1.0,), problem_id="p", sources=("gold", "sampled"))


def test_unknown_type_names_the_field_and_the_remedy() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        when: complex | None

    with pytest.raises(TypeError, match=r"when: no Arrow type .* Add one to SCALARS"):
        arrow_schema(Odd)


def test_provenance_has_no_clock() -> None:
    """Rows of the same inputs and seed are the same bytes."""
    assert not [name for name in Provenance.model_fields if "time" in name or "created" in name or "date" in name]
