"""`datagen eval --candidates` on replies made elsewhere: no model, no server."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main
from datagen.store.arrow_dataset import read_records
from datagen_schemas.candidate import Candidate
from datagen_trainers.metrics.significance import mcnemar, paired_t_test

DATA = Path(os.environ.get("DATAGEN_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data") / "gsm8k"
Eval = Callable[..., Result]

# Five problems "How many are A + 2?" with one gold step A+2=A+2.
QUESTIONS = {f"How many are {a} + 2?": a for a in range(1, 6)}


def right(a: int) -> str:
    return f"<<{a}+2={a + 2}>>\n#### {a + 2}"


def wrong(a: int) -> str:
    return f"<<{a}*2={a * 2}>>\n#### {a * 2 + 9}"


def commuted(a: int) -> str:
    return f"<<2+{a}={a + 2}>>\n#### {a + 2}"


def write(path: Path, rows: list[dict[str, Any]]) -> None:  # Any: JSON
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Eval:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DATAGEN_") and name != "DATAGEN_TEST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATAGEN_HOME", str(tmp_path / "home"))
    write(Path("p.jsonl"), [{"question": q, "answer": right(a)} for q, a in QUESTIONS.items()])
    replies = {"poor": [right, wrong, wrong, wrong, wrong], "good": [right, right, right, commuted, wrong]}
    for model, kinds in replies.items():
        rows = [
            {"question": q, "response": reply(a), "model": model}
            for reply, (q, a) in zip(kinds, QUESTIONS.items(), strict=True)
        ]
        write(Path(f"{model}.jsonl"), rows)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["eval", "--dataset", "p.jsonl", "--workers", "1", "--quiet", *arguments])

    return run


def found(result: Result) -> dict[str, Any]:  # Any: JSON
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)  # Any: JSON
    return values


TWO = ("--candidates", "poor.jsonl", "--candidates", "good.jsonl")


@pytest.mark.parametrize(("second", "hidden"), [("good", True), ("poor", False)])
def test_hashes_of_weights_are_shown_only_where_names_are_not_enough(
    evaluate: Eval, second: str, hidden: bool
) -> None:
    for name, model in (("poor", f"poor@{'0' * 16}"), ("good", f"{second}@{'1' * 16}")):
        text = Path(f"{name}.jsonl").read_text()
        Path(f"{name}.jsonl").write_text(text.replace(f'"model": "{name}"', f'"model": "{model}"'))
    shown = evaluate(*TWO, "--out", "out").stdout
    assert ("@" not in shown) == hidden
    assert [m["model"] for m in found(evaluate(*TWO, "--out", "out", "--json"))["models"]][1] == f"{second}@{'1' * 16}"


def test_each_model_in_the_files_is_measured_and_compared_to_the_first(evaluate: Eval) -> None:
    of = found(evaluate(*TWO, "--out", "out", "--json"))
    poor, good = of["models"]
    assert [m["model"] for m in of["models"]] == ["poor", "good"]
    assert (poor["accuracy"], good["accuracy"]) == (0.2, 0.8)
    assert (good["n"], good["replies"], good["steps"]["n"]) == (5, 5, 5)
    # good: three steps exact, one commuted, one with a wrong operator.
    expected = {"iou": 3 / 5, "commutative_iou": 4 / 5, "extra_steps": 2 / 5, "wrong_operators": 1 / 5}
    assert {name: good["steps"][name] for name in expected} == pytest.approx(expected)
    tests = good["comparison"]["steps"]
    verdicts = [[True, False, False, False, False], [True, True, True, True, False]]
    assert tests["exact_match"]["p"] == mcnemar(*verdicts).p_mid == 0.125
    iou = paired_t_test([1, 0, 0, 0, 0], [1, 1, 1, 0, 0])
    assert (tests["iou"]["difference"], tests["iou"]["p"]) == (pytest.approx(0.4), pytest.approx(iou.p))
    assert "comparison" not in poor


def test_the_records_of_the_run_hold_what_the_numbers_come_from(evaluate: Eval) -> None:
    of = found(evaluate(*TWO, "--out", "out", "--json"))
    rows = [json.loads(line) for line in Path("out/problems.jsonl").read_text().splitlines()]
    for i, model in enumerate(of["models"]):
        values = [row["models"][i] for row in rows]
        assert sum(value["correct"][0] for value in values) / 5 == model["accuracy"]
        assert sum(value["steps"][0]["commutative_iou"] for value in values) / 5 == model["steps"]["commutative_iou"]
    candidates = list(read_records(Path("out/replies/data"), Candidate))
    assert [c.verdict for c in candidates if c.model == "poor"] == ["correct", *["wrong"] * 4]
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert {**manifest["result"], "out": "out"} == of
    assert found(evaluate(*TWO, "--out", "out", "--json")) == of
    assert json.loads(Path("out/manifest.json").read_text()) == manifest


def test_the_tables_are_shown_and_stand_in_the_card(evaluate: Eval) -> None:
    shown = evaluate(*TWO, "--out", "out").stdout
    for text in ("80.0 %", "C-IoU", "MR: their mean rank", "* p < 0.05 against poor", "Pearson's r"):
        assert text in shown
    card = Path("out/README.md").read_text()
    assert 'load_from_disk("replies/data")' in card
    assert Path("out/replies/data/dataset_info.json").exists()
    assert "| good | 80.00 | 60.00 | 80.00 | 60.00 | 60.00 | 60.00 |" in card


def test_several_replies_to_a_problem_count_as_one_mean(evaluate: Eval) -> None:
    (question, a), (other, b), *_ = QUESTIONS.items()
    rows: list[dict[str, Any]] = [  # Any: JSON
        {"question": question, "response": [right(a), wrong(a), right(a)]},
        {"question": other, "response": right(b)},
    ]
    write(Path("several.jsonl"), rows)
    of = found(evaluate("--candidates", "poor.jsonl", "--candidates", "several.jsonl", "--out", "out", "--json"))
    several = of["models"][1]
    assert (several["model"], several["n"], several["replies"]) == ("several.jsonl", 2, 4)
    assert several["accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert several["steps"]["iou"] == pytest.approx((2 / 3 + 1) / 2)
    assert several["comparison"]["steps"]["exact_match"]["test"] == "paired t"
    assert several["comparison"]["steps"]["exact_match"]["n"] == 2


def test_problems_without_gold_steps_have_an_accuracy_alone(evaluate: Eval) -> None:
    write(Path("bare.jsonl"), [{"question": q, "answer": str(a + 2)} for q, a in QUESTIONS.items()])
    of = found(evaluate("--dataset", "bare.jsonl", "--candidates", "good.jsonl", "--out", "out", "--json"))
    assert (of["models"][0]["accuracy"], of["models"][0]["steps"]) == (0.8, None)
    assert of["correlations"] == {}
    assert "80.0 %" in evaluate("--dataset", "bare.jsonl", "--candidates", "good.jsonl", "--out", "out").stdout


def test_models_of_multiple_choice_are_compared_in_exact_match(evaluate: Eval) -> None:
    """Table 12; McNemar's mid-p of 0 against 12 is 2^-13 twice."""
    n = 20
    rows = [{"question": f"What is {i} + 1?", "choices": [str(i), str(i + 1)], "answer": "B"} for i in range(n)]
    write(Path("letters.jsonl"), rows)
    for model, n_right in (("low", 4), ("high", 16)):
        replies = (" B" if i < n_right else " A" for i in range(n))
        write(
            Path(f"{model}.jsonl"),
            [{"question": row["question"], "response": reply} for row, reply in zip(rows, replies, strict=True)],
        )
    both = ("--dataset", "letters.jsonl", "--candidates", "low.jsonl", "--candidates", "high.jsonl", "--out", "out")
    shown = evaluate(*both).stdout
    assert "* p < 0.05 against low.jsonl: McNemar mid-p" in shown
    assert [line.split() for line in shown.splitlines() if "80.00" in line] == [["high.jsonl", "80.00*"]]
    assert "| high.jsonl | 80.00* |" in Path("out/README.md").read_text()
    test = found(evaluate(*both, "--json"))["models"][1]["comparison"]["steps"]["exact_match"]
    assert test["p"] == pytest.approx(2**-12)


