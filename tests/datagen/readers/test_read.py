import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.readers.read import DatasetSpec, Dropped, read_problems
from datagen.store.arrow_dataset import DatasetWriter, Format
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem

WriteLines = Callable[..., Path]

ROWS = [{"question": f"{i} + {i}?", "answer": f"Add.\n#### {2 * i}"} for i in range(6)]


def read(name: object, **options: object) -> list[Problem]:
    return list(read_problems(DatasetSpec(str(name), **options)))  # type: ignore[arg-type]  # any options


def own_problems() -> list[Problem]:
    return [
        Problem(
            id=f"mine-{i}",
            question=f"{i}?",
            answer=str(i),
            rationale=None if i % 2 else "So.",
            choices=None if i % 2 else ("a", "b"),
            source="somewhere",
            split="train" if i < 3 else "test",
            meta='{"k": 1}',
        )
        for i in range(5)
    ]


def write_as(folder: Path, kind: str, rows: list[dict[str, object]]) -> Path:
    table = pa.Table.from_pylist(rows)
    file = folder / f"rows.{kind.split(' ')[0]}"
    match kind:
        case "jsonl":
            file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
        case "json":
            file.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        case "parquet":
            pq.write_table(table, file, row_group_size=2)
        case "arrow stream":
            with pa.ipc.new_stream(str(file), table.schema) as writer:
                writer.write_table(table, max_chunksize=2)
        case "arrow file" | "feather":
            with pa.ipc.new_file(str(file), table.schema) as writer:
                writer.write_table(table, max_chunksize=2)
    return file


@pytest.mark.parametrize("kind", ["json", "parquet", "arrow stream", "arrow file", "feather"])
def test_ids_do_not_depend_on_the_type_of_file(tmp_path: Path, kind: str) -> None:
    rows: list[dict[str, object]] = [dict(row) for row in ROWS]
    assert [p.id for p in read(write_as(tmp_path, kind, rows))] == [
        p.id for p in read(write_as(tmp_path, "jsonl", rows))
    ]


def test_an_id_names_shape_and_index_and_hashes_question_and_answer(write_lines: WriteLines) -> None:
    # printf '0 + 0?\x1f0' | sha256sum
    ids = [problem.id for problem in read(write_lines(*ROWS))]
    assert ids[0] == "gsm8k-0-" + "1b8fd99349a6"
    assert [problem_id.split("-")[1] for problem_id in ids] == list("012345")
    assert len(set(ids)) == 6


def test_limit_and_skipped_rows_do_not_shift_ids(write_lines: WriteLines) -> None:
    whole = [problem.id for problem in read(write_lines(*ROWS))]
    assert [problem.id for problem in read(write_lines(*ROWS), limit=2)] == whole[:2]
    broken = write_lines(ROWS[0], b"[]", ROWS[2], {"question": "?"}, *ROWS[4:], name="broken.jsonl")
    assert [problem.id for problem in read(broken, skip_bad=True)] == [whole[0], whole[2], whole[4], whole[5]]


def test_limit_stops_reading(write_lines: WriteLines) -> None:
    file = write_lines(*(ROWS * 10), b"not JSON")  # repeats from row 7 on
    assert len(read(file, limit=6)) == 6
    assert read(file, limit=0) == []
    with pytest.raises(DataError, match="--limit -1"):
        read(file, limit=-1)


def test_our_own_problems_come_back_unchanged(tmp_path: Path) -> None:
    own = own_problems()
    lines = tmp_path / "own.jsonl"
    lines.write_text("\n".join(problem.model_dump_json() for problem in own))
    folders = []
    for kind in get_args(Format):
        with DatasetWriter(tmp_path / kind / "data", Problem, format=kind) as writer:
            writer.write_records(own, Problem)
        (tmp_path / kind / "run.json").write_text("{}")
        with pytest.raises(DataError, match="this run is not finished"):
            read(tmp_path / kind)
        (tmp_path / kind / "manifest.json").write_text("{}")
        folders += [tmp_path / kind, tmp_path / kind / "data"]
    for path in (lines, *folders):
        assert read(path) == own, path
    assert read(lines, split="test") == own[3:]
    with pytest.raises(DataError, match="no problems of the split 'dev', only of test, train"):
        read(lines, split="dev")


def test_own_problems_that_share_an_id_or_break_the_record_are_bad_rows(write_lines: WriteLines) -> None:
    first, second, *_ = (problem.model_dump() for problem in own_problems())
    file = write_lines(first, {**second, "id": first["id"]})
    with pytest.raises(DataError, match=rf"{file}:2: duplicate id: 'mine-0' is also the id at {file}:1"):
        read(file)
    with pytest.raises(DataError, match=r":2: bad value: answer: Input should be a valid string"):
        read(write_lines(first, {**second, "answer": 7}))


