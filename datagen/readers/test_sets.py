"""Which problems are a test set: the one that goes with a dataset, or the one that a name or path means."""

from dataclasses import replace
from pathlib import Path

from datagen.readers.compressed import kind_of
from datagen.readers.hub import KNOWN, hub_dataset
from datagen.readers.locate import NO_SPLIT, SUFFIXES, locate, split_of
from datagen.readers.read import SYNTHETIC, DatasetSpec, read_problems
from datagen_schemas.errors import DataError

GSM8K = "gsm8k"
TEST = "test"


def test_set(name: str) -> DatasetSpec:
    """The test split of what a name or path means; all of it where there are no splits.

    Raises:
        DataError: neither a dataset's name nor a path, or a path without data or without a test split.
    """
    path = Path(name)
    if not path.exists():
        is_hub = name in KNOWN or (kind_of(path) not in SUFFIXES and hub_dataset(name) is not None)
        if not is_hub and name.partition(":")[0] != SYNTHETIC:
            raise DataError(f"test set {name}: no such file, and no dataset of that name. Check the path.")
        return DatasetSpec(name, split=TEST)
    split = locate(path, None, default_split=TEST).split
    return DatasetSpec(name, split=None if split == NO_SPLIT else split)


def known_test_set(spec: DatasetSpec) -> DatasetSpec | None:
    """GSM8K's test split, if this is GSM8K and another split of it; None if no test set is known.

    A local copy is known by its shape and by the one test file beside it.
    """
    if spec.split == TEST:
        return None
    if spec.name == GSM8K:
        return DatasetSpec(GSM8K, split=TEST)
    path = Path(spec.name)
    if not path.exists() or spec.format not in (None, GSM8K) or spec.columns:
        return None
    folder = path if path.is_dir() else path.parent
    tests = [file for file in folder.glob("test*") if kind_of(file) in SUFFIXES and split_of(file) == TEST]
    if len(tests) != 1 or tests[0] == path:
        return None
    first = next(read_problems(replace(spec, limit=1, skip_bad=True)), None)
    return DatasetSpec(str(tests[0]), format=GSM8K) if first is not None and first.id.startswith("gsm8k-") else None
