"""What is wrong with a file is said in one line with its place; or it is dropped, and the drop is told."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.readers.read import DatasetSpec, Dropped, read_problems
from datagen_schemas.errors import DataError

WriteLines = Callable[..., Path]

GOOD = b'{"question": "1 + 1?", "answer": "#### 2"}'
ALSO_GOOD = b'{"question": "2 + 2?", "answer": "#### 4"}'


def read_both_ways(file: Path) -> tuple[str, list[str], list[Dropped]]:
    """The error; and with skip_bad, the answers and what was dropped."""
    with pytest.raises(DataError) as error:
        list(read_problems(DatasetSpec(name=str(file))))
    drops: list[Dropped] = []
    problems = list(read_problems(DatasetSpec(name=str(file), skip_bad=True), on_drop=drops.append))
    return str(error.value), [problem.answer for problem in problems], drops


@pytest.mark.parametrize(
    ("bad", "reason", "detail"),
    [
        (b'{"question": "3?", "answer": "#### x"}', "unparsable gold", "'x' is no number"),
        (b'{"question": "3?", "answer": "3"}', "unparsable gold", "no '####' in the answer '3'"),
        (b'{"question": "3?"}', "missing column", "no 'answer', only question"),
        (b'{"question": "3?", "answer": null}', "missing column", "'answer' is null"),
        (b'{"question": " ", "answer": "#### 3"}', "empty text", "'question' is blank"),
        (b'{"question": ["3?"], "answer": "#### 3"}', "not text", "'question' is ['3?']"),
        (b"{}", "missing column", "no 'answer', only nothing"),
        (GOOD, "duplicate question", "the same question stands at {file}:1"),
        (
            b'{"question": "1 + 1?", "answer": "#### 3"}',
            "conflicting answer",
            "'3', but the same question at {file}:1",
        ),
        (b'{"question": "caf\xe9?", "answer": "#### 3"}', "wrong encoding", "byte 0xe9 at position 18 is not UTF-8"),
        (b'{"question": "a\0b", "answer": "#### 3"}', "NUL byte", "at byte 16 of the line"),
        (b"\0\0\0", "NUL byte", "at byte 1 of the line"),
        (b'["question"]', "not an object", "the row is a list"),
        (b'"question"', "not an object", "the row is a text"),
        (b"7", "not an object", "the row is a number"),
        (b"null", "not an object", "the row is null"),
        (b"question, answer", "not JSON", "in 'question, answer'"),
        (b'{"question": "3?", "answer": "#### 3"', "not JSON", "unexpected end of data"),
    ],
)
def test_a_bad_line_is_an_error_with_its_place_or_a_reported_drop(
    write_lines: WriteLines, bad: bytes, reason: str, detail: str
) -> None:
    file = write_lines(GOOD, b"", bad, ALSO_GOOD)  # the empty line counts as a line and is no row
    error, answers, drops = read_both_ways(file)
    assert error.startswith(f"{file}:3: {reason}: ")
    assert detail.format(file=file) in error
    assert "\n" not in error
    assert error.endswith("--skip-bad.")
    assert answers == ["2", "4"]
    assert [(drop.where, drop.reason) for drop in drops] == [(f"{file}:3", reason)]


@pytest.mark.parametrize("cut", [1, 20, len(ALSO_GOOD) - 1])
def test_a_torn_last_line_is_named(write_lines: WriteLines, cut: int) -> None:
    file = write_lines(GOOD, ALSO_GOOD)
    file.write_bytes(file.read_bytes()[: len(GOOD) + 1 + cut])
    error, answers, drops = read_both_ways(file)
    assert error.startswith(f"{file}:2: torn line: the file ends in the middle of a row that starts with '{{")
    assert answers == ["2"]
    assert [drop.reason for drop in drops] == ["torn line"]


def test_a_line_torn_inside_a_character_is_torn_and_not_badly_encoded(write_lines: WriteLines) -> None:
    file = write_lines(GOOD, '{"question": "é'.encode())
    file.write_bytes(file.read_bytes()[:-2])
    assert ":2: torn line: " in read_both_ways(file)[0]


def test_a_last_line_without_line_end_is_whole(write_lines: WriteLines) -> None:
    file = write_lines(GOOD, ALSO_GOOD)
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    assert len(list(read_problems(DatasetSpec(name=str(file))))) == 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv"])
@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\r\n"])
def test_an_empty_file_is_an_error_also_when_skipping_bad_rows(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    for skip_bad in (False, True):
        with pytest.raises(DataError, match=r"^\S+: no rows, the file is empty\. Download or write it again\.$"):
            list(read_problems(DatasetSpec(name=str(file), skip_bad=skip_bad)))


def test_a_table_without_rows_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"question": pa.array([], pa.string()), "answer": pa.array([], pa.string())}), file)
    with pytest.raises(DataError, match="no rows"):
        list(read_problems(DatasetSpec(name=str(file))))


def test_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain, windows = tmp_path / "plain.jsonl", tmp_path / "windows.jsonl"
    plain.write_bytes(GOOD + b"\n" + ALSO_GOOD + b"\n")
    windows.write_bytes(b"\xef\xbb\xbf" + GOOD + b"\r\n" + ALSO_GOOD + b"\r\n")
    as_csv, windows_csv = tmp_path / "plain.csv", tmp_path / "windows.csv"
    as_csv.write_bytes(b"question,answer\n1 + 1?,#### 2\n2 + 2?,#### 4\n")
    windows_csv.write_bytes(b"\xef\xbb\xbfquestion,answer\r\n1 + 1?,#### 2\r\n2 + 2?,#### 4\r\n")
    array = tmp_path / "array.json"
    array.write_bytes(b"\xef\xbb\xbf[\r\n" + GOOD + b",\r\n" + ALSO_GOOD + b"]\r\n")
    ids = [
        [p.id for p in read_problems(DatasetSpec(name=str(f)))] for f in (plain, windows, as_csv, windows_csv, array)
    ]
    assert len(ids[0]) == 2
    assert all(other == ids[0] for other in ids)


def test_utf_16_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(GOOD.decode().encode("utf-16"))
    with pytest.raises(DataError, match=r":1: wrong encoding: the text is UTF-16"):
        list(read_problems(DatasetSpec(name=str(file))))


@pytest.mark.parametrize(
    ("bad", "line", "reason", "detail"),
    [
        (b"3?", 3, "ragged row", "1 fields under 2 columns"),
        (b"3?,#### 3,extra", 3, "ragged row", "3 fields under 2 columns"),
        (b"caf\xe9,#### 3", 3, "wrong encoding", "not UTF-8"),
        (b"a\0b,#### 3", 3, "NUL byte", "in one of its fields"),
        (b"3?,", 3, "empty text", "'answer' is blank"),
        (b'"3?"x,#### 3', 3, "not CSV", "expected after"),
        (b'"3\n?",#### x', 4, "unparsable gold", "'x' is no number"),
    ],
)
def test_a_bad_csv_row_is_an_error_with_its_place_or_a_reported_drop(
    write_lines: WriteLines, bad: bytes, line: int, reason: str, detail: str
) -> None:
    file = write_lines(b"question,answer", b"1 + 1?,#### 2", bad, b"2 + 2?,#### 4", name="mine.csv")
    error, answers, drops = read_both_ways(file)
    assert error.startswith(f"{file}:{line}: {reason}: ")
    assert detail in error
    assert answers == ["2", "4"]
    assert [(drop.where, drop.reason) for drop in drops] == [(f"{file}:{line}", reason)]


def test_a_csv_torn_inside_quotes_is_named(write_lines: WriteLines) -> None:
    file = write_lines(b"question,answer", b"1 + 1?,#### 2", b'2 + 2?,"#### ', name="mine.csv")
    error, answers, drops = read_both_ways(file)
    assert ": torn line: " in error
    assert answers == ["2"]
    assert len(drops) == 1


@pytest.mark.parametrize(
    ("header", "message"),
    [(b"question,answer,question", "column 'question' appears twice"), (b"fr\xe4ge,answer", "the header is no UTF-8")],
)
def test_a_broken_csv_header_is_an_error(write_lines: WriteLines, header: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_problems(DatasetSpec(name=str(write_lines(header, b"a,b,c", name="a.csv")), skip_bad=True)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"question": "1?", "answer": "#### 1"},\n{"questi', ":2: torn file: "),
        (b'[{"question": "caf\xe9?"}]\n', "wrong encoding: byte 0xe9"),
        (b'[\n{"question" 1}\n]\n', ":2: not JSON: "),
    ],
)
def test_a_broken_json_array_is_an_error_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        list(read_problems(DatasetSpec(name=str(file), skip_bad=True)))
    assert "\n" not in str(error.value)


def test_rows_of_a_json_array_are_counted_from_one(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"[" + GOOD + b", 7, " + ALSO_GOOD + b"]")
    error, answers, drops = read_both_ways(file)
    assert error.startswith(f"{file} row 2: not an object: the row is a number")
    assert (answers, len(drops)) == (["2", "4"], 1)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather"])
def test_a_torn_table_is_an_error(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    table = pa.table({"question": [f"{i}?" for i in range(5000)], "answer": [f"#### {i}" for i in range(5000)]})
    if file.suffix == ".parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_file(str(file), table.schema) as writer:
            writer.write_table(table, max_chunksize=500)
    whole = file.read_bytes()
    assert len(list(read_problems(DatasetSpec(name=str(file))))) == 5000
    for content in (whole[: len(whole) // 2], b"not a table at all", b"abc"):
        file.write_bytes(content)
        with pytest.raises(
            DataError, match=rf"^{file}: not a whole (Parquet|Arrow) file \([^\n]*\)\. Download or write"
        ):
            list(read_problems(DatasetSpec(name=str(file))))


def test_a_torn_arrow_stream_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "a.arrow"
    table = pa.table({"question": [f"{i}?" for i in range(5000)], "answer": [f"#### {i}" for i in range(5000)]})
    with pa.ipc.new_stream(str(file), table.schema) as writer:
        writer.write_table(table, max_chunksize=500)
    file.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(DataError, match="not a whole Arrow file"):
        list(read_problems(DatasetSpec(name=str(file))))


def test_a_file_of_bad_rows_alone_is_an_error_also_when_skipping_them(write_lines: WriteLines) -> None:
    file = write_lines({"prompt": "1?"}, {"prompt": "2?"}, b"[]")
    drops: list[Dropped] = []
    with pytest.raises(DataError, match=r"not one usable row as 'generic' \(2 x missing column, 1 x not an object\)"):
        list(read_problems(DatasetSpec(name=str(file), skip_bad=True), on_drop=drops.append))
    assert len(drops) == 3


@pytest.mark.parametrize(
    ("columns", "remedy"),
    [
        ({}, "Say which column it is with --column question=THEIRS --column answer=THEIRS, or rename it."),
        ({"answer": "Final"}, "Say which column it is with --column question=THEIRS, or rename it."),
        ({"answer": "Gold", "question": "Ask"}, "Correct --column answer=Gold."),
    ],
)
def test_columns_of_other_names_are_told_apart_from_a_bad_row(
    write_lines: WriteLines, columns: dict[str, str], remedy: str
) -> None:
    file = write_lines({"Ask": "2 + 2?", "Final": 4}, {"Ask": "2 + 3?"})
    with pytest.raises(DataError) as refused:
        list(read_problems(DatasetSpec(name=str(file), columns=columns)))
    assert str(refused.value).startswith(f"{file}:1: missing column: no ")
    assert str(refused.value).endswith(f". {remedy}")
    named = {"question": "Ask", "answer": "Final"}
    with pytest.raises(DataError, match=r":2: missing column: no 'Final', only Ask\. Fix the row, or drop such rows"):
        list(read_problems(DatasetSpec(name=str(file), columns=named)))


def test_a_drop_that_nobody_listens_to_is_logged(write_lines: WriteLines, caplog: pytest.LogCaptureFixture) -> None:
    file = write_lines(GOOD, b"[]")
    assert len(list(read_problems(DatasetSpec(name=str(file), skip_bad=True)))) == 1
    assert [record.getMessage().split(": ")[:2] for record in caplog.records] == [[f"{file}:2", "not an object"]]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(st.just(GOOD), st.binary(max_size=30), st.just(ALSO_GOOD)), max_size=6))
def test_whatever_the_bytes_every_line_is_a_problem_or_a_drop(tmp_path: Path, lines: list[bytes]) -> None:
    file = tmp_path / "any.jsonl"
    file.write_bytes(b"\n".join(lines))
    drops: list[Dropped] = []
    n = 0
    try:
        for _ in read_problems(DatasetSpec(name=str(file), skip_bad=True), on_drop=drops.append):
            n += 1
    except DataError as error:
        assert "not one usable row" in str(error) or "file is empty" in str(error)
        assert n == 0
    content = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    assert n + len(drops) == sum(bool(line.strip()) for line in content.split(b"\n"))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=st.text(min_size=1).filter(str.strip), number=st.integers())
def test_any_text_and_any_integer_come_back_as_they_were(tmp_path: Path, question: str, number: int) -> None:
    try:
        line = orjson.dumps({"question": question, "answer": f"#### {number}"})
    except orjson.JSONEncodeError:  # a lone surrogate is no text
        return
    file = tmp_path / "any.jsonl"
    file.write_bytes(line)
    (problem,) = read_problems(DatasetSpec(name=str(file)))
    assert (problem.question, problem.answer) == (question, str(number))
