"""AQuA-RAT (Ling et al. 2017, arXiv:1705.04146): algebra with five options and a rationale."""

import re

from datagen.readers.dropped import BadRow
from datagen.readers.fields import (
    LETTERS,
    Fields,
    Values,
    gold_letter,
    optional_text,
    rest_of,
    shown,
    text_of,
    texts_of,
)

_OPTION = re.compile(r"\s*\(?([A-Za-z])\s*\)\s*(.*?)\s*", re.DOTALL)


def read_row(row: Values) -> Fields:
    """`question`, `options` ('A)32400', at times 'A) 13.3542'), `rationale` and the letter `correct`."""
    choices = without_letters(texts_of(row, "options"))
    return Fields(
        question=text_of(row, "question"),
        answer=gold_letter(row.get("correct"), choices, "correct"),
        rationale=optional_text(row, "rationale"),
        choices=choices,
        meta=rest_of(row, "question", "options", "rationale", "correct"),
    )


def without_letters(options: tuple[str, ...]) -> tuple[str, ...]:
    """Options without their letters, which must be A, B, C, ... in this order."""
    choices = []
    for letter, option in zip(LETTERS, options, strict=False):
        match = _OPTION.fullmatch(option)
        if match is None or match[1].upper() != letter:
            raise BadRow("unparsable choices", f"option {shown(option)} does not begin with '{letter})'")
        choices.append(match[2])
    if len(choices) < 2:
        raise BadRow("unparsable choices", f"'options' is {shown(options)}")
    return tuple(choices)
