"""Diversity gain: how far added questions are from the original ones (MetaMath, Yu et al. 2023, section 3.5).

The paper's gain is the mean, over added data x_i, of the squared distance to the nearest base data x_j in the space of
an embedding f: d_gain = 1/M sum_i min_j ||f(x_i) - f(x_j)||^2. `embedding_gain` is that. `text_distance_gain` needs no
model: the distance is 1 - ratio / 100, the indel distance of the two texts divided by their lengths' sum, unsquared.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from datagen.augment.duplicates import character_counts, count_differences
from datagen.seeding import rng_for

_FIRST = 32  # originals whose best decides which others are compared at all
_CHUNK = 1 << 22  # distances held at a time


class Gain(NamedTuple):
    """A mean distance to the nearest original, and the number of questions it is the mean of."""

    mean: float
    n: int


def text_distance_gain(
    added: Sequence[str], originals: Sequence[str], *, sample: int | None = 1000, seed: int
) -> Gain | None:
    """Mean of 1 - ratio / 100 between an added question and the original most like it; None without any.

    Args:
        added: the added questions.
        originals: the questions they are added to.
        sample: as many of the added questions, drawn without replacement, are measured; None is all of them.
        seed: for the draw.
    """
    if not added or not originals:
        return None
    if sample is not None and sample < 1:
        raise ValueError(f"sample is {sample}, and must be 1 or more")
    if sample is not None and len(added) > sample:
        added = rng_for(seed, "diversity gain").sample(list(added), sample)
    nearest = _Nearest(originals)
    return Gain(sum(1 - nearest.ratio(text) / 100 for text in added) / len(added), len(added))


def embedding_gain(added: NDArray[np.float32], originals: NDArray[np.float32]) -> float:
    """The paper's gain: mean over rows of `added` of the squared distance to the nearest row of `originals`.

    Args:
        added: (M, d).
        originals: (N, d).

    Raises:
        ValueError: a matrix has no row, or their widths differ.
    """
    if not len(added) or not len(originals) or added.shape[1:] != originals.shape[1:]:
        raise ValueError(f"embeddings are {added.shape} and {originals.shape}; both must have rows of one width")
    base = originals.astype(np.float64)
    squares = np.einsum("nd,nd->n", base, base)
    rows = max(1, _CHUNK // len(base))
    total = 0.0
    for start in range(0, len(added), rows):
        part = added[start : start + rows].astype(np.float64)
        # ||a - b||^2 = ||a||^2 - 2 a.b + ||b||^2; rounding may leave a little less than 0
        nearest = np.einsum("md,md->m", part, part) + (squares - 2 * part @ base.T).min(axis=1)
        total += float(np.maximum(nearest, 0).sum())
    return total / len(added)


class _Nearest:
    """Originals, ready to be searched for the one most like a text."""

    def __init__(self, originals: Sequence[str]) -> None:
        self.originals = originals
        self.lengths = np.array([len(text) for text in originals])
        self.counts = np.stack([character_counts(text) for text in originals], axis=1)
        places: defaultdict[str, list[int]] = defaultdict(list)
        for i, text in enumerate(originals):
            for word in set(text.split()):
                places[word].append(i)
        rare = max(1, len(originals) // 20)
        self.places = {word: np.array(where) for word, where in places.items() if len(where) <= rare}

    def ratio(self, text: str) -> float:
        """The highest ratio of an original.

        Those that share the most rare words are compared first, since a question's own original is among them; of the
        others only those whose bound is over the best of these.
        """
        differences = count_differences(self.counts, character_counts(text))
        bounds = 100 * (1 - differences / np.maximum(self.lengths + len(text), 1))  # no ratio is higher
        shared = np.zeros(len(self.originals), np.int64)
        for word in set(text.split()):
            if (where := self.places.get(word)) is not None:
                shared[where] += 1
        first = np.argpartition(-shared, min(_FIRST, len(shared)) - 1)[:_FIRST]
        best = self._highest(text, first, at_least=0.0)
        bounds[first] = -1
        # A hair less, because the bound is rounded.
        return self._highest(text, np.flatnonzero(bounds > best - 1e-6), at_least=best)

    def _highest(self, text: str, which: NDArray[np.int64], *, at_least: float) -> float:
        texts = [self.originals[i] for i in which.tolist()]
        found = process.extractOne(text, texts, scorer=fuzz.ratio, score_cutoff=at_least)
        return at_least if found is None else found[1]
