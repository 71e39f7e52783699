import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen_trainers.metrics.assessment import assessment_accuracy, pair_counts

Vectors = dict[str, Any]  # Any: JSON


def test_accuracy_is_that_of_the_vectors(vectors: Vectors) -> None:
    for vector in vectors["aft"]:
        scores, ranks = (torch.tensor([vector[name]], dtype=torch.float64) for name in ("scores", "rank"))
        result = assessment_accuracy(scores, ranks, torch.tensor([vector["valid"]]).bool())
        assert result.n_pairs == vector["pairs"]
        expected = math.nan if vector["assessment_accuracy"] is None else vector["assessment_accuracy"]
        assert result.micro == pytest.approx(expected, nan_ok=True)
        assert result.macro == pytest.approx(expected, nan_ok=True)


def test_macro_weighs_groups_and_micro_weighs_pairs() -> None:
    scores = torch.tensor([[-0.1, -0.5, -0.9, -0.2], [-0.5, -0.4, 9.0, 9.0], [-0.1, -0.2, 9.0, 9.0]])
    ranks = torch.tensor([[1, 0, 0, 0], [1, 0, 9, 0], [1, 1, 9, 0]])
    valid = torch.tensor([[True] * 4, [True, True, False, False], [True, True, False, False]])
    # Group 1: all three right; group 2: its one pair wrong; group 3: no pair.
    assert pair_counts(scores, ranks, valid).n_correct.tolist() == [3, 0, 0]
    assert pair_counts(scores, ranks, valid).n_pairs.tolist() == [3, 1, 0]
    assert assessment_accuracy(scores, ranks, valid) == (0.5, 0.75, 2, 4)


def test_equal_scores_are_wrong() -> None:
    result = assessment_accuracy(torch.tensor([[-0.5, -0.5]]), torch.tensor([[1, 0]]), torch.ones(1, 2).bool())
    assert result == (0.0, 0.0, 1, 1)


def test_no_pairs_is_nan_of_nothing() -> None:
    result = assessment_accuracy(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2).bool())
    assert math.isnan(result.macro) and math.isnan(result.micro)
    assert result[2:] == (0, 0)


@given(scores=st.lists(st.lists(st.integers(-9, 0), min_size=6, max_size=6), min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_three_positives_and_three_negatives_give_equation_3(scores: list[list[int]]) -> None:
    correct = sum(s[j] > s[k] for s in scores for j in range(3) for k in range(3, 6))
    ranks, valid = torch.tensor([[1, 1, 1, 0, 0, 0]] * len(scores)), torch.ones(len(scores), 6).bool()
    result = assessment_accuracy(torch.tensor(scores) / 8, ranks, valid)
    assert result.micro == pytest.approx(correct / (9 * len(scores)))
    assert result.macro == pytest.approx(result.micro)
    assert (result.n_groups, result.n_pairs) == (len(scores), 9 * len(scores))
