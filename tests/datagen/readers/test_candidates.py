import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.readers.candidates import ForeignReply, ProblemIndex, read_candidates
from datagen.readers.dropped import Dropped
from datagen.store.arrow_dataset import DatasetWriter
from datagen_schemas.candidate import Candidate, Verdict
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance

WriteLines = Callable[..., Path]


def problem(problem_id: str, question: str) -> Problem:
    return Problem(
        id=problem_id, question=question, answer="1", rationale=None, choices=None, source="s", split="test"
    )


INDEX = ProblemIndex([problem("p-0", "How  many\nare 0?"), problem("p-1", "And 1?"), problem("p-2", "And 2?")])
GOOD = {"problem_id": "p-1", "response": "It is 1."}


def reply(problem_id: str, response: str, **known: object) -> ForeignReply:
    fields = {"sample": None, "model": None, "is_correct": None, "source": "mine.jsonl", **known}
    return ForeignReply(problem_id=problem_id, response=response, **fields)  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(
    ("row", "replies"),
    [
        (GOOD, [reply("p-1", "It is 1.")]),
        ({"question": "And 1?", "response": ""}, [reply("p-1", "")]),  # an empty reply is a reply
        ({"question": " How many are  0? ", "response": "0"}, [reply("p-0", "0")]),
        ({"question": "And 1?", "response": ["a", "b"]}, [reply("p-1", "a"), reply("p-1", "b")]),
        (
            {"problem_id": "p-2", "response": "x", "sample": 7, "model": "m", "is_correct": False, "extra": 1},
            [reply("p-2", "x", sample=7, model="m", is_correct=False)],
        ),
        ({"problem_id": "p-2", "response": ["x"], "sample": 7}, [reply("p-2", "x", sample=7)]),
        ({"problem_id": "theirs-9", "question": "And 2?", "response": "x"}, [reply("p-2", "x")]),
        ({"problem_id": "p-1", "question": "And 2?", "response": "x"}, [reply("p-1", "x")]),
        (
            {
                "question": "And 2?",
                "ground_truth": "A: 2",
                "small": {"solution": "s", "is_correct": False},
                "large": {"solution": "", "is_correct": True},
            },
            [reply("p-2", "s", model="small", is_correct=False), reply("p-2", "", model="large", is_correct=True)],
        ),
    ],
)
def test_a_row_is_one_reply_or_several(
    write_lines: WriteLines, row: dict[str, object], replies: list[ForeignReply]
) -> None:
    assert list(read_candidates(write_lines(row), INDEX)) == replies


@pytest.mark.parametrize(
    ("bad", "reason", "detail"),
    [
        ({"problem_id": "p-9", "response": "x"}, "unknown problem", "no problem has the id 'p-9'"),
        ({"question": "And 9?", "response": "x"}, "unknown problem", "no problem has the question 'And 9?'"),
        ({"problem_id": ["p-1"], "response": "x"}, "bad value", "'problem_id' is ['p-1']"),
        ({"response": "x"}, "missing column", "no 'problem_id' and no 'question', only response"),
        ({"problem_id": "p-1", "completion": "x"}, "missing column", "no 'response', only problem_id, completion"),
        ({"problem_id": "p-1", "response": None}, "missing column", "no 'response', it is null"),
        ({"problem_id": "p-1", "response": 7}, "not text", "'response' is 7"),
        ({"problem_id": "p-1", "response": ["x", None]}, "not text", "'response' is ['x', None]"),
        ({"problem_id": "p-1", "response": []}, "empty text", "'response' is an empty list"),
        ({"problem_id": "p-1", "response": "x", "sample": -1}, "bad value", "'sample' is -1"),
        ({"problem_id": "p-1", "response": "x", "sample": 1.5}, "bad value", "'sample' is 1.5"),
        ({"problem_id": "p-1", "response": ["x", "y"], "sample": 1}, "bad value", "for 2 responses"),
        ({"problem_id": "p-1", "response": "x", "model": 4}, "bad value", "'model' is 4"),
        ({"problem_id": "p-1", "response": "x", "is_correct": 1}, "bad value", "'is_correct' is 1"),
        ({"question": "And 1?", "m": {"solution": None, "is_correct": True}}, "bad value", "'m' is {'solution': None"),
        (b"[1]", "not an object", "the row is a list"),
        (b"caf\xe9", "wrong encoding", "byte 0xe9"),
        (b'{"problem_id": ', "not JSON", "unexpected end of data"),
        (b"\0\0", "NUL byte", "at byte 1"),
    ],
)
def test_a_bad_row_is_an_error_with_its_place_or_a_reported_drop(
    write_lines: WriteLines, bad: dict[str, object] | bytes, reason: str, detail: str
) -> None:
    file = write_lines(GOOD, bad, GOOD)
    with pytest.raises(DataError) as error:
        list(read_candidates(file, INDEX))
    assert str(error.value).startswith(f"{file}:2: {reason}: ")
    assert detail in str(error.value)
    assert "\n" not in str(error.value)
    drops: list[Dropped] = []
    assert list(read_candidates(file, INDEX, skip_bad=True, on_drop=drops.append)) == [reply("p-1", "It is 1.")] * 2
    assert [(drop.where, drop.reason) for drop in drops] == [(f"{file}:2", reason)]


