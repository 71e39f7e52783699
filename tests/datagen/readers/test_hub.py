"""Loading through `datasets.load_dataset`: from a local folder in a repository's layout, and with no Hub in reach."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from datagen.readers.hub import KNOWN, HubDataset, hub_dataset
from datagen.readers.read import DatasetSpec, read_problems
from datagen.readers.shape import READERS

READ = """
import sys
from datagen.readers.read import DatasetSpec, read_problems
from datagen.readers.hub import KNOWN, HubDataset
from datagen_schemas.errors import DataError
if len(sys.argv) > 3:
    KNOWN[sys.argv[1]] = HubDataset(sys.argv[3])
try:
    for problem in read_problems(DatasetSpec(sys.argv[1], split=sys.argv[2])):
        sys.stdout.write(f"{problem.id} {problem.source} {problem.split} {problem.answer}\\n")
except DataError as error:
    sys.stdout.write(f"error: {error}\\n")
"""


def run(home: Path, *arguments: str) -> list[str]:
    """Lines of a fresh process: `datasets` reads where its cache is, and whether it is offline, once at import."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    process = subprocess.run(
        [sys.executable, "-c", READ, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return process.stdout.splitlines()


def test_rows_loaded_through_datasets_are_those_of_the_file(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    for split, first in (("train", 0), ("test", 5)):
        rows = [{"question": f"{i}?", "answer": f"#### {i}"} for i in range(first, first + 5)]
        (repository / f"{split}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    local = list(read_problems(DatasetSpec(str(repository), split="test")))
    loaded = run(tmp_path / "home", "gsm8k", "test", str(repository))
    assert loaded == [f"{problem.id} gsm8k test {problem.answer}" for problem in local]


@pytest.mark.parametrize(
    ("name", "title"), [("gsm8k", "openai/gsm8k (test)"), ("some/where:main", "some/where (test)")]
)
def test_a_hub_out_of_reach_is_one_line_with_a_remedy(tmp_path: Path, name: str, title: str) -> None:
    (line,) = run(tmp_path, name, "test")
    assert line.startswith(f"error: {title}: cannot be loaded from the Hub (")
    assert line.endswith("or download the files and pass their path.")


def test_a_split_that_the_repository_lacks_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "train.jsonl").write_bytes(b'{"question": "1?", "answer": "#### 1"}\n')
    (line,) = run(tmp_path / "home", "gsm8k", "dev", str(tmp_path / "repository"))
    assert "(validation): cannot be loaded from the Hub (Unknown split" in line


def test_every_known_dataset_has_a_reader_of_its_name() -> None:
    assert KNOWN.keys() == READERS.keys() - {"generic"}


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("openai/gsm8k", HubDataset("openai/gsm8k")),
        ("openai/gsm8k:main", HubDataset("openai/gsm8k", "main")),
        ("gsm8k", None),
        ("a/b/c", None),
        ("./b", None),
        ("../b", None),
        ("/b", None),
        ("a/b c", None),
    ],
)
def test_a_hub_id_is_an_owner_and_a_name(name: str, dataset: HubDataset | None) -> None:
    assert hub_dataset(name) == dataset
