"""MathQA (Amini et al. 2019, arXiv:1905.13319): AQuA-RAT problems with operation programs and one text of options."""

import re

from datagen.readers.dropped import BadRow
from datagen.readers.fields import LETTERS, Fields, Values, gold_letter, optional_text, rest_of, shown, text_of

_QUOTES = " ,'\""


def read_row(row: Values) -> Fields:
    """`Problem`, `Rationale`, `options`, the letter `correct`; formulas and category are meta."""
    choices = split_options(text_of(row, "options"))
    return Fields(
        question=text_of(row, "Problem"),
        answer=gold_letter(row.get("correct"), choices, "correct"),
        rationale=optional_text(row, "Rationale"),
        choices=choices,
        meta=rest_of(row, "Problem", "Rationale", "options", "correct"),
    )


def split_options(text: str) -> tuple[str, ...]:
    """Choices of 'a ) 38 , b ) 27.675 , c ) 1,000'; some rows print a Python list of such options instead.

    A letter begins an option only where it is the next letter and stands at the start or after a comma: options
    hold commas ('1,000') and letters with a parenthesis ('( a + b ) / 2') of their own.
    """
    body = text.strip().removeprefix("[").removesuffix("]")
    starts: list[tuple[int, int]] = []
    at = 0
    for letter in LETTERS.lower():
        match = re.compile(rf"(?:^|,)[\s'\"]*{letter}\s*\)", re.IGNORECASE).search(body, at)
        if match is None:
            break
        starts.append(match.span())
        at = match.end()
    if len(starts) < 2 or starts[0][0] != 0:
        raise BadRow("unparsable choices", f"'options' is {shown(text)}")
    ends = [start for start, _ in starts[1:]] + [len(body)]
    return tuple(body[start:end].strip(_QUOTES) for (_, start), end in zip(starts, ends, strict=True))
