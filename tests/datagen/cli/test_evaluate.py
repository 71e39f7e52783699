"""`datagen eval` in processes of its own: a tiny model that answers 3 or 4 by chance, and a server."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from datagen.cli.main import main
from datagen.steps.step_metrics import StepScores
from datagen.store.arrow_dataset import read_records
from datagen_prompts.template import load_prompt
from datagen_schemas.candidate import Candidate
from datagen_schemas.example import Example
from datagen_schemas.provenance import Provenance
from datagen_trainers.tiny import build_model, build_tokenizer
from datagen_trainers.vft import VftConfig, train

SCRIPT = Path(__file__).parents[2] / "servers" / "chat_server.py"
QUESTIONS = {"Ana has pens. How many?": "3", "Tom has eggs. How many?": "4", "Mia has cups. How many?": "5"}
PROVENANCE = Provenance.of_stage("gold", package_version="0")


class Place(NamedTuple):
    """A folder with a problem set `p.jsonl` and two models, `a` and `b`."""

    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "datagen", "eval", "--dataset", "p.jsonl", "--workers", "1", *arguments]
        environment = {**os.environ, "DATAGEN_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, env=environment)

    def json(self, *arguments: str) -> dict[str, Any]:  # Any: JSON
        result = self.run(*arguments, "--json", "--quiet")
        assert result.returncode == 0, result.stderr
        found: dict[str, Any] = json.loads(result.stdout)  # Any: JSON
        return found

    def candidates(self, path: str) -> dict[str, list[Candidate]]:
        found: dict[str, list[Candidate]] = {}
        for row in read_records(self.folder / path / "data", Candidate):
            found.setdefault(row.problem_id, []).append(row)
        return found


def example(prompt: str, completion: str) -> Example:
    return Example(
        prompt=prompt,
        completion=completion,
        problem_id="p",
        source="gold",
        answer="3",
        equations=(),
        sample=None,
        model=None,
        provenance=PROVENANCE,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    transformers_logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("eval")
    rows = [
        {"question": question, "answer": f"1+2 = <<1+2=3>>\n#### {answer}"} for question, answer in QUESTIONS.items()
    ]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    template = load_prompt("plain", fields=("question",))
    prompts = ["\n\n".join(turn.content for turn in template.render(question=question)) for question in QUESTIONS]
    said = [f"{start}#### {answer}" for start in ("", "So\n", "Then\n") for answer in (3, 4)]
    examples = [example(prompt, text) for prompt in prompts for text in said]
    tokenizer = build_tokenizer([*prompts, *said], max_number=10)
    for name, epochs in (("a", 12), ("b", 4)):
        model = build_model(tokenizer, seed=0, hidden=32, layers=1, heads=2, max_length=64)
        config = VftConfig(epochs=epochs, batch_size=6, learning_rate=2e-2, device="cpu")
        train(examples, model=model, tokenizer=tokenizer, config=config, out=folder / name)
    return Place(folder)


SAMPLED = ("-k", "6", "--temperature", "1", "--max-tokens", "12", "--assess", "12")


@pytest.fixture(scope="module")
def found(place: Place) -> dict[str, Any]:  # Any: JSON
    """What one evaluation printed; its records are in `one`."""
    return place.json("a", *SAMPLED, "--out", "one")


def naive_scores(model_folder: Path, prompt: str, responses: list[str]) -> list[float]:
    """Mean log-likelihood of the response's tokens and the end, one response at a time."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(model_folder), AutoTokenizer.from_pretrained(model_folder)
    read = tokenizer(prompt)["input_ids"]
    scores = []
    for response in responses:
        text = [*tokenizer(response, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            log_p = torch.log_softmax(model(torch.tensor([[*read, *text]])).logits[0], dim=-1)
        scores.append(sum(float(log_p[len(read) + j - 1, token]) for j, token in enumerate(text)) / len(text))
    return scores


def test_every_number_can_be_computed_again_from_the_runs_own_records(
    place: Place, found: dict[str, Any]
) -> None:  # Any: JSON
    greedy, sampled, fresh = (place.candidates(f"one/{name}") for name in ("greedy", "sampled", "assess"))
    assert found["n"] == 3
    assert found["accuracy"] == sum(of[0].verdict == "correct" for of in greedy.values()) / 3
    correct = {name: [c.verdict == "correct" for c in of] for name, of in sampled.items()}
    by_k = {point["k"]: point for point in found["pass_at_k"]}
    assert list(by_k) == [1, 2, 4, 6]
    assert by_k[1]["pass"] == pytest.approx(sum(map(sum, correct.values())) / 18)
    assert by_k[6]["pass"] == pytest.approx(sum(map(any, correct.values())) / 3)
    assert found["maj_at_k"][0]["maj"] == pytest.approx(by_k[1]["pass"])
    assert by_k[1]["problems"] == 3
    # Eq. 3 and Table 4, from the texts alone.
    shares, perplexities = [], []
    template = load_prompt("plain", fields=("question",))
    for question, of in zip(QUESTIONS, fresh.values(), strict=True):
        prompt = "\n\n".join(turn.content for turn in template.render(question=question))
        texts: dict[str, list[str]] = {"correct": [], "wrong": []}
        for c in of:
            if c.answer is not None and " ".join(c.response.split()) not in map(_plain, sum(texts.values(), [])):
                texts[c.verdict].append(c.response)
        right, wrong = (naive_scores(place.folder / "a", prompt, texts[kind][:3]) for kind in ("correct", "wrong"))
        perplexities += [math.exp(-s) for s in right]
        if right and wrong:
            shares.append(sum(p > n for p in right for n in wrong) / (len(right) * len(wrong)))
    assert len(shares) >= 2, "the model's samples do not test this"
    assert found["assessment_accuracy"] == pytest.approx(sum(shares) / len(shares))
    assert found["perplexity"] == pytest.approx(sum(perplexities) / len(perplexities), rel=1e-4)
    assert found["by_steps"] == {"1": {name: found[name] for name in ("accuracy", "n", "interval")}}
    manifest = json.loads((place.folder / "one" / "manifest.json").read_text())
    assert {**manifest["result"], "out": "one"} == found


def test_the_steps_of_greedy_replies_are_measured_and_stand_in_the_card(
    place: Place, found: dict[str, Any]
) -> None:  # Any: JSON
    # The model answers without a step, and every problem's gold path has one.
    assert all(not c.equations for of in place.candidates("one/greedy").values() for c in of)
    assert found["steps"] == {
        "n": 3,
        **dict.fromkeys(StepScores._fields, 0),
        "missing_steps": 1,
    }
    card = (place.folder / "one" / "README.md").read_text()
    assert 'load_from_disk("greedy/data")' in card
    assert "| Model | ES | MS | WO | IO | Rep |" in card
    rows = [json.loads(line) for line in (place.folder / "one" / "problems.jsonl").read_text().splitlines()]
    assert [row["models"][0]["steps"]["missing_steps"] for row in rows] == [1, 1, 1]


def test_a_model_is_loaded_once_for_all_that_it_does(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = AutoModelForCausalLM.from_pretrained

    def counted(path: str, **settings: Any) -> Any:  # Any: whatever transformers takes and gives
        loaded.append(path)
        return load(path, **settings)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", counted)
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("DATAGEN_HOME", str(place.folder / "home-of-once"))
    arguments = ["eval", "a", "b", "--dataset", "p.jsonl", "--workers", "1", *SAMPLED, "--out", "once", "--quiet"]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["perplexity"] is not None
    assert loaded == ["a", "b"]


def _plain(text: str) -> str:
    return " ".join(text.split())


def test_samples_to_be_scored_are_drawn_anew_and_excluded_texts_left_out(
    place: Place, found: dict[str, Any]
) -> None:  # Any: JSON
    sampled, fresh = place.candidates("one/sampled"), place.candidates("one/assess")
    assert any([c.response for c in sampled[i]] != [c.response for c in fresh[i]][:6] for i in sampled)
    assert {c.provenance.seed for of in fresh.values() for c in of} != {0}
    left = place.json("a", *SAMPLED, "--out", "left", "--exclude", "one/assess")
    assert found["assessment"] is not None
    assert (left["perplexity"], left["assessment_accuracy"]) == (None, None)
    n = sum(
        len({_plain(c.response) for c in of if c.verdict == kind and c.answer is not None}) > i
        for of in fresh.values()
        for kind in ("correct", "wrong")
        for i in range(3)
    )
    assert left["not_assessed"] == (
        f"--exclude holds each of the {n} texts to score: name fewer datasets, or raise --assess"
    )
    assert left["accuracy"] == found["accuracy"]


def test_a_finished_evaluation_is_not_done_again_and_a_new_one_asks_for_nothing(
    place: Place,
    found: dict[str, Any],  # Any: JSON
) -> None:
    manifest = (place.folder / "one" / "manifest.json").read_bytes()
    assert place.json("a", *SAMPLED, "--out", "one") == found
    assert (place.folder / "one" / "manifest.json").read_bytes() == manifest
    planned = place.json("--model", "a", *SAMPLED, "--out", "other", "--dry-run")
    assert (planned["samples"], planned["to_ask"]) == (3 * (1 + 6 + 12), 0)
    assert not (place.folder / "other").exists()


def test_two_models_are_compared_on_the_same_texts_over_seeds(place: Place) -> None:
    texts = [f"{start}#### {answer}" for start in ("", "So\n") for answer in (3, 4)]
    rows = [{"question": question, "response": texts} for question in QUESTIONS]
    (place.folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("-k", "4", "--temperature", "1", "--max-tokens", "12", "--seeds", "0,1")
    found = place.json("--model", "a", "b", *arguments, "--assess-candidates", "c.jsonl", "--out", "two")
    assert (found["model"][0], found["second"]["model"][0]) == ("a", "b")
    means = [
        sum(c.verdict == "correct" for of in place.candidates(f"two/sampled-seed-{seed}").values() for c in of) / 12
        for seed in range(2)
    ]
    first = found["pass_at_k"][0]
    mean = sum(means) / 2
    assert first["pass"] == pytest.approx(mean)
    assert first["sd"] == pytest.approx((sum((m - mean) ** 2 for m in means)) ** 0.5)
    compared = found["comparison"]
    assert compared["assessed_on_the_same_texts"]
    # Two questions have an answer among the texts, so that they have pairs; the third has no positive.
    assert compared["assessment_accuracy"]["n"] == compared["perplexity"]["n"] == 2
    assert compared["accuracy"]["mcnemar"]["n"] == compared["sampled accuracy"]["n"] == 3
    assert compared["steps"]["exact_match"]["p"] == compared["accuracy"]["mcnemar"]["p_mid"]
    assert (compared["steps"]["iou"]["n"], compared["steps"]["iou"]["difference"]) == (3, 0)
    for name, at in (("accuracy", "accuracy"), ("perplexity", "perplexity")):
        expected = found["second"][at] - found[at]
        assert compared[name]["difference"] == pytest.approx(expected), name
    shown = place.run("--model", "a", "b", *arguments, "--assess-candidates", "c.jsonl", "--out", "two", "--quiet")
    assert "McNemar mid-p" in shown.stdout
    assert "±" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a", "b", "a"), "3 models"),
        ((), "0 models"),
        (("a", "--no-assess", "--assess", "4"), "--no-assess"),
        (("a", "--seeds", "0,x"), "no list of numbers"),
        (("a", "--seeds", "1,1"), "twice"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(place: Place, arguments: tuple[str, ...], said: str) -> None:
    result = place.run(*arguments, "--out", "refused")
    assert result.returncode == 2
    assert said in result.stderr
    assert not (place.folder / "refused").exists()


@pytest.fixture
def server(place: Place) -> Iterator[str]:
    command = [sys.executable, str(SCRIPT), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.kill()


def test_behind_http_nothing_is_scored_and_a_failed_reply_is_not_wrong(place: Place, server: str) -> None:
    rows = [{"question": f"What is {text} + 1?", "answer": "#### 1"} for text in ("0", "1", "[[400]] 2")]
    (place.folder / "http.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("m", "--base-url", server, "--dataset", "http.jsonl", "--max-tries", "1", "--out", "http")
    result = place.run(*arguments, "--json")
    assert result.returncode == 3
    found = json.loads(result.stdout)
    assert (found["problems"], found["n"]) == (3, 2)
    assert found["assessment_accuracy"] is None
    assert found["perplexity"] is None
    assert "behind HTTP" in found["not_assessed"]
    shown = place.run(*arguments)
    assert "not measured: the model is behind HTTP" in shown.stdout
