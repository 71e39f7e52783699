"""Inputs and sources, from the manifests of real runs."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from datagen.cli.main import main
from datagen.store.lineage import Input, config_of, find_input, inputs_of, replies_of, run_of, sources_of
from datagen.store.run_directory import fingerprint

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
PENS = "Mia has 5 pens and buys 7. How many has she?"
RUNS = {
    "rft": "rft --dataset in/test.jsonl --candidates in/replies.jsonl",
    "sample": "sample --dataset in/test.jsonl --candidates in/replies.jsonl",
    "corrupt": "corrupt --dataset in/test.jsonl --candidates runs/sample --method numbers",
    "rank": "rank --judge steps --probes 1 --dataset in/test.jsonl --candidates runs/sample --candidates runs/corrupt",
    "groups": "groups --dataset in/test.jsonl --candidates runs/rft/candidates --negatives runs/corrupt",
    "ranked-groups": "groups --ranked runs/rank",
    "pairs": "groups --ranked runs/rank --as preference",
    "augment": "augment --method fobar --questions-only --dataset in/test.jsonl --against in/other.jsonl",
    "examples": "examples --dataset in/test.jsonl --split test",
    "eval": "eval --dataset in/test.jsonl --candidates in/replies.jsonl",
    "of-questions": "sample --dataset runs/augment --candidates in/backward.jsonl",
    "synthetic": "examples --dataset synthetic:5 --answers gold",
    "negatives": "corrupt --dataset in/own.jsonl --gold --method numbers",
}
ROWS = {
    "in/test.jsonl": [
        {"question": EGGS, "answer": "3 hens lay 3*2 = <<3*2=6>>6 eggs.\nThat is 6*4 = <<6*4=24>>24.\n#### 24"},
        {"question": PENS, "answer": "She has 5+7 = <<5+7=12>>12 pens.\n#### 12"},
    ],
    "in/replies.jsonl": [
        {"question": PENS, "response": "5+7 = <<5+7=12>>12\n#### 12"},
        {"question": PENS, "response": "5*7 = <<5*7=35>>35\n#### 35"},
        {"question": EGGS, "response": "2*12 = <<2*12=24>>24\n#### 24"},
        {"question": EGGS, "response": "2*4 = <<2*4=8>>8\n#### 8"},
    ],
    "in/other.jsonl": [{"question": "What is 1+1 when you add one more again?", "answer": "3"}],
    "in/own.jsonl": [{"question": "What is 2+3?", "answer": "5", "rationale": "2+3 = 5. So 5."}],
    "in/backward.jsonl": [],  # filled from the questions that augment makes
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one run of every command that writes one."""
    folder = tmp_path_factory.mktemp("lineage")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DATAGEN_HOME", str(folder / "home"))
        (folder / "in").mkdir()
        for name, rows in ROWS.items():
            Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        for name, command in RUNS.items():
            if name == "of-questions":
                _answer_the_backward_questions()
            arguments = [*command.split(), "--workers", "1", "--quiet", "--out", f"runs/{name}"]
            result = CliRunner().invoke(main, arguments, catch_exceptions=False)
            assert result.exit_code == 0, (name, result.output)
        yield folder


