"""Alignment groups from every shape of row."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from datagen.readers.alignment import read_alignment_groups
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError


def written(tmp_path: Path, row: Mapping[str, object]) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    return file


@pytest.mark.parametrize(
    ("row", "responses", "scores", "reference"),
    [
        ({"responses": ["a", "b", "c"], "scores": [9.5, 2, 2]}, ("a", "b", "c"), (9.5, 2.0, 2.0), None),
        ({"correct": ["a"], "incorrect": ["b", "c"], "reference": "g"}, ("a", "b", "c"), (1.0, 0.0, 0.0), "g"),
        ({"chosen": "a", "rejected": "b", "reference": None}, ("a", "b"), (1.0, 0.0), None),
    ],
)
def test_every_shape_is_read(
    tmp_path: Path,
    row: dict[str, object],
    responses: tuple[str, ...],
    scores: tuple[float, ...],
    reference: str | None,
) -> None:
    (group,) = read_alignment_groups(written(tmp_path, {"prompt": "q\n", **row}))
    assert (group.prompt, group.responses, group.scores, group.reference) == ("q\n", responses, scores, reference)
    assert group.problem_id == "0"


def test_our_own_groups_come_back_unchanged(tmp_path: Path) -> None:
    group = AlignmentGroup(
        prompt="q", responses=("a", "b"), scores=(1.0, 0.0), problem_id="p", sources=("gold", "m"), reference="a"
    )
    assert list(read_alignment_groups(written(tmp_path, group.model_dump(mode="json")))) == [group]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "q", "text": "a"}, "columns prompt, text are no alignment data. Needed: prompt, responses"),
        ({"chosen": "a", "rejected": "b"}, "rows.jsonl:1: prompt is no text"),
        ({"prompt": "q", "chosen": [{"role": "assistant"}], "rejected": "b"}, "chosen is no text. Render chat"),
        ({"prompt": "q", "responses": ["a", 5], "scores": [1, 0]}, "responses holds something else than texts"),
        ({"prompt": "q", "responses": "ab", "scores": [1, 0]}, "responses is no list"),
        ({"prompt": "q", "responses": ["a", "b"], "scores": [1]}, "rows.jsonl:1: .*same length"),
        ({"prompt": "q", "responses": ["a", "b"], "scores": ["good", "bad"]}, "rows.jsonl:1: scores.0"),
    ],
)
def test_a_bad_row_is_named_with_the_remedy(tmp_path: Path, row: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_alignment_groups(written(tmp_path, row)))
