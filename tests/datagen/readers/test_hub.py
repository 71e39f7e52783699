"""Loading through `datasets.load_dataset`: from a Hub on loopback, from a local folder, and with no Hub in reach."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from datagen.readers.hub import KNOWN, HubDataset, hub_dataset
from datagen.readers.read import DatasetSpec, read_problems
from datagen.readers.shape import READERS
from datagen.store.arrow_dataset import read_records
from datagen_schemas.example import Example

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


REPO = Path(__file__).parents[3]
CARD = """---
configs:
- config_name: main
  data_files:
  - {split: train, path: main/train.jsonl}
  - {split: test, path: main/test.jsonl}
- config_name: socratic
  data_files: socratic/test.jsonl
---
"""
QUESTION = "Tom has {} red and 4 blue marbles and gives half of them to a friend of his; how many marbles has he left?"


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a Hub that has GSM8K's repository: its layout, four rows."""
    command = [sys.executable, str(REPO / "tests/servers/hub_server.py"), "--token", "hf_" + "t" * 34]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        files = {"README.md": CARD, "socratic/test.jsonl": '{"question": "?", "answer": "#### 0"}\n'}
        for split, numbers in (("train", (2, 6)), ("test", (8, 6))):
            rows = [{"question": QUESTION.format(n), "answer": f"#### {(n + 4) // 2}"} for n in numbers]
            files[f"main/{split}.jsonl"] = "".join(orjson.dumps(row).decode() + "\n" for row in rows)
        repository = {"id": "openai/gsm8k", "type": "dataset", "private": False, "files": files}
        urllib.request.urlopen(urllib.request.Request(f"{url}/control/repos", orjson.dumps([repository]))).close()
        yield url
        process.kill()


def test_a_dataset_by_name_comes_from_the_hub_and_then_from_the_cache(hub: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    command = ["examples", "--answers", "gold", "--dataset", "gsm8k", "--split", "test", "--quiet", "--out"]
    datagen = [sys.executable, "-m", "datagen", *command]
    subprocess.run([*datagen, str(tmp_path / "a")], env=environment, check=True)
    offline = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    subprocess.run([*datagen, str(tmp_path / "b")], env=offline, check=True)
    first, second = (list(read_records(tmp_path / name / "data", Example)) for name in "ab")
    assert [row.completion for row in first] == [" #### 6", " #### 5"]
    assert second == first


def test_a_test_set_by_name_comes_from_the_hub(hub: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    mine = tmp_path / "mine.jsonl"
    texts = (QUESTION.format(6), QUESTION.format(9), "How many legs have 7 spiders?")  # equal; 13 equal words; neither
    mine.write_bytes(b"\n".join(orjson.dumps({"question": text, "answer": "1"}) for text in texts))
    command = ["decontaminate", str(mine), "--against", "gsm8k", "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "datagen", *command], env=environment, check=True, capture_output=True, text=True
    )
    assert orjson.loads(done.stdout)["overlapping"] == 2


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
