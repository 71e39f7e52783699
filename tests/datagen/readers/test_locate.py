from pathlib import Path

import datasets
import pytest

from datagen.readers.locate import locate
from datagen.readers.read import DatasetSpec, read_problems
from datagen_schemas.errors import DataError

ROWS = [{"question": f"{i}?", "answer": f"#### {i}"} for i in range(5)]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("files", "split", "chosen", "name"),
    [
        (["train.jsonl", "test.jsonl"], None, ["train.jsonl"], "train"),
        (["train.jsonl", "test.jsonl", "extra.jsonl", "LICENSE"], "test", ["test.jsonl"], "test"),
        (["dev.json", "test.json"], "validation", ["dev.json"], "validation"),
        (["valid.json", "test.json"], "dev", ["valid.json"], "validation"),
        (["test.csv"], None, ["test.csv"], "test"),
        (["mine.jsonl", "README.md"], None, ["mine.jsonl"], "all"),
        (["mine.jsonl"], "test", ["mine.jsonl"], "test"),
        (
            [
                "data/train-00001-of-00002.parquet",
                "data/train-00000-of-00002.parquet",
                "data/test-00000-of-00001.parquet",
            ],
            None,
            ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
            "train",
        ),
        (
            ["data-00000-of-00002.parquet", "data-00001-of-00002.parquet"],
            None,
            ["data-00000-of-00002.parquet", "data-00001-of-00002.parquet"],
            "all",
        ),
        (["train.jsonl.gz", "test.jsonl.gz"], "test", ["test.jsonl.gz"], "test"),
        (["train/mine.parquet", "test/mine.parquet", "images/a.png"], "test", ["test/mine.parquet"], "test"),
        (
            ["train/algebra/10.json", "train/algebra/2.json", "train/geometry/1.json", "test/algebra/1.json"],
            None,
            ["train/algebra/2.json", "train/algebra/10.json", "train/geometry/1.json"],
            "train",
        ),
        (["10.json", "2.json"], None, ["2.json", "10.json"], "all"),
        (
            ["run.json", "manifest.json", "contamination.json", "data/data-00000-of-00001.parquet"],
            None,
            ["data/data-00000-of-00001.parquet"],
            "all",
        ),
    ],
)
def test_a_folder_means_the_files_of_one_split(
    tmp_path: Path, files: list[str], split: str | None, chosen: list[str], name: str
) -> None:
    touch(tmp_path, *files)
    assert locate(tmp_path, split) == (tuple(tmp_path / file for file in chosen), name)


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        (
            ["train.jsonl", "test.jsonl"],
            "validation",
            "no split 'validation', only test, train. Choose one with --split",
        ),
        (["dev.jsonl", "test.jsonl"], None, "no split 'train', only test, validation"),
        (["a.jsonl", "b.jsonl"], None, r"2 data files and no telling which \(a.jsonl, b.jsonl\). Name one of them"),
        (["train.jsonl", "train.csv"], "train", r"several files of the split train \(train.csv, train.jsonl\)"),
        (["train/a.jsonl", "test/a.jsonl"], "validation", "no split 'validation', only test, train"),
        (["README.md", "manifest.json"], None, "no data files here"),
        (["run.json", "data/data-00000-of-00001.parquet"], None, "this run is not finished"),
    ],
)
def test_a_folder_that_leaves_a_doubt_is_an_error(
    tmp_path: Path, files: list[str], split: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        locate(touch(tmp_path, *files), split)


def test_a_file_is_not_relabelled_as_another_split(tmp_path: Path) -> None:
    touch(tmp_path, "train.jsonl", "mine.jsonl")
    with pytest.raises(DataError, match="by its name this is the train split, not test"):
        locate(tmp_path / "train.jsonl", "test")
    assert locate(tmp_path / "train.jsonl", "train").split == "train"
    assert locate(tmp_path / "mine.jsonl", "test").split == "test"


def test_what_datasets_saves_is_read_in_its_order(tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    # Shuffled and in shards: the order is that of the saved dataset, not that of the original rows.
    table = datasets.Dataset.from_list(ROWS).shuffle(seed=1)
    questions = list(table["question"])
    table.save_to_disk(tmp_path / "one", num_shards=2)
    assert [problem.question for problem in read_problems(DatasetSpec(str(tmp_path / "one")))] == questions
    parts = datasets.DatasetDict({"train": table, "test": datasets.Dataset.from_list(ROWS[:1])})
    parts.save_to_disk(tmp_path / "two")
    assert [problem.question for problem in read_problems(DatasetSpec(str(tmp_path / "two")))] == questions
    (problem,) = read_problems(DatasetSpec(str(tmp_path / "two"), split="test"))
    assert (problem.question, problem.split) == ("0?", "test")
    # Rows are numbered through from shard to shard: ids do not depend on how many there are.
    sharded, whole = (
        [problem.id for problem in read_problems(DatasetSpec(str(tmp_path / folder)))] for folder in ("one", "two")
    )
    assert sharded == whole
    assert [problem_id.split("-")[1] for problem_id in sharded] == list("01234")
    with pytest.raises(DataError, match="no split 'dev', only test, train"):
        list(read_problems(DatasetSpec(str(tmp_path / "two"), split="dev")))


def test_a_saved_dataset_with_a_missing_shard_is_an_error(tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "one", num_shards=2)
    next((tmp_path / "one").glob("data-00001*")).unlink()
    with pytest.raises(DataError, match="data-00001-of-00002.arrow: cannot be read"):
        list(read_problems(DatasetSpec(str(tmp_path / "one"))))
    (tmp_path / "one" / "state.json").write_text("{}")
    with pytest.raises(DataError, match="state.json: not what save_to_disk writes"):
        list(read_problems(DatasetSpec(str(tmp_path / "one"))))