def test_a_column_map_reads_anybody_s_columns(write_lines: WriteLines) -> None:
    file = write_lines({"prompt": "1?", "gold": 1, "cot": "So 1.", "level": 3, "answer": "other"})
    (problem,) = read(file, columns={"question": "prompt", "answer": "gold", "rationale": "cot"})
    assert (problem.question, problem.answer, problem.rationale) == ("1?", "1", "So 1.")
    assert orjson.loads(problem.meta) == {"level": 3}
    with pytest.raises(DataError, match="missing column: no 'Prompt', only prompt, gold"):
        read(file, columns={"question": "Prompt"})
    with pytest.raises(DataError, match="'qestion' is no column of ours"):
        read(file, columns={"qestion": "prompt"})


def test_a_column_map_and_a_format_read_a_known_shape_under_other_names(write_lines: WriteLines) -> None:
    file = write_lines({"q": "1?", "a": "#### 1"})
    (problem,) = read(file, columns={"question": "q", "answer": "a"}, format="gsm8k")
    assert (problem.answer, problem.rationale) == ("1", "#### 1")
    with pytest.raises(DataError, match=r"format 'gsm9k': no such reader. Choose from gsm8k"):
        read(file, format="gsm9k")


def test_a_bad_first_row_does_not_hide_the_shape(write_lines: WriteLines) -> None:
    drops: list[Dropped] = []
    file = write_lines({"question": "x?"}, *ROWS)
    problems = list(read_problems(DatasetSpec(str(file), skip_bad=True), on_drop=drops.append))
    assert [problem.answer for problem in problems] == ["0", "2", "4", "6", "8", "10"]
    assert len(drops) == 1


AQUA: Mapping[str, object] = {"question": "1?", "options": ["A)1", "B)2"], "rationale": "", "correct": "A"}


def test_repeats_that_publishers_left_in_are_dropped_and_told_without_being_asked(write_lines: WriteLines) -> None:
    drops: list[Dropped] = []
    other_choices = {**AQUA, "options": ["A)2", "B)1"], "correct": "B"}
    file = write_lines(AQUA, AQUA, {**AQUA, "correct": "B"}, other_choices)
    problems = list(read_problems(DatasetSpec(str(file)), on_drop=drops.append))
    assert [(problem.choices, problem.answer) for problem in problems] == [(("1", "2"), "A"), (("2", "1"), "B")]
    assert [(drop.where, drop.reason) for drop in drops] == [
        (f"{file}:2", "duplicate question"),
        (f"{file}:3", "conflicting answer"),
    ]


def test_a_question_that_differs_in_a_space_is_another_question(write_lines: WriteLines) -> None:
    assert len(read(write_lines(ROWS[0], {**ROWS[0], "question": "0 +  0?"}))) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.jsonl", "no such file, and no dataset of that name. Check the path, or choose from gsm8k"),
        ("some/where/missing.jsonl", "no such file"),
        ("org/missing.jsonl", "no such file"),
        ("gsm9k", "no such file"),
        ("", "no data files here"),
    ],
)
def test_a_name_that_means_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        read(name)


def test_a_file_of_unknown_type_is_an_error(write_lines: WriteLines) -> None:
    with pytest.raises(DataError, match=r"no reader for '\.txt' files. Convert it to \.jsonl"):
        read(write_lines(b"1?", name="a.txt"))


def test_synthetic_problems_are_a_dataset_like_any_other() -> None:
    six = read("synthetic:6", seed=3)
    assert len(six) == 6
    assert read("synthetic", seed=3, limit=4) == six[:4]
    assert read("synthetic:6", seed=4) != six
    test = read("synthetic:6", seed=3, split="test")
    assert {problem.split for problem in test} == {"test"}
    assert not {problem.question for problem in test} & {problem.question for problem in six}
    with pytest.raises(DataError, match="'many' is no number of problems"):
        read("synthetic:many")
    with pytest.raises(DataError, match="no split 'nowhere'"):
        read("synthetic:6", split="nowhere")


def test_synthetic_problems_written_down_read_back_unchanged(tmp_path: Path) -> None:
    problems = read("synthetic:6")
    with DatasetWriter(tmp_path / "data", Problem) as writer:
        writer.write_records(problems, Problem)
    assert read(tmp_path / "data") == problems


def test_a_long_file_is_read_line_by_line(tmp_path: Path) -> None:
    # 40 MB of questions; a reader that holds them would need more than the 25 MB that are allowed here.
    file = tmp_path / "long.jsonl"
    with file.open("wb") as lines:
        for i in range(40_000):
            lines.write(orjson.dumps({"question": f"{i}?" + "x" * 1000, "answer": f"#### {i}"}) + b"\n")
    code = (
        "import resource, sys; from datagen.readers.read import DatasetSpec, read_problems\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "spec = DatasetSpec(sys.argv[1]); next(read_problems(spec)); before = rss()\n"
        "n = sum(1 for _ in read_problems(spec)); sys.stdout.write(f'{n} {(rss() - before) // 1024}')"
    )
    run = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    n, grown_mb = map(int, run.stdout.split())
    assert n == 40_000
    assert grown_mb < 25


def test_reading_imports_no_heavy_library() -> None:
    code = (
        "import sys, datagen.readers.read, datagen.readers.candidates\n"
        "sys.stdout.write(' '.join({'datasets', 'torch', 'transformers', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == ""