def test_a_torn_last_line_is_named(write_lines: WriteLines) -> None:
    file = write_lines(GOOD, GOOD)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=rf"^{file}:2: torn line: "):
        list(read_candidates(file, INDEX))


def test_a_question_that_two_problems_share_needs_an_id(write_lines: WriteLines) -> None:
    index = ProblemIndex([problem("a", "Same?"), problem("b", "Same?"), problem("c", "x  y"), problem("d", "x y")])
    with pytest.raises(
        DataError, match="ambiguous problem: several problems have the question 'Same\\?', give problem_id"
    ):
        list(read_candidates(write_lines({"question": "Same?", "response": "x"}), index))
    with pytest.raises(DataError, match="ambiguous problem"):
        list(read_candidates(write_lines({"question": "x   y", "response": "x"}), index))
    rows = [{"problem_id": "b", "question": "Same?"}, {"question": "x  y"}, {"question": "x y"}]
    file = write_lines(*({**row, "response": "x"} for row in rows))
    assert [found.problem_id for found in read_candidates(file, index)] == ["b", "c", "d"]


def test_the_index_gives_problems_by_id_and_refuses_to_hold_two_of_one_id() -> None:
    assert (len(INDEX), "p-1" in INDEX, "p-9" in INDEX) == (3, True, False)
    assert INDEX["p-1"].question == "And 1?"
    assert [held.id for held in INDEX] == ["p-0", "p-1", "p-2"]
    with pytest.raises(DataError, match="problem a: this id comes twice"):
        ProblemIndex([problem("a", "1"), problem("a", "2")])


