"""Validation: what our writer writes is valid, and whatever is changed in one field is found at its row and column."""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, get_args, get_origin

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from datagen.store.arrow_dataset import DatasetWriter
from datagen.store.run_directory import RunDirectory
from datagen.store.validate import Checked, Violation, check, validate
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.catalog import RECORDS
from datagen_schemas.errors import DataError
from datagen_schemas.problem import Problem
from datagen_schemas.rating import Rating
from datagen_schemas.record import Record

Row = dict[str, Any]  # Any: whatever a row holds
SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)
quick = settings(deadline=None, max_examples=12, suppress_health_check=SLOW)


def values_of(annotation: Any, metadata: Sequence[Any] = ()) -> st.SearchStrategy[Any]:  # Any: typing
    if get_origin(annotation) is UnionType:
        return st.one_of(*(values_of(option) for option in get_args(annotation)))
    if annotation is type(None):
        return st.none()
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is tuple:
        return st.lists(values_of(get_args(annotation)[0]), max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return rows_of(annotation)
    least = next((of.ge for of in metadata if hasattr(of, "ge")), -(2**40))
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        int: st.integers(least, 2**40),
        float: st.floats(-100, 100),
        bool: st.booleans(),
    }
    return simple[annotation]


def rows_of(record: type[BaseModel]) -> st.SearchStrategy[Row]:
    fields = {name: values_of(of.annotation, of.metadata) for name, of in record.model_fields.items()}
    return st.fixed_dictionaries(fields).map(lambda row: obeying(record, row))


def obeying(record: type[BaseModel], row: Row) -> Row:
    """What validators of the whole record want."""
    if issubclass(record, AlignmentGroup):
        n = min(len(row[name]) for name in ("responses", "scores", "sources"))
        return row | {name: row[name][:n] for name in ("responses", "scores", "sources")}
    if record is Rating:
        return row | {"rating": None if row["parse_error"] is not None else 5.0}
    return row


class Place(NamedTuple):
    """A field of a row: where it is, and what it must be."""

    path: tuple[str | int, ...]
    annotation: Any  # Any: typing
    is_required: bool

    @property
    def column(self) -> str:
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).removeprefix(".")


def places(row: Mapping[str, Any], record: type[BaseModel], at: tuple[str | int, ...] = ()) -> Iterator[Place]:
    for name, field in record.model_fields.items():
        yield from inside(row[name], field.annotation, (*at, name), is_required=field.is_required())


def inside(value: Any, annotation: Any, at: tuple[str | int, ...], *, is_required: bool) -> Iterator[Place]:
    yield Place(at, annotation, is_required)
    wanted = next(option for option in options(annotation) if option is not type(None))
    if get_origin(wanted) is tuple and value is not None:
        for i, item in enumerate(value):
            yield from inside(item, get_args(wanted)[0], (*at, i), is_required=False)
    elif isinstance(value, Mapping):
        yield from places(value, wanted, at)


def options(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)


def changes(place: Place) -> list[Any]:  # Any: JSON
    """Values that cannot stand there."""
    wanted = next(option for option in options(place.annotation) if option is not type(None))
    wrong: list[Any] = [{"a": 1}, [[1]], *([] if wanted is bool else [True])]
    wrong += [3.5, 7] if wanted is str or get_origin(wanted) is Literal else ["x"]
    wrong += [3.5, 3.0, "3"] if wanted is int else []
    wrong += ["x", None] if get_origin(wanted) is Literal else []
    return wrong if type(None) in options(place.annotation) else [*wrong, None]


