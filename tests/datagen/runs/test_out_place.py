"""A run that would change what it reads is refused, and nothing is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from datagen.cli.main import main


@pytest.fixture
def run(tmp_path: Path) -> Path:
    arguments = ["examples", "--dataset", "synthetic:20", "--out", str(tmp_path / "run"), "--quiet"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    return tmp_path / "run"


@pytest.mark.parametrize(
    "command",
    [["mix", "RUN"], ["mix", "x=RUN/data"], ["split", "RUN"], ["decontaminate", "RUN", "--against", "synthetic:5"]],
)
def test_no_run_is_written_into_what_it_reads(command: list[str], run: Path) -> None:
    before = sorted(run.rglob("*"))
    typed = [part.replace("RUN", str(run)) for part in command]
    for out in (run / "data" / "deeper" / "x", run.parent / "other" / ".." / "run" / "data" / "x"):
        result = CliRunner().invoke(main, [*typed, "--out", str(out), "--quiet"])
        assert result.exit_code == 1
        assert "which it reads and would change. Choose another --out." in result.stderr
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [
        ["sample", "--dataset", "synthetic:20", "--candidates", "RUN"],
        ["rft", "--dataset", "RUN/data", "--candidates", "RUN/manifest.json"],
        ["groups", "--ranked", "RUN"],
        ["split", "RUN"],
        ["decontaminate", "RUN/data", "--against", "synthetic:5"],
        ["mix", "RUN"],
    ],
)
def test_no_run_is_written_over_what_it_reads(command: list[str], run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    typed = [part.replace("RUN", str(run)) for part in command]
    for more in ([], ["--overwrite"]):
        result = CliRunner().invoke(main, [*typed, "--out", str(run), "--quiet", *more])
        assert result.exit_code == 1
        assert "is the folder of an input" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before


def test_beside_it_is_well(run: Path) -> None:
    result = CliRunner().invoke(main, ["split", str(run), "--out", str(run.parent / "run-split"), "--quiet"])
    assert result.exit_code == 0, result.output
