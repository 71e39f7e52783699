"""`datagen stats --tokens`."""

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result
from tokenizers import Tokenizer, models, pre_tokenizers

from datagen.cli.main import main

WORDS = ("<s>", "</s>", "<pad>", "Mia", "has", "pens", "####", "2", "3", "a")


class Place(NamedTuple):
    problems: Path
    tokenizer: Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A tokenizer of ten words, three of them special, and two problems in them."""
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="a"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(list(WORDS[:3]))
    made.save(str(tmp_path / "tokenizer.json"))
    rows = [
        {"question": "Mia has 2 pens", "answer": "#### 2"},
        {"question": "Mia has 3 pens <s>", "answer": "pens\n#### 3"},
    ]
    file = tmp_path / "p.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Place(file, tmp_path / "tokenizer.json")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["stats", *map(str, arguments)])


def test_every_token_is_counted_but_the_special_ones(place: Place) -> None:
    result = run(place.problems, "--tokens", place.tokenizer, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["special_tokens"], found["text"], found["out"]) == (3, "all", None)
    (of,) = found["datasets"]
    # Mia has 2 pens #### 2 Mia has 3 pens pens #### 3
    expected = Counter({"Mia": 2, "has": 2, "pens": 3, "####": 2, "2": 2, "3": 2})
    assert (of["name"], of["texts"], of["n_tokens"], of["n_distinct"], of["n_vocabulary"]) == ("p.jsonl", 4, 13, 6, 7)
    assert {item["token"]: item["share"] for item in of["most_frequent"]} == pytest.approx(
        {token: n / 13 for token, n in expected.items()}
    )
    assert of["most_frequent"][0]["token"] == "pens"


def test_answers_alone_are_counted_where_asked_for(place: Place) -> None:
    (of,) = json.loads(run(place.problems, "--tokens", place.tokenizer, "--text", "answer", "--json").stdout)[
        "datasets"
    ]
    assert (of["texts"], of["n_tokens"]) == (2, 5)  # #### 2 pens #### 3


def test_several_data_sets_are_drawn_and_shown_side_by_side(place: Place) -> None:
    out = place.problems.parent / "examples"
    written = ["examples", "--dataset", str(place.problems), "--answers", "gold", "--out", str(out), "--quiet"]
    assert CliRunner().invoke(main, written).exit_code == 0
    drawing = place.problems.parent / "new" / "tokens.svg"
    arguments = (place.problems, out, out, "--tokens", place.tokenizer, "--out", drawing)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    # The examples add "Question:" and "Answer:", which the tokenizer knows as one word, to either problem.
    assert [row[:3] for row in rows if row and row[0] in ("p.jsonl", "examples")] == [
        ["p.jsonl", "13", "6"],
        ["examples", "17", "7"],
    ]
    root = ET.fromstring(drawing.read_text())
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2
    assert not drawing.with_name("tokens.svg.partial").exists()


def test_candidates_are_counted_by_their_responses(place: Place) -> None:
    replies, out = place.problems.parent / "replies.jsonl", place.problems.parent / "sampled"
    rows = ({"question": "Mia has 2 pens", "response": text} for text in ("#### 2", "pens #### 3"))
    replies.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = ["sample", "--dataset", str(place.problems), "--candidates", str(replies), "--out", str(out), "--quiet"]
    assert CliRunner().invoke(main, [*made, "--workers", "1"]).exit_code == 0
    (of,) = json.loads(run(out, "--tokens", place.tokenizer, "--json").stdout)["datasets"]
    assert (of["texts"], of["n_tokens"]) == (2, 5)


def test_rows_of_a_prompt_and_a_completion_are_counted_as_training_reads_them(place: Place) -> None:
    file = place.problems.parent / "rows.jsonl"
    file.write_text(json.dumps({"prompt": "Mia has 2 pens", "completion": "#### 2"}) + "\n")
    (of,) = json.loads(run(file, "--tokens", place.tokenizer, "--json").stdout)["datasets"]
    assert (of["texts"], of["n_tokens"]) == (2, 6)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("PROBLEMS", "--text", "answer"), 2, "--text goes with --tokens"),
        (("PROBLEMS", "--out", "x.svg"), 2, "--out goes with --tokens"),
        (("PROBLEMS", "--tokens", "TOKENIZER", "--dedup", "exact"), 2, "--dedup goes without --tokens"),
        (("PROBLEMS", "PROBLEMS"), 2, "Name one dataset of candidates"),
        (("nowhere",), 2, "Directory 'nowhere' does not exist"),
        ((), 2, "Missing argument"),
        (("nowhere.jsonl", "--tokens", "TOKENIZER"), 1, "nowhere.jsonl: no such file"),
        (("PROBLEMS", "--tokens", "PROBLEMS"), 1, "Name a folder, a tokenizer.json or a Hub id."),
        (("PROBLEMS", "--tokens", "TOKENIZER", "--out", "PROBLEMS/x.svg"), 1, "Choose another --out"),
    ],
)
def test_what_cannot_be_counted_is_one_line(place: Place, arguments: tuple[str, ...], code: int, said: str) -> None:
    names = {"PROBLEMS": str(place.problems), "TOKENIZER": str(place.tokenizer)}
    given = [names.get(name, name.replace("PROBLEMS", str(place.problems))) for name in arguments]
    result = run(*given)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stdout == ""


def test_a_text_of_special_tokens_alone_is_no_text(place: Place) -> None:
    file = place.problems.parent / "empty.jsonl"
    file.write_text(json.dumps({"question": "<s>", "answer": "<pad>"}) + "\n")
    result = run(file, "--tokens", place.tokenizer)
    assert result.exit_code == 1
    assert "no text to count tokens of" in result.stderr
