"""`datagen mix`."""

import hashlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datagen.cli.main import main
from datagen.mix.training import is_mixture, mixture_examples
from datagen.store.arrow_dataset import read_records
from datagen_schemas.mixed import MixedExample, NearDuplicate

HENS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
PENS = "Mia has 5 pens and buys 7. How many has she?"
PLUMS = "Bo picks 6 plums and eats 2. How many are left?"
HOSTILE = "</script><script>alert(1)</script> {{ question }} \u2028 ${x} <<5+7=12>>"


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Two problems with solutions."""
    return lines(
        tmp_path / "problems.jsonl",
        [
            {"question": HENS, "answer": "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"},
            {"question": PENS, "answer": "She has 5+7 = <<5+7=12>>12 pens.\n#### 12"},
        ],
    )


@pytest.fixture
def rft(tmp_path: Path, problems: Path) -> Path:
    """A run of rft: two gold paths, another one to the first problem; one wrong candidate."""
    replies = [
        (HENS, "One hen lays 2*4 = <<2*4=8>>8, three lay 8*3 = <<8*3=24>>24.\n#### 24"),
        (PENS, "5*7 = <<5*7=35>>35\n#### 35"),
    ]
    file = lines(tmp_path / "replies.jsonl", [{"question": q, "response": r, "model": "m"} for q, r in replies])
    where = ("--dataset", str(problems), "--candidates", str(file), "--out", str(tmp_path / "rft"))
    result = CliRunner().invoke(main, ["rft", *where, "--workers", "1", "--quiet"])
    assert result.exit_code == 0, result.output
    return tmp_path / "rft"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """MetaMath's columns: PENS as in the gold path, but for its answer line; and two rows of its own."""
    return lines(
        tmp_path / "meta.jsonl",
        [
            {"query": PENS, "response": "She has 5+7 = <<5+7=12>>12 pens.\nThe answer is: 12", "type": "GSM_AnsAug"},
            {"query": PLUMS, "response": "6 - 2 = 4\nThe answer is: 4", "type": "GSM_Rephrased"},
            {"query": HOSTILE, "response": HOSTILE, "type": "other"},
        ],
    )


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["mix", *map(str, arguments), "--workers", "1", "--quiet"])


def mixed(out: Path) -> list[MixedExample]:
    return list(read_records(out / "data", MixedExample))