def test_every_type_of_file_gives_the_same_replies(tmp_path: Path) -> None:
    rows = [
        {"problem_id": f"p-{i % 3}", "response": f'{i},\n"x"', "sample": i, "is_correct": i == 2} for i in range(5)
    ]
    table = pa.Table.from_pylist(rows)
    (tmp_path / "mine.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    (tmp_path / "mine.json").write_bytes(orjson.dumps(rows))
    pq.write_table(table, tmp_path / "mine.parquet")
    with pa.ipc.new_stream(str(tmp_path / "mine.arrow"), table.schema) as writer:
        writer.write_table(table)
    quoted = [f'p-{i % 3},"{i},\n""x""",{i},{i == 2}' for i in range(5)]
    (tmp_path / "mine.csv").write_text("\n".join(["problem_id,response,sample,is_correct", *quoted]))
    expected = [(f"p-{i % 3}", i, f'{i},\n"x"', None, i == 2) for i in range(5)]
    for suffix in ("jsonl", "json", "parquet", "arrow", "csv"):
        found = list(read_candidates(tmp_path / f"mine.{suffix}", INDEX))
        assert [row[:5] for row in found] == expected, suffix
        assert {row.source for row in found} == {f"mine.{suffix}"}


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_the_candidates_of_a_run_come_back(tmp_path: Path, kind: str) -> None:
    provenance = Provenance(
        stage="sample", model="m", endpoint=None, prompt_id=None, prompt_sha256=None, sampling=None, seed=0,
        sample=1, reply_key=None, parents=(), package_version="0",
    )  # fmt: skip
    candidates = [
        Candidate(
            problem_id=f"p-{i}", sample=4 + i, response=f"r{i}", answer=None, verdict=verdict, verdict_method="x",
            equations=(), equations_hold=True, model="m", provenance=provenance,
        )
        for i, verdict in enumerate(get_args(Verdict))
    ]  # fmt: skip
    with DatasetWriter(tmp_path / "run" / "data", Candidate, format=kind) as writer:  # type: ignore[arg-type]
        writer.write_records(candidates, Candidate)
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(DataError, match="this run is not finished"):
        list(read_candidates(tmp_path / "run", INDEX))
    (tmp_path / "run" / "manifest.json").write_text("{}")
    for folder in (tmp_path / "run", tmp_path / "run" / "data"):
        assert list(read_candidates(folder, INDEX)) == [
            ForeignReply("p-0", 4, "r0", "m", True, folder.name),
            ForeignReply("p-1", 5, "r1", "m", False, folder.name),
            ForeignReply("p-2", 6, "r2", "m", None, folder.name),
        ]
    # Beside the data/ of rft and rank, which are examples and groups, stand the candidates.
    (tmp_path / "run" / "data").rename(tmp_path / "run" / "candidates")
    (tmp_path / "run" / "data").mkdir()
    (tmp_path / "run" / "data" / "data-00000-of-00001.parquet").write_bytes(b"none of these")
    assert [row.sample for row in read_candidates(tmp_path / "run", INDEX)] == [4, 5, 6]


def test_a_missing_or_ambiguous_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--candidates .*missing.jsonl: no such file or folder"):
        list(read_candidates(tmp_path / "missing.jsonl", INDEX))
    for name in ("train.jsonl", "test.jsonl"):
        (tmp_path / name).write_bytes(orjson.dumps(GOOD))
    with pytest.raises(DataError, match=r"several splits \(test, train\). Name the file or folder of one of them"):
        list(read_candidates(tmp_path, INDEX))


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_memory_is_flat_in_the_number_of_rows(tmp_path: Path, kind: str) -> None:
    # 60 MB of responses; a reader that holds them would need more than the 25 MB that are allowed here.
    file = tmp_path / f"many.{kind}"
    n = 60_000
    if kind == "jsonl":
        with file.open("wb") as lines:
            for i in range(n):
                lines.write(orjson.dumps({"problem_id": f"p-{i % 3}", "response": f"{i}" + "x" * 1000}) + b"\n")
    elif kind == "csv":
        with file.open("w") as text:
            text.write("problem_id,response\n")
            text.writelines(f"p-{i % 3},{i}{'x' * 1000}\n" for i in range(n))
    else:
        table = pa.table(
            {"problem_id": [f"p-{i % 3}" for i in range(n)], "response": [f"{i}" + "x" * 1000 for i in range(n)]}
        )
        pq.write_table(table, file, row_group_size=5000)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from datagen.readers.candidates import ProblemIndex, read_candidates\n"
        "from datagen_schemas.problem import Problem\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "index = ProblemIndex(Problem(id=f'p-{i}', question=f'{i}', answer='1', rationale=None, choices=None,\n"
        "    source='s', split='x') for i in range(3))\n"
        "rows = read_candidates(Path(sys.argv[1]), index)\n"
        "for _ in range(10_000): next(rows)\n"
        "before = rss(); n = 10_000 + sum(1 for _ in rows)\n"
        "sys.stdout.write(f'{n} {(rss() - before) // 1024}')"
    )
    run = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    n_read, grown_mb = map(int, run.stdout.split())
    assert n_read == n
    assert grown_mb < 25
