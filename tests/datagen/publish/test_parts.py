from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from datagen.publish.parts import MAIN, parts_of
from datagen.publish.shards import write_shards
from datagen.store.arrow_dataset import read_batches
from datagen_schemas.errors import DataError


def folders(run: Path, *names: str, source: Path) -> Path:
    import shutil

    for name in names:
        shutil.copytree(source, run / name)
    return run


@pytest.fixture
def data(make_run: Callable[..., Path]) -> Path:
    return make_run("one", "two", "three") / "data"


def test_by_products_are_left_out_unless_they_are_asked_for(tmp_path: Path, data: Path) -> None:
    run = folders(tmp_path / "x", "rejected", "data", "candidates", "fraction-0.1", ".spill", "ratings", source=data)
    found = parts_of(run)
    assert [part.config for part in found.published] == ["data", "candidates", "ratings", "fraction-0.1"]
    assert found.left_out == ("rejected",)
    assert [part.config for part in parts_of(run, only=["rejected"]).published] == ["rejected"]
    with pytest.raises(DataError, match="no part named 'nope', only data, candidates"):
        parts_of(run, only=["nope"])


def test_a_run_without_usual_parts_is_published_whole(tmp_path: Path, data: Path) -> None:
    assert [part.config for part in parts_of(folders(tmp_path / "x", "probes", source=data)).published] == ["probes"]


def test_splits_are_splits_of_one_data_set(tmp_path: Path, data: Path) -> None:
    run = folders(tmp_path / "x", "test", "train", "held-out", source=data)
    (run / "manifest.json").write_bytes(orjson.dumps({"counts": {"parts": {"train": 1, "test": 1, "held-out": 1}}}))
    assert [part[:2] for part in parts_of(run).published] == [
        (MAIN, "train"),
        (MAIN, "test"),
        (MAIN, "held_out"),
    ]


def test_a_folder_without_data_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no dataset here"):
        parts_of(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/data.jsonl").write_text("{}")
    with pytest.raises(DataError, match="written as JSON lines. Build it again with --as arrow"):
        parts_of(tmp_path)


def test_equal_rows_are_equal_bytes_and_all_of_them(make_run: Callable[..., Path], tmp_path: Path) -> None:
    texts = [f"text {i}" * 50 for i in range(200)]
    one, other = make_run(*texts, name="one"), make_run(*texts, name="other")
    first = write_shards(parts_of(one).published[0], tmp_path / "a")
    second = write_shards(parts_of(other).published[0], tmp_path / "b")
    assert first == second
    assert [shard.path for shard in first] == ["data/train-00000-of-00001.parquet"]
    assert sum(shard.rows or 0 for shard in first) == 200


def test_large_data_becomes_several_shards_in_order(
    make_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    from datagen.publish import shards

    monkeypatch.setattr(shards, "GROUP_ROWS", 3)
    run = make_run(*(f"text {i}" for i in range(10)))
    made = write_shards(parts_of(run).published[0], tmp_path / "a", shard_bytes=1)
    assert [shard.path for shard in made] == [f"data/train-{i:05d}-of-00004.parquet" for i in range(4)]
    assert [shard.rows for shard in made] == [3, 3, 3, 1]
    rows = [row for shard in made for row in pq.read_table(tmp_path / "a" / shard.path).to_pylist()]
    assert rows == [row for batch in read_batches(run / "data") for row in batch.to_pylist()]


def test_a_data_set_without_rows_keeps_its_columns(make_run: Callable[..., Path], tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    (made,) = write_shards(parts_of(make_run()).published[0], tmp_path / "a")
    assert made.rows == 0
    assert pq.read_schema(tmp_path / "a" / made.path).names[:2] == ["prompt", "completion"]
