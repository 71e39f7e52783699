import pytest
from transformers.utils import logging as transformers_logging

from datagen_schemas.example import Example
from datagen_schemas.provenance import Provenance

PROVENANCE = Provenance.of_stage("rft", package_version="0")


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Sums of two numbers, in questions of different lengths."""
    transformers_logging.disable_progress_bar()
    return [
        Example(
            prompt=f"{'Tom and ' * (i % 3)}Ana has {i} pens and buys {i + 1} pens.\n",
            completion=f"Ana has <<{i}+{i + 1}={2 * i + 1}>>{2 * i + 1} pens.\n#### {2 * i + 1}",
            problem_id=str(i),
            source="gold",
            answer=str(2 * i + 1),
            equations=(f"{i}+{i + 1}={2 * i + 1}",),
            sample=None,
            model=None,
            provenance=PROVENANCE,
        )
        for i in range(2, 22)
    ]
