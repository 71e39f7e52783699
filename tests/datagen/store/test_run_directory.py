from pathlib import Path

import pytest

from datagen.store.run_directory import RunDirectory, fingerprint
from datagen_schemas.errors import DataError, StoreError


def test_a_run_is_finished_when_its_manifest_is_there(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run", {"seed": 0})
    assert run.manifest() is None
    run.finish(command="datagen x", card="# card\n", facts={"counts": {"rows": 3}})
    again = RunDirectory(tmp_path / "run", {"seed": 0}).manifest()
    assert again is not None
    assert (again["counts"], again["config"], again["command"]) == ({"rows": 3}, {"seed": 0}, "datagen x")
    assert (tmp_path / "run" / "README.md").read_text() == "# card\n"


def test_a_run_with_other_options_is_not_mixed_into_a_directory(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run", {"seed": 0}).finish(command="", card="", facts={})
    with pytest.raises(StoreError, match="other options or inputs"):
        RunDirectory(tmp_path / "run", {"seed": 1})
    assert RunDirectory(tmp_path / "run", {"seed": 1}, overwrite=True).manifest() is None


def test_somebody_elses_directory_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="no run of datagen"):
        RunDirectory(tmp_path, {"seed": 0}, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Choose another --out"):
        RunDirectory(tmp_path / "file" / "run", {})


def test_fingerprint_of_a_file_is_its_sha256_and_of_a_folder_depends_on_names_and_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, example B.1
    assert fingerprint(tmp_path / "a") == {"path": str(tmp_path / "a"), "bytes": 3, "sha256": digest}
    before = fingerprint(tmp_path)["sha256"]
    (tmp_path / "a").rename(tmp_path / "b")
    assert fingerprint(tmp_path)["sha256"] != before


def test_bad_input_leaves_no_directory_that_would_refuse_the_corrected_command(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "o", {"input": "bad"})
    with pytest.raises(DataError), run.reading():
        raise DataError("row 3: no")
    assert RunDirectory(tmp_path / "o", {"input": "good"}).config == {"input": "good"}


def test_bad_input_of_a_later_try_leaves_what_an_earlier_one_wrote(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "o", {"input": "a"})
    again = RunDirectory(tmp_path / "o", {"input": "a"})
    with pytest.raises(DataError), again.reading():
        raise DataError("row 3: no")
    assert (tmp_path / "o" / "run.json").exists()
