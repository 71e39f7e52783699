"""Requests cut into calls."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from datagen.requests.request import Request

LOOK_UP = 1_024  # samples looked up in the store at once


class Call(NamedTuple):
    """Samples of one request that are still to be asked for."""

    row_number: int
    request: Request
    keys: dict[int, str]  # sample -> reply key


def in_batches(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Requests in groups of about LOOK_UP samples."""
    batch: list[Request] = []
    n_samples = 0
    for request in requests:
        batch.append(request)
        n_samples += len(request.samples)
        if n_samples >= LOOK_UP:
            yield batch
            batch, n_samples = [], 0
    if batch:
        yield batch


def split(samples: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    """Consecutive parts of at most `size`."""
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def restrict(call: Call, samples: tuple[int, ...]) -> Call:
    """The part of a call that asks for these samples."""
    request = call.request if samples == call.request.samples else replace(call.request, samples=samples)
    return Call(call.row_number, request, {sample: call.keys[sample] for sample in samples})
