"""Small run directories made by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from datagen.store.arrow_dataset import DatasetWriter
from datagen.store.run_directory import RunDirectory
from datagen_schemas.record import Record

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A finished run of a stage, with the facts of its manifest and one data set a folder."""

    def make(
        name: str,
        stage: str,
        *,
        data: Mapping[str, Sequence[Record]],
        command: str = "datagen test",
        config: Mapping[str, Any] | None = None,  # Any: JSON
        **facts: Any,  # Any: JSON
    ) -> Path:
        run = RunDirectory(tmp_path / name, {"stage": stage, "seed": 0, **(config or {})})
        for folder, records in data.items():
            with DatasetWriter(run.path / folder, type(records[0])) as writer:
                writer.write_records(records, type(records[0]))
        run.finish(command=command, card="card", facts={"counts": {"rows": 0}, **facts})
        return run.path

    return make