def _answer_the_backward_questions() -> None:
    from datagen.store.arrow_dataset import read_records
    from datagen_schemas.problem import Problem

    questions = list(read_records(Path("runs/augment/data"), Problem))
    rows = [{"problem_id": of.id, "response": f"It is {of.answer}.\n#### {of.answer}"} for of in questions]
    Path("in/backward.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def inputs(run: str) -> list[Input]:
    config = config_of(Path("runs") / run)
    assert config is not None
    return inputs_of(config)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("rft", ["dataset in/test.jsonl", "candidates in/replies.jsonl"]),
        ("sample", ["dataset in/test.jsonl", "candidates in/replies.jsonl"]),
        ("corrupt", ["dataset in/test.jsonl", "candidates runs/sample"]),
        ("rank", ["dataset in/test.jsonl", "candidates runs/sample", "candidates runs/corrupt"]),
        ("groups", ["dataset in/test.jsonl", "candidates runs/rft/candidates", "negatives runs/corrupt"]),
        ("ranked-groups", ["ranked runs/rank"]),
        ("pairs", ["ranked runs/rank"]),
        ("augment", ["dataset in/test.jsonl", "against in/other.jsonl"]),
        ("examples", ["dataset in/test.jsonl"]),
        ("eval", ["dataset in/test.jsonl", "candidates in/replies.jsonl"]),
        ("of-questions", ["dataset runs/augment", "candidates in/backward.jsonl"]),
        ("synthetic", ["dataset synthetic:5"]),
    ],
)
def test_a_manifest_tells_what_its_run_read(place: Path, run: str, expected: list[str]) -> None:
    found = inputs(run)
    assert [f"{of.role} {of.name}" for of in found] == expected
    for of in found:
        if of.path is None:
            assert of.name == "synthetic:5"
            continue
        now = fingerprint(of.path)
        assert (str(of.path), of.sha256, of.bytes) == (of.name, now["sha256"], now["bytes"])
        assert find_input(of, run=Path("runs") / run) == (of.path, "unchanged")


def test_the_split_that_was_asked_for_is_told(place: Path) -> None:
    assert [of.split for of in inputs("examples")] == ["test"]
    assert inputs("rft")[0].split is None


@pytest.mark.parametrize("run", sorted(set(RUNS) - {"synthetic", "negatives"}))
def test_every_run_goes_back_to_the_problem_file(place: Path, run: str) -> None:
    (source,) = sources_of(Path("runs") / run)
    assert (source.name, source.path, source.split, source.format) == (
        "in/test.jsonl",
        Path("in/test.jsonl"),
        "test",
        "gsm8k",
    )


def test_a_folder_of_a_run_has_the_sources_of_the_run(place: Path) -> None:
    assert run_of(Path("runs/rank/data")) == Path("runs/rank")
    assert run_of(Path("in/test.jsonl")) is None
    assert sources_of(Path("runs/rank/data")) == sources_of(Path("runs/rank"))
    assert sources_of(Path("in")) == []


def test_a_named_set_and_a_file_of_no_known_shape_are_sources(place: Path) -> None:
    (synthetic,) = sources_of(Path("runs/synthetic"))
    assert (synthetic.name, synthetic.path, synthetic.split, synthetic.format) == (
        "synthetic:5",
        None,
        "train",
        "synthetic",
    )
    (own,) = sources_of(Path("runs/negatives"))
    assert (own.name, own.split, own.format) == ("in/own.jsonl", "all", "generic")


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("rft", ["in/replies.jsonl"]),
        ("pairs", ["in/replies.jsonl"]),  # through rank, sample and corrupt
        ("of-questions", ["in/backward.jsonl"]),
        ("examples", []),
        ("augment", []),
        ("negatives", []),
    ],
)
def test_the_replies_of_others_at_the_roots_are_told_once(place: Path, run: str, expected: list[str]) -> None:
    found = replies_of(Path("runs") / run)
    assert [of.name for of in found] == expected
    assert [of.path for of in found] == [Path(name) for name in expected]


