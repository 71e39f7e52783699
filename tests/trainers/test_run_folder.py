"""Whose run a folder is."""

from collections.abc import Iterator
from typing import cast

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from datagen_trainers.run_folder import run_fingerprint


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_a_fingerprint_depends_on_the_weights_and_not_on_the_number_of_threads() -> None:
    torch.manual_seed(0)
    model = cast(PreTrainedModel, nn.Linear(1_000, 1_000))  # as much of a model as is read
    found = set()
    for n in (1, 2, 3):
        torch.set_num_threads(n)
        found.add(run_fingerprint([], model=model, settings={}))
    assert len(found) == 1
    with torch.no_grad():
        model.get_parameter("weight").add_(1e-6)
    assert run_fingerprint([], model=model, settings={}) not in found
