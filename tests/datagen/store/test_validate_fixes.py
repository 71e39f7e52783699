"""Repairs: each loses nothing, nothing else is touched, and what is repaired is valid."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.store.fixes import Fix, fix_row
from datagen.store.violations import faults
from datagen_schemas.candidate import Candidate
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.rating import Rating

Row = dict[str, Any]  # Any: whatever a row holds

PROBLEM: Row = {
    "id": "1",
    "question": "How many?",
    "answer": "3",
    "rationale": None,
    "choices": None,
    "source": "made",
    "split": "train",
    "meta": "{}",
}
RATING: Row = {
    "problem_id": "1",
    "sample": 0,
    "judge": "j",
    "vote": 0,
    "evidence": None,
    "rating": 5.5,
    "parse_error": None,
    "asks": 1,
    "reply_key": None,
}


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def test_a_valid_row_stays_as_it_is() -> None:
    assert fix_row(PROBLEM, Problem) == (PROBLEM, ())
    assert fix_row(RATING, Rating) == (RATING, ())


@pytest.mark.parametrize(
    ("row", "fixed", "fixes"),
    [
        (without(PROBLEM, "meta"), PROBLEM, [Fix("meta", "missing, now '{}'")]),
        (without(PROBLEM, "rationale"), PROBLEM, [Fix("rationale", "missing, now null")]),
        (PROBLEM | {"meta": None}, PROBLEM, [Fix("meta", "null, now '{}'")]),
        (PROBLEM | {"id": 1}, PROBLEM, [Fix("id", "an integer, now text")]),
        (PROBLEM | {"note": None}, PROBLEM, [Fix("note", "null, and no column of the record: left out")]),
        (
            PROBLEM | {"choices": ["a", 2]},
            PROBLEM | {"choices": ["a", "2"]},
            [Fix("choices[1]", "an integer, now text")],
        ),
        (dict(reversed(PROBLEM.items())), PROBLEM, []),
    ],
)
def test_repairs_of_a_problem(row: Row, fixed: Row, fixes: list[Fix]) -> None:
    found = fix_row(row, Problem)
    assert (list(found.values.items()), list(found.fixes)) == (list(fixed.items()), fixes)
    assert faults(found.values, Problem) == []


@pytest.mark.parametrize(
    ("column", "value", "fixed"),
    [
        ("sample", 3.0, 3),
        ("sample", -0.0, 0),
        ("sample", "12", 12),
        ("sample", 2.0**53, 2**53),
        ("sample", "9223372036854775807", 2**63 - 1),
        ("rating", "5.50", 5.5),
        ("rating", "0.1e1", 1.0),
        ("asks", None, 1),
    ],
)
def test_numbers_become_what_they_say(column: str, value: object, fixed: object) -> None:
    found = fix_row(RATING | {column: value}, Rating)
    assert (found.values[column], type(found.values[column])) == (fixed, type(fixed))
    assert [of.column for of in found.fixes] == [column]
    assert faults(found.values, Rating) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sample", 3.5),
        ("sample", "3.0"),
        ("sample", "03"),
        ("sample", "+3"),
        ("sample", " 3"),
        ("sample", "٣"),
        ("sample", "1_000"),
        ("sample", True),
        ("sample", 2.0**60),  # it stands for more than one integer
        ("sample", "9223372036854775808"),  # one more than the column can hold
        ("sample", None),
        ("rating", "0.12345678901234567890"),  # no float says it
        ("rating", "1e400"),
        ("rating", "nan"),
        ("rating", "5/10"),
        ("rating", ""),
        ("judge", 3.5),
        ("judge", True),
        ("judge", None),
        ("judge", ["j"]),
    ],
)
def test_what_is_not_exactly_one_value_is_left_alone(column: str, value: object) -> None:
    row = RATING | {column: value}
    assert fix_row(row, Rating) == (row, ())
    assert [(of.column, of.fixable) for of in faults(row, Rating)] == [(column, False)]


def test_a_column_with_content_is_never_left_out() -> None:
    row = PROBLEM | {"note": ""}
    assert fix_row(row, Problem) == (row, ())
    assert [(of.column, of.fixable) for of in faults(row, Problem)] == [("note", False)]


def test_repairs_reach_into_objects() -> None:
    provenance: Row = dict.fromkeys(
        ("model", "endpoint", "prompt_id", "prompt_sha256", "sampling", "seed", "sample", "reply_key")
    )
    provenance |= {"stage": "sample", "parents": [], "package_version": "1"}
    row: Row = {"problem_id": "1", "sample": 0, "response": "r", "answer": None, "verdict": "wrong", "equations": []}
    row |= {"verdict_method": "m", "equations_hold": "True", "model": None, "provenance": provenance | {"seed": "7"}}
    found = fix_row(row, Candidate)
    assert found.values["provenance"]["seed"] == 7
    assert found.values["equations_hold"] is True
    assert [of.column for of in found.fixes] == ["equations_hold", "provenance.seed", "corruption"]
    assert faults(found.values, Candidate) == []
    assert {(of.column, of.fixable) for of in faults(row, Candidate)} == {
        ("equations_hold", True),
        ("provenance.seed", True),
    }


def test_what_is_repaired_is_marked_and_what_is_left_is_not() -> None:
    row = without(RATING, "judge") | {"sample": "3", "vote": "three"}
    assert {(of.column, of.fixable) for of in faults(row, Rating)} == {
        ("judge", False),
        ("sample", True),
        ("vote", False),
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
numbers = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.floats().map("{:.3f}".format),
    st.sampled_from(["-0"]),
)


@settings(deadline=None, max_examples=300)
@given(row=st.fixed_dictionaries({}, optional={name: json_values | numbers for name in (*RATING, "other")}))
def test_repairs_are_those_that_are_listed_and_a_second_time_finds_none(row: Row) -> None:
    found = fix_row(row, Rating)
    changed = {name for name in row | found.values if row.get(name, "-") != found.values.get(name, "-")}
    kinds = {name for name in row if name in found.values and type(row[name]) is not type(found.values[name])}
    assert changed | kinds == {of.column for of in found.fixes}
    assert fix_row(found.values, Rating) == (found.values, ())
    for name in changed & row.keys() & found.values.keys():
        if row[name] is not None:  # equal as numbers, or the same text
            assert str(found.values[name]) == str(row[name]) or float(found.values[name]) == float(row[name])


def test_repaired_text_reads_back_the_same() -> None:
    row: Row = {"prompt": "p", "chosen": 12345678901234567890, "rejected": "b", "problem_id": "1", "chosen_score": "1"}
    row |= {"rejected_score": 0, "chosen_source": "g", "rejected_source": "m"}
    found = fix_row(row, Preference)
    assert orjson.loads(orjson.dumps(found.values))["chosen"] == "12345678901234567890"
