"""Anybody's own problems: a question and an answer, under these names or those of a column map."""

import orjson

from datagen.answers.number import canonical, parse_number
from datagen.readers.dropped import BadRow
from datagen.readers.fields import (
    LETTERS,
    Fields,
    Values,
    exact_text,
    gold_position,
    optional_text,
    rest_of,
    shown,
    text_of,
    texts_of,
    value_of,
)

COLUMNS = ("question", "answer", "rationale", "choices")


def read_row(row: Values) -> Fields:
    """`question` and `answer` (number, text, or a choice's letter or text); `rationale` and `choices` if there."""
    choices = choices_of(row)
    gold = exact_text(value_of(row, "answer"), "answer")
    if not gold:
        raise BadRow("unparsable gold", "'answer' is blank")
    meta = rest_of(row, *COLUMNS)
    if choices is None:
        number = parse_number(gold)
        # What is no number stays as it is (LaTeX, a word): comparing is the checker's business.
        answer = gold if number is None else canonical(number)
        if answer != gold:
            meta["answer"] = gold  # nothing else keeps the unit or the spelling of '12 apples', '1,000.00'
    elif len(gold) == 1 and gold.upper() in LETTERS[: len(choices)]:
        answer = gold.upper()
    else:
        answer = gold_position(gold, choices, "answer")
    return Fields(
        question=text_of(row, "question"),
        answer=answer,
        rationale=optional_text(row, "rationale"),
        choices=choices,
        meta=meta,
    )


def choices_of(row: Values) -> tuple[str, ...] | None:
    """The list of choices; none if it is null or empty. CSV has no lists, so a JSON list in a text will do."""
    choices = row.get("choices")
    if choices is None or choices == "":
        return None
    if isinstance(choices, str):
        try:
            choices = orjson.loads(choices)
        except orjson.JSONDecodeError:
            raise BadRow("unparsable choices", f"'choices' is {shown(choices)}, no JSON list") from None
    if choices == []:
        return None
    texts = texts_of({"choices": choices}, "choices")
    if not 2 <= len(texts) <= len(LETTERS):
        raise BadRow("unparsable choices", f"{len(texts)} choices")
    return texts
