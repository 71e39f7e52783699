"""Makers of the records that groups are built from."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from datagen_schemas.candidate import Verdict
from datagen_schemas.corruption import Corruption
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import MissingCandidate, RankedCandidate, RankedGroup

PROVENANCE = Provenance.of_stage("sample", package_version="0")

Rated = tuple[str, int, float, str]  # text, rank, score, verdict or 'gold' or 'corrupted'
RankedMaker = Callable[..., RankedGroup]


def made_problem(name: str = "p", *, rationale: str | None = "Gold path.\n#### 12") -> Problem:
    return Problem(
        id=name, question=f"{name}?", answer="12", rationale=rationale, choices=None, source="made", split="all"
    )


def made_corruption(method: Any = "numbers", *, alpha: float | None = None) -> Corruption:  # Any: a method's name
    return Corruption(
        method=method,
        kind="operand",
        alpha=alpha,
        realised_alpha=alpha,
        positions=(0,),
        where="step 1",
        before="1",
        after="2",
        parent="0" * 64,
    )


def made_ranked(
    rated: Sequence[Rated], *, missing: Sequence[str] = (), problem: Problem | None = None, model: str | None = "m"
) -> RankedGroup:
    shared: dict[str, Any] = {"votes": (), "provenance": PROVENANCE.model_copy(update={"model": model})}  # Any: fields

    def told(what: str) -> dict[str, Any]:  # Any: fields of a candidate
        verdicts: dict[str, Verdict] = {
            "gold": "correct",
            "corrupted": "wrong",
            "wrong": "wrong",
            "correct": "correct",
        }
        return {
            "verdict": verdicts.get(what, "unknown"),
            "source": what if what in ("gold", "corrupted") else "sampled",
            "corruption": made_corruption() if what == "corrupted" else None,
        }

    return RankedGroup(
        problem=problem or made_problem(),
        candidates=tuple(
            RankedCandidate(
                sample=i, response=text, score=score, deviation=0.0, rank=rank, judges=(), **told(what), **shared
            )
            for i, (text, rank, score, what) in enumerate(rated)
        ),
        missing=tuple(
            MissingCandidate(sample=100 + i, response=text, reason="no valid vote", **told("correct"), **shared)
            for i, text in enumerate(missing)
        ),
    )


@pytest.fixture(scope="session")
def problem() -> Callable[..., Problem]:
    return made_problem


@pytest.fixture(scope="session")
def corruption() -> Callable[..., Corruption]:
    return made_corruption


@pytest.fixture(scope="session")
def ranked() -> RankedMaker:
    return made_ranked


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    return PROVENANCE
