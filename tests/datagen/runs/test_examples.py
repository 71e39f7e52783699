from pathlib import Path
from typing import Literal

from datagen.runs.examples import training_examples
from datagen.store.arrow_dataset import DatasetWriter
from datagen_schemas.mixed import MixedExample
from datagen_schemas.provenance import Provenance


def test_all_of_a_mixture_is_trained_on_whatever_the_method(tmp_path: Path) -> None:
    kinds: tuple[Literal["gold", "sampled", "FOBAR"], ...] = ("gold", "sampled", "FOBAR")
    rows = [
        MixedExample(
            prompt=f"p{i}",
            completion=f"c{i}",
            problem_id=f"id-{i}",
            question=None,
            answer=None,
            kind=kind,
            origin="a",
            origin_row=i,
            provenance=Provenance.of_stage("mix", package_version="0"),
        )
        for i, kind in enumerate(kinds)
    ]
    with DatasetWriter(tmp_path / "mixed" / "data", MixedExample) as writer:
        writer.write_records(rows, MixedExample)
    for method in ("vft", "rft"):
        found = training_examples(str(tmp_path / "mixed"), method=method)
        assert [(row.prompt, row.completion, row.problem_id) for row in found] == [
            ("p0", "c0", "id-0"),
            ("p1", "c1", "id-1"),
            ("p2", "c2", "id-2"),
        ]
