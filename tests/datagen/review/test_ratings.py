"""The file of a person's ratings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from datagen.review.draw import Item
from datagen.review.ratings import RatingsFile
from datagen_schemas.errors import DataError, StoreError
from datagen_schemas.rating import RankedGroup


@pytest.fixture
def items(make_group: Callable[..., RankedGroup]) -> list[Item]:
    group = make_group("p", ("a", [7, 8]), ("b", [3]))
    return [Item(group.problem, candidate) for candidate in group.candidates]


def test_a_rating_is_a_line_with_what_it_belongs_to(tmp_path: Path, items: list[Item]) -> None:
    path = tmp_path / "review.jsonl"
    RatingsFile(path).save(items[0], 9)
    (line,) = path.read_text().splitlines()
    row = json.loads(line)
    assert row.pop("rated_at").endswith("+00:00")
    assert row == {
        "problem_id": "p",
        "sample": 0,
        # printf a | sha256sum
        "response_sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
        "rating": 9,
        "judge_score": 7.5,
        "revised": False,
    }


def test_the_last_line_of_an_item_counts_and_says_that_it_is_a_revision(tmp_path: Path, items: list[Item]) -> None:
    path = tmp_path / "review.jsonl"
    ratings = RatingsFile(path)
    for i, rating in ((0, 9), (1, 2), (0, 6)):
        ratings.save(items[i], rating)
    again = RatingsFile(path)
    assert again.latest == ratings.latest
    assert [(again.latest[one.key].rating, again.latest[one.key].revised) for one in items] == [(6, True), (2, False)]
    assert len(path.read_text().splitlines()) == 3


def test_half_a_line_of_a_killed_process_is_dropped_and_the_next_rating_is_whole(
    tmp_path: Path, items: list[Item]
) -> None:
    path = tmp_path / "review.jsonl"
    RatingsFile(path).save(items[0], 9)
    first = path.read_bytes()
    path.write_bytes(first + b'{"problem_id": "p", "sam')
    ratings = RatingsFile(path)
    assert [rating.rating for rating in ratings.latest.values()] == [9]
    ratings.save(items[1], 2)
    assert path.read_bytes().startswith(first)
    assert [rating.rating for rating in RatingsFile(path).latest.values()] == [9, 2]


def test_a_last_line_without_its_newline_is_kept(tmp_path: Path, items: list[Item]) -> None:
    path = tmp_path / "review.jsonl"
    RatingsFile(path).save(items[0], 9)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    RatingsFile(path).save(items[1], 2)
    assert [rating.rating for rating in RatingsFile(path).latest.values()] == [9, 2]


@pytest.mark.parametrize("bad", ["no json", '{"rating": 3}', "", "[]"])
def test_a_broken_line_within_the_file_is_named(bad: str, tmp_path: Path, items: list[Item]) -> None:
    path = tmp_path / "review.jsonl"
    RatingsFile(path).save(items[0], 9)
    with path.open("a") as file:
        file.write(bad + "\n")
    with pytest.raises(DataError, match=r"review\.jsonl line 2: no rating.*--out"):
        RatingsFile(path)


def test_a_file_that_cannot_be_written_is_one_line_with_the_remedy(tmp_path: Path, items: list[Item]) -> None:
    with pytest.raises(StoreError, match=r"no-such-folder/review\.jsonl: the rating cannot be saved: .* --out"):
        RatingsFile(tmp_path / "no-such-folder" / "review.jsonl").save(items[0], 9)
