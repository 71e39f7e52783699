"""The search for the boundary's beta on a validation set (AFT paper, appendix B): of a model each the best is kept."""

import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from datagen_schemas.errors import DataError

RECORD = "beta-search.json"
OF, ACCURACY = "fingerprint", "accuracy"
MAX_BETAS = 100


class Searched(NamedTuple):
    """The accuracy of each beta on the validation set, and the best beta, the smaller one of equals."""

    accuracy: dict[str, float]
    best: str


def betas(text: str) -> tuple[str, ...]:
    """The values of 'FROM:TO:STEP', both ends included, exactly: 0:0.5:0.05 are the paper's eleven.

    Raises:
        ValueError: that is no such range.
    """
    try:
        low, high, step = (Decimal(part) for part in text.split(":"))
        n = int((high - low) / step) + 1
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{text!r} is no range FROM:TO:STEP, such as 0:0.5:0.05") from error
    if step <= 0 or high < low or n > MAX_BETAS:
        raise ValueError(f"{text!r}: needs FROM <= TO, a STEP above 0, and at most {MAX_BETAS} values")
    return tuple(f"{low + i * step:f}" for i in range(n))


def beta_search(
    values: Sequence[str],
    *,
    train: Callable[[float, Path], object],
    accuracy: Callable[[Path], float],
    out: Path,
    fingerprint: str = "",
) -> Searched:
    """Train a model with each beta, measure it, and leave the best one at `out`.

    What was measured stands in OUT/beta-search.json, so that an interrupted search goes on after it; at any time
    only the best model so far is on the disk.

    Args:
        values: betas as text, which is also how they are recorded.
        fingerprint: of everything else that decides the result: data, model, settings, validation set.
        train: trains with a beta into a folder.
        accuracy: of the model in a folder, on the validation set.
        out: where the best model ends up.

    Raises:
        DataError: `out` holds the search over other values, or of something else.
    """
    record = out / RECORD
    known: dict[str, Any] = {OF: fingerprint, ACCURACY: {}}  # Any: JSON
    if record.exists():
        known = orjson.loads(record.read_bytes())
    done: dict[str, float] = known[ACCURACY]
    if unknown := sorted(set(done) - set(values)):
        raise DataError(f"{out}: holds a search that tried beta {unknown[0]}. Name another --out, or delete it.")
    if known[OF] != fingerprint:
        raise DataError(
            f"{out}: holds a search with other data, settings, model or validation set. Name another --out, or delete "
            "this one."
        )
    best = out / "best"  # until the end; the best of a finished search that is extended lies in `out` itself
    for value in values:
        if value in done:
            continue
        folder = out / f"beta-{value}"
        train(float(value), folder)
        found = accuracy(folder)
        if not done or found > max(done.values()):
            shutil.rmtree(best, ignore_errors=True)
            folder.rename(best)
        else:
            shutil.rmtree(folder)
        done[value] = found
        _write(record, {OF: fingerprint, ACCURACY: done})
    if best.is_dir():
        for file in best.iterdir():
            old = out / file.name  # of a search that is being extended
            if old.is_dir():
                shutil.rmtree(old)
            file.replace(old)
        best.rmdir()
    return Searched(done, max(values, key=lambda value: (done[value], -values.index(value))))


def _write(path: Path, content: dict[str, object]) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    partial.replace(path)
