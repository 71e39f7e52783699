"""Datasets on the Hugging Face Hub: the ones we know by name, and any other by its id."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from datagen.readers.row import Row
from datagen_schemas.errors import DataError


class HubDataset(NamedTuple):
    """What `datasets.load_dataset` needs to know; a local folder of data files will do as `path`, too."""

    path: str
    config: str | None = None


# MathQA's own repository and ECQA's need a loading script, which `datasets` no longer runs: these are their mirrors as
# Parquet. The original MATH repository was taken down.
KNOWN = {
    "gsm8k": HubDataset("openai/gsm8k", "main"),
    "svamp": HubDataset("ChilleD/SVAMP"),
    "aqua": HubDataset("deepmind/aqua_rat", "raw"),
    "ecqa": HubDataset("tasksource/ecqa"),
    "mathqa": HubDataset("regisss/math_qa"),
    "math": HubDataset("DigitalLearningGmbH/MATH-lighteval", "default"),
    "openbookqa": HubDataset("allenai/openbookqa", "additional"),
    "hellaswag": HubDataset("Rowan/hellaswag"),
}
_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([\w.-]+))?")


def hub_dataset(name: str) -> HubDataset | None:
    """The dataset of an id 'org/name' or 'org/name:config'; None if the name cannot be one."""
    match = _HUB_ID.fullmatch(name)
    return HubDataset(match[1], match[2]) if match else None


def read_hub(dataset: HubDataset, split: str) -> Iterator[Row]:
    """Rows of one split, in the published order; downloaded once, then read from the cache of `datasets`.

    Raises:
        DataError: the Hub cannot be reached, or has no such dataset, config or split.
    """
    import datasets  # 1.1 s to import
    from datasets.exceptions import DatasetsError

    name = f"{dataset.path} ({split})"
    try:
        table = datasets.load_dataset(dataset.path, dataset.config, split=split)
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name}: cannot be loaded from the Hub ({reason[:200].rstrip('.')}). Check the name, the split and the "
            "network, or download the files and pass their path."
        ) from error
    assert isinstance(table, datasets.Dataset)  # as one split was asked for
    for index, values in enumerate(table):
        yield Row(name, index + 1, False, index, dict(values))
