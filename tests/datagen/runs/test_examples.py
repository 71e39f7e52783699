import json
from pathlib import Path
from typing import Any, Literal

import pytest
from datasets import Dataset

from datagen.runs.examples import training_examples
from datagen.store.arrow_dataset import DatasetWriter
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedExample
from datagen_schemas.provenance import Provenance


def test_all_of_a_mixture_is_trained_on_whatever_the_method(tmp_path: Path) -> None:
    kinds: tuple[Literal["gold", "sampled", "FOBAR"], ...] = ("gold", "sampled", "FOBAR")
    rows = [
        MixedExample(
            prompt=f"p{i}",
            completion=f"c{i}",
            problem_id=f"id-{i}",
            question=None,
            answer=None,
            kind=kind,
            origin="a",
            origin_row=i,
            provenance=Provenance.of_stage("mix", package_version="0"),
        )
        for i, kind in enumerate(kinds)
    ]
    with DatasetWriter(tmp_path / "mixed" / "data", MixedExample) as writer:
        writer.write_records(rows, MixedExample)
    for method in ("vft", "rft"):
        found = training_examples(str(tmp_path / "mixed"), method=method)
        assert [(row.prompt, row.completion, row.problem_id) for row in found] == [
            ("p0", "c0", "id-0"),
            ("p1", "c1", "id-1"),
            ("p2", "c2", "id-2"),
        ]


def _jsonl(path: Path, *rows: dict[str, Any]) -> str:  # Any: JSON
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("row", "prompt", "completion"),
    [
        ({"prompt": "P", "completion": "C"}, "P", "C"),
        ({"prompt": "P", "completion": "C", "answer": "3", "rationale": None}, "P", "C"),
        ({"question": "Q?", "answer": "It is 3."}, "Q?\n", "It is 3."),
        ({"query": "Q?", "response": "R"}, "Q?\n", "R"),
        ({"instruction": "Do", "input": "this", "output": "Done"}, "Do\nthis\n", "Done"),
        ({"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "R"}]}, "Q?", "R"),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "arrow"])
def test_rows_that_anybody_made_are_trained_on_as_they_are(
    kind: str, row: dict[str, Any], prompt: str, completion: str, tmp_path: Path
) -> None:
    if kind == "arrow":
        Dataset.from_list([row, row]).save_to_disk(tmp_path / "rows")
    data = str(tmp_path / "rows") if kind == "arrow" else _jsonl(tmp_path / "rows.jsonl", row, row)
    for method in ("vft", "rft"):
        found = training_examples(data, method=method)
        assert len(found) == 2
        for example in found:
            assert example.prompt == prompt
            assert (example.completion, example.source) == (completion, "gold")
        assert len({example.problem_id for example in found}) == 1  # one question


def test_a_problem_set_is_its_solutions_and_not_its_answers(tmp_path: Path) -> None:
    data = _jsonl(
        tmp_path / "set.jsonl",
        {"question": "Q?", "answer": "3", "rationale": "1+2=3\n#### 3"},
        {"question": "R?", "answer": "4", "rationale": None},
    )
    assert [example.completion for example in training_examples(data, method="vft")] == ["1+2=3\n#### 3"]
    with pytest.raises(DataError, match="no run of datagen rft. Make one with"):
        training_examples(data, method="rft")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "P", "completion": "C"}, {"prompt": "P"}], r"rows.jsonl:2: missing column: .*datagen mix --skip"),
        ([{"prompt": "P", "completion": " "}], r"rows.jsonl:1: empty text: 'completion' is blank. Fix the row"),
        ([{"prompt": "P", "completion": 3}], "rows.jsonl:1: not text: 'completion' is 3. Fix the row"),
        ([{"text": "everything"}], "rows.jsonl:1: missing column: no prompt, question.*only text"),
        ([], "rows.jsonl: no rows, the file is empty"),
    ],
)
def test_rows_that_cannot_be_trained_on_are_refused_by_their_place(
    rows: list[dict[str, Any]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        training_examples(_jsonl(tmp_path / "rows.jsonl", *rows), method="vft")
    assert "\n" not in str(caught.value)


def test_records_that_are_no_examples_name_the_command_that_takes_them(tmp_path: Path) -> None:
    group = {"prompt": "P", "responses": ["a", "b"], "scores": [1.0, 0.0], "problem_id": "1"}
    group |= {"sources": ["sampled", "sampled"], "reference": "a"}
    with pytest.raises(DataError, match="rows of AlignmentGroup are no examples. Use them with: datagen train aft"):
        training_examples(_jsonl(tmp_path / "groups.jsonl", group), method="vft")
