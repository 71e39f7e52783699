"""Rows of any of our data sets as what the page's browser shows: a problem with its texts side by side."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from datagen.report.equations import Checked
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.augmented import Augmented, RejectedQuestion
from datagen_schemas.candidate import Candidate
from datagen_schemas.corruption import Corruption
from datagen_schemas.example import Example
from datagen_schemas.mixed import MixedExample, MixedGroup, MixedPreference
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.rating import JudgeVotes, MissingCandidate, RankedCandidate, RankedGroup
from datagen_schemas.record import Record


class Asked(NamedTuple):
    """What is known of a problem."""

    question: str | None = None
    reference: str | None = None  # the gold path
    answer: str | None = None
    choices: tuple[str, ...] | None = None

    def filled(self, other: "Asked") -> "Asked":
        """With what the other one knows in addition."""
        return Asked(
            self.question if self.question is not None else other.question,
            self.reference if self.reference is not None else other.reference,
            self.answer if self.answer is not None else other.answer,
            self.choices if self.choices is not None else other.choices,
        )


class Said(NamedTuple):
    """A judge's votes on a text."""

    judge: str
    mean: float
    votes: tuple[float, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """A text about a problem, and what is known of it. The first six names are those that the page filters by."""

    text: str
    verdict: str | None = None
    outcome: str | None = None  # what became of it: selected, the reason why not, chosen, rejected, ...
    kind: str | None = None  # gold, sampled, corrupted, AnsAug, FOBAR, ...
    model: str | None = None
    method: str | None = None  # of the answer check, or of the corruption
    origin: str | None = None  # which part of a run, or which data set of a mixture
    score: float | None = None
    rank: int | None = None
    deviation: float | None = None
    sample: int | None = None
    query: str | None = None  # a question of its own, where it does not answer the problem's
    prompt: str | None = None  # what a model reads, where that is more than the question
    answer: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    said: tuple[Said, ...] = ()
    row: int = 0
    equations: tuple[Checked, ...] = ()  # of the text; found afterwards, for many texts at once


class Shown(NamedTuple):
    """A row as the page shows it."""

    problem_id: str
    asked: Asked
    cards: tuple[Card, ...]


def shown(record: Record, *, row: int, origin: str | None = None) -> Shown:
    """A row of one of our data sets.

    Args:
        record: the row.
        row: its index in the data set.
        origin: which part of the run it is from, where there are several.
    """
    return _SHOWN[type(record)](record, row, origin)


def is_browsed(record: type[Record]) -> bool:
    """Whether rows of this record have something to look at."""
    return record in _SHOWN


def _candidate(of: Candidate, row: int, origin: str | None) -> Shown:
    card = Card(
        of.response,
        verdict=of.verdict,
        kind="corrupted" if of.corruption else "sampled",
        model=of.model,
        method=of.verdict_method,
        origin=origin,
        sample=of.sample,
        answer=of.answer,
        notes=_corruption(of.corruption),
        row=row,
    )
    return Shown(of.problem_id, Asked(), (card,))


def _example(of: Example, row: int, origin: str | None) -> Shown:
    card = Card(
        of.completion,
        kind=of.source,
        model=of.model,
        origin=origin,
        sample=of.sample,
        row=row,
    )
    return Shown(of.problem_id, Asked(of.prompt, answer=of.answer), (card,))


def _ranked(of: RankedGroup, row: int, origin: str | None) -> Shown:
    cards = [_ranked_candidate(candidate, row, origin) for candidate in of.candidates]
    cards += [_missing(candidate, row, origin) for candidate in of.missing]
    return Shown(of.problem.id, asked_of(of.problem), tuple(cards))


def _ranked_candidate(of: RankedCandidate, row: int, origin: str | None) -> Card:
    return Card(
        of.response,
        verdict=of.verdict,
        kind=of.source,
        model=of.provenance.model,
        method=f"corrupted/{of.corruption.method}" if of.corruption else None,
        origin=origin,
        score=of.score,
        rank=of.rank,
        deviation=of.deviation if len(of.votes) > 1 else None,
        sample=of.sample,
        notes=_corruption(of.corruption),
        said=tuple(_votes(judge) for judge in of.judges),
        row=row,
    )


def _votes(of: JudgeVotes) -> Said:
    return Said(of.judge, of.mean, of.votes, of.evidence)


def _missing(of: MissingCandidate, row: int, origin: str | None) -> Card:
    votes = ", ".join(f"{vote:g}" for vote in of.votes)
    return Card(
        of.response,
        verdict=of.verdict,
        outcome="not ranked",
        kind=of.source,
        model=of.provenance.model,
        method=f"corrupted/{of.corruption.method}" if of.corruption else None,
        origin=origin,
        sample=of.sample,
        notes=(
            ("Not ranked", of.reason),
            *((("Valid votes", votes),) if votes else ()),
            *_corruption(of.corruption),
        ),
        row=row,
    )


def _group(of: AlignmentGroup, row: int, origin: str | None) -> Shown:
    scored = zip(of.responses, of.scores, of.sources, strict=True)
    origin = of.origin if isinstance(of, MixedGroup) else origin
    cards = tuple(_scored(text, score, source, row, origin) for text, score, source in scored)
    return Shown(of.problem_id, Asked(of.prompt, of.reference), cards)


def _preference(of: Preference, row: int, origin: str | None) -> Shown:
    origin = of.origin if isinstance(of, MixedPreference) else origin
    chosen = _scored(of.chosen, of.chosen_score, of.chosen_source, row, origin)
    rejected = _scored(of.rejected, of.rejected_score, of.rejected_source, row, origin)
    cards = (replace(chosen, outcome="chosen"), replace(rejected, outcome="rejected"))
    return Shown(of.problem_id, Asked(of.prompt), cards)


def _scored(text: str, score: float, source: str, row: int, origin: str | None) -> Card:
    """A response whose source is gold, sampled, corrupted/METHOD, or a model's name."""
    kind, _, _ = source.partition("/")
    is_kind = kind == "corrupted" or source in ("gold", "sampled")
    return Card(
        text,
        kind=kind if is_kind else "sampled",
        model=None if is_kind else source,
        method=source if kind == "corrupted" else None,
        origin=origin,
        score=score,
        row=row,
    )


def _augmented(of: Augmented, row: int, origin: str | None) -> Shown:
    card = Card(
        of.response,
        outcome="accepted",
        kind=of.type,
        model=of.provenance.model,
        origin=origin,
        query=of.query if of.query != of.original_question else None,
        answer=of.answer,
        row=row,
    )
    return Shown(of.problem_id, Asked(of.original_question), (card,))


def _rejected(of: RejectedQuestion, row: int, origin: str | None) -> Shown:
    notes = [("Rejected", of.reason)]
    if of.evidence:
        notes.append(("Because of", of.evidence))
    card = Card("", outcome="rejected", kind=of.type, origin=origin, query=of.query, notes=tuple(notes), row=row)
    return Shown(of.problem_id, Asked(of.original_question), (card,))


def _mixed(of: MixedExample, row: int, origin: str | None) -> Shown:
    card = Card(
        of.completion,
        kind=of.kind,
        model=of.provenance.model if of.provenance else None,
        origin=of.origin,
        prompt=of.prompt if of.question and of.prompt.split() != of.question.split() else None,
        answer=of.answer,
        row=row,
    )
    return Shown(of.problem_id, Asked(of.question or of.prompt, answer=of.answer), (card,))


def _problem(of: Problem, row: int, origin: str | None) -> Shown:
    """A problem made from another one stands under that one; any other problem is its own reference."""
    meta = _meta(of)
    original = meta.get("original_id")
    if not isinstance(original, str):
        text = of.rationale or ""
        card = Card(text, kind="gold", origin=origin, answer=of.answer, row=row)
        return Shown(of.id, asked_of(of)._replace(reference=None), (card,))
    method, question = meta.get("method"), meta.get("original_question")
    card = Card(
        of.rationale or "",
        outcome="accepted",
        kind=method if isinstance(method, str) else None,
        origin=origin,
        query=of.question,
        answer=of.answer,
        row=row,
    )
    return Shown(original, Asked(question if isinstance(question, str) else None), (card,))


def _meta(of: Problem) -> Mapping[str, Any]:  # Any: JSON
    try:
        found = json.loads(of.meta)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def asked_of(problem: Problem) -> Asked:
    """What a problem says of itself."""
    return Asked(problem.question, problem.rationale, problem.answer, problem.choices)


def _corruption(of: Corruption | None) -> tuple[tuple[str, str], ...]:
    if of is None:
        return ()
    if of.method == "chars":
        asked = "" if of.alpha is None else f", α = {of.alpha:g}"
        return (("Corrupted", f"{of.kind}{asked}: {len(of.positions):,} replaced"),)
    change = f": “{of.before}” became “{of.after}”" if of.after else f": “{of.before}” was removed"
    return (("Corrupted", f"{of.kind}, {of.where}{change if of.before or of.after else ''}"),)


_SHOWN: dict[type[Record], Callable[[Any, int, str | None], Shown]] = {  # Any: the key's own type
    Candidate: _candidate,
    Example: _example,
    RankedGroup: _ranked,
    AlignmentGroup: _group,
    MixedGroup: _group,
    Preference: _preference,
    MixedPreference: _preference,
    Augmented: _augmented,
    RejectedQuestion: _rejected,
    MixedExample: _mixed,
    Problem: _problem,
}
