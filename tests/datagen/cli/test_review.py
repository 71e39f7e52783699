"""`datagen review` without its page."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from datagen.store.arrow_dataset import DatasetWriter
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import JudgeVotes, RankedCandidate, RankedGroup

SOURCE = Provenance.of_stage("rank", package_version="0")
PROBLEM = Problem(id="p", question="q", answer="4", rationale=None, choices=None, source="s", split="train")
SHA256 = {  # printf a | sha256sum
    "a": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
    "b": "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
}


def write(run: Path, scores: dict[str, float]) -> Path:
    rows = tuple(
        RankedCandidate(
            sample=i,
            response=text,
            score=score,
            votes=(score,),
            deviation=0.0,
            rank=1,
            judges=(JudgeVotes(judge="j", votes=(score,), evidence=("",), mean=score),),
            verdict="unknown",
            source="sampled",
            corruption=None,
            provenance=SOURCE,
        )
        for i, (text, score) in enumerate(scores.items())
    )
    with DatasetWriter(run / "data", RankedGroup) as writer:
        writer.write_records([RankedGroup(problem=PROBLEM, candidates=rows, missing=())], RankedGroup)
    return run


def line(text: str, rating: int, *, judge_score: float = 5.0) -> str:
    row = {
        "problem_id": "p",
        "sample": "ab".index(text),
        "response_sha256": SHA256[text],
        "rating": rating,
        "judge_score": judge_score,
        "rated_at": "2024-01-01T00:00:00+00:00",
    }
    return json.dumps(row) + "\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "datagen", "review", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def ranked(tmp_path: Path) -> Path:
    return write(tmp_path / "run", {"a": 8.0, "b": 3.0})


def test_a_report_takes_the_datasets_own_scores_and_only_texts_that_it_has(ranked: Path) -> None:
    other = line("b", 9).replace(SHA256["b"], "0" * 64)
    (ranked / "review.jsonl").write_text(line("a", 2) + line("b", 3, judge_score=9.0) + other + line("a", 8))
    result = json.loads(run(str(ranked), "--report", "--json", "--resamples", "20").stdout)
    assert (result["n"], result["not_in_dataset"], result["drawn_and_rated"]) == (2, 1, 2)
    assert (result["mean_human"], result["mean_judge"]) == (5.5, 5.5)
    assert result["weighted_kappa"]["value"] == pytest.approx(1)


def test_a_report_of_nothing_says_undefined(ranked: Path) -> None:
    printed = run(str(ranked), "--report")
    assert printed.returncode == 0
    assert printed.stdout.count("undefined") == 3
    assert "0 of 2 rated" in printed.stdout
    assert not (ranked / "review.jsonl").exists()


def test_ratings_can_be_kept_in_another_file(ranked: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(line("a", 8))
    result = json.loads(
        run(
            str(ranked / "data"), "--report", "--json", "--resamples", "20", "--out", str(tmp_path / "mine.jsonl")
        ).stdout
    )
    assert result["n"] == 1
    assert result["ratings"] == str(tmp_path / "mine.jsonl")


def test_ctrl_c_prints_what_there_is_and_can_be_resumed(ranked: Path) -> None:
    (ranked / "review.jsonl").write_text(line("a", 8))
    command = [sys.executable, "-m", "datagen", "review", str(ranked), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "http://127.0.0.1:" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "1 of 2 rated" in out
    assert "Traceback" not in err


def test_a_folder_of_something_else_is_one_line(tmp_path: Path) -> None:
    printed = run(str(tmp_path), "--report")
    assert (printed.returncode, len(printed.stderr.splitlines())) == (1, 1)
    assert "no dataset here" in printed.stderr


def test_a_dataset_without_a_ranked_candidate_is_one_line(tmp_path: Path) -> None:
    printed = run(str(write(tmp_path / "run", {})))
    assert (printed.returncode, len(printed.stderr.splitlines())) == (1, 1)
    assert "no ranked candidate" in printed.stderr


def test_a_port_that_is_taken_is_one_line_with_the_remedy(ranked: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        printed = run(str(ranked), "--no-browser", "--port", port)
    assert (printed.returncode, len(printed.stderr.splitlines())) == (1, 1)
    assert f"port {port} of 127.0.0.1" in printed.stderr
    assert "--port" in printed.stderr
