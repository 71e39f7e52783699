import os
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
import pytest

WriteLines = Callable[..., Path]


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the published datasets."""
    folder = Path(os.environ.get("DATAGEN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
    if not (folder / "gsm8k" / "test.jsonl").exists():
        pytest.skip(f"no published datasets at {folder}: set DATAGEN_TEST_DATA")
    return folder


@pytest.fixture
def write_lines(tmp_path: Path) -> WriteLines:
    """Writes rows (as JSON) or bytes (as they are), a line each, and returns the file."""

    def write(*lines: Mapping[str, object] | bytes, name: str = "mine.jsonl") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines))
        return file

    return write
