"""A station on a row's way, and what is said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datagen.equations.find import find_equations
from datagen.store.lineage import config_of, manifest_of

Facts = dict[str, Any]  # Any: JSON


@dataclass(frozen=True)
class Link:
    """Something that a row was made from: another row, a reply, a file, the problem."""

    kind: str  # example, candidate, ranked candidate, reply, problem, ...: what it is
    facts: Facts
    place: str | None = None  # of the data set or file
    row: int | None = None
    found: str = ""  # how: 'by its sample', 'by its text', ...
    run: Facts | None = None  # what wrote it
    values: Mapping[str, Any] | None = None  # Any: the row as it stands there
    made_from: tuple["Link", ...] = ()
    missing: tuple[str, ...] = ()

    def as_json(self) -> Facts:
        """Plain JSON, all links below included."""
        return {
            "kind": self.kind,
            "place": self.place,
            "row": self.row,
            "found": self.found or None,
            "run": self.run,
            "facts": self.facts,
            "values": None if self.values is None else dict(self.values),
            "missing": list(self.missing),
            "made_from": [link.as_json() for link in self.made_from],
        }


@dataclass(frozen=True)
class Trace:
    """A row's way back, and what could not be found on it."""

    row: Link
    problem: Link | None
    missing: list[str] = field(default_factory=list)

    def as_json(self) -> Facts:
        """Plain JSON."""
        problem = None if self.problem is None else self.problem.as_json()
        return {"row": self.row.as_json(), "problem": problem, "missing": self.missing}


def run_facts(run: Path) -> Facts:
    """The run in a folder as its manifest says it."""
    manifest = manifest_of(run) or {}
    config = config_of(run) or {}
    return {
        "folder": str(run),
        "stage": config.get("stage"),
        "command": manifest.get("command"),
        "created_at": manifest.get("created_at"),
        "datagen": config.get("datagen"),
        "is_finished": bool(manifest),
    }


def verdict_facts(values: Mapping[str, Any]) -> Facts:  # Any: a row
    """What the answer check said of a candidate, and its equations, checked again."""
    facts: Facts = {"verdict": values.get("verdict")}
    if "answer" in values:
        facts |= {"answer": values["answer"], "method": values.get("verdict_method")}
    return {**facts, "equations": equation_facts(str(values.get("response", "")))}


def equation_facts(text: str) -> list[Facts]:
    """The equations of a text; holds is None where one cannot be evaluated."""
    return [{"text": equation.text, "holds": equation.holds} for equation in find_equations(text)]


def vote_facts(ratings: list[Mapping[str, Any]]) -> list[Facts]:  # Any: rows of Rating
    """Votes of judges, with what they wrote before the rating."""
    names = ("judge", "vote", "rating", "evidence", "parse_error", "asks", "reply_key")
    return [{name: rating.get(name) for name in names} for rating in ratings]
