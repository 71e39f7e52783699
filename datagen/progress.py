"""What long work says of itself while it runs; who shows it, and how, is the command line's business."""

from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """How far one stage of the work is."""

    stage: str
    done: int
    total: int | None
    detail: str = ""


Report = Callable[[Step], None]


def silent(_: Step) -> None:
    """Say nothing."""
