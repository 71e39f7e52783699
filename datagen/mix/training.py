"""A mixture as training reads it."""

from collections.abc import Iterator
from pathlib import Path

from datagen.store.arrow_dataset import read_batches, read_records
from datagen_schemas.example import Example
from datagen_schemas.mixed import MixedExample


def is_mixture(folder: Path) -> bool:
    """Whether a data set has the columns of MixedExample."""
    first = next(read_batches(folder), None)
    return first is not None and first.schema.names == list(MixedExample.model_fields)


def mixture_examples(folder: Path) -> Iterator[Example]:
    """The rows of a mixture as examples, all of them, whatever the method: what it holds was chosen for training."""
    return map(as_example, read_records(folder, MixedExample))


def as_example(row: MixedExample) -> Example:
    """A row as an example; its equations are not looked for."""
    return Example(
        prompt=row.prompt,
        completion=row.completion,
        problem_id=row.problem_id,
        source="gold" if row.kind == "gold" else "sampled",
        answer=row.answer or "",
        equations=(),
        sample=row.provenance.sample,
        model=row.provenance.model,
        provenance=row.provenance,
    )
