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


def test_beside_it_is_well(run: Path) -> None:
    result = CliRunner().invoke(main, ["split", str(run), "--out", str(run.parent / "run-split"), "--quiet"])
    assert result.exit_code == 0, result.output
