import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from datagen.readers.compressed import kind_of
from datagen.readers.read import DatasetSpec, read_problems
from datagen_schemas.errors import DataError

LINES = b'\xef\xbb\xbf{"question": "1?", "answer": "#### 1"}\r\n\n{"question": "2?", "answer": "#### 2"}\n'
ARRAY = b'[{"question": "1?", "answer": "#### 1"},\n {"question": "2?", "answer": "#### 2"}]'
TABLE = b'question,answer\n1?,#### 1\n"2?",#### 2\n'


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def ids(file: Path) -> list[str]:
    return [problem.id for problem in read_problems(DatasetSpec(str(file)))]


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd)])
@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", LINES), ("a.json", ARRAY), ("a.csv", TABLE)], ids=["lines", "array", "table"]
)
def test_a_compressed_file_holds_the_same_problems(
    tmp_path: Path, name: str, content: bytes, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / (name + suffix)).write_bytes(compress(content))
    assert ids(tmp_path / (name + suffix)) == ids(tmp_path / name)
    assert len(ids(tmp_path / name)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(LINES * 9)[:-20], "a.jsonl.gz: cannot be read .Truncated compressed stream"),
        (LINES, "a.jsonl.gz: cannot be read .zlib inflate failed: incorrect header check"),
        (b"", "a.jsonl.gz: no rows, the file is empty"),
    ],
    ids=["torn", "plain", "empty"],  # what gzip makes has the time in it
)
def test_a_file_that_is_torn_or_not_compressed_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        ids(tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl", ".jsonl"), ("A.JSON.GZ", ".json"), ("a.b.csv.zst", ".csv"), ("a.parquet.gz", ".gz"), ("gz", "")],
)
def test_the_kind_of_a_file_is_seen_through_its_compression(name: str, kind: str) -> None:
    assert kind_of(Path(name)) == kind


def test_math_is_read_as_it_is_published(tmp_path: Path) -> None:
    for path, number in {"train/algebra/10": 10, "train/algebra/9": 9, "test/algebra/1": 1}.items():
        file = tmp_path / f"{path}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f'{{"problem": "What is ${number}$?", "level": "Level 1", "type": "Algebra",'
            f' "solution": "It is $\\\\boxed{{{number}}}$."}}'
        )
    train = list(read_problems(DatasetSpec(str(tmp_path))))
    assert [(problem.answer, problem.split) for problem in train] == [("9", "train"), ("10", "train")]
    (test,) = read_problems(DatasetSpec(str(tmp_path), split="test"))
    assert (test.answer, test.split) == ("1", "test")
