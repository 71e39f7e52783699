"""ECQA (Aggarwal et al. 2021, ACL 2021): CommonsenseQA with explanations; the free-flow one is the gold path."""

from datagen.readers.fields import Fields, Values, gold_position, optional_text, rest_of, text_of

OPTIONS = ("q_op1", "q_op2", "q_op3", "q_op4", "q_op5")


def read_row(row: Values) -> Fields:
    """`q_text`, `q_op1` to `q_op5`, and `q_ans`, the text of the right option; `taskB` is the explanation."""
    choices = tuple(text_of(row, column).strip() for column in OPTIONS)
    return Fields(
        question=text_of(row, "q_text"),
        answer=gold_position(text_of(row, "q_ans"), choices, "q_ans"),
        rationale=optional_text(row, "taskB"),
        choices=choices,
        meta=rest_of(row, "q_text", "q_ans", "taskB", *OPTIONS),
    )
