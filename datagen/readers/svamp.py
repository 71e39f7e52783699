"""SVAMP (Patel et al. 2021, arXiv:2103.07191): simple problems, varied to catch shallow heuristics; no solutions."""

from datagen.readers.fields import Fields, Values, exact_text, gold_number, rest_of, text_of, value_of


def read_row(row: Values) -> Fields:
    """`Body` and `Question` are one question; `Equation` is meta, for it is no worked solution."""
    return Fields(
        question=joined(text_of(row, "Body"), text_of(row, "Question")),
        answer=gold_number(exact_text(value_of(row, "Answer"), "Answer")),
        rationale=None,
        choices=None,
        meta=rest_of(row, "Body", "Question", "Answer", "question_concat"),
    )


def joined(body: str, question: str) -> str:
    """Two sentences; 358 of the 1,000 published bodies lack their full stop."""
    body = body.strip()
    stop = "" if body.endswith((".", "!", "?")) else "."
    return f"{body}{stop} {question.strip()}"
