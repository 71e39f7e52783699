"""Traces of rows of every record, back to what the fixture wrote."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen.store.arrow_dataset import read_records
from datagen.trace.link import Link, Trace
from datagen.trace.records import trace
from datagen.trace.tables import rows_of_problem
from datagen_schemas.candidate import Candidate
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
PENS = "Mia has 5 pens and buys 7. How many has she?"
RIGHT = "One hen lays 2*4 = <<2*4=8>>8 eggs.\nAll lay 8*3 = <<8*3=24>>24.\n#### 24"
GOLD = {
    EGGS: "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24",
    PENS: "She has 5+7 = <<5+7=12>>12 pens.\n#### 12",
}


def shape(link: Link) -> tuple[str, str | None, int | None]:
    return link.kind, link.place, link.row


def way(link: Link) -> list[tuple[str, str | None, int | None]]:
    """A link and what it was made from, always by the first."""
    return [shape(link), *(way(link.made_from[0]) if link.made_from else [])]


def every(link: Link) -> Iterator[Link]:
    yield link
    for source in link.made_from:
        yield from every(source)


def traced(path: str, row: int) -> Trace:
    found = trace(Path(path), row)
    assert json.loads(json.dumps(found.as_json()))["row"]["row"] == row
    return found


def test_a_selected_path_goes_back_to_the_stored_reply_and_how_it_was_asked_for(place: Path) -> None:
    found = traced("runs/rft", 1)
    assert way(found.row) == [
        ("example", "runs/rft/data", 1),
        ("candidate", "runs/rft/candidates", 0),
        ("reply", "home/replies.sqlite", None),
    ]
    candidate = found.row.made_from[0]
    assert (candidate.facts["verdict"], candidate.facts["answer"], candidate.facts["method"]) == (
        "correct",
        "24",
        "hashes/number",
    )
    assert candidate.facts["equations"] == [{"text": "2*4=8", "holds": True}, {"text": "8*3=24", "holds": True}]
    (reply,) = candidate.made_from
    assert reply.facts["response"] == found.row.facts["completion"]
    # The fixture's prices are 0.15 and 0.60 USD a million tokens: 100 * 0.15 + 20 * 0.60 = 27 millionths.
    expected = {
        "model": "gpt-4o-mini",
        "endpoint": "http://127.0.0.1:9/v1",
        "seed": 0,
        "sample": 0,
        "finish_reason": "stop",
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "price_usd": "0.000027",
        "prompt_id": "ask.jinja",
        "template": {"path": "ask.jinja", "state": "unchanged", "text": "Solve it: {{ question }}\n"},
    }
    assert {name: reply.facts[name] for name in expected} == expected
    with sqlite3.connect("home/replies.sqlite") as store:
        ((created_at,),) = store.execute("SELECT created_at FROM reply WHERE key = ?", [reply.facts["key"]])
    assert reply.facts["created_at"] == created_at
    assert found.missing == []


def test_the_problem_is_named_with_its_file_row_and_split(place: Path) -> None:
    problem = traced("runs/rft", 3).problem
    assert problem is not None
    assert shape(problem) == ("problem", "in/test.jsonl", 1)
    expected = {"question": PENS, "answer": "12", "rationale": GOLD[PENS], "split": "test", "source": "test.jsonl"}
    assert {name: problem.facts[name] for name in expected} == expected


def test_the_votes_of_a_ranking_that_lies_beside_the_run_are_told(place: Path) -> None:
    (candidate,) = traced("runs/rft", 1).row.made_from
    ((run, votes),) = candidate.facts["judged beside"].items()
    assert run == "runs/rank"
    assert [(vote["judge"], vote["rating"]) for vote in votes] == [("steps", 10.0)]
    assert votes[0]["evidence"].startswith("No wrong step: 2 of 2 equations hold")


def test_a_gold_path_goes_back_to_its_problem(place: Path) -> None:
    found = traced("runs/rft", 0)
    assert way(found.row)[1:] == [("gold path", "in/test.jsonl", 0)]
    assert found.row.made_from[0].facts == {"response": GOLD[EGGS]}
    formulas = traced("runs/examples", 1).row
    assert formulas.made_from[0].facts == {"response": GOLD[PENS], "made into": formulas.facts["completion"]}


@pytest.mark.parametrize("run", ["rft", "parquet"])
def test_a_reply_made_elsewhere_goes_back_to_its_line(place: Path, run: str) -> None:
    data = f"runs/{run}/data"
    row = 3 if run == "rft" else 2
    *_, last = every(traced(data, row).row)
    assert shape(last) == ("reply made elsewhere", "in/replies.jsonl", 0)
    assert (last.facts["model"], last.facts["is_correct"]) == ("m", True)


def test_a_corrupted_solution_goes_back_to_the_text_that_was_corrupted(place: Path) -> None:
    for row, parent in ((0, "gold path"), (1, "candidate")):
        link = traced("runs/corrupt", row).row
        (before,) = link.made_from
        assert before.kind == parent
        text = before.facts["response"]
        assert text != link.facts["response"]
        assert hashlib.sha256(text.encode()).hexdigest() == link.facts["corruption"]["parent"]
    assert [link.kind for link in every(traced("runs/corrupt", 1).row)] == ["candidate", "candidate", "reply"]


def test_each_response_of_a_group_goes_its_own_way(place: Path) -> None:
    link = traced("runs/groups", 1).row
    assert [way(of)[-1][:2] for of in link.made_from] == [
        ("gold path", "in/test.jsonl"),
        ("reply", "home/replies.sqlite"),
        ("reply made elsewhere", "in/replies.jsonl"),
        ("reply", "home/replies.sqlite"),
        ("reply", "home/replies.sqlite"),
        ("reply made elsewhere", "in/replies.jsonl"),
        ("gold path", "in/test.jsonl"),
    ]
    for of, text in zip(link.made_from, (link.values or {})["responses"], strict=True):
        assert of.facts["response"] == text
        assert of.made_from[0].facts["response"] == text
        is_corrupted = of.facts["source"].startswith("corrupted")
        assert (of.made_from[0].place == "runs/corrupt/data") == is_corrupted


@pytest.mark.parametrize("run", ["ranked-groups", "pairs"])
def test_a_ranked_response_goes_through_the_ranking_with_its_votes(place: Path, run: str) -> None:
    found = traced(f"runs/{run}", 1)
    for response in found.row.made_from:
        (ranked,) = response.made_from
        assert (ranked.kind, ranked.place) == ("ranked candidate", "runs/rank/data")
        assert ranked.facts["response"] == response.facts["response"]
        (vote,) = ranked.facts["votes"]
        assert vote["judge"] == "steps"
        assert vote["evidence"]
        (candidate,) = ranked.made_from
        assert (candidate.place, candidate.facts["sample"]) == ("runs/rank/candidates", ranked.facts["sample"])
        (source,) = candidate.made_from
        assert source.place == ("runs/corrupt/data" if candidate.facts.get("corruption") else "runs/rft/candidates")
    assert found.problem is not None
    assert found.problem.place == "in/test.jsonl"  # and not the ranking, which has a copy


def test_both_sides_of_a_pair_say_their_scores(place: Path) -> None:
    link = traced("runs/pairs", 0).row
    values = link.values or {}
    assert [(of.facts["side"], of.facts["score"], of.facts["response"]) for of in link.made_from] == [
        (side, values[f"{side}_score"], values[side]) for side in ("chosen", "rejected")
    ]


def test_a_ranked_group_and_a_vote_go_back_to_the_candidates(place: Path) -> None:
    group = traced("runs/rank", 0).row
    assert len(group.made_from) == group.facts["candidates"] == 4
    assert all(of.made_from[0].place == "runs/rank/candidates" for of in group.made_from)
    vote = traced("runs/rank/ratings", 1).row
    assert [vote.facts["sample"], vote.made_from[0].facts["sample"]] == [1, 1]


def test_an_augmented_row_goes_back_to_its_question_the_rewrite_and_the_original(place: Path) -> None:
    found = traced("runs/augment", 0)
    solution, question = found.row.made_from
    assert (solution.kind, solution.facts["response"]) == ("reply", "7+5 = <<7+5=12>>12\n#### 12")
    assert (question.place, question.facts["method"]) == ("runs/augment/questions", "rephrase")
    (rewrite,) = question.made_from
    assert rewrite.facts["response"] == question.facts["question"] == found.row.facts["query"]
    assert found.problem is not None
    assert found.problem.facts["question"] == PENS


def test_a_rejected_question_goes_back_to_the_reply_that_it_was_made_of(place: Path) -> None:
    found = traced("runs/augment/rejected", 0)
    assert (found.row.facts["reason"], found.row.made_from[0].facts["response"]) == ("numbers changed", "no")
    assert found.problem is not None
    assert found.problem.facts["question"] == EGGS


def test_a_backward_question_goes_back_to_the_original(place: Path) -> None:
    found = traced("runs/backward", 0)
    assert (found.row.facts["method"], found.row.facts["original_question"]) == ("fobar", EGGS)
    assert found.problem is not None
    assert shape(found.problem) == ("problem", "in/test.jsonl", 0)


def test_a_part_of_a_problem_set_goes_back_to_its_file(place: Path) -> None:
    name = next(name for name in ("train", "test") if "eggs" in problems(f"runs/problems/{name}")[0])
    found = traced(f"runs/problems/{name}", 0)
    assert found.problem is not None
    assert (shape(found.problem), found.missing) == (("problem", "in/test.jsonl", 0), [])


def problems(path: str) -> list[str]:
    return [row.question for row in read_records(Path(path), Problem)]


def test_probes_of_the_judges_go_back_to_the_gold_path_and_not_to_candidates_of_their_number(place: Path) -> None:
    found = traced("runs/rank/probes", 0)
    assert found.problem is not None
    gold = found.problem.facts["rationale"]
    for probe in found.row.made_from:
        assert probe.kind == "probe"
        texts_of_gold = [link.facts["response"] for link in probe.made_from]
        assert texts_of_gold == ([] if probe.facts["source"] == "empty" else [gold])
    assert traced("runs/rank/probe-ratings", 0).row.made_from == ()


def test_a_row_that_a_split_kept_is_found_by_its_content(place: Path) -> None:
    for part in ("train", "test"):
        for i, candidate in enumerate(read_records(Path(f"runs/split/{part}"), Candidate)):
            (before,) = traced(f"runs/split/{part}", i).row.made_from
            assert before.found == "by its content"
            assert (before.place, before.facts["response"]) == ("runs/rft/candidates", candidate.response)


def test_a_row_of_a_file_of_a_user_is_told_as_it_is(place: Path) -> None:
    found = traced("in/others.jsonl", 0)
    assert (found.row.kind, found.row.values) == ("row", {"instruction": "What is 0+1?", "output": "It is 1."})
    assert (found.problem, found.missing) == (None, [])


def test_a_row_that_is_not_there_is_a_clear_error(place: Path) -> None:
    with pytest.raises(DataError, match="runs/rft: no row 4, it has 4. Rows are counted from 0."):
        trace(Path("runs/rft"), 4)
    with pytest.raises(DataError, match="no data files here"):
        trace(Path("runs"), 0)


def test_the_rows_of_a_problem_are_found_by_its_id(place: Path) -> None:
    pens = rows_of_problem(Path("runs/rft/candidates"), "gsm8k-1-d9bda6710b62")
    assert [row.row for row in pens] == [2, 3, 4]
    assert [row.row for row in rows_of_problem(Path("runs/rank"), "gsm8k-1-d9bda6710b62")] == [1]
    assert [row.row for row in rows_of_problem(Path("runs/augment/questions"), "gsm8k-1-d9bda6710b62/rephrase-0")] == [
        0
    ]
    assert rows_of_problem(Path("runs/rft"), "no such") == rows_of_problem(Path("in/others.jsonl"), "x") == []