@pytest.fixture
def moved(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of it somewhere else, seen from yet another folder."""
    copy = tmp_path / "elsewhere" / "project"
    shutil.copytree(place, copy)
    monkeypatch.chdir(tmp_path)
    return copy


def test_runs_that_were_moved_together_are_found(moved: Path) -> None:
    (ranked,) = inputs_of(config_of(moved / "runs" / "ranked-groups") or {})
    found = find_input(ranked, run=moved / "runs" / "ranked-groups")
    assert (found.path, found.state) == (moved / "runs" / "rank", "unchanged")
    (source,) = sources_of(moved / "runs" / "pairs")
    assert (source.path, source.format) == (moved / "in" / "test.jsonl", "gsm8k")


def test_the_runs_alone_are_found_without_the_folder_that_they_were_in(moved: Path) -> None:
    runs = moved.rename(moved.parent / "all") / "runs"
    for run in sorted(runs.iterdir()):
        run.rename(runs.parent / run.name)
    (ranked,) = inputs_of(config_of(runs.parent / "ranked-groups") or {})
    assert find_input(ranked, run=runs.parent / "ranked-groups").path == runs.parent / "rank"


def _append(path: Path) -> None:
    path.write_text(path.read_text() + "\n")


def _same_size(path: Path) -> None:
    path.write_text(path.read_text().replace("hen", "cow"))


@pytest.mark.parametrize(
    ("change", "state"), [(_append, "changed"), (_same_size, "changed"), (Path.unlink, "missing")]
)
def test_what_became_of_an_input_is_told(moved: Path, change: Callable[[Path], None], state: str) -> None:
    change(moved / "in" / "test.jsonl")
    dataset, *_ = inputs_of(config_of(moved / "runs" / "rft") or {})
    assert find_input(dataset, run=moved / "runs" / "rft").state == state


def test_a_lost_file_and_a_lost_run_are_named_as_they_were(moved: Path) -> None:
    (moved / "in" / "test.jsonl").unlink()
    shutil.rmtree(moved / "runs" / "rank")
    assert [(of.role, of.name, of.path) for of in sources_of(moved / "runs" / "rft")] == [
        ("dataset", "in/test.jsonl", Path("in/test.jsonl"))
    ]
    assert [(of.role, of.name) for of in sources_of(moved / "runs" / "pairs")] == [("ranked", "runs/rank")]
    shutil.rmtree(moved / "runs" / "sample")  # whose replies they were, cannot be told any more
    assert [(of.role, of.name) for of in replies_of(moved / "runs" / "corrupt")] == [("candidates", "runs/sample")]


def test_a_large_input_counts_by_its_size_unless_asked(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.store.lineage.MOST_BYTES_TO_HASH", 10)
    dataset, *_ = inputs_of(config_of(moved / "runs" / "rft") or {})
    _same_size(moved / "in" / "test.jsonl")
    assert find_input(dataset, run=moved / "runs" / "rft").state == "same size"
    assert find_input(dataset, run=moved / "runs" / "rft", always_hash=True).state == "changed"


def test_inputs_of_a_mixture_are_followed_and_files_of_others_are_sources(place: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    given = [
        {"name": name, **fingerprint(place / path)}
        for name, path in (("rft", "runs/rft"), ("again", "runs/groups"), ("own", "in/own.jsonl"))
    ]
    hub = {"name": "meta", "dataset": "meta-math/MetaMathQA", "split": None}
    problems = {"name": "svamp", "split": "test", "file": None}
    config = {"stage": "mix", "inputs": [*given, hub], "problems": [problems]}
    (mixed / "run.json").write_text(json.dumps(config))
    assert [(of.role, of.name) for of in inputs_of(config_of(mixed) or {})] == [
        ("input", "rft"),
        ("input", "again"),
        ("input", "own"),
        ("input", "meta"),
        ("problems", "svamp"),
    ]
    assert [(of.name, of.split, of.format) for of in sources_of(mixed)] == [
        ("in/test.jsonl", "test", "gsm8k"),
        ("own", "all", "generic"),
        ("meta-math/MetaMathQA", "train", "meta-math/MetaMathQA"),
        ("svamp", "test", "svamp"),
    ]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"dataset": None, "candidates": None, "inputs": "x", "rewriting": 3, "models": {"dataset": 4}, "assess": []},
        {"candidates": [None, 3, {"path": 4, "bytes": "x"}], "dataset": {"name": 5, "file": "x"}},
    ],
)
def test_a_configuration_of_another_version_is_no_error(config: dict[str, object], tmp_path: Path) -> None:
    for of in inputs_of(config):
        assert (of.path, find_input(of, run=tmp_path).state) == (None, "not recorded")
    (tmp_path / "run.json").write_text(json.dumps(config))
    (tmp_path / "manifest.json").write_text("{ torn")
    assert isinstance(sources_of(tmp_path), list)


def test_runs_that_name_each_other_come_to_an_end(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / one).mkdir()
        inputs = [{"name": other, "path": str(tmp_path / other)}]
        (tmp_path / one / "run.json").write_text(json.dumps({"inputs": inputs}))
    assert sources_of(tmp_path / "a") == []
