"""Rows that cannot be used: an error by default, a counted drop on request, never silence."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from datagen_schemas.errors import DataError

logger = logging.getLogger(__name__)


class Dropped(NamedTuple):
    """A row that was left out."""

    where: str
    """File and line (`train.jsonl:812`), or file and row (`train.parquet row 812`)."""
    reason: str
    """Short category, fit for counting: 'torn line', 'missing column', 'unparsable gold', ..."""
    detail: str
    """What was found."""


class BadRow(Exception):
    """Why a row cannot be read; whoever knows the row's place turns it into a `Dropped`."""

    def __init__(self, reason: str, detail: str) -> None:
        """Category and what was found."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


OnDrop = Callable[[Dropped], None]


def log_drop(drop: Dropped) -> None:
    """What happens to a drop that nobody asked to hear of: it is logged."""
    logger.warning("%s: %s: %s. Row dropped.", *drop)


def refuse(drop: Dropped) -> None:
    """What happens to a bad row unless bad rows are skipped.

    Raises:
        DataError: always.
    """
    raise DataError(f"{drop.where}: {drop.reason}: {drop.detail}. Fix the row, or drop such rows with --skip-bad.")


def bad_row_policy(*, skip_bad: bool, on_drop: OnDrop | None) -> OnDrop:
    """What to call with each bad row."""
    return (on_drop or log_drop) if skip_bad else refuse
