from pathlib import Path

import datasets
import pytest

from datagen.store.arrow_dataset import DatasetWriter, read_records, stored_schema
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem


def problems(n: int) -> list[Problem]:
    return [
        Problem(
            id=f"p{i}",
            question=f"What is {i} + 1? ∑",
            answer=str(i + 1),
            rationale=None if i % 2 else f"<<{i}+1={i + 1}>>",
            choices=("a", "b") if i % 3 == 0 else None,
            source="test",
            split="train",
        )
        for i in range(n)
    ]


def write(folder: Path, n: int) -> None:
    with DatasetWriter(folder, Problem) as writer:
        writer.write_records(problems(n), Problem)


def test_datasets_opens_what_was_written(tmp_path: Path) -> None:
    write(tmp_path / "data", 2500)
    opened = datasets.load_from_disk(str(tmp_path / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened.num_rows == 2500
    assert opened[2499] == problems(2500)[2499].model_dump() | {"choices": ["a", "b"]}
    assert opened[1]["choices"] is None


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    write(tmp_path / "data", 1001)
    assert list(read_records(tmp_path / "data", Problem)) == problems(1001)


def test_parquet_comes_back_as_it_was(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", Problem, format="parquet") as writer:
        writer.write_records(problems(10), Problem)
    assert list(read_records(tmp_path / "data", Problem)) == problems(10)


def test_large_data_is_cut_into_shards_that_datasets_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.store.arrow_dataset.SHARD_BYTES", 50_000)
    write(tmp_path / "data", 5000)
    files = sorted(file.name for file in (tmp_path / "data").glob("*.arrow"))
    assert len(files) > 2
    assert files[0] == f"data-00000-of-{len(files):05d}.arrow"
    opened = datasets.load_from_disk(str(tmp_path / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened["id"][:] == [problem.id for problem in problems(5000)]


def test_opening_does_not_read_the_data_into_memory(tmp_path: Path) -> None:
    write(tmp_path / "data", 10)
    opened = datasets.load_from_disk(str(tmp_path / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened.data.schema.remove_metadata() == stored_schema(Problem)
    assert [Path(file["filename"]).name for file in opened.cache_files] == ["data-00000-of-00001.arrow"]


def test_equal_rows_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, 100)
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_a_dataset_without_rows_still_has_its_columns(tmp_path: Path) -> None:
    write(tmp_path / "data", 0)
    opened = datasets.load_from_disk(str(tmp_path / "data"))
    assert isinstance(opened, datasets.Dataset)
    assert opened.column_names == list(Problem.model_fields)


def test_a_failed_write_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), DatasetWriter(tmp_path / "data", Problem) as writer:
        writer.write_records(problems(1500), Problem)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_record_are_refused_with_the_row(tmp_path: Path) -> None:
    from datagen_schemas.example import Example

    write(tmp_path / "data", 3)
    with pytest.raises(DataError, match=r"data row 0: prompt: Field required"):
        list(read_records(tmp_path / "data", Example))


def test_a_folder_without_a_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dataset here"):
        list(read_records(tmp_path, Problem))
