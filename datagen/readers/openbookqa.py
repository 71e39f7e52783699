"""OpenBookQA (Mihaylov et al. 2018, arXiv:1809.02789), 'additional': science questions with the fact they rest on."""

from collections.abc import Mapping

from datagen.readers.dropped import BadRow
from datagen.readers.fields import LETTERS, Fields, Values, rest_of, shown, text_of, texts_of, value_of


def read_row(row: Values) -> Fields:
    """`question_stem`, `choices` with `text` and `label`, and `answerKey`, one of the labels; no worked solution."""
    choices = value_of(row, "choices")
    if not isinstance(choices, Mapping):
        raise BadRow("unparsable choices", f"'choices' is {shown(choices)}")
    texts, labels = texts_of(choices, "text"), texts_of(choices, "label")
    key = text_of(row, "answerKey").strip()
    if len(texts) != len(labels) or len(texts) < 2:
        raise BadRow("unparsable choices", f"{len(texts)} texts with {len(labels)} labels")
    if labels.count(key) != 1:
        raise BadRow("unparsable gold", f"'answerKey' is {key!r}, the labels are {', '.join(labels)}")
    return Fields(
        question=text_of(row, "question_stem"),
        answer=LETTERS[labels.index(key)],
        rationale=None,
        choices=texts,
        meta=rest_of(row, "question_stem", "choices", "answerKey"),
    )
