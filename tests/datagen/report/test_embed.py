"""What a page carries."""

import base64
import gzip
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.report.embed import ENTRIES_PER_BLOCK, LONGEST_TEXT, Embedded, Entry, embed
from datagen.report.entries import Asked, Card, Said
from datagen.report.equations import Checked, checked_equations


def entries_of(n: int) -> list[Entry]:
    rng = random.Random(0)
    texts = ["".join(rng.choices("abcdefghij ", k=200)) for _ in range(n)]
    return [Entry(0, f"p{i}", Asked("q"), [Card(text, verdict="wrong", row=i)]) for i, text in enumerate(texts)]


def unpacked(embedded: Embedded) -> tuple[dict[str, Any], list[dict[str, Any]]]:  # Any: JSON
    lines = (
        gzip.decompress(base64.b64decode(embedded.base64)).decode().split("\n")[:-1]
    )  # not splitlines: U+2028 is no end here
    head, *blocks = (json.loads(line) for line in lines)
    return head, [entry for block in blocks for entry in block]


def test_everything_that_is_known_of_a_text_is_there() -> None:
    card = Card(
        "2+2=5",
        verdict="wrong",
        outcome="not ranked",
        kind="sampled",
        model="m",
        method="hashes/number",
        origin="greedy",
        score=2.5,
        rank=3,
        deviation=0.5,
        sample=7,
        query="Q?",
        prompt="P: Q?",
        answer="5",
        notes=(("Corrupted", "x"),),
        said=(Said("judge", 2.5, (2.0, 3.0), ("bad", "")),),
        row=11,
        equations=checked_equations("2+2=5"),
    )
    entry = Entry(1, "id", Asked("question", "gold", "4", ("4", "5")), [card])
    head, (found,) = unpacked(embed([entry], runs=["a", "b"], unit="problems", order=[0], max_bytes=10**6))
    assert head["runs"] == ["a", "b"]
    (made,) = found.pop("c")
    assert found == {"r": 1, "p": "id", "q": "question", "g": "gold", "a": "4", "o": ["4", "5"]}
    for facet in ("verdict", "outcome", "kind", "model", "method", "origin"):
        assert head[facet][made.pop(facet)] == getattr(card, facet)
    assert made == {
        **{"t": "2+2=5", "s": 2.5, "k": 3, "d": 0.5, "m": 7, "u": "Q?", "w": "P: Q?", "a": "5", "i": 11},
        "n": [["Corrupted", "x"]],
        "j": [[0, 2.5, [2.0, 3.0], ["bad", ""]]],
        "e": [[0, 5, 0, "4"]],
    }
    assert head["judge"] == ["judge"]


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=20), st.text(max_size=20))
def test_places_are_those_of_a_browser_which_counts_in_utf_16(before: str, after: str) -> None:
    text = f"{before}2+2=5{after}"
    card = Card(text, equations=(Checked(len(before), len(before) + 5, False, "4"),))
    if any("\ud800" <= c <= "\udfff" for c in text):
        return  # no text of a data set: Arrow refuses it
    embedded = embed([Entry(0, "p", Asked(), [card])], runs=["r"], unit="rows", order=[0], max_bytes=10**6)
    _, (entry,) = unpacked(embedded)
    start, end, _, _ = entry["c"][0]["e"][0]
    units = text.encode("utf-16-le")
    assert units[2 * start : 2 * end].decode("utf-16-le") == "2+2=5"


def test_more_than_fits_is_the_front_of_the_order_in_the_order_of_the_run() -> None:
    entries, order = entries_of(300), list(range(300))
    random.Random(1).shuffle(order)
    whole = embed(entries, runs=["r"], unit="problems", order=order, max_bytes=10**9)
    assert whole.kept == list(range(300))
    limit = len(whole.base64) // 3
    part = embed(entries, runs=["r"], unit="problems", order=order, max_bytes=limit)
    n = len(part.kept)
    assert part.kept == sorted(order[:n])
    assert limit * 0.8 < len(part.base64) <= limit
    assert [entry["p"] for entry in unpacked(part)[1]] == [f"p{i}" for i in part.kept]


def test_nothing_is_kept_where_not_a_single_entry_fits() -> None:
    assert embed(entries_of(3), runs=["r"], unit="problems", order=[0, 1, 2], max_bytes=10).kept == []


def test_the_same_entries_are_the_same_bytes() -> None:
    first, second = (
        embed(entries_of(50), runs=["r"], unit="problems", order=list(range(50)), max_bytes=10**6) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("n", [0, 1, ENTRIES_PER_BLOCK, ENTRIES_PER_BLOCK + 1])
def test_entries_come_in_blocks_and_none_is_lost(n: int) -> None:
    embedded = embed(entries_of(n), runs=["r"], unit="problems", order=list(range(n)), max_bytes=10**8)
    assert [entry["p"] for entry in unpacked(embedded)[1]] == [f"p{i}" for i in range(n)]


def test_a_text_beyond_measure_is_cut_and_says_by_how_much() -> None:
    text = "x" * LONGEST_TEXT + "2+2=4"
    entry = Entry(0, "p", Asked(), [Card(text, equations=checked_equations("x" * 8))])
    _, (found,) = unpacked(embed([entry], runs=["r"], unit="problems", order=[0], max_bytes=10**6))
    assert (len(found["c"][0]["t"]), found["c"][0]["x"]) == (LONGEST_TEXT, 5)
