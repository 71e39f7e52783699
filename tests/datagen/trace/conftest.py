"""Runs of every command on two problems; their model answered long ago, so that its replies are in the store."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner

from datagen.cli.main import main
from datagen.readers.read import DatasetSpec, read_problems
from datagen.requests.request import Reply, Request, Sampling
from datagen.requests.store import ReplyStore
from datagen.runs.replies import Generator
from datagen_prompts.template import load_prompt

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
PENS = "Mia has 5 pens and buys 7. How many has she?"
REWORDED = "How many pens are Mia's after she buys 7, if she had 5 pens before?"
GOLD = {
    EGGS: "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24",
    PENS: "She has 5+7 = <<5+7=12>>12 pens.\n#### 12",
}
REPLIES = {
    EGGS: ["One hen lays 2*4 = <<2*4=8>>8 eggs.\nAll lay 8*3 = <<8*3=24>>24.\n#### 24", "2*4 = <<2*4=8>>8\n#### 8"],
    PENS: ["7+5 = <<7+5=12>>12\n#### 12", "5*7 = <<5*7=36>>36\n#### 36"],
}
MADE_ELSEWHERE = "Five and seven are <<7+5=12>>12.\n#### 12"
URL = "http://127.0.0.1:9/v1"  # nobody answers there
MODEL = ["--model", "gpt-4o-mini", "--base-url", URL, "-k", "2", "--prompt", "ask.jinja"]
PARTS = ["--part", "test=0.5", "--part", "train=rest"]
DATA = ["--dataset", "in/test.jsonl"]
RUNS = {
    "rft": ["rft", *DATA, *MODEL, "--candidates", "in/replies.jsonl"],
    "corrupt": ["corrupt", *DATA, "--candidates", "runs/rft/candidates", "--method", "numbers", "--gold"],
    "rank": ["rank", *DATA, "--judge", "steps", "--probes", "1"]
    + ["--candidates", "runs/rft/candidates", "--candidates", "runs/corrupt"],
    "groups": ["groups", *DATA, "--candidates", "runs/rft/candidates", "--negatives", "runs/corrupt"],
    "ranked-groups": ["groups", "--ranked", "runs/rank"],
    "pairs": ["groups", "--ranked", "runs/rank", "--as", "preference"],
    "examples": ["examples", *DATA],
    "augment": ["augment", *DATA, *MODEL, "--method", "rephrase", "--min-right", "1"],
    "backward": ["augment", *DATA, "--method", "fobar", "--questions-only"],
    "mix": ["mix", "rft=runs/rft", "others=in/others.jsonl", "--lower-case", "1"],
    "mixed-groups": ["mix", "one=runs/groups", "other=runs/ranked-groups"],
    "mixed-pairs": ["mix", "runs/pairs"],
    "clean": ["decontaminate", "runs/mix", "--against", "in/against.jsonl"],
    "parts": ["split", "runs/clean/data", *PARTS],
    "split": ["split", "runs/rft/candidates", *PARTS],
    "problems": ["split", "in/test.jsonl", *PARTS],
    "parquet": ["rft", *DATA, "--candidates", "in/replies.jsonl", "--as", "parquet"],
}


def generator() -> Generator:
    sampling = Sampling(temperature=0.7, top_p=1.0, max_tokens=512)
    return Generator("gpt-4o-mini", 2, base_url=URL, prompt="ask.jinja", sampling=sampling)


def store(requests: Iterable[Request], texts: Iterable[list[str]]) -> None:
    rows = [
        (request.reply_key(sample), Reply(text, "stop", 100, 20))
        for request, of_problem in zip(requests, texts, strict=True)
        for sample, text in enumerate(of_problem)
    ]
    with ReplyStore(Path("home/replies.sqlite")) as replies:
        asyncio.run(replies.put(rows))


def answer_in_advance() -> None:
    """What the model says to the questions, to the wish for other words, and to the question in those."""
    problems = list(read_problems(DatasetSpec("in/test.jsonl")))
    asked = generator()
    store(asked.requests(problems, seed=0), REPLIES.values())
    prompt = load_prompt("augment-rephrase", fields=("question",))
    rows = [(problem.id, {"question": problem.question}) for problem in problems]
    store(asked.prompt_requests(rows, prompt=prompt, k=1, seed=0), [["no"], [REWORDED]])
    reworded = [("", {"question": REWORDED, "context": ""})]
    store(asked.prompt_requests(reworded, prompt=asked.template(), k=2, seed=0), [REPLIES[PENS]])


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs in `runs`, their inputs in `in`, and the reply store in `home`."""
    folder = tmp_path_factory.mktemp("trace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DATAGEN_HOME", "home")
        (folder / "in").mkdir()
        Path("prices.toml").write_text('[[price]]\nmodel = "gpt-4o-mini"\ninput = 0.15\noutput = 0.60\n')
        Path("ask.jinja").write_text("Solve it: {{ question }}\n")
        write("in/test.jsonl", [{"question": question, "answer": answer} for question, answer in GOLD.items()])
        write("in/replies.jsonl", [{"question": PENS, "response": MADE_ELSEWHERE, "is_correct": True, "model": "m"}])
        others = [("What is 0+1?", "It is 1."), ("What is 1+1?", "It is 2.")]
        write("in/others.jsonl", [{"instruction": asked, "output": said} for asked, said in others])
        write("in/against.jsonl", [{"question": "What is 7*7?", "answer": "49"}])
        answer_in_advance()
        for name, arguments in RUNS.items():
            workers = [] if arguments[0] == "split" else ["--workers", "1"]
            typed = [*arguments, *workers, "--quiet", "--out", f"runs/{name}"]
            patch.setattr(sys, "argv", ["datagen", *typed])  # what a manifest says of the command
            result = CliRunner().invoke(main, typed, catch_exceptions=False)
            assert result.exit_code == 0, (name, result.output)
    return folder


@pytest.fixture
def place(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the current folder."""
    monkeypatch.chdir(built)
    monkeypatch.setenv("DATAGEN_HOME", "home")
    monkeypatch.setenv("DATAGEN_PRICES", "prices.toml")
    return built


@pytest.fixture
def copy(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of it elsewhere, to be damaged; seen from a folder above."""
    folder = tmp_path / "project"
    shutil.copytree(built, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATAGEN_HOME", str(tmp_path / "no-home"))
    return folder


def write(path: str, rows: Iterable[dict[str, object]]) -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
