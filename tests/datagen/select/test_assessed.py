import json
from pathlib import Path

import pytest

from datagen.select.assessed import excluded_texts, to_score
from datagen_schemas.candidate import Candidate, Verdict
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

PROBLEM = Problem(
    id="p", question="How many?", answer="5", rationale=None, choices=None, source="s", split="test", meta="{}"
)
PROVENANCE = Provenance(
    stage="sample",
    model="m",
    endpoint=None,
    prompt_id=None,
    prompt_sha256=None,
    sampling=None,
    seed=None,
    sample=None,
    reply_key=None,
    parents=(),
    package_version="0",
)


def candidate(response: str, verdict: Verdict, *, answer: str | None = "5") -> Candidate:
    return Candidate(
        problem_id="p",
        sample=0,
        response=response,
        answer=answer,
        verdict=verdict,
        verdict_method="hashes/number",
        equations=(),
        equations_hold=True,
        model="m",
        provenance=PROVENANCE,
    )


def test_three_of_each_kind_are_scored_and_each_text_once() -> None:
    right = [candidate(f"r{i}", "correct") for i in (1, 1, 2, 3, 4)]
    wrong = [candidate(f"w{i}", "wrong", answer="6") for i in (1, 2)]
    group = to_score(PROBLEM, [wrong[0], *right, wrong[1], candidate(" w1\n", "wrong")], prompt="How many?\n")
    assert group.responses == ("r1", "r2", "r3", "w1", "w2")
    assert group.scores == (1, 1, 1, 0, 0)


def test_excluded_texts_and_those_that_lead_nowhere_are_not_scored() -> None:
    candidates = [
        candidate("r  1", "correct"),
        candidate("r2", "correct"),
        candidate("on and on", "wrong", answer=None),
        candidate("\\pi?", "unknown"),
        candidate("w1", "wrong"),
        candidate(" \n", "wrong"),
    ]
    group = to_score(PROBLEM, candidates, prompt="How many?\n", excluded=frozenset({"r 1"}))
    assert group.responses == ("r2", "w1")


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"problem_id": "p", "response": "a\n b"}, {"a b"}),
        ({"question": "q", "response": ["a", "c"]}, {"a", "c"}),
        ({"prompt": "q", "completion": "d"}, {"d"}),
        ({"prompt": "q", "responses": ["e", "f"], "scores": [1, 0], "reference": "g"}, {"e", "f", "g"}),
        ({"prompt": "q", "chosen": "h", "rejected": "i"}, {"h", "i"}),
    ],
)
def test_texts_are_found_in_every_kind_of_dataset(row: dict[str, object], texts: set[str], tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text(json.dumps(row) + "\n")
    assert excluded_texts([file]) == texts


def test_both_datasets_of_a_run_are_excluded(tmp_path: Path) -> None:
    for name, text in (("data", "selected"), ("candidates", "sampled")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.jsonl").write_text(json.dumps({"response": text}) + "\n")
    assert excluded_texts([tmp_path]) == {"selected", "sampled"}


def test_a_dataset_without_solutions_excludes_nothing_and_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text(json.dumps({"question": "How many?"}) + "\n")
    with pytest.raises(DataError, match="no solution here"):
        excluded_texts([file])
