"""One pass over a data set before it is published: who wrote its rows, an example of each kind, and secrets."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.publish.parts import Part, schema_of
from datagen.publish.secrets import MAX_FINDINGS, Finding, in_batch, in_text
from datagen.store.arrow_dataset import read_batches

KINDS = ("kind", "type", "source", "verdict")  # the column that tells rows apart; the first that there is
MAX_KINDS = 12
_WRITER = ("model", "prompt_id", "prompt_sha256", "sampling")


class Writer(NamedTuple):
    """Who wrote a text, and what it was asked with."""

    model: str | None
    prompt_id: str | None
    prompt_sha256: str | None
    sampling: str | None


@dataclass
class Survey:
    """What the rows of a data set say."""

    part: Part
    columns: tuple[str, ...]
    rows: int = 0
    kind_column: str | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)  # Any: a row's values
    writers: Counter[Writer] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


def survey(part: Part, *, keys: Sequence[str] = ()) -> Survey:
    """Read a data set once.

    Args:
        part: which.
        keys: secrets that are known, looked for as they are.
    """
    schema = schema_of(part.folder)
    kind = next((name for name in KINDS if name in schema.names and pa.types.is_string(schema.field(name).type)), None)
    made = Survey(part, tuple(schema.names), kind_column=kind)
    for name in schema.names:
        made.findings += in_text(name, where=f"a column's name in {part.name}", keys=keys)
    for batch in read_batches(part.folder):
        if batch.num_rows == 0:
            continue
        if len(made.findings) < MAX_FINDINGS:
            made.findings += in_batch(batch, part=part.name, first_row=made.rows, keys=keys)
        made.rows += batch.num_rows
        _count_kinds(made, batch)
        for column in batch.columns:
            for provenance in _provenance(column):
                made.writers += _writers(provenance)
    return made


def _count_kinds(made: Survey, batch: pa.RecordBatch) -> None:
    if made.kind_column is None:
        if not made.examples:
            made.examples["row"] = batch.slice(0, 1).to_pylist()[0]
        return
    column = batch.column(made.kind_column)
    counted = pa.table({"kind": column}).group_by("kind").aggregate([([], "count_all")]).to_pylist()
    for found in sorted(counted, key=lambda of: str(of["kind"])):
        kind = str(found["kind"])
        made.kinds[kind] += found["count_all"]
        if kind not in made.examples and len(made.examples) < MAX_KINDS:
            at = column.to_pylist().index(found["kind"])
            made.examples[kind] = batch.slice(at, 1).to_pylist()[0]


def _provenance(column: "pa.Array[Any]") -> Iterator[pa.StructArray]:  # Any: a column of any type
    """The records of provenance in a column, however deep they lie."""
    if isinstance(column, pa.StructArray):
        names = [column.type.field(i).name for i in range(column.type.num_fields)]
        if set(_WRITER) <= set(names):
            yield column
        else:
            for child in column.flatten():
                yield from _provenance(child)
    elif isinstance(column, pa.ListArray | pa.LargeListArray):
        yield from _provenance(column.flatten())


def _writers(provenance: pa.StructArray) -> Counter[Writer]:
    columns = dict(zip([of.name for of in provenance.type], provenance.flatten(), strict=True))
    table = pa.table({name: columns[name] for name in _WRITER})
    grouped = table.group_by(list(_WRITER)).aggregate([([], "count_all")]).to_pylist()
    return Counter({Writer(*(row[name] for name in _WRITER)): row["count_all"] for row in grouped})
