"""What was moved, changed, lost or torn since a row was made."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen.store.arrow_dataset import DatasetWriter, read_records
from datagen.trace.link import Link
from datagen.trace.records import trace
from datagen_schemas.candidate import Candidate
from datagen_schemas.mixed import MixedExample

RIGHT = "One hen lays 2*4 = <<2*4=8>>8 eggs.\nAll lay 8*3 = <<8*3=24>>24.\n#### 24"


def every(link: Link) -> Iterator[Link]:
    yield link
    for source in link.made_from:
        yield from every(source)


def mixed_row(folder: Path, completion: str) -> int:
    """The row of a mixture, which is shuffled, that has this completion."""
    rows = list(read_records(folder / "runs" / "mix" / "data", MixedExample))
    return next(i for i, row in enumerate(rows) if row.completion == completion)


def test_what_was_moved_together_is_followed_to_the_end(copy: Path) -> None:
    (copy / "home" / "replies.sqlite").rename(copy / "runs" / "replies.sqlite")
    found = trace(copy / "runs" / "mix", mixed_row(copy, RIGHT))
    assert [link.place for link in every(found.row)] == [
        str(copy / "runs" / name) for name in ("mix/data", "rft/data", "rft/candidates", "replies.sqlite")
    ]
    assert found.problem is not None
    assert (found.problem.place, found.missing) == (str(copy / "in" / "test.jsonl"), [])


def _lose_the_store(folder: Path) -> None:
    shutil.rmtree(folder / "home")


def _lose_the_candidates(folder: Path) -> None:
    shutil.rmtree(folder / "runs" / "rft" / "candidates")


def _lose_the_run(folder: Path) -> None:
    shutil.rmtree(folder / "runs" / "rft")


def _lose_the_problems(folder: Path) -> None:
    (folder / "in" / "test.jsonl").unlink()


def _tear_the_candidates(folder: Path) -> None:
    (file,) = (folder / "runs" / "rft" / "candidates").glob("data-*")
    file.write_bytes(file.read_bytes()[:300])


def _tear_the_problems(folder: Path) -> None:
    (folder / "in" / "test.jsonl").write_text('{"question": "torn')


def _break_the_store(folder: Path) -> None:
    (folder / "home" / "replies.sqlite").write_bytes(b"no database at all" * 1000)


@pytest.mark.parametrize(
    ("damage", "run", "row", "said"),
    [
        (_lose_the_store, "rft", 1, "in none of the reply stores"),
        (_break_the_store, "rft", 1, "in none of the reply stores"),
        (_lose_the_candidates, "rft", 1, "rft/candidates"),
        (_tear_the_candidates, "rft", 1, "not a whole Arrow file"),
        (_lose_the_problems, "rft", 1, "dataset in/test.jsonl of"),
        (_tear_the_problems, "rft", 1, "test.jsonl"),
        (_lose_the_run, "mix", None, "input rft"),
        (_lose_the_run, "corrupt", 1, "candidates runs/rft/candidates of"),
        (_lose_the_run, "groups", 1, "candidates runs/rft/candidates of"),
        (_lose_the_run, "split/test", 0, "input runs/rft/candidates of"),
    ],
)
def test_what_is_gone_is_said_and_the_rest_is_followed(
    copy: Path, damage: Callable[[Path], None], run: str, row: int | None, said: str
) -> None:
    row = mixed_row(copy, RIGHT) if row is None else row
    damage(copy)
    found = trace(copy / "runs" / run, row)
    assert any(said in note for note in found.missing), found.missing
    assert found.row.values is not None
    if damage is not _lose_the_problems and damage is not _tear_the_problems and run not in ("mix", "split/test"):
        assert found.problem is not None
    replies = [link for link in every(found.row) if link.kind == "reply"]
    if run in ("rft", "mix"):  # their own provenance still says who was asked
        assert replies[-1].facts["model"] == "gpt-4o-mini"


def test_a_mixed_row_that_is_another_one_now_is_not_taken_for_it(copy: Path) -> None:
    shutil.rmtree(copy / "runs" / "rft")
    shutil.copytree(copy / "runs" / "parquet", copy / "runs" / "rft")
    found = trace(copy / "runs" / "mix", mixed_row(copy, RIGHT))
    assert any("not the row that was mixed" in note for note in found.missing)
    assert all(link.place != str(copy / "runs/rft/data") for link in every(found.row))


def test_a_template_that_changed_is_not_shown_as_the_one_that_was_used(copy: Path) -> None:
    (copy / "ask.jinja").write_text("Another one: {{ question }}")
    *_, reply = every(trace(copy / "runs" / "rft", 1).row)
    expected = {"path": str(copy / "ask.jinja"), "state": "changed", "text": None}
    assert reply.facts["template"] == expected
    (copy / "ask.jinja").unlink()
    *_, reply = every(trace(copy / "runs" / "rft", 1).row)
    assert reply.facts["template"] == {"path": None, "state": "missing", "text": None}


def test_a_store_that_cannot_be_written_is_read_and_none_is_made(copy: Path, tmp_path: Path) -> None:
    *_, reply = every(trace(copy / "runs" / "rft", 1, store=copy / "home" / "replies.sqlite").row)
    assert reply.facts["completion_tokens"] == 20
    trace(copy / "runs" / "rft", 1, store=tmp_path / "other" / "replies.sqlite")
    assert not (tmp_path / "other").exists()


def test_a_published_folder_has_its_candidates_beside_the_data_and_its_manifests_in_one_file(copy: Path) -> None:
    published, run = copy / "published", copy / "runs" / "parquet"
    for name in ("data", "candidates"):
        (published / name).mkdir(parents=True)
        (shard,) = (run / name).glob("data-*")
        shutil.copy(shard, published / name / "train-00000-of-00001.parquet")
    manifest = json.loads((run / "manifest.json").read_text())
    index = {"runs": [{"name": "other", "manifest": {}}, {"name": "parquet", "manifest": manifest}]}
    (published / "datagen.json").write_text(json.dumps(index))
    shutil.rmtree(copy / "runs")
    found = trace(published, 2)
    assert [link.place for link in every(found.row)] == [
        str(published / "data" / "train-00000-of-00001.parquet"),
        str(published / "candidates" / "train-00000-of-00001.parquet"),
        str(copy / "in" / "replies.jsonl"),
    ]
    assert found.row.run is not None
    assert found.row.run["command"] == manifest["command"]
    assert found.missing == []


def test_inputs_that_name_each_other_come_to_an_end(copy: Path) -> None:
    candidates = list(read_records(copy / "runs" / "rft" / "candidates", Candidate))
    for one, other in (("a", "b"), ("b", "a")):
        with DatasetWriter(copy / one / "data", Candidate) as rows:
            rows.write_records(candidates, Candidate)
        inputs: list[dict[str, Any]] = [{"name": other, "path": str(copy / other)}]  # Any: JSON
        (copy / one / "run.json").write_text(json.dumps({"stage": "split", "inputs": inputs}))
    assert [link.place for link in every(trace(copy / "a", 1).row)] == [
        str(copy / name / "data") for name in ("a", "b", "a")
    ]
