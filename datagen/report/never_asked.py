"""The samples that a run wanted and did not ask for, because a limit of cost or tokens stopped it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from datagen.report.figure import at, count


class NeverAsked(NamedTuple):
    """How many, and why."""

    samples: int
    why: str
    is_least: bool  # of several stages: what the later ones would have asked for is not known

    def __str__(self) -> str:
        """As a clause."""
        were = "samples were" if self.samples > 1 else "sample was"
        return f"{'at least ' if self.is_least else ''}{self.samples:,} {were} never asked for ({self.why})"


def never_asked(manifest: Mapping[str, Any]) -> NeverAsked | None:  # Any: JSON
    """What a limit kept a run from asking for; None if nothing did."""
    failures = at(manifest, "failures")
    why, stages = at(failures, "stopped"), at(failures, "stages")
    staged = list(stages.values()) if isinstance(stages, dict) else []
    samples = count(at(failures, "skipped")) + sum(count(at(of, "skipped")) for of in staged)
    return NeverAsked(samples, str(why), bool(staged)) if why and samples else None