def digest(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_every_row_comes_in_once_and_is_accounted_for(tmp_path: Path, rft: Path, foreign: Path) -> None:
    result = run(rft, foreign, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["sources"] == {
        "meta": {
            "path": str(foreign),
            "in": 3,
            "unusable": {},
            "duplicates": 1,
            "near_duplicates": 0,
            "duplicates_of": {"rft": 1},
            "not_drawn": 0,
            "repeated": 0,
            "out": 2,
        },
        "rft": {
            "path": str(rft),
            "in": 3,
            "unusable": {},
            "duplicates": 0,
            "near_duplicates": 0,
            "duplicates_of": {},
            "not_drawn": 0,
            "repeated": 0,
            "out": 3,
        },
    }
    rows = {(row.origin, row.origin_row): row for row in mixed(tmp_path / "out")}
    assert set(rows) == {("rft", 0), ("rft", 1), ("rft", 2), ("meta", 1), ("meta", 2)}
    assert found["kinds"] == {"gold": 2, "sampled": 1, "Rephrased": 1, "foreign": 1}
    gold = rows["rft", 0]
    assert (gold.question, gold.answer, gold.prompt) == (HENS, "24", f"{HENS}\n")
    assert gold.provenance.stage == "rft"
    assert rows["meta", 2].completion == HOSTILE
    assert rows["meta", 2].prompt == f"{HOSTILE}\n"
    assert CliRunner().invoke(main, ["validate", str(tmp_path / "out")]).exit_code == 0
    assert "rows of meta | 2 of 3" in (tmp_path / "out" / "README.md").read_text()


def test_not_a_byte_depends_on_the_order_of_the_inputs(
    tmp_path: Path, rft: Path, foreign: Path, problems: Path
) -> None:
    inputs = (f"r={rft}", f"m={foreign}", f"p={problems}")
    options = ["--lower-case", "0.5", "--answer-line", "phrase", "--weight", "m=2", "--repeat", "--cap", "r=2"]
    options += ["--train-prompt", "plain", "--train-prompt", "problem-solution"]
    digests = set()
    for i, order in enumerate(itertools.permutations(inputs)):
        result = run(*order, *options, "--out", tmp_path / f"out{i}")
        assert result.exit_code == 0, result.output
        digests.add(digest(tmp_path / f"out{i}" / "data"))
    assert len(digests) == 1
    again = run(*reversed(inputs), *options, "--out", tmp_path / "out0")  # the same run: it is kept
    assert again.exit_code == 0
    other = run(*inputs, *options, "--seed", "1", "--out", tmp_path / "other")
    assert other.exit_code == 0
    assert digest(tmp_path / "other" / "data") not in digests


def test_near_duplicates_are_shown_beside_the_row_that_stays(tmp_path: Path, problems: Path) -> None:
    copy = {"question": PENS, "response": "She has 5+7 = <<5+7=12>>12 pens!\n#### 12"}
    theirs = lines(tmp_path / "theirs.jsonl", [copy])
    result = run(problems, theirs, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (pair,) = read_records(tmp_path / "out" / "near-duplicates", NearDuplicate)
    assert (pair.origin, pair.origin_row, pair.stays_origin, pair.stays_row) == ("theirs", 0, "problems", 1)
    assert "theirs, duplicates of: 1 of problems" in result.stdout
    assert len(mixed(tmp_path / "out")) == 2
    for kind in ("exact", "keep"):
        assert run(problems, theirs, "--duplicates", kind, "--out", tmp_path / kind).exit_code == 0
        assert len(mixed(tmp_path / kind)) == 3
        assert not (tmp_path / kind / "near-duplicates").exists()


def test_amounts_are_as_asked(tmp_path: Path) -> None:
    for name, n in (("a", 40), ("b", 8)):
        lines(tmp_path / f"{name}.jsonl", [{"prompt": f"{name} {i}?", "completion": f"{i}"} for i in range(n)])
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"

    def out(*options: str) -> dict[str, int]:
        result = run(a, b, *options, "--json", "--overwrite", "--out", tmp_path / "out")
        assert result.exit_code == 0, result.output
        return {name: of["out"] for name, of in json.loads(result.stdout)["sources"].items()}

    assert out("--cap", "10") == {"a": 10, "b": 8}
    assert out("--cap", "10", "--cap", "a=20") == {"a": 20, "b": 8}
    assert out("--weight", "a=3") == {"a": 24, "b": 8}
    assert out("--weight", "a=3", "--repeat") == {"a": 41, "b": 13}  # 40 are 3/4 of 53.3; of 54 it is 40.5
    assert out("--total", "12") == {"a": 10, "b": 2}
    short = run(a, b, "--total", "100", "--overwrite", "--out", tmp_path / "out")
    assert (short.exit_code, short.stdout) == (1, "")
    assert "--repeat" in short.stderr


def test_candidates_find_their_problems_in_their_own_run_or_where_they_are_said_to_be(
    tmp_path: Path, rft: Path, problems: Path
) -> None:
    result = run(rft / "candidates", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sources"]["candidates"]["unusable"] == {"wrong": 1}
    (row,) = mixed(tmp_path / "out")
    assert (row.kind, row.question, row.answer) == ("sampled", HENS, "24")
    alone = tmp_path / "alone"
    shutil.copytree(rft / "candidates", alone)
    lost = run(alone, "--out", tmp_path / "lost")
    assert lost.exit_code == 1
    assert "--problems" in lost.stderr
    named = run(alone, "--problems", problems, "--out", tmp_path / "named")
    assert named.exit_code == 0, named.output
    assert [of.completion for of in mixed(tmp_path / "named")] == [row.completion]


def test_a_question_is_found_in_a_prompt_whose_template_is_known(tmp_path: Path, problems: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text("Please solve: {{ question }} Go!")
    where = ["--dataset", str(problems), "--answers", "gold", "--train-prompt", str(template)]
    arguments = ["examples", *where, "--out", str(tmp_path / "own"), "--workers", "1", "--quiet"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert run(tmp_path / "own", problems, "--train-prompt", "own:plain", "--out", tmp_path / "known").exit_code == 0
    rows = mixed(tmp_path / "known")
    assert len(rows) == 2  # the other two are the same but for the template
    assert {row.prompt for row in rows} == {f"{HENS}\n", f"{PENS}\n"}
    template.unlink()
    result = run(tmp_path / "own", "--train-prompt", "plain", "--out", tmp_path / "lost")
    assert result.exit_code == 0, result.output
    assert "2 prompt kept: question not known" in result.stdout
    assert {row.question for row in mixed(tmp_path / "lost")} == {None}


def test_a_mixture_can_be_mixed_again_and_trained_on(tmp_path: Path, rft: Path, foreign: Path) -> None:
    assert run(rft, "--out", tmp_path / "first").exit_code == 0
    assert run(tmp_path / "first", foreign, "--out", tmp_path / "second").exit_code == 0
    rows = mixed(tmp_path / "second")
    assert {row.origin for row in rows} == {"first", "meta"}
    assert is_mixture(tmp_path / "second" / "data")
    assert not is_mixture(rft / "data")
    read = list(mixture_examples(tmp_path / "second" / "data"))
    assert [(of.prompt, of.completion, of.problem_id) for of in read] == [
        (of.prompt, of.completion, of.problem_id) for of in rows
    ]
    assert {of.source for of in read} == {"gold", "sampled"}


def test_bad_rows_are_named_or_counted(tmp_path: Path) -> None:
    file = lines(
        tmp_path / "f.jsonl", [{"prompt": "a?", "completion": "b"}, {"prompt": "a?"}, {"prompt": 5, "completion": "b"}]
    )
    with file.open("a") as out:
        out.write("{torn\n")
    result = run(file, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "f.jsonl:2: missing column" in result.stderr
    assert not (tmp_path / "out").exists()
    skipped = run(file, "--skip-bad", "--out", tmp_path / "out", "--json")
    assert skipped.exit_code == 0, skipped.output
    found = json.loads(skipped.stdout)
    assert found["bad_rows"] == {"rows": {"missing column": 1, "not JSON": 1, "not text": 1}}
    assert found["sources"]["f"]["unusable"] == found["bad_rows"]["rows"]
    assert found["rows"] == 1


def test_questions_with_several_answers_are_counted(tmp_path: Path) -> None:
    rows = [
        {"question": PENS, "solution": f"Path {i}.", "answer": answer} for i, answer in enumerate(("12", "13", "12"))
    ]
    result = run(lines(tmp_path / "f.jsonl", rows), "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "questions with several answers: 1" in result.stdout


def test_columns_and_splits_are_of_one_input_or_of_all(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    lines(folder / "train.jsonl", [{"Frage": "a?", "Antwort": "b"}])
    lines(folder / "test.jsonl", [{"Frage": "c?", "Antwort": "d"}])
    other = lines(tmp_path / "other.jsonl", [{"prompt": "e?", "completion": "f"}])
    map_of = ("--column", "theirs:question=Frage", "--column", "theirs:completion=Antwort")
    result = run(folder, other, *map_of, "--split", "theirs=test", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert {row.completion for row in mixed(tmp_path / "out")} == {"d", "f"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("{rft}", "{rft}"), 2, "NAME="),
        (("={rft}",), 2, "not NAME=INPUT"),
        (("nothing-here.jsonl",), 1, "no such file"),
        (("{rft}", "--cap", "x=3"), 1, "--cap x: no data set of that name. There are rft."),
        (("{rft}", "--cap", "0"), 2, "over 0"),
        (("{rft}", "--cap", "rft=many"), 2, "no number"),
        (("{rft}", "--weight", "2"), 2, "NAME=NUMBER"),
        (("{rft}", "--weight", "rft=nan"), 2, "over 0"),
        (("{rft}", "--train-prompt", "plain=2"), 2, "TEMPLATE"),
        (("{rft}", "--train-prompt", "nope"), 1, "no prompt named 'nope'"),
        (("{rft}", "--column", "question"), 2, "OUR=THEIRS"),
        (("{rft}", "--column", "nobody:question=x"), 2, "no input is called 'nobody'"),
        (("{rft}", "--column", "nope=x"), 1, "no column of a mixture"),
        (("{empty}",), 1, "empty"),
        (("{questions}",), 1, "nothing to mix: of 1 rows, 1 no solution"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_cannot_be_mixed_is_one_line_and_leaves_nothing(
    tmp_path: Path, rft: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    empty = lines(tmp_path / "empty.jsonl", [])
    svamp = [{"ID": "1", "Body": "Bo has 2 pens.", "Question": "How many?", "Equation": "2", "Answer": 2, "Type": "x"}]
    paths = {"rft": rft, "empty": empty, "questions": lines(tmp_path / "questions.jsonl", svamp)}
    result = run(*(of.format(**paths) for of in arguments), "--out", tmp_path / "out")
    assert result.exit_code == code, result.output
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_cut_off_is_made_whole(tmp_path: Path, rft: Path, foreign: Path) -> None:
    out = tmp_path / "out"
    assert run(rft, foreign, "--out", out).exit_code == 0
    before = digest(out / "data")
    (out / "manifest.json").unlink()
    next((out / "data").glob("data-*")).unlink()
    (out / ".rows").write_bytes(b"left over")
    assert run(rft, foreign, "--out", out).exit_code == 0
    assert digest(out / "data") == before
    assert not (out / ".rows").exists()
    other = run(rft, "--out", out)
    assert other.exit_code == 1
    assert "--overwrite" in other.stderr


def test_parquet_goes_in_and_out(tmp_path: Path, rft: Path) -> None:
    assert run(rft, "--as", "parquet", "--out", tmp_path / "p").exit_code == 0
    assert run(tmp_path / "p", "--out", tmp_path / "q").exit_code == 0
    assert len(mixed(tmp_path / "p")) == len(mixed(tmp_path / "q")) == 3
