"""The `review` job: a person rates some candidates of a ranked dataset; how far that agrees with the judge."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from datagen.rank.agreement import RESAMPLES, Agreement, agreement, require_statistics
from datagen.review.draw import Draw, Item, ItemKey, draw_items, items_of
from datagen.review.ratings import RatingsFile
from datagen.store.arrow_dataset import read_records
from datagen_schemas.errors import DataError
from datagen_schemas.rating import RankedGroup

RATINGS_FILE = "review.jsonl"


class Review(NamedTuple):
    """What a person's ratings say of the judge."""

    ratings: Path
    draw: Draw
    drawn: int
    drawn_and_rated: int
    n: int
    """Rated candidates that the dataset still has, also those of an earlier draw: what the statistics are over."""
    revised: int
    not_in_dataset: int
    mean_human: float | None
    mean_judge: float | None
    agreement: Agreement
    interrupted: bool

    def as_json(self) -> dict[str, Any]:  # Any: nested JSON
        """Plain JSON, the statistics with their intervals."""
        plain = {**self._asdict(), "ratings": str(self.ratings)}
        del plain["agreement"]
        return plain | self.agreement.as_json()


def review(
    dataset: Path,
    *,
    n: int = 20,
    seed: int = 0,
    draw: Draw = "spread",
    out: Path | None = None,
    port: int | None = None,
    resamples: int = RESAMPLES,
    opened: Callable[[str], None] | None,
) -> Review:
    """Have `n` candidates rated in a browser, and compare the ratings with the dataset's scores.

    Ratings go to `out` (DATASET/review.jsonl) one by one, so that an interrupted review goes on where it was. The
    scores are the dataset's own, also where it was ranked anew after a rating.

    Args:
        dataset: a run of `datagen rank`, or its data folder.
        n: candidates to draw.
        seed: of the draw.
        draw: spread over the scores, or random (see datagen.review.draw).
        out: file of the ratings.
        port: of the page; a free one if None.
        resamples: of the bootstrap intervals.
        opened: told the address of the page; None opens no page, and only reports.

    Raises:
        DataError: the dataset has no ranked candidate, or the ratings file is broken.
        StoreError: the ratings file cannot be used.
        ServerError: the port is taken.
        MissingExtraError: the statistics need the extra 'review'.
    """
    require_statistics()
    folder = dataset / "data" if (dataset / "data").is_dir() else dataset
    ratings = RatingsFile(out or dataset / RATINGS_FILE)
    items = draw_items(_items(folder), n=n, seed=seed, draw=draw)
    if not items:
        raise DataError(f"{folder}: no ranked candidate. Name a run of: datagen rank")
    interrupted = False
    if opened is not None and any(item.key not in ratings.latest for item in items):
        from datagen.review.server import serve

        try:
            asyncio.run(serve(items, ratings, port=port, opened=opened))
        except KeyboardInterrupt:
            interrupted = True
    scores = _scores(folder, ratings)
    human = [float(ratings.latest[key].rating) for key in scores]
    judge = list(scores.values())
    drawn_and_rated = sum(item.key in ratings.latest for item in items)
    return Review(
        ratings=ratings.path,
        draw=draw,
        drawn=len(items),
        drawn_and_rated=drawn_and_rated,
        n=len(scores),
        revised=sum(ratings.latest[key].revised for key in scores),
        not_in_dataset=len(ratings.latest) - len(scores),
        mean_human=sum(human) / len(human) if human else None,
        mean_judge=sum(judge) / len(judge) if judge else None,
        agreement=agreement(human, judge, seed=seed, resamples=resamples),
        interrupted=interrupted and drawn_and_rated < len(items),
    )


def _items(folder: Path) -> Iterator[Item]:
    for group in read_records(folder, RankedGroup):
        yield from items_of(group)


def _candidates(folder: Path) -> Iterator[Item]:
    for group in read_records(folder, RankedGroup):
        yield from (Item(group.problem, candidate) for candidate in group.candidates)


def _scores(folder: Path, ratings: RatingsFile) -> dict[ItemKey, float]:
    """The dataset's score of each rated candidate that it has, in its order."""
    if not ratings.latest:
        return {}
    return {item.key: item.candidate.score for item in _candidates(folder) if item.key in ratings.latest}
