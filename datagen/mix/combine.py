"""Which rows of several data sets make the mixture: duplicates out, then each data set's amount, then shuffled.

Nothing here depends on the order of the data sets. Of two duplicates the one stays that comes first by kind (the data
set's own solution, a verified sample, an augmentation, a foreign row), then by the name of its data set, then by its
place there. What is drawn, and where a row ends up, depends on its content and the seed alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, get_args

from datagen.mix.mixture import Amounts, amounts, copies, lot
from datagen.mix.near_duplicates import COMPLETION_RATIO, QUESTION_RATIO, Near, Text, near_duplicates
from datagen.parallel import ordered_map
from datagen_schemas.mixed import MixedKind

Duplicates = Literal["near", "exact", "keep"]

KINDS: tuple[str, ...] = get_args(MixedKind)
_ROWS_PER_TASK = 2000


@dataclass(frozen=True)
class DuplicateOptions:
    """What is a duplicate."""

    remove: Duplicates = "near"
    question_ratio: float = QUESTION_RATIO
    completion_ratio: float = COMPLETION_RATIO


@dataclass(frozen=True)
class CombineOptions:
    """What is kept, and how much of it."""

    duplicates: DuplicateOptions = field(default_factory=DuplicateOptions)
    amounts: Amounts = field(default_factory=Amounts)
    seed: int = 0


class Row(NamedTuple):
    """What is known of a row while it is decided on; its texts wait on disk. Rows sort as they are to stay."""

    kind: int  # position in KINDS
    origin: str
    row: int
    content: bytes  # hash of its texts
    at: int  # where its texts are
    key: bytes  # equal for exact duplicates
    block: bytes  # equal for those that may be near duplicates


class Taken(NamedTuple):
    """A row of the mixture; the copies of a row that comes several times are numbered from 0."""

    row: Row
    copy: int


class Twin(NamedTuple):
    """A row that was left out, the row that stays for it, and how alike they are; 100 for exact duplicates."""

    row: Row
    of: Row
    question_ratio: float
    completion_ratio: float


class Combined(NamedTuple):
    """The mixture and what is not in it."""

    taken: list[Taken]
    exact: list[Twin]
    near: list[Twin]
    not_drawn: Counter[str]  # data set -> rows under its cap, or beyond its amount


def combine(
    rows: Sequence[Row],
    options: CombineOptions,
    *,
    origins: Iterable[str],
    texts: Callable[[Sequence[Row]], list[Text]],
    workers: int = 1,
    on_progress: Callable[[int, int], None] = lambda _, __: None,
) -> Combined:
    """Choose the rows.

    Args:
        rows: all rows, in any order.
        options: what to keep.
        origins: names of all data sets, those without a row too.
        texts: fetches what is compared of rows.
        workers: processes; the result does not depend on it.
        on_progress: told how many rows of all that may have near duplicates were compared.

    Raises:
        DataError: there are fewer rows than asked for.
    """
    kept = sorted(rows)
    exact: list[Twin] = []
    near: list[Twin] = []
    if options.duplicates.remove != "keep":
        kept, exact = without_exact(kept)
    if options.duplicates.remove == "near":
        kept, near = _without_near(kept, options.duplicates, texts=texts, workers=workers, on_progress=on_progress)
    by_origin: dict[str, list[Row]] = {name: [] for name in sorted(origins)}
    for row in kept:
        by_origin[row.origin].append(row)
    given = amounts({name: len(rows) for name, rows in by_origin.items()}, options.amounts)
    taken: list[Taken] = []
    not_drawn: Counter[str] = Counter()
    for name, mine in by_origin.items():
        drawn = _drawn(mine, given[name], cap=options.amounts.caps.get(name), seed=options.seed)
        not_drawn[name] = len(mine) - sum(copy == 0 for _, copy in drawn)
        taken += drawn
    taken.sort(key=partial(_place, seed=options.seed))
    return Combined(taken, exact, near, not_drawn)


def without_exact(rows: Sequence[Row]) -> tuple[list[Row], list[Twin]]:
    """The first row of each key, and the others with the one that stays."""
    first: dict[bytes, Row] = {}
    twins: list[Twin] = []
    for row in rows:
        stays = first.setdefault(row.key, row)
        if stays is not row:
            twins.append(Twin(row, stays, 100.0, 100.0))
    return list(first.values()), twins


def _without_near(
    rows: Sequence[Row],
    options: DuplicateOptions,
    *,
    texts: Callable[[Sequence[Row]], list[Text]],
    workers: int,
    on_progress: Callable[[int, int], None],
) -> tuple[list[Row], list[Twin]]:
    """The same for near duplicates, block by block."""
    by_block: dict[bytes, list[Row]] = {}
    for row in rows:
        by_block.setdefault(row.block, []).append(row)
    blocks = [block for block in by_block.values() if len(block) > 1]
    total, done = sum(map(len, blocks)), 0
    tasks = list(_tasks(blocks))
    compare = partial(_near, question_ratio=options.question_ratio, completion_ratio=options.completion_ratio)
    found = ordered_map(
        compare, ([texts(block) for block in task] for task in tasks), workers=min(workers, len(tasks))
    )
    twins: list[Twin] = []
    for task, results in zip(tasks, found, strict=True):
        for block, nears in zip(task, results, strict=True):
            twins += [Twin(block[of.row], block[of.of], of.question_ratio, of.completion_ratio) for of in nears]
        done += sum(map(len, task))
        on_progress(done, total)
    gone = {twin.row.at for twin in twins}
    return [row for row in rows if row.at not in gone], sorted(twins)


def _tasks(blocks: Iterable[list[Row]]) -> Iterable[list[list[Row]]]:
    """Blocks in batches of about equal size."""
    task: list[list[Row]] = []
    size = 0
    for block in blocks:
        task.append(block)
        size += len(block)
        if size >= _ROWS_PER_TASK:
            yield task
            task, size = [], 0
    if task:
        yield task


def _near(task: list[list[Text]], *, question_ratio: float, completion_ratio: float) -> list[list[Near]]:
    return [near_duplicates(block, question_ratio=question_ratio, completion_ratio=completion_ratio) for block in task]


def _drawn(rows: Sequence[Row], n: int, *, cap: int | None, seed: int) -> list[Taken]:
    """n rows by their lots, of those under the cap; each once more as often as there are too few."""
    by_lot = sorted(rows, key=lambda row: (lot(seed, "draw", row.content), row))[:cap]
    return [Taken(row, i) for row, times in zip(by_lot, copies(n, of=len(by_lot)), strict=True) for i in range(times)]


def _place(taken: Taken, *, seed: int) -> tuple[bytes, Taken]:
    return lot(seed, "shuffle", taken.row.content, taken.copy), taken


def pairs_of_origins(twins: Iterable[Twin]) -> dict[str, Mapping[str, int]]:
    """Data set -> data set whose row stays -> how many of its rows went for one."""
    found: dict[str, Counter[str]] = {}
    for twin in twins:
        found.setdefault(twin.row.origin, Counter())[twin.of.origin] += 1
    return {name: dict(sorted(of.items())) for name, of in sorted(found.items())}
