"""Small problem sets as files, with replies or without."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from datagen.readers.read import DatasetSpec
from datagen.runs.replies import Job


class Files(NamedTuple):
    problems: Path
    replies: Path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Two problems; five replies to the first (two distinct right, a repeat, a false equation, a wrong one)."""
    eggs = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
    pens = "Mia has 5 pens and buys 7. How many has she?"
    problems = tmp_path / "problems.jsonl"
    rows = [
        {"question": eggs, "answer": "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"},
        {"question": pens, "answer": "She has 5+7 = <<5+7=12>>12 pens.\n#### 12"},
    ]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    replies = tmp_path / "replies.jsonl"
    texts = [
        (eggs, "One hen lays 2*4 = <<2*4=8>>8, three lay 8*3 = <<8*3=24>>24.\n#### 24"),
        (pens, "5*7 = <<5*7=35>>35\n#### 35"),
        (eggs, "3*2 = <<3*2=6>>6 and 6*4 = <<6*4=24>>24\n#### 24"),
        (
            eggs,
            "In four days one hen lays 2*4 = <<2*4=8>>8 eggs, and the three of them together lay three times as many "
            "as that, which makes 8*3 = <<8*3=24>>24.\n#### 24",
        ),
        (eggs, "3*2 = <<3*2=7>>7, then 7*4 = <<7*4=24>>24\n#### 24"),
        (eggs, "3+2 = <<3+2=5>>5\n#### 5"),
    ]
    replies.write_text("".join(json.dumps({"question": q, "response": r, "model": "m"}) + "\n" for q, r in texts))
    return Files(problems, replies)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job on one problem, of hens and eggs, without a model to ask."""
    question = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
    gold = "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"
    problems = tmp_path / "p.jsonl"
    problems.write_text(json.dumps({"question": question, "answer": gold}) + "\n")
    return Job(DatasetSpec(str(problems)), tmp_path / "out", store=tmp_path / "replies.sqlite", needs_replies=False)