def test_data_sets_have_a_column_each_and_one_mean_rank(evaluate: Eval) -> None:
    both = [
        {**json.loads(line), "source": source}
        for line, source in zip(Path("p.jsonl").read_text().splitlines(), "xxxyy", strict=True)
    ]
    problems = [
        {
            "id": str(i),
            "question": row["question"],
            "answer": str(i + 3),
            "rationale": row["answer"],
            "choices": None,
            "source": row["source"],
            "split": "test",
            "meta": "{}",
        }
        for i, row in enumerate(both)
    ]
    write(Path("xy.jsonl"), problems)
    of = found(evaluate("--dataset", "xy.jsonl", *TWO, "--out", "out", "--json"))
    assert of["models"][1]["steps_by_source"]["x"]["exact_match"] == 1
    assert of["models"][1]["steps_by_source"]["y"]["iou"] == 0
    header = next(line for line in Path("out/README.md").read_text().splitlines() if line.endswith("| MR |"))
    assert header == "| Model | x EM | x IoU | x C-IoU | y EM | y IoU | y C-IoU | MR |"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("m", *TWO), "name one of them"),
        (("--model", "m", *TWO), "--assess-candidates"),
        ((*TWO, "-k", "4", "--exclude", "p.jsonl"), "-k, --exclude with --candidates"),
        ((), "0 models"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(evaluate: Eval, arguments: tuple[str, ...], said: str) -> None:
    result = evaluate(*arguments, "--out", "refused")
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not Path("refused").exists()


def test_a_dry_run_writes_nothing(evaluate: Eval) -> None:
    assert found(evaluate(*TWO, "--out", "out", "--dry-run", "--json"))["to_ask"] == 0
    assert not Path("out").exists()


def test_files_that_cannot_be_told_apart_are_an_error_and_leave_nothing(evaluate: Eval) -> None:
    for name in "ab":
        Path(name).mkdir()
        write(Path(name) / "r.jsonl", [{"question": q, "response": right(a)} for q, a in QUESTIONS.items()])
    result = evaluate("--candidates", "a/r.jsonl", "--candidates", "b/r.jsonl", "--out", "out")
    assert result.exit_code == 1
    assert "2 files are called r.jsonl" in result.output
    assert not Path("out").exists()


def test_replies_to_none_of_the_problems_are_an_error(evaluate: Eval) -> None:
    write(Path("none.jsonl"), [])
    result = evaluate("--candidates", "none.jsonl", "--out", "out")
    assert result.exit_code == 1
    assert not Path("out").exists()


@pytest.mark.skipif(not DATA.exists(), reason="needs DATAGEN_TEST_DATA: GSM8K and its published replies")
def test_the_published_replies_have_the_accuracies_that_their_file_states(evaluate: Eval) -> None:
    replies = str(DATA / "example_model_solutions.jsonl")
    out = ("--limit", "300", "--out", "out", "--json")
    of = found(evaluate("--dataset", str(DATA / "test.jsonl"), "--candidates", replies, *out))
    stated: dict[str, list[bool]] = {}
    with Path(replies).open(encoding="utf-8") as lines:
        for row in map(json.loads, list(lines)[:300]):
            for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
                stated.setdefault(model, []).append(row[model]["is_correct"])
    assert [m["model"] for m in of["models"]] == list(stated)
    for model in of["models"]:
        assert model["accuracy"] == pytest.approx(sum(stated[model["model"]]) / 300)
