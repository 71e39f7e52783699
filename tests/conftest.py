"""The order of the tests, and their threads."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers have a core each: torch's threads would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

LONGEST = "test_every_block_works_from_top_to_bottom"  # minutes: the demo is in it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The README first: begun last, it would run alone while the other core waits."""
    items.sort(key=lambda item: item.name != LONGEST)