def write(folder: Path, rows: Sequence[Row], record: type[Record]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    with DatasetWriter(folder, record) as writer:
        writer.write_records([record.model_validate(row) for row in rows], record)
    return folder


def write_lines(file: Path, rows: Sequence[Row]) -> Path:
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return file


def one(path: Path, record: str | None = None) -> Checked:
    (found,) = check([path], record=record).data_sets
    return found


def problem(i: int = 0, **changed: Any) -> Row:
    row = {"id": f"p-{i}", "question": f"How many is {i}?", "answer": str(i), "rationale": None, "choices": None}
    return row | {"source": "made", "split": "train", "meta": "{}"} | changed


@pytest.mark.parametrize("name", RECORDS)
@quick
@given(data=st.data())
def test_what_our_writer_writes_has_no_violation(name: str, data: st.DataObject, tmp_path: Path) -> None:
    rows = data.draw(st.lists(rows_of(RECORDS[name]), min_size=1, max_size=3))
    found = one(write(tmp_path / "data", rows, RECORDS[name]))
    assert (found.told.name, found.rows, found.violations) == (name, len(rows), 0)
    found = one(write_lines(tmp_path / "rows.jsonl", rows))
    assert (found.told.name, found.rows, found.listed) == (name, len(rows), [])


@pytest.mark.parametrize("name", RECORDS)
@settings(quick, max_examples=20)
@given(data=st.data())
def test_every_change_of_one_field_is_found_at_its_row_and_column(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    rows = data.draw(st.lists(rows_of(RECORDS[name]), min_size=2, max_size=4))
    i = data.draw(st.integers(0, len(rows) - 1))
    row = orjson.loads(orjson.dumps(rows[i]))
    place = data.draw(st.sampled_from(list(places(row, RECORDS[name]))))
    *way, last = place.path
    holder: Any = row
    for part in way:
        holder = holder[part]
    how = data.draw(st.sampled_from(["change", "add", *(["drop"] if place.is_required else [])]))
    column = place.column
    if how == "drop":
        del holder[last]
    elif how == "add" and isinstance(holder, dict):
        holder["added"] = 1
        column = f"{column.rpartition('.')[0]}.added".removeprefix(".")
    else:
        holder[last] = data.draw(st.sampled_from(changes(place)))
    changed = [*rows[:i], row, *rows[i + 1 :]]
    found = one(write_lines(tmp_path / "rows.jsonl", changed), record=name)
    assert found.bad_rows == 1
    # A list or object in place of a value may be wrong in several ways, but all of them are inside it.
    assert {of.row for of in found.listed} == {i}
    assert all(of.column == column or of.column.startswith((f"{column}.", f"{column}[")) for of in found.listed)
    assert {of.where for of in found.listed} == {f"{tmp_path / 'rows.jsonl'}:{i + 1}"}


def test_validators_of_the_whole_record_count(tmp_path: Path) -> None:
    row = {"prompt": "p", "responses": ["a", "b"], "scores": [1, 0.5], "problem_id": "1", "sources": ["gold"]}
    found = one(write_lines(tmp_path / "groups.jsonl", [row | {"sources": ["gold", "m"]}, row]))
    message = "responses, scores and sources must have the same length"
    assert (found.told.name, found.told.is_guess) == (
        "alignment-group",
        True,
    )  # one column, with a default, is missing
    assert found.listed == [Violation(1, f"{tmp_path / 'groups.jsonl'}:2", "", message, "", False)]


def test_all_violations_of_a_row_are_found_and_counted_by_kind(tmp_path: Path) -> None:
    rows = [problem(i, answer=i, choices=["a", 1, None], split=None) for i in range(3)]
    found = one(write_lines(tmp_path / "p.jsonl", rows))
    assert (found.rows, found.bad_rows, found.violations) == (3, 3, 12)
    assert [(kind.column, kind.n, kind.fixable) for kind in found.kinds()] == [
        ("choices[]", 6, 3),  # the integer can become text, null cannot
        ("answer", 3, 3),
        ("split", 3, 0),
    ]
    limited = check([tmp_path / "p.jsonl"], max_listed=2).data_sets[0]
    assert (limited.violations, len(limited.listed)) == (12, 2)


def test_a_number_that_is_none_is_a_violation(tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "problem_id": "1", "chosen_score": math.nan}
    row |= {"rejected_score": 0.0, "chosen_source": "gold", "rejected_source": "m"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "pairs.parquet")
    (found,) = one(tmp_path / "pairs.parquet").listed
    assert (found.row, found.column, found.value) == (0, "chosen_score", "nan")
    assert found.where == f"{tmp_path / 'pairs.parquet'} row 0"


def test_rows_of_a_table_count_from_0_over_all_shards(tmp_path: Path) -> None:
    for i in range(2):
        rows = [problem(0), problem(1, split=None)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"data-0000{i}-of-00002.parquet")
    found = one(tmp_path)
    assert found.rows == 4
    assert [(of.row, of.where) for of in found.listed] == [(1, f"{tmp_path} row 1"), (3, f"{tmp_path} row 3")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"id": ', "torn line"),
        ("b.jsonl", b"[1, 2]\n", "not an object"),
        ("c.jsonl", b'{"id": "\xe9"}\n', "wrong encoding"),
        ("d.csv", b"id,question\n1\n", "ragged row"),
    ],
)
def test_a_line_that_is_no_row_is_a_violation(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    good = orjson.dumps(problem()) + b"\n" if name.endswith("jsonl") else b""
    (tmp_path / name).write_bytes(good + content)
    found = one(tmp_path / name, record="problem")
    assert found.violations >= 1
    assert found.listed[0].message.startswith(said)
    assert found.listed[0].where == f"{tmp_path / name}:2"


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "empty.jsonl"])
def test_a_broken_file_does_not_keep_the_others_from_being_checked(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"PAR1 and no more")
    write_lines(tmp_path / "good.jsonl", [problem()])
    found = check([tmp_path])
    assert [of.path.name for of in found.data_sets] == ["good.jsonl"]
    (finding,) = found.findings
    assert finding.path == str(tmp_path / name)
    assert not found.is_valid


