"""Other people's rows."""

from typing import Any

import pytest

from datagen.mix.foreign_rows import check_columns, from_foreign, question_id
from datagen.mix.own_rows import Origin
from datagen.question_text import load_question_prompt
from datagen.readers.dropped import BadRow
from datagen.readers.row import Row
from datagen_schemas.errors import DataError
from datagen_schemas.mixed import MixedExample


def read(values: dict[str, Any], **columns: str) -> MixedExample:
    return from_foreign(Row("f.jsonl", 4, True, 3, values), origin=Origin("theirs"), columns=columns)


def texts(row: MixedExample) -> tuple[str | None, ...]:
    return row.prompt, row.completion, row.question, row.answer


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"prompt": "Q: how?\nA:", "completion": " so"}, ("Q: how?\nA:", " so", None, None)),
        ({"question": "how?", "answer": "so"}, ("how?\n", "so", "how?", None)),
        ({"question": "how?", "solution": "so", "answer": 5}, ("how?\n", "so", "how?", "5")),
        ({"question": "how?", "prompt": "Q: how?", "response": "so"}, ("Q: how?", "so", "how?", None)),
        ({"instruction": "add", "input": "2 3", "output": "5"}, ("add\n2 3\n", "5", "add\n2 3", None)),
        ({"instruction": "add", "input": "", "output": "5"}, ("add\n", "5", "add", None)),
        (
            {"instruction": "sum up", "context": "It rains.", "response": "wet"},
            ("sum up\nIt rains.\n", "wet", "sum up\nIt rains.", None),
        ),
        ({"prompt": "Q: how?", "context": "It rains.", "response": "so"}, ("Q: how?", "so", None, None)),
        (
            {"question": "odd?", "choices": ["2", "3"], "answer": "b"},
            ("odd?\n(A) 2\n(B) 3\n", "b", "odd?\n(A) 2\n(B) 3", "B"),
        ),
        (
            {"question": "odd?", "choices": ["2", "3"], "answer": "3", "rationale": "3 is."},
            ("odd?\n(A) 2\n(B) 3\n", "3 is.", "odd?\n(A) 2\n(B) 3", "B"),
        ),
        ({"question": "how?", "choices": None, "answer": "so"}, ("how?\n", "so", "how?", None)),
        ({"problem": "how?", "solution": "so", "source": "x"}, ("how?\n", "so", "how?", None)),
        (
            {"messages": [{"role": "user", "content": "how?"}, {"role": "assistant", "content": "so"}]},
            ("how?", "so", "how?", None),
        ),
        (
            {
                "conversations": [
                    {"from": "system", "value": "Be brief."},
                    {"from": "human", "value": "how?"},
                    {"from": "gpt", "value": "so"},
                ]
            },
            ("Be brief.\n\nhow?", "so", "how?", None),
        ),
    ],
)
def test_usual_columns_need_no_map(values: dict[str, Any], expected: tuple[str | None, ...]) -> None:
    row = read(values)
    assert texts(row) == expected
    assert (row.origin, row.origin_row, row.kind) == ("theirs", 3, "foreign")


def test_a_context_has_its_place_in_a_template_that_shows_one() -> None:
    origin = Origin("theirs", prompt=load_question_prompt("question-answer"))
    values = {"question": "wet?", "context": "It rains.", "answer": "yes"}
    row = from_foreign(Row("f.jsonl", 4, True, 3, values), origin=origin, columns={})
    assert row.prompt == "Question: wet?\nContext: It rains.\nAnswer:"
    # Another context is another problem.
    assert row.problem_id == question_id("wet?\nIt rains.")


def test_metamathqas_rows_know_their_method_and_their_problem() -> None:
    row = read({"query": "How x?", "response": "so", "type": "GSM_FOBAR", "original_question": "How 5?"})
    assert (row.kind, row.problem_id) == ("FOBAR", question_id("how  5?"))
    assert read({"query": "How x?", "response": "so", "type": "GSM_other"}).kind == "foreign"


def test_a_column_map_names_other_columns_and_hides_the_usual_ones() -> None:
    values = {"question": "no", "Frage": "how?", "Antwort": "so", "answer": "5", "id": 7}
    row = read(values, question="Frage", completion="Antwort", problem_id="id")
    assert texts(row) == ("how?\n", "so", "how?", "5")
    assert row.problem_id == "7"


@pytest.mark.parametrize(
    ("values", "columns", "reason"),
    [
        ({"text": "all in one"}, {}, "missing column"),
        ({"question": "how?"}, {}, "missing column"),
        ({"question": "  ", "answer": "so"}, {}, "missing column"),
        ({"question": 5, "answer": "so"}, {}, "not text"),
        ({"question": "how?", "answer": 5}, {}, "not text"),
        ({"question": "how?", "answer": " "}, {}, "empty text"),
        ({"question": "how?", "answer": "so", "context": ["x"]}, {}, "not text"),
        ({"question": "how?", "answer": "A", "choices": "2, 3"}, {}, "unparsable choices"),
        ({"question": "how?", "answer": "D", "choices": ["2", "3"]}, {}, "unparsable gold"),
        ({"question": "how?", "answer": "so"}, {"question": "Frage"}, "missing column"),
        ({"messages": "how?"}, {}, "not a chat"),
        ({"messages": []}, {}, "not one question and one reply"),
        ({"messages": [{"role": "user", "content": "how?"}]}, {}, "not one question and one reply"),
        (
            {"messages": [{"role": r, "content": "x"} for r in ("user", "assistant") * 2]},
            {},
            "not one question and one reply",
        ),
        (
            {"messages": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "x"}]},
            {},
            "not one question and one reply",
        ),
        (
            {"messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "x"}]},
            {},
            "not one question and one reply",
        ),
    ],
)
def test_rows_that_cannot_be_read_say_why(values: dict[str, Any], columns: dict[str, str], reason: str) -> None:
    with pytest.raises(BadRow) as caught:
        read(values, **columns)
    assert caught.value.reason == reason


def test_a_map_of_unknown_columns_is_refused() -> None:
    with pytest.raises(DataError, match="'kompletion' is no column"):
        check_columns({"kompletion": "x"})
