"""GSM8K (Cobbe et al. 2021, arXiv:2110.14168): grade-school problems, worked solution, `#### 72` in the last line."""

from datagen.readers.dropped import BadRow
from datagen.readers.fields import Fields, Values, gold_number, rest_of, shown, text_of

MARKER = "####"


def read_row(row: Values) -> Fields:
    """`question` and `answer`; the published answer, marker and all, is the gold path."""
    answer = text_of(row, "answer")
    _, marker, gold = answer.rpartition(MARKER)
    if not marker:
        raise BadRow("unparsable gold", f"no '{MARKER}' in the answer {shown(answer)}")
    return Fields(
        question=text_of(row, "question"),
        answer=gold_number(gold.strip()),
        rationale=answer,
        choices=None,
        meta=rest_of(row, "question", "answer"),
    )
