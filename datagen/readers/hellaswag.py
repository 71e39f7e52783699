"""HellaSwag (Zellers et al. 2019, arXiv:1905.07830): which of four endings continues the context."""

from datagen.readers.dropped import BadRow
from datagen.readers.fields import LETTERS, Fields, Values, rest_of, shown, text_of, texts_of


def read_row(row: Values) -> Fields:
    """`ctx`, `endings` and `label`, the right ending's index from 0; the published test split has no labels."""
    endings = texts_of(row, "endings")
    label = str(row.get("label", "")).strip()
    if label not in map(str, range(len(endings))):
        raise BadRow("unparsable gold", f"'label' is {shown(row.get('label'))}, not 0 to {len(endings) - 1}")
    return Fields(
        question=text_of(row, "ctx"),
        answer=LETTERS[int(label)],
        rationale=None,
        choices=endings,
        meta=rest_of(row, "ctx", "endings", "label"),
    )
