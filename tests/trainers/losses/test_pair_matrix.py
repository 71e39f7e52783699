import math

import pytest
import torch

from datagen_trainers.losses.pair_matrix import log_one_plus_sum_exp, lowest_better_score, pair_scores, pairs


def test_pairs_are_strict_and_of_valid_candidates_only() -> None:
    mask = pairs(torch.tensor([[2.0, 1.0, 1.0, 9.0]]), torch.tensor([[True, True, True, False]]))
    assert mask.nonzero().tolist() == [[0, 0, 1], [0, 0, 2]]


def test_shapes_that_would_broadcast_are_refused() -> None:
    scores, valid = torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"scores are \(2, 3\) and ranks \(2, 1\)"):
        pair_scores(scores, torch.zeros(2, 1), valid)
    with pytest.raises(ValueError, match=r"ranks are \(2, 3\) and valid is \(2, 1\)"):
        pairs(torch.zeros(2, 3), valid[:, :1])


def test_the_lowest_better_score_is_one_of_the_better_ones() -> None:
    # The last response has the lowest score and is no better than any; nothing is better than the first.
    group = pair_scores(
        torch.tensor([[-0.25, -1.0, -0.5, -9.0]]), torch.tensor([[3, 2, 1, 0]]), torch.ones(1, 4, dtype=torch.bool)
    )
    assert lowest_better_score(group).tolist() == [[[math.inf, -0.25, -1.0, -1.0]]]


def test_the_sum_is_exact_where_exp_overflows_or_vanishes_and_0_where_nothing_is_kept() -> None:
    terms = torch.tensor([[1e4, 1e4], [-1e4, math.log(3)], [math.nan, math.inf]], requires_grad=True)
    value = log_one_plus_sum_exp(terms, torch.tensor([[True, True], [True, True], [False, False]]))
    assert value.tolist() == pytest.approx([1e4 + math.log(2), math.log(4), 0.0], rel=1e-7)
    value.sum().backward()
    assert terms.grad is not None
    torch.testing.assert_close(terms.grad, torch.tensor([[0.5, 0.5], [0.0, 0.75], [0.0, 0.0]]), rtol=1e-6, atol=0)
