"""MATH (Hendrycks et al. 2021, arXiv:2103.03874): competition problems whose solutions box the answer in LaTeX."""

from datagen.answers.extract import extract_answer
from datagen.readers.dropped import BadRow
from datagen.readers.fields import Fields, Values, rest_of, shown, text_of

BOXES = (r"\boxed", r"\fbox")


def read_row(row: Values) -> Fields:
    r"""`problem` and `solution`; the answer is the LaTeX in the solution's last `\boxed{...}`, as it stands there."""
    solution = text_of(row, "solution")
    boxed, framed = BOXES  # either is a box to the dataset's authors
    extracted = extract_answer(solution.replace(framed, boxed))
    if extracted is None or extracted.method != "boxed":
        raise BadRow("unparsable gold", rf"no \boxed{{...}} in the solution {shown(solution)}")
    return Fields(
        question=text_of(row, "problem"),
        answer=extracted.text,
        rationale=solution,
        choices=None,
        meta=rest_of(row, "problem", "solution"),
    )
