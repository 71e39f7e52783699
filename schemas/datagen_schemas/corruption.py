"""What was done to a solution to make a negative of known quality."""

from typing import Literal

from pydantic import Field

from datagen_schemas.record import Record

CorruptionMethod = Literal["chars", "numbers", "operators", "steps", "answer", "carry"]


class Corruption(Record):
    """A known error: where it is, what stood there, and what stands there now."""

    method: CorruptionMethod
    kind: str = Field(description="What exactly was done: 'characters', 'operand', 'result', 'steps swapped', ...")
    alpha: float | None = Field(description="chars: the share of characters that was asked for; else None.")
    realised_alpha: float | None = Field(description="chars: the share that became '.'.")
    positions: tuple[int, ...] = Field(
        description="Offsets in the parent's text, ascending: chars, every character replaced; else the start of each "
        "edit."
    )
    where: str = Field(description="In words: 'step 2, result'.")
    before: str = Field(description="What stood there; empty for chars.")
    after: str = Field(description="What stands there now; empty for chars, and for a step that was dropped.")
    parent: str = Field(description="SHA-256 of the text that was corrupted, by which a group knows its parent.")
