import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.publish.public import public_json, public_text


@pytest.mark.parametrize(
    ("text", "public"),
    [
        (
            "datagen rft --dataset /home/bob/data/test.jsonl --out runs/x",
            "datagen rft --dataset test.jsonl --out runs/x",
        ),
        ("--against=/home/bob/test.jsonl", "--against=test.jsonl"),
        ("--problems name=/home/bob/x.jsonl", "--problems name=x.jsonl"),
        ("'/home/bob/my data/x.jsonl'", "'my data/x.jsonl'"),
        ("~/secret/x.jsonl", "x.jsonl"),
        ("/home/bob/runs/", "."),
        (r"C:\Users\bob\x.jsonl", "x.jsonl"),
        ("file:///home/bob/x.jsonl", "x.jsonl"),
        ("http://localhost:8000/v1/chat", "http://localhost:8000/v1/chat"),
        ("https://github.com/openai/grade-school-math", "https://github.com/openai/grade-school-math"),
        ("48/2 = 24 and 3/4/5 of a/b", "48/2 = 24 and 3/4/5 of a/b"),
        ("../data/test.jsonl", "../data/test.jsonl"),
        ("hashes/number", "hashes/number"),
    ],
)
def test_absolute_paths_lose_their_folders_and_nothing_else_changes(text: str, public: str) -> None:
    assert public_text(text) == public


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.text("abcXYZ019_-. '", min_size=1, max_size=8), min_size=1, max_size=4),
    st.sampled_from(["", "--out="]),
)
def test_no_command_tells_whose_folder_it_was(parts: list[str], before: str) -> None:
    path = "/home/bob/" + "/".join(parts)
    assert "bob" not in public_text(f"datagen rft {before}{shlex.quote(path)} --seed 1")


def test_json_is_made_public_all_the_way_down() -> None:
    made = public_json({"/home/bob/a": [{"path": "/home/bob/x", "n": 3}, None, ("/Users/eve/y",)]})
    assert made == {"a": [{"path": "x", "n": 3}, None, ["y"]]}
