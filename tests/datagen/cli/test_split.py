"""`datagen split`."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main
from datagen.mix.foreign_rows import question_id
from datagen.readers.read import DatasetSpec, read_problems
from datagen.store.arrow_dataset import DatasetWriter, read_batches, read_records
from datagen_schemas.augmented import Augmented
from datagen_schemas.mixed import MixedExample
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

FOLDER = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"), "gsm8k")
MADE = Provenance.of_stage("augment", package_version="0")


def augmented(problem: int, i: int) -> Augmented:
    return Augmented(
        type="FOBAR" if i else "AnsAug",
        query=f"Number {problem}, variant {i}?",
        response=f"{i}",
        original_question=f"Number {problem}?",
        answer="1",
        problem_id=f"p{problem:03}",
        provenance=MADE,
    )


@pytest.fixture
def variants(tmp_path: Path) -> Path:
    """200 problems with 1 to 4 rows each, in no order."""
    rows = [augmented(problem, i) for problem in range(200) for i in range(1 + problem % 4)]
    random.Random(0).shuffle(rows)
    with DatasetWriter(tmp_path / "variants", Augmented) as writer:
        writer.write_records(rows, Augmented)
    return tmp_path / "variants"


def run(data: str | Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["split", str(data), *map(str, arguments), "--quiet"])


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for batch in read_batches(folder) for row in batch.to_pylist()]


def ids(folder: Path, column: str = "problem_id") -> set[str]:
    return {row[column] for row in rows_of(folder)}


def test_a_problems_variants_are_in_one_part_and_all_rows_are_in_one(tmp_path: Path, variants: Path) -> None:
    result = run(variants, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {name: of["problems"] for name, of in found["parts"].items()} == {
        "train": 180,
        "validation": 10,
        "test": 10,
    }
    parts = {name: ids(tmp_path / "out" / name) for name in found["parts"]}
    assert sum(map(len, parts.values())) == len(set().union(*parts.values())) == 200
    written = [row for name in parts for row in rows_of(tmp_path / "out" / name)]
    assert len(written) == found["rows"] == 500  # 50 problems each of 1, 2, 3 and 4
    assert sorted(row["query"] for row in written) == sorted(row["query"] for row in rows_of(variants))
    order = [row["query"] for row in rows_of(variants) if row["problem_id"] in parts["test"]]
    assert [row["query"] for row in rows_of(tmp_path / "out" / "test")] == order
    assert CliRunner().invoke(main, ["validate", str(tmp_path / "out")]).exit_code == 0


def test_the_order_of_the_rows_decides_nothing(tmp_path: Path, variants: Path) -> None:
    rows = list(read_records(variants, Augmented))
    with DatasetWriter(tmp_path / "reversed", Augmented) as writer:
        writer.write_records(reversed(rows), Augmented)
    for name in ("variants", "reversed"):
        assert (
            run(
                tmp_path / name,
                "--fraction",
                "0.2",
                "--part",
                "a=0.5",
                "--part",
                "b=rest",
                "--out",
                tmp_path / f"of-{name}",
            ).exit_code
            == 0
        )
    for part in ("a", "b", "fraction-0.2"):
        assert ids(tmp_path / "of-variants" / part) == ids(tmp_path / "of-reversed" / part)


def test_fractions_are_nested_and_lie_inside_the_train_part(tmp_path: Path, variants: Path) -> None:
    fractions = ("--fraction", "0.4", "--fraction", "0.1")
    assert (
        run(variants, *fractions, "--part", "train=150", "--part", "test=rest", "--out", tmp_path / "a").exit_code == 0
    )
    small, large, train = (ids(tmp_path / "a" / name) for name in ("fraction-0.1", "fraction-0.4", "train"))
    assert (len(small), len(large), len(train)) == (15, 60, 150)
    assert small < large < train
    result = run(variants, *fractions, "--out", tmp_path / "b")
    assert result.exit_code == 0, result.output
    assert sorted(entry.name for entry in (tmp_path / "b").iterdir() if entry.is_dir()) == [
        "fraction-0.1",
        "fraction-0.4",
    ]
    assert len(ids(tmp_path / "b" / "fraction-0.4")) == 80


def test_datasets_opens_all_parts_together(tmp_path: Path, variants: Path) -> None:
    from datasets import DatasetDict, load_from_disk

    assert (
        run(
            variants, "--out", tmp_path / "out", "--fraction", "0.5", "--part", "train=0.5", "--part", "test=0.5"
        ).exit_code
        == 0
    )
    loaded = load_from_disk(str(tmp_path / "out"))
    assert isinstance(loaded, DatasetDict)
    assert set(loaded) == {"train", "test"}
    assert set(loaded["test"]["problem_id"]) == ids(tmp_path / "out" / "test")


def test_rows_of_one_question_stay_together_whatever_their_ids(tmp_path: Path) -> None:
    """By the question that an id was made from, and by the id that an augmented question's begins with."""

    def row(i: int, *, problem_id: str, question: str, origin: str) -> MixedExample:
        return MixedExample(
            prompt=question,
            completion="so",
            problem_id=problem_id,
            question=question,
            answer=None,
            kind="foreign",
            origin=origin,
            origin_row=i,
            provenance=MADE,
        )

    rows = [row(i, problem_id=f"gsm8k-{i}-x", question=f"Number {i}?", origin="ours") for i in range(40)]
    rows += [
        row(i, problem_id=question_id(f"number  {i}?"), question=f"Other {i}?", origin="theirs") for i in range(20)
    ]
    rows += [row(i, problem_id=f"gsm8k-{i}-x/fobar-3", question=f"Back {i}?", origin="theirs") for i in range(20, 30)]
    with DatasetWriter(tmp_path / "data", MixedExample) as writer:
        writer.write_records(rows, MixedExample)
    result = run(tmp_path / "data", "--part", "a=0.5", "--part", "b=0.5", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["problems"] == 40
    numbers = [{row["question"].split()[1] for row in rows_of(tmp_path / "out" / part)} for part in "ab"]
    assert len(numbers[0]) == len(numbers[1]) == 20
    assert not numbers[0] & numbers[1]
    # 30 families with rows of both, 10 with ours alone: each is cut in half.
    assert found["strata"] == {"ours": {"a": 5, "b": 5}, "ours + theirs": {"a": 15, "b": 15}}


def test_another_data_set_of_the_same_problems_is_split_as_an_earlier_one(tmp_path: Path, variants: Path) -> None:
    assert run(variants, "--out", tmp_path / "first").exit_code == 0
    rows = [augmented(problem, 7) for problem in range(150, 210)]
    with DatasetWriter(tmp_path / "others", Augmented) as writer:
        writer.write_records(rows, Augmented)
    result = run(tmp_path / "others", "--like", tmp_path / "first", "--out", tmp_path / "second", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["dropped"] == {"not in the other split": 10}
    assert found["rows"] == 50
    for part, of in found["parts"].items():
        expected = ids(tmp_path / "first" / part) & {f"p{i:03}" for i in range(150, 200)}
        assert of["problems"] == len(expected)
        assert ids(tmp_path / "second" / part) == expected


def test_files_of_rows_keep_their_columns(tmp_path: Path) -> None:
    rows = [{"query": f"Number {i // 2}?", "response": f"{i}", "n": i} for i in range(40)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run(file, "--part", "a=0.5", "--part", "b=0.5", "--as", "parquet", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    written = rows_of(tmp_path / "out" / "a") + rows_of(tmp_path / "out" / "b")
    assert sorted(written, key=lambda row: row["n"]) == rows
    assert not ids(tmp_path / "out" / "a", "query") & ids(tmp_path / "out" / "b", "query")


def test_problem_sets_keep_their_ids_and_their_sources_shares(tmp_path: Path) -> None:
    result = run("synthetic:100", "--part", "a=0.5", "--part", "b=0.5", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    problems = {problem.id: problem for problem in read_problems(DatasetSpec("synthetic:100"))}
    written = {p.id: p for part in "ab" for p in read_records(tmp_path / "out" / part, Problem)}
    assert written == problems


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no GSM8K at {FOLDER}: set DATAGEN_TEST_DATA")
def test_the_aft_papers_split_is_the_one_that_readers_draw(tmp_path: Path) -> None:
    result = run(FOLDER, "--paper", "aft", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    parts = json.loads(result.stdout)["parts"]
    assert {name: of["rows"] for name, of in parts.items()} == {"train": 7473, "validation": 400, "test": 919}
    spec = DatasetSpec(str(FOLDER / "test.jsonl"), split="paper-validation")
    assert ids(tmp_path / "out" / "validation", "id") == {problem.id for problem in read_problems(spec)}
    other = run(FOLDER, "--paper", "aft", "--seed", "1", "--out", tmp_path / "other", "--json")
    assert other.exit_code == 0
    assert ids(tmp_path / "other" / "validation", "id") != ids(tmp_path / "out" / "validation", "id")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--part", "a=2.5"), 2, "a share is between 0 and 1"),
        (("--part", "a=-1"), 2, "a share is between 0 and 1"),
        (("--part", "a=nan"), 2, "not NAME=SHARE"),
        (("--part", "a"), 2, "not NAME=SHARE"),
        (("--part", "../a=0.5"), 2, "no name for a part"),
        (("--part", "fraction-1=0.5"), 2, "no name for a part"),
        (("--part", "a=rest", "--part", "b=rest"), 2, "only one part"),
        (("--part", "a=0.5", "--part", "a=0.5"), 1, "two of that name"),
        (("--part", "a=0.5"), 1, "train=rest"),
        (("--part", "a=500", "--part", "b=rest"), 1, "there are 200"),
        (("--fraction", "0"), 2, "(0, 1]"),
        (("--fraction", "nan"), 2, "(0, 1]"),
        (("--paper", "aft", "--part", "a=1"), 2, "Choose one"),
        (("--paper", "aft"), 1, "--paper cuts GSM8K"),
        (("--stratify", "nope"), 1, "no text in the column 'nope'"),
        (("--like", "{tmp}"), 1, "no finished run of datagen split"),
    ],
)
def test_what_cannot_be_cut_is_one_line_and_leaves_nothing(
    tmp_path: Path, variants: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run(variants, *(of.format(tmp=tmp_path) for of in arguments), "--out", tmp_path / "out")
    assert result.exit_code == code, result.output
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_rows_without_a_problem_are_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"Frage": "how?", "Antwort": "so"}\n')
    result = run(file, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "rows.jsonl:1: no problem_id and no question" in result.stderr
    assert "datagen mix" in result.stderr
    missing = run(tmp_path / "nothing.jsonl", "--out", tmp_path / "out")
    assert missing.exit_code == 1
    assert "no such file" in missing.stderr


def test_an_empty_question_is_a_bad_row(tmp_path: Path) -> None:
    file, questions = tmp_path / "p.parquet", ["a?", None, "b?", " ", "c?"]
    pq.write_table(pa.table({"question": questions, "answer": list("12345")}), file)
    halves = ("--part", "train=2", "--part", "test=1")
    refused = run(file, *halves, "--out", tmp_path / "out")
    assert refused.exit_code == 1
    assert "p.parquet row 2: empty text: 'question' is empty" in refused.stderr
    assert "--skip-bad" in refused.stderr
    result = run(file, *halves, "--skip-bad", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    rows = [row for part in ("train", "test") for row in rows_of(tmp_path / "out" / part)]
    assert sorted((row["question"], row["answer"]) for row in rows) == [("a?", "1"), ("b?", "3"), ("c?", "5")]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]["bad_rows"]["by_reason"] == {
        "empty text": 2
    }


def test_a_column_of_two_types_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "answer": "x" if i else 1} for i in range(3)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run(tmp_path / "p.jsonl", "--part", "train=2", "--part", "test=1", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "values of several types in one column" in result.stderr
    assert result.stderr.endswith("Give all its values one type, such as text.\n")


def test_a_finished_run_is_kept_and_one_that_was_cut_off_is_made_whole(tmp_path: Path, variants: Path) -> None:
    out = tmp_path / "out"
    first = run(variants, "--out", out, "--json").stdout
    before = next((out / "test").glob("data-*")).read_bytes()
    assert run(variants, "--out", out, "--json").stdout == first
    (out / "manifest.json").unlink()
    next((out / "test").glob("data-*")).unlink()
    assert run(variants, "--out", out).exit_code == 0
    assert next((out / "test").glob("data-*")).read_bytes() == before
    other = run(variants, "--seed", "1", "--out", out)
    assert other.exit_code == 1
    assert "--overwrite" in other.stderr
