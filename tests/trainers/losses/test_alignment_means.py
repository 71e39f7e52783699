import math
from typing import Any

import pytest
import torch

from datagen_trainers.losses.alignment import (
    alignment_counts,
    alignment_log,
    groups_with_pairs,
    mean_over_groups,
    ranking_loss,
    token_mean,
)

Vectors = dict[str, Any]  # Any: JSON


def test_token_means_are_those_of_the_vectors(vectors: Vectors) -> None:
    table = vectors["token_mean_score"]
    log_probs, mask = torch.tensor(table["token_logps"], dtype=torch.float64), torch.tensor(table["mask"]).bool()
    assert token_mean(log_probs, mask).tolist() == pytest.approx(table["score"], abs=1e-12)


def test_token_means_ignore_what_the_mask_leaves_out() -> None:
    log_probs = torch.tensor([[-1.0, -3.0, math.nan], [-math.inf, -0.5, -0.25], [math.nan, 0.0, 0.0]])
    leaf = log_probs.requires_grad_()
    mask = torch.tensor([[True, True, False], [False, True, False], [False, False, False]])
    score = token_mean(leaf, mask)
    assert score.tolist() == [-2.0, -0.5, 0.0]
    score.sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_token_means_add_half_precision_up_in_float32() -> None:
    # In bfloat16 a sum stops growing: 256 + 1 = 256.
    log_probs = torch.full((1, 1000), -1.0, dtype=torch.bfloat16)
    score = token_mean(log_probs, torch.ones(1, 1000, dtype=torch.bool))
    assert score.dtype == torch.float32 and score.item() == -1.0


def test_the_mean_counts_groups_with_pairs_only() -> None:
    ranks = torch.tensor([[1, 0], [1, 1], [1, 0], [1, 0]])
    valid = torch.tensor([[True, True], [True, True], [True, False], [True, True]])
    assert groups_with_pairs(ranks, valid).tolist() == [True, False, False, True]
    assert mean_over_groups(torch.tensor([1.0, 9.0, math.nan, 4.0]), ranks, valid).item() == 2.5


def test_the_mean_over_no_groups_is_a_0_that_can_be_differentiated() -> None:
    scores = torch.tensor([[-0.5, -1.0]], requires_grad=True)
    ranks, valid = torch.tensor([[1, 1]]), torch.ones(1, 2, dtype=torch.bool)
    mean = mean_over_groups(ranking_loss(scores, ranks, valid), ranks, valid)
    mean.backward()
    assert mean.item() == 0.0
    assert scores.grad is not None and scores.grad.tolist() == [[0.0, 0.0]]


def test_logged_shares_and_scores_are_those_counted_by_hand() -> None:
    scores = torch.tensor([[-0.3, -0.5, -0.7, -0.6], [-1.0, -2.0, -3.0, 7.0], [-4.0, -5.0, 7.0, 7.0], [7.0] * 4])
    ranks = torch.tensor([[1, 1, 0, 0], [2, 1, 0, 9], [1, 1, 9, 0], [1, 0, 1, 0]])
    valid = torch.tensor([[True] * 4, [True, True, True, False], [True, True, False, False], [False] * 4])
    counts = alignment_counts(scores, ranks, valid, boundary_beta=0.15)
    # Group 1: B = -0.5 - 0.15, and of -0.7 and -0.6 the first is below. Group 2: -2 is below -1.15, -3 below -2.15.
    # Group 3 has no pair, and group 4 is padding.
    assert [int(count) for count in counts[:4]] == [3, 2, 4, 3]
    logged = alignment_log(counts)
    assert logged["groups_without_pairs"] == pytest.approx(1 / 3)
    assert logged["below_boundary"] == 0.75
    assert logged["score_best"] == pytest.approx((-0.4 - 1.0) / 2)
    assert logged["score_worst"] == pytest.approx((-0.65 - 3.0) / 2)


def test_a_response_at_the_boundary_is_not_below_it() -> None:
    scores, ranks, valid = torch.tensor([[-0.5, -0.75]]), torch.tensor([[1, 0]]), torch.ones(1, 2, dtype=torch.bool)
    assert alignment_log(alignment_counts(scores, ranks, valid, boundary_beta=0.25))["below_boundary"] == 0.0


def test_nothing_to_log_is_nan_and_counts_add_up() -> None:
    empty = alignment_counts(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool))
    assert all(math.isnan(value) for value in alignment_log(empty).values())
    inputs = (
        torch.tensor([[-0.3, -0.9], [-0.2, -0.1]]),
        torch.tensor([[1, 0], [1, 1]]),
        torch.ones(2, 2, dtype=torch.bool),
    )
    halves = [alignment_counts(*(tensor[b : b + 1] for tensor in inputs)) for b in range(2)]
    whole = alignment_counts(*inputs)
    assert [float(a + b) for a, b in zip(*halves, strict=True)] == pytest.approx([float(count) for count in whole])
