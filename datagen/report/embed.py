"""Entries as what a page can carry: JSON, compressed, in base64; a sample by seed where there are too many."""

import base64
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from datagen.report.entries import Asked, Card, Said
from datagen.report.equations import Checked

LONGEST_TEXT = 20_000  # characters of one text; the rest is counted
ENTRIES_PER_BLOCK = 400  # parsed at once by the browser, which can draw in between
LEVEL = 9
FACETS = ("verdict", "outcome", "kind", "model", "method", "origin")
Json = dict[str, Any]  # Any: JSON


@dataclass
class Entry:
    """A problem of a run, with the texts about it."""

    run: int
    problem_id: str
    asked: Asked
    cards: list[Card] = field(default_factory=list)


class Embedded(NamedTuple):
    """What the page carries."""

    base64: str
    kept: list[int]  # places of the entries that it holds, ascending
    json_bytes: int


def embed(
    entries: Sequence[Entry], *, runs: Sequence[str], unit: str, order: Sequence[int], max_bytes: int
) -> Embedded:
    """Entries in their order, as many as fit.

    Args:
        entries: all that could be shown.
        runs: names of the runs.
        unit: what the entries are, in the plural.
        order: places of the entries, the ones to keep first at the front: a shuffle by seed.
        max_bytes: of the base64 text.
    """
    tables = _Tables()
    rows = [orjson.dumps(_entry(entry, tables)) for entry in entries]
    head = orjson.dumps(
        {"runs": list(runs), "unit": unit, **{name: list(tables.places[name]) for name in tables.places}}
    )
    n = len(rows)
    while True:
        kept = sorted(order[:n])
        lines = [head, *_blocks([rows[i] for i in kept])]
        packed = base64.b64encode(_gzip(lines)).decode()
        if len(packed) <= max_bytes or n == 0:
            return Embedded(packed, kept, sum(len(line) + 1 for line in lines))
        n = min(int(n * max_bytes / len(packed) * 0.98), n - 1)


class _Tables:
    """Names that many cards share, each once: the first one seen is 0."""

    def __init__(self) -> None:
        self.places: dict[str, dict[str, int]] = {name: {} for name in (*FACETS, "judge")}

    def at(self, table: str, name: str) -> int:
        return self.places[table].setdefault(name, len(self.places[table]))


def _blocks(rows: Sequence[bytes]) -> Iterable[bytes]:
    for i in range(0, len(rows), ENTRIES_PER_BLOCK):
        yield b"[" + b",".join(rows[i : i + ENTRIES_PER_BLOCK]) + b"]"


def _gzip(lines: Iterable[bytes]) -> bytes:
    """Without the time that a gzip header usually has: the same rows are the same bytes."""
    packer = zlib.compressobj(LEVEL, wbits=31)
    parts = [packer.compress(line + b"\n") for line in lines]
    return b"".join([*parts, packer.flush()])


def _entry(entry: Entry, tables: _Tables) -> Json:
    asked = entry.asked
    return _without_none(
        {
            "r": entry.run,
            "p": entry.problem_id,
            "q": asked.question,
            "g": asked.reference,
            "a": asked.answer,
            "o": asked.choices,
            "c": [_card(card, tables) for card in entry.cards],
        }
    )


def _card(card: Card, tables: _Tables) -> Json:
    text = card.text[:LONGEST_TEXT]
    equations = [equation for equation in card.equations if equation.end <= len(text)]
    made: Json = {
        "t": text,
        "x": len(card.text) - len(text) or None,
        "s": card.score,
        "k": card.rank,
        "d": card.deviation,
        "m": card.sample,
        "u": None if card.query is None else card.query[:LONGEST_TEXT],
        "w": None if card.prompt is None else card.prompt[:LONGEST_TEXT],
        "a": card.answer,
        "n": card.notes or None,
        "j": [_said(said, tables) for said in card.said] or None,
        "i": card.row,
        "e": _equations(text, equations) or None,
    }
    for facet in FACETS:
        name = getattr(card, facet)
        made[facet] = None if name is None else tables.at(facet, name)
    return _without_none(made)


def _said(said: Said, tables: _Tables) -> list[Any]:  # Any: JSON
    return [tables.at("judge", said.judge), said.mean, said.votes, said.evidence]


def _equations(text: str, equations: Sequence[Checked]) -> list[list[Any]]:  # Any: JSON
    """[start, end, 1 true | 0 false | 2 unknown, value] with places as a browser counts them: in UTF-16."""
    places: Sequence[int] | range = range(len(text) + 1)
    if equations and not text.isascii() and max(text) > "\uffff":
        places, at = [0], 0
        for character in text:
            at += 2 if character > "\uffff" else 1
            places.append(at)
    state = {True: 1, False: 0, None: 2}
    return [
        [places[of.start], places[of.end], state[of.holds], *([] if of.value is None else [of.value])]
        for of in equations
    ]


def _without_none(made: Json) -> Json:
    return {name: value for name, value in made.items() if value is not None}