def test_csv_has_texts_for_all_values_and_is_read_as_what_its_columns_want(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    header = "id,question,answer,rationale,choices,source,split,meta\n"
    file.write_text(header + '1,Which?,A,,"[""a"", ""b""]",made,train,{}\n2,How many?,3,,,made,train,{}\n')
    assert (one(file).told.name, one(file).listed) == ("problem", [])
    file.write_text(header + "1,Which?,A,,[a,made,train,{}\n")
    assert [of.column for of in one(file).listed] == ["choices"]


@pytest.mark.parametrize(
    ("row", "wrong", "column"),
    [
        ({"prompt": "p", "responses": ["a"], "scores": [1], "mine": 3}, {"scores": ["1"]}, "scores[0]"),
        ({"prompt": "p", "responses": ["a"], "scores": [1]}, {"scores": [1, 0]}, ""),
        ({"prompt": "p", "correct": ["a"], "incorrect": []}, {"incorrect": "b"}, "incorrect"),
        ({"prompt": "p", "chosen": "a", "rejected": "b"}, {"chosen": None}, "chosen"),
        ({"question": "q", "response": ["a", "b"]}, {"question": ""}, ""),
    ],
)
def test_rows_that_our_commands_read_are_checked_as_they_read_them(
    row: Row, wrong: Row, column: str, tmp_path: Path
) -> None:
    found = one(write_lines(tmp_path / "rows.jsonl", [row, row | wrong]))
    assert [(of.row, of.column) for of in found.listed] == [(1, column)]


def test_a_problem_set_is_checked_as_dataset_reads_it(tmp_path: Path) -> None:
    rows = [{"question": "How many?", "answer": "#### 3"}, {"question": "And now?", "answer": "three"}]
    found = one(write_lines(tmp_path / "p.jsonl", rows))
    assert found.told.name == "problems (gsm8k)"
    assert [(of.row, of.where) for of in found.listed] == [(1, f"{tmp_path / 'p.jsonl'}:2")]


@pytest.mark.parametrize("more", [{}, {"id": 7}, {"split": "train", "meta": "{}"}])
def test_anybodys_problems_with_choices_are_no_damaged_records_of_ours(more: Row, tmp_path: Path) -> None:
    row = {"question": "Which is prime?", "choices": ["4", "7"], "answer": "B", "rationale": "The answer is B", **more}
    found = one(write_lines(tmp_path / "p.jsonl", [row, row | {"answer": "D"}]))
    assert (found.told.name, found.told.is_guess) == ("problems (generic)", False)
    assert [of.row for of in found.listed] == [1]


def test_a_problem_of_ours_that_lost_a_column_is_still_one(tmp_path: Path) -> None:
    found = one(write_lines(tmp_path / "p.jsonl", [{k: v for k, v in problem(0).items() if k != "id"}]))
    assert (found.told.name, found.told.is_guess) == ("problem", True)


def test_rows_of_no_record_are_an_error_that_says_how_to_name_one(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "x.jsonl", [{"a": 1}])
    with pytest.raises(DataError, match=r"columns a are no record .* --record"):
        check([file])
    with pytest.raises(DataError, match="no record named 'nope'"):
        check([file], record="nope")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no data set here"):
        check([tmp_path / "empty"])


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A finished run with three problems."""
    made = RunDirectory(tmp_path / "run", {"stage": "made"})
    write(made.data, [problem(i) for i in range(3)], Problem)
    made.finish(command="datagen made", card="", facts={"counts": {"rows": 3, "folders": {"data": 3}}})
    return made


def test_a_whole_run_is_valid(run: RunDirectory) -> None:
    assert check([run.path]).is_valid
    assert [(of.folder, of.record, of.rows) for of in validate(run.path)] == [(run.data, "problem", 3)]


def edit(file: Path, change: Callable[[Row], None]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def other_rows(run: RunDirectory) -> None:
    state = (run.data / "state.json").read_bytes()
    write(run.data, [problem(i, answer="9") for i in range(3)], Problem)
    (run.data / "state.json").write_bytes(state)


def changed(run: RunDirectory) -> None:
    """The same number of bytes and rows, and other rows."""
    (file,) = run.data.glob("data-*")
    content = file.read_bytes()
    file.write_bytes(content.replace(b"How many", b"Now many"))
    assert file.read_bytes() != content


def of_an_old_version(run: RunDirectory) -> None:
    """A manifest without the hashes of files: those of the data beside them still tell."""
    other_rows(run)
    edit(run.path / "manifest.json", lambda of: of.pop("files"))


BREAKS: dict[str, tuple[Callable[[RunDirectory], object], str]] = {
    "unfinished": (lambda run: (run.path / "manifest.json").unlink(), "the run is not finished"),
    "partial": (lambda run: (run.path / "data.partial").mkdir(), "left by a try that was cut off"),
    "counts": (
        lambda run: edit(run.path / "manifest.json", lambda of: of["counts"]["folders"].update(data=4)),
        "3 rows, but the manifest says 4",
    ),
    "gone": (lambda run: shutil.rmtree(run.data), "no data here"),
    "other rows": (other_rows, "the data were changed"),
    "other bytes": (changed, "the data were changed"),
    "other rows, no hashes": (of_an_old_version, "the data were changed"),
    "a shard more": (
        lambda run: shutil.copy(run.data / "data-00000-of-00001.arrow", run.data / "data-00001-of-00002.arrow"),
        "no file that the run wrote",
    ),
    "a file less": (lambda run: (run.data / "dataset_info.json").unlink(), "this file of the run is gone"),
    "two runs": (lambda run: edit(run.path / "run.json", lambda of: of.update(stage="x")), "mixes two runs"),
    "torn manifest": (lambda run: (run.path / "manifest.json").write_text("{"), "not a manifest"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_wrong_with_a_run_is_found(name: str, run: RunDirectory) -> None:
    break_it, said = BREAKS[name]
    break_it(run)
    found = check([run.path])
    assert [said in of.message for of in found.findings] == [True]
    with pytest.raises(DataError, match=said):
        validate(run.path)


def test_the_data_of_a_run_may_have_columns_of_others(run: RunDirectory) -> None:
    shutil.rmtree(run.data)
    run.data.mkdir()
    write_lines(run.data / "data.jsonl", [{"a": 1}] * 3)
    run.finish(command="datagen made", card="", facts={"counts": {"rows": 3}})
    assert [(of.record, of.rows) for of in validate(run.path)] == [(None, 3)]
