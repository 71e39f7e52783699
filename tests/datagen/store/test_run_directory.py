import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from datagen.store.run_config import is_same
from datagen.store.run_directory import RunDirectory, fingerprint
from datagen_schemas.errors import DataError, StoreError


def config(**more: Any) -> dict[str, Any]:  # Any: JSON
    return {"stage": "rft", "datagen": "1.0", "seed": 0, **more}


def finished(path: Path, **more: Any) -> dict[str, Any]:  # Any: JSON
    """A run with a data set, one inside another folder, and what a person put beside them."""
    run = RunDirectory(path, config(**more))
    for folder in (run.data, path / "greedy" / "data"):
        folder.mkdir(parents=True)
        (folder / "data-00000-of-00001.arrow").write_bytes(b"rows")
        (folder / "state.json").write_text("{}")
    (path / "greedy" / "run.json").write_text("{}")
    return run.finish(command="datagen x", card="# card\n", facts={"counts": {"rows": 3}})


def files_of(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_run_is_finished_when_its_manifest_is_there(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run", config())
    assert run.manifest() is None
    run.finish(command="datagen x", card="# card\n", facts={"counts": {"rows": 3}})
    again = RunDirectory(tmp_path / "run", config()).manifest()
    assert again is not None
    assert (again["counts"], again["config"], again["command"]) == ({"rows": 3}, config(), "datagen x")
    assert (tmp_path / "run" / "README.md").read_text() == "# card\n"


def test_a_run_with_other_options_is_not_mixed_into_a_directory(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    with pytest.raises(StoreError, match="other options or inputs"):
        RunDirectory(tmp_path / "run", config(seed=1))
    assert RunDirectory(tmp_path / "run", config(seed=1), overwrite=True).manifest() is None


def test_what_a_try_left_that_was_cut_off_at_its_beginning_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json.partial").write_text('{"se')
    run = RunDirectory(tmp_path / "run", config())
    run.finish(command="", card="", facts={})
    assert not (tmp_path / "run" / "run.json.partial").exists()


@pytest.mark.parametrize("marker", [None, {"id": 7}, ["stage"], {"stage": "prod"}, {"datagen": "1.0"}])
def test_somebody_elses_directory_is_never_touched(tmp_path: Path, marker: object) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "data").mkdir()
    if marker is not None:
        (tmp_path / "run.json").write_text(json.dumps(marker))
    before = files_of(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(StoreError, match="Choose another --out"):
            RunDirectory(tmp_path, config(), overwrite=overwrite)
    assert files_of(tmp_path) == before


def test_overwriting_removes_what_a_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    finished(tmp_path)
    (tmp_path / "review.jsonl").write_text("ratings by a person")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "data-00000-of-00001.arrow").write_text("a copy")
    (tmp_path / "notes" / "why.txt").write_text("why")
    run = RunDirectory(tmp_path, config(seed=1), overwrite=True)
    run.finish(command="", card="", facts={})
    theirs = {"review.jsonl", "notes/data-00000-of-00001.arrow", "notes/why.txt"}
    assert set(files_of(tmp_path)) == {*theirs, "run.json", "manifest.json", "README.md"}


@pytest.mark.parametrize("error", [DataError("row 3: no"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_run_to_be_replaced_comes_back_when_the_new_one_cannot_begin(tmp_path: Path, error: BaseException) -> None:
    finished(tmp_path / "o")
    (tmp_path / "o" / "review.jsonl").write_text("ratings by a person")
    before = files_of(tmp_path)
    run = RunDirectory(tmp_path / "o", config(seed=1), overwrite=True)
    with pytest.raises(type(error)), run.reading():
        (tmp_path / "o" / "data").mkdir()
        (tmp_path / "o" / "data" / "data-00000-of-00001.arrow").write_bytes(b"new")
        raise error
    assert files_of(tmp_path) == before


KILLED = """
import os, sys
from pathlib import Path
from datagen.store.run_directory import RunDirectory
left = int(sys.argv[2])
def die(event, _):
    global left
    if event in ("os.rename", "os.rmdir", "os.remove", "os.mkdir"):
        left -= 1
        if left < 0:
            os._exit(9)
run = None
sys.addaudithook(die)
run = RunDirectory(Path(sys.argv[1]), {"stage": "rft", "datagen": "1.0", "seed": 1}, overwrite=True)
try:
    with run.reading():
        run.clear("data")
        run.data.mkdir()
        (run.data / "data-00000-of-00001.arrow").write_bytes(b"new")
        if sys.argv[3] == "fails":
            raise KeyError
    run.finish(command="", card="", facts={})
except KeyError:
    pass
"""


@pytest.mark.parametrize("end", ["fails", "finishes"])
def test_a_kill_at_any_step_leaves_the_old_run_or_the_new_one_finished(tmp_path: Path, end: str) -> None:
    finished(tmp_path / "whole")
    before = files_of(tmp_path / "whole")
    steps = 0
    while True:
        shutil.copytree(tmp_path / "whole", tmp_path / "o")
        killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "o"), str(steps), end], check=False)
        try:
            again = RunDirectory(tmp_path / "o", config())
        except StoreError:
            assert end == "finishes"
            again = RunDirectory(tmp_path / "o", config(seed=1))
            assert (again.data / "data-00000-of-00001.arrow").read_bytes() == b"new"
        assert again.manifest() is not None, steps
        is_old = again.config == config()
        del again  # the lock
        if is_old:
            assert files_of(tmp_path / "o") == before, steps
        else:
            assert len(files_of(tmp_path / "o")) == 4, steps
        shutil.rmtree(tmp_path / "o")
        if killed.returncode == 0:
            assert is_old == (end == "fails")
            break
        assert killed.returncode == 9
        steps += 1
    assert steps > 12


def test_a_killed_replacement_goes_on_when_its_own_command_is_given_again(tmp_path: Path) -> None:
    finished(tmp_path)
    RunDirectory(tmp_path, config(seed=1), overwrite=True)  # and nothing more
    RunDirectory(tmp_path, config(seed=1)).finish(command="", card="", facts={})
    assert set(files_of(tmp_path)) == {"run.json", "manifest.json", "README.md"}


HOLDS = """
import sys, time
from pathlib import Path
from datagen.store.run_directory import RunDirectory
if len(sys.argv) > 2:  # a file system without locks
    def refuse(event, _):
        if event == "fcntl.lockf":
            raise OSError(37, "No locks available")
    sys.addaudithook(refuse)
run = RunDirectory(Path(sys.argv[1]), {"stage": "rft", "datagen": "1.0", "seed": 0})
print("there", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_kept_out_until_the_first_one_ends_even_by_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "o")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "there\n"
        for overwrite in (False, True):
            with pytest.raises(StoreError, match="another datagen is writing there now") as raised:
                RunDirectory(tmp_path / "o", config(), overwrite=overwrite)
            assert "\n" not in str(raised.value)
        first.send_signal(signal.SIGKILL)
        first.wait()
    RunDirectory(tmp_path / "o", config()).finish(command="", card="", facts={})
    assert not (tmp_path / "o" / ".lock").exists()


def test_a_file_system_without_locks_is_no_reason_not_to_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "o"), "no locks"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "there\n"
        first.kill()


@pytest.mark.parametrize("lists_files", [True, False])
def test_a_run_whose_data_are_gone_is_not_finished(tmp_path: Path, lists_files: bool) -> None:
    manifest = finished(tmp_path)
    if not lists_files:  # as an earlier version wrote it
        del manifest["files"]
        (tmp_path / "manifest.json").write_bytes(orjson.dumps(manifest))
    assert RunDirectory(tmp_path, config()).manifest() == manifest
    shutil.rmtree(tmp_path / "data")
    assert RunDirectory(tmp_path, config()).manifest() is None


@pytest.mark.parametrize("name", ["run.json", "manifest.json"])
@pytest.mark.parametrize("content", ["", '{"stage": "rf', "[]"])
def test_a_damaged_file_is_one_line_with_a_remedy(tmp_path: Path, name: str, content: str) -> None:
    finished(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(StoreError, match=f"{name} is .*[Dd]elete") as raised:
        RunDirectory(tmp_path, config()).manifest()
    assert "\n" not in str(raised.value)
    (tmp_path / "manifest.json").unlink()
    if name == "manifest.json":
        assert RunDirectory(tmp_path, config()).manifest() is None


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
    run = RunDirectory(tmp_path / "o", config(input="bad"))
    with pytest.raises(DataError), run.reading():
        raise DataError("row 3: no")
    assert not (tmp_path / "o").exists()
    assert RunDirectory(tmp_path / "o", config(input="good")).config == config(input="good")


def test_bad_input_of_a_later_try_leaves_what_an_earlier_one_wrote(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "o", config(input="a"))
    again = RunDirectory(tmp_path / "o", config(input="a"))
    with pytest.raises(DataError), again.reading():
        raise DataError("row 3: no")
    assert (tmp_path / "o" / "run.json").exists()


SHAPES: dict[str, Any] = {  # Any: JSON
    "dataset": lambda file: {"dataset": {"name": file["path"], "split": None, "file": file}},
    "dataset and file apart": lambda file: {"dataset": {"name": file["path"]}, "dataset_file": file},
    "input": lambda file: {"inputs": [{"name": file["path"], **file}]},
    "named input": lambda file: {"inputs": [{"name": "mine", **file}]},
    "candidates": lambda file: {"candidates": [file]},
    "models": lambda file: {"models": [{"dataset": {"name": file["path"], "file": file}}]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_file_at_another_place_is_the_same_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for name in ("d.jsonl", "a/d.jsonl", "e.jsonl"):
        (tmp_path / name).write_text("{}")
    of = {name: SHAPES[shape](fingerprint(Path(name))) for name in ("d.jsonl", "a/d.jsonl", "e.jsonl")}
    absolute = SHAPES[shape](fingerprint(tmp_path / "d.jsonl"))
    assert is_same(of["d.jsonl"], absolute)
    assert is_same(of["d.jsonl"], of["a/d.jsonl"])
    assert not is_same(of["d.jsonl"], of["e.jsonl"])  # the name of the file stands in the rows
    (tmp_path / "d.jsonl").write_text("{ }")
    assert not is_same(of["a/d.jsonl"], SHAPES[shape](fingerprint(Path("d.jsonl"))))


def test_other_names_of_inputs_with_the_same_file_are_other_inputs() -> None:
    file = {"path": "a/d.jsonl", "bytes": 1, "sha256": "0"}
    assert not is_same({"inputs": [{"name": "mine", **file}]}, {"inputs": [{"name": "yours", **file}]})


def test_a_run_continued_from_another_folder_says_the_same_in_both_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.jsonl").write_text("{}")
    out = tmp_path / "o"
    RunDirectory(out, config(candidates=[fingerprint(Path("d.jsonl"))]))
    Path("elsewhere").mkdir()
    Path("d.jsonl").rename("elsewhere/d.jsonl")
    again = RunDirectory(out, config(candidates=[fingerprint(tmp_path / "elsewhere" / "d.jsonl")]))
    again.finish(command="", card="", facts={})
    began, ended = orjson.loads((out / "run.json").read_bytes()), orjson.loads((out / "manifest.json").read_bytes())
    assert began == ended["config"] == again.config
