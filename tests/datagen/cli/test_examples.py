"""`datagen examples`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main
from datagen.runs.examples import training_examples
from datagen.store.arrow_dataset import read_records
from datagen.store.validate import validate
from datagen_schemas.example import Example


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Twenty problems, one of them without an annotation."""
    rows = [
        {"question": f"Mia has {n} pens and buys 3.", "answer": f"{n}+3=<<{n}+3={n + 3}>>{n + 3}\n#### {n + 3}"}
        for n in range(1, 20)
    ]
    rows.append({"question": "Bo has 2 pens.", "answer": "He has 2.\n#### 2"})
    file = tmp_path / "p.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def run(problems: Path, *arguments: str, out: str = "out") -> Result:
    where = ("--dataset", str(problems), "--out", str(problems.parent / out), "--workers", "1", "--quiet")
    return CliRunner().invoke(main, ["examples", *where, *arguments])


def ids(folder: Path) -> list[str]:
    return [example.problem_id for example in read_records(folder, Example)]


def test_what_is_written_is_what_training_reads(problems: Path) -> None:
    result = run(problems, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["problems"], found["rows"]) == (20, 19)
    assert found["dropped"] == {"no annotated formula in the solution": 1}
    read = training_examples(found["out"], method="vft")
    assert [(of.prompt, of.completion) for of in read[:1]] == [
        ("Question: Mia has 1 pens and buys 3.\nAnswer:", " <<1+3=4>> #### 4")
    ]
    assert len(read) == 19
    assert [part.rows for part in validate(problems.parent / "out")] == [19]
    manifest = json.loads((problems.parent / "out" / "manifest.json").read_text())
    (left_out,) = manifest["counts"]["not_converted"]
    assert left_out["problem_id"].startswith("gsm8k-19-")
    assert "formula-only answers" in (problems.parent / "out" / "README.md").read_text()


def test_fractions_are_nested_data_sets_of_one_run(problems: Path) -> None:
    arguments = ("--fraction", "0.2", "--fraction", "1", "--fraction", "0.5", "--answers", "gold")
    result = run(problems, *arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["folders"] == {"data": 20, "fraction-0.5": 10, "fraction-0.2": 4}
    out = problems.parent / "out"
    whole, half, fifth = (ids(out / name) for name in ("data", "fraction-0.5", "fraction-0.2"))
    assert set(fifth) < set(half) < set(whole)
    assert half == [name for name in whole if name in set(half)]
    assert len(training_examples(str(out / "fraction-0.2"), method="vft")) == 4


def test_a_fraction_alone_is_the_data_and_the_same_one_for_every_form(problems: Path) -> None:
    for form in ("gold", "formulas"):
        assert run(problems, "--answers", form, "--fraction", "0.4", out=form).exit_code == 0
    gold, formulas = (ids(problems.parent / form / "data") for form in ("gold", "formulas"))
    assert len(gold) == 8
    assert set(formulas) <= set(gold)
    assert run(problems, "--answers", "gold", "--fraction", "0.4", "--seed", "1", out="other").exit_code == 0
    assert set(ids(problems.parent / "other" / "data")) != set(gold)


def test_a_finished_run_is_not_done_again_and_another_one_does_not_overwrite_it(problems: Path) -> None:
    first = run(problems, "--json")
    manifest = (problems.parent / "out" / "manifest.json").read_bytes()
    assert run(problems, "--json").stdout == first.stdout
    assert (problems.parent / "out" / "manifest.json").read_bytes() == manifest
    other = run(problems, "--answers", "gold")
    assert other.exit_code == 1
    assert "--overwrite" in other.stderr
    replaced = run(problems, "--answers", "gold", "--overwrite")
    assert replaced.exit_code == 0, replaced.output
    assert "20 examples of 20 problems; left out: nothing" in replaced.stdout


def test_a_run_that_was_cut_off_is_made_whole(problems: Path) -> None:
    run(problems, "--fraction", "1", "--fraction", "0.5")
    out = problems.parent / "out"
    before = {file.name: file.read_bytes() for file in (out / "fraction-0.5").iterdir()}
    (out / "manifest.json").unlink()
    next((out / "data").glob("data-*")).unlink()
    assert run(problems, "--fraction", "1", "--fraction", "0.5").exit_code == 0
    assert len(ids(out / "data")) == 19
    assert {file.name: file.read_bytes() for file in (out / "fraction-0.5").iterdir()} == before


def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    rows = ({"question": f"{n}?", "answer": f"<<{n}+1={n + 1}>>\n#### {n + 1}"} for n in range(1100))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for workers in ("1", "2"):
        assert run(file, "--workers", workers, out=workers).exit_code == 0
    one, two = (next((tmp_path / name / "data").glob("data-*")).read_bytes() for name in ("1", "2"))
    assert one == two


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--fraction", "0"), 2, "(0, 1]"),
        (("--fraction", "1.5"), 2, "(0, 1]"),
        (("--fraction", "nan"), 2, "(0, 1]"),
        (("--answers", "words"), 2, "words"),
        (("--train-prompt", "nope"), 1, "no prompt named 'nope'"),
        (("--answers", "letter"), 1, "no example with --answers letter (20 x no choices). Try formulas or gold."),
    ],
)
def test_what_cannot_be_written_is_one_line_and_leaves_nothing(
    problems: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(problems, *arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert not (problems.parent / "out").exists()


def test_options_come_from_a_file_too(problems: Path) -> None:
    recipe = problems.parent / "recipe.toml"
    recipe.write_text('[examples]\nfraction = [0.5, 0.1]\nanswers = "gold"\n')
    result = run(problems, "--config", str(recipe), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["folders"] == {"data": 10, "fraction-0.1": 2}
