"""A ranked dataset whose scores and evidence can be found again in whatever leaves the server."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from datagen.store.arrow_dataset import DatasetWriter
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import JudgeVotes, RankedCandidate, RankedGroup

SOURCE = Provenance.of_stage("rank", package_version="0")

MakeGroup = Callable[..., RankedGroup]
MakeDataset = Callable[[Sequence[RankedGroup]], Path]


@pytest.fixture
def make_group() -> MakeGroup:
    """A group of (text, votes) candidates of one judge; the evidence names the candidate."""

    def make(name: str, *candidates: tuple[str, Sequence[float]], question: str | None = None) -> RankedGroup:
        rows = [
            RankedCandidate(
                sample=i,
                response=text,
                score=sum(votes) / len(votes),
                votes=tuple(votes),
                deviation=0.0,
                rank=1,
                judges=(
                    JudgeVotes(
                        judge="some-judge",
                        votes=tuple(votes),
                        evidence=tuple(
                            f"EVIDENCE {name}/{i}/{vote} <img src=x onerror=window.owned=1>"
                            for vote in range(len(votes))
                        ),
                        mean=sum(votes) / len(votes),
                    ),
                ),
                verdict="wrong",
                source="sampled",
                corruption=None,
                provenance=SOURCE,
            )
            for i, (text, votes) in enumerate(candidates)
        ]
        problem = Problem(
            id=name,
            question=question or f"How much is {name}?",
            answer="4",
            rationale="2+2 = <<2+2=4>>4\n#### 4",
            choices=None,
            source="test",
            split="train",
        )
        return RankedGroup(problem=problem, candidates=tuple(rows), missing=())

    return make


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Groups as a run directory's dataset."""

    def make(groups: Sequence[RankedGroup]) -> Path:
        with DatasetWriter(tmp_path / "run" / "data", RankedGroup) as writer:
            writer.write_records(groups, RankedGroup)
        return tmp_path / "run"

    return make
