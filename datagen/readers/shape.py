"""Which dataset's shape a row has, by its columns."""

from collections.abc import Callable, Mapping

from datagen.readers import aqua, ecqa, generic, gsm8k, hellaswag, math, mathqa, openbookqa, svamp
from datagen.readers.fields import Fields, Values
from datagen_schemas.problem import Problem

READERS: Mapping[str, Callable[[Values], Fields]] = {
    "gsm8k": gsm8k.read_row,
    "svamp": svamp.read_row,
    "aqua": aqua.read_row,
    "ecqa": ecqa.read_row,
    "mathqa": mathqa.read_row,
    "math": math.read_row,
    "openbookqa": openbookqa.read_row,
    "hellaswag": hellaswag.read_row,
    "generic": generic.read_row,
}
PROBLEM = "problem"
"""The shape of our own datasets: these rows come back as they are, ids and all."""

# Collections that nobody deduplicated before publishing them. A question that stands there twice is the publisher's,
# so the second is dropped and counted; in any other file it is an error, as it is most likely the user's own slip.
# (GSM8K and SVAMP hold no question twice, nor do the published dev and test sets of AQuA-RAT.)
REPEATING = frozenset({"aqua", "ecqa", "mathqa", "math", "openbookqa", "hellaswag"})

_COLUMNS: Mapping[str, frozenset[str]] = {
    "svamp": frozenset({"Body", "Question", "Answer"}),
    "aqua": frozenset({"question", "options", "correct"}),
    "mathqa": frozenset({"Problem", "options", "correct"}),
    "ecqa": frozenset({"q_text", "q_op1", "q_ans"}),
    "openbookqa": frozenset({"question_stem", "choices", "answerKey"}),
    "hellaswag": frozenset({"ctx", "endings", "label"}),
}


def shape_of(row: Values) -> str:
    """Name of the shape; 'generic' if it is none that we know."""
    columns = row.keys()
    if columns == Problem.model_fields.keys():
        return PROBLEM
    for shape, needed in _COLUMNS.items():
        if needed <= columns:
            return shape
    if "question" in columns and gsm8k.MARKER in str(row.get("answer")):
        return "gsm8k"
    if "problem" in columns and any(box in str(row.get("solution")) for box in math.BOXES):
        return "math"
    return "generic"
