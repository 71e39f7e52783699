"""Rows of mixtures, and what was cleaned and split after it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen.store.arrow_dataset import read_records
from datagen.trace.link import Link
from datagen.trace.records import trace
from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.mixed import MixedExample, MixedGroup, MixedPreference
from datagen_schemas.preference import Preference

EGGS = "A hen lays 2 eggs a day. How many eggs do 3 hens lay in 4 days?"
RIGHT = "One hen lays 2*4 = <<2*4=8>>8 eggs.\nAll lay 8*3 = <<8*3=24>>24.\n#### 24"


def shape(link: Link) -> tuple[str, str | None, int | None]:
    return link.kind, link.place, link.row


def way(link: Link) -> list[tuple[str, str | None, int | None]]:
    """A link and what it was made from, always by the first."""
    return [shape(link), *(way(link.made_from[0]) if link.made_from else [])]


def every(link: Link) -> Iterator[Link]:
    yield link
    for source in link.made_from:
        yield from every(source)


def mixed_row(path: str, completion: str) -> int:
    """The row of a mixture, which is shuffled, that has this completion."""
    rows = list(read_records(Path(path), MixedExample))
    return next(i for i, row in enumerate(rows) if row.completion == completion)


def test_a_mixed_row_goes_to_the_row_that_it_names_whatever_was_done_to_its_text(place: Path) -> None:
    found = trace(Path("runs/mix"), mixed_row("runs/mix/data", RIGHT))
    assert found.row.facts["prompt"].strip() == EGGS.lower()
    assert way(found.row)[1:] == [
        ("example", "runs/rft/data", 1),
        ("candidate", "runs/rft/candidates", 0),
        ("reply", "home/replies.sqlite", None),
    ]
    assert found.problem is not None
    assert (shape(found.problem), found.missing) == (("problem", "in/test.jsonl", 0), [])


def test_a_mixed_row_of_others_goes_to_the_line_of_their_file(place: Path) -> None:
    found = trace(Path("runs/mix"), mixed_row("runs/mix/data", "It is 2."))
    (foreign,) = found.row.made_from
    assert (shape(foreign), foreign.values) == (
        ("row", "in/others.jsonl", 1),
        {"instruction": "What is 1+1?", "output": "It is 2."},
    )
    assert (found.problem, found.missing) == (None, [])


def test_what_was_cleaned_and_split_goes_back_through_the_mixture(place: Path) -> None:
    part = next(name for name in ("train", "test") if RIGHT in texts(f"runs/parts/{name}"))
    found = trace(Path(f"runs/parts/{part}"), mixed_row(f"runs/parts/{part}", RIGHT))
    assert [at[1] for at in way(found.row)] == [
        f"runs/parts/{part}",
        "runs/clean/data",
        "runs/mix/data",
        "runs/rft/data",
        "runs/rft/candidates",
        "home/replies.sqlite",
    ]
    assert found.problem is not None
    assert found.missing == []


def texts(path: str) -> list[str]:
    return [row.completion for row in read_records(Path(path), MixedExample)]


@pytest.mark.parametrize(
    ("run", "record", "plain"),
    [("mixed-groups", MixedGroup, AlignmentGroup), ("mixed-pairs", MixedPreference, Preference)],
)
def test_a_mixed_group_or_pair_goes_to_the_row_that_it_names_and_on_to_its_replies(
    place: Path, run: str, record: type[MixedGroup | MixedPreference], plain: type[AlignmentGroup | Preference]
) -> None:
    rows = list(read_records(Path(f"runs/{run}/data"), record))
    assert rows
    for i, row in enumerate(rows):
        found = trace(Path(f"runs/{run}"), i)
        (before,) = found.row.made_from
        assert (before.found, before.row) == ("by its index", row.origin_row)
        named = {"one": "groups", "other": "ranked-groups"}.get(row.origin, row.origin)
        data = Path(f"runs/{named}/data")
        assert before.place == str(data)
        there = list(read_records(data, plain))[row.origin_row]
        assert row.model_dump(exclude={"origin", "origin_row"}) == there.model_dump()
        direct = trace(data, row.origin_row)
        assert [link.facts for link in every(before)] == [link.facts for link in every(direct.row)]
        assert found.problem is not None
        assert (found.problem.place, found.missing) == ("in/test.jsonl", [])


def test_a_mixed_group_whose_origin_is_gone_says_so_and_shows_its_responses(copy: Path) -> None:
    for name in ("groups", "ranked-groups"):
        shutil.rmtree(copy / "runs" / name)
    (row, *_) = read_records(copy / "runs" / "mixed-groups" / "data", MixedGroup)
    found = trace(copy / "runs" / "mixed-groups", 0)
    assert any(f"input {row.origin}" in note for note in found.missing)
    assert [link.facts["response"] for link in found.row.made_from] == list(row.responses)
