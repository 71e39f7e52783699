import math
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import logsigmoid

from datagen_trainers.losses.alignment import AlignmentConfig, alignment_loss
from datagen_trainers.losses.baselines import pro_loss, ranking_dpo_loss, rrhf_loss

# exp(s) = 1/2, 1/4, 1/8: every exponential below is a fraction.
HALVES = torch.tensor([[math.log(1 / 2), math.log(1 / 4), math.log(1 / 8)]], dtype=torch.float64)
ALL = torch.ones(1, 3, dtype=torch.bool)
DOWN, UP = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[0.0, 1.0, 2.0]])


def gradient_of(loss: Callable[[Tensor], Tensor], scores: Tensor) -> list[float]:
    leaf = scores.clone().requires_grad_()
    loss(leaf).sum().backward()
    assert leaf.grad is not None
    return [float(x) for x in leaf.grad.flatten()]


def explicit_baseline(
    config: AlignmentConfig, s: Tensor, reference: Tensor, ranks: Sequence[float], valid: Sequence[bool]
) -> Tensor:
    """Eq. 16, 18 and 20-21 for one group, pair by pair, with the sums as they are printed."""
    candidates = [i for i in range(len(ranks)) if valid[i]]
    total = 0 * s.sum()
    for i in candidates:
        below = [j for j in candidates if ranks[i] > ranks[j]]
        inner = torch.ones((), dtype=torch.float64)
        for j in below:
            worse = s[j].detach() if config.constraint else s[j]
            if config.loss == "rrhf":
                if worse.item() > s[i].item():  # the indicator of Eq. 19
                    total = total + config.rrhf_scale * (worse - s[i])
            elif config.loss == "pro":
                dynamic = config.pro_dynamic_temperature
                tau = ranks[i] - ranks[j] if dynamic else 1.0
                tau_max = max(ranks[i] - ranks[k] for k in below) if dynamic else 1.0
                inner = inner + torch.exp(tau * worse - tau_max * s[i])
            else:
                gain = worse - reference[j] - s[i] + reference[i]
                inner = inner + torch.exp(config.dpo_beta * gain)
        total = total + torch.log(inner)
    return total


@pytest.mark.parametrize(
    "config",
    [
        AlignmentConfig(loss="rrhf"),
        AlignmentConfig(loss="rrhf", rrhf_scale=0.3, constraint=True),
        AlignmentConfig(loss="pro"),
        AlignmentConfig(loss="pro", constraint=True),
        AlignmentConfig(loss="pro", pro_dynamic_temperature=False),
        AlignmentConfig(loss="pro", pro_dynamic_temperature=False, constraint=True),
        AlignmentConfig(loss="rank_dpo"),
        AlignmentConfig(loss="rank_dpo", dpo_beta=0.7, constraint=True),
    ],
    ids=str,
)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_the_pair_matrix_gives_what_the_printed_sums_give(config: AlignmentConfig, data: st.DataObject) -> None:
    n, k = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5))

    def matrix(element: st.SearchStrategy[float]) -> Tensor:
        rows = st.lists(st.lists(element, min_size=k, max_size=k), min_size=n, max_size=n)
        return torch.tensor(data.draw(rows), dtype=torch.float64)

    scores, reference = matrix(st.integers(-40, 0)) / 8, matrix(st.integers(-40, 0)) / 16
    ranks, valid = matrix(st.sampled_from([0.0, 1.0, 2.5, 22 / 3])), matrix(st.sampled_from([0.0, 1.0])).bool()

    leaf = scores.clone().requires_grad_()
    value = alignment_loss(leaf, ranks, valid, config=config, reference_scores=reference)
    value.sum().backward()
    slow_leaf = scores.clone().requires_grad_()
    slow = torch.stack(
        [explicit_baseline(config, slow_leaf[b], reference[b], ranks[b].tolist(), valid[b].tolist()) for b in range(n)]
    )
    slow.sum().backward()
    torch.testing.assert_close(value, slow, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(leaf.grad, slow_leaf.grad, rtol=1e-11, atol=1e-11)


def test_rrhf_by_hand() -> None:
    # In the right order nothing is paid; reversed, the gaps are ln 4, ln 2 and ln 2.
    assert rrhf_loss(HALVES, DOWN, ALL).item() == 0.0
    assert rrhf_loss(HALVES, UP, ALL).item() == pytest.approx(4 * math.log(2))
    # Eq. 19: weight 1 whatever the gap; Table 10's factor scales the gradient; the constraint leaves the raising half.
    assert gradient_of(lambda s: rrhf_loss(s, UP, ALL), HALVES) == [2.0, 0.0, -2.0]
    assert gradient_of(lambda s: rrhf_loss(s, UP, ALL, scale=0.1), HALVES) == pytest.approx([0.2, 0.0, -0.2])
    assert gradient_of(lambda s: rrhf_loss(s, UP, ALL, constraint=True), HALVES) == [0.0, -1.0, -2.0]


def test_rrhf_moves_nothing_at_equal_scores() -> None:
    equal = torch.full((1, 3), -0.5)
    assert gradient_of(lambda s: rrhf_loss(s, DOWN, ALL), equal) == [0.0, 0.0, 0.0]


def test_pro_by_hand() -> None:
    # Eq. 20-21, i = 1: tau = 1 and 2, tau^max = 2, terms (1/4)/(1/2)^2 = 1 and (1/8)^2/(1/2)^2 = 1/16;
    # i = 2: tau = tau^max = 1, term (1/8)/(1/4) = 1/2.
    assert pro_loss(HALVES, DOWN, ALL).item() == pytest.approx(math.log(33 / 16) + math.log(1.5))
    # Without tau: 1/2 and 1/4, then 1/2.
    without = pro_loss(HALVES, DOWN, ALL, dynamic_temperature=False).item()
    assert without == pytest.approx(math.log(1.75) + math.log(1.5))


def test_pro_lowers_with_the_dynamic_gradient_weight_and_not_at_all_under_the_constraint() -> None:
    # Eq. 23 for i = 1: tau * term / (33/16), that is 16/33 and 2/33; s_1 is raised with tau^max = 2 times 17/33.
    # For i = 2: weight 1/3.
    expected = [-34 / 33, 16 / 33 - 1 / 3, 2 / 33 + 1 / 3]
    assert gradient_of(lambda s: pro_loss(s, DOWN, ALL), HALVES) == pytest.approx(expected)
    constrained = gradient_of(lambda s: pro_loss(s, DOWN, ALL, constraint=True), HALVES)
    assert constrained == pytest.approx([-34 / 33, -1 / 3, 0.0])


def test_pro_has_no_term_for_equal_ranks() -> None:
    # Its own code keeps exp(0) = 1 for each tie: log 2 here instead of 0.
    assert pro_loss(HALVES, torch.full((1, 3), 7.0), ALL).item() == 0.0


def test_pro_is_exact_where_an_epsilon_inside_the_logarithm_is_not() -> None:
    # log(eps + exp(-200) + ...) is ruled by eps; the printed loss of scores -300 and -200 is 100.
    scores, ranks = torch.tensor([[-300.0, -200.0]]), torch.tensor([[1.0, 0.0]])
    assert pro_loss(scores, ranks, torch.ones(1, 2, dtype=torch.bool)).item() == 100.0


def test_ranking_dpo_by_hand() -> None:
    # beta = 2 and a reference that scores all alike: (1/2)^2 and (1/4)^2, then (1/2)^2.
    alike = torch.full_like(HALVES, -3.0)
    loss = ranking_dpo_loss(HALVES, DOWN, ALL, alike, dpo_beta=2.0)
    assert loss.item() == pytest.approx(math.log(1 + 5 / 16) + math.log(1.25))
    # Where the model is its reference, i has n_i terms of 1 each: log 3 + log 2.
    assert ranking_dpo_loss(HALVES, DOWN, ALL, HALVES).item() == pytest.approx(math.log(6))


def test_ranking_dpo_of_two_is_dpos_sigmoid_loss() -> None:
    scores, reference = torch.tensor([[-0.8, -0.3]]).double(), torch.tensor([[-0.317, -0.415]]).double()
    chosen, rejected = (scores - reference).unbind(dim=1)
    loss = ranking_dpo_loss(scores, torch.tensor([[1, 0]]), ALL[:, :2], reference, dpo_beta=0.1)
    torch.testing.assert_close(loss, -logsigmoid(0.1 * (chosen - rejected)), rtol=1e-12, atol=0)


def test_ranking_dpo_raises_the_better_only_under_the_constraint() -> None:
    # Eq. 17 at model = reference: weight beta/3 per term of i = 1 and beta/2 for i = 2.
    free = gradient_of(lambda s: ranking_dpo_loss(s, DOWN, ALL, HALVES, dpo_beta=0.6), HALVES)
    assert free == pytest.approx([-0.4, 0.2 - 0.3, 0.2 + 0.3])
    held = gradient_of(lambda s: ranking_dpo_loss(s, DOWN, ALL, HALVES, dpo_beta=0.6, constraint=True), HALVES)
    assert held == pytest.approx([-0.4, -0.3, 0.0])


def test_the_reference_is_a_constant_and_has_to_be_given() -> None:
    reference = HALVES.clone().requires_grad_()
    scores = HALVES.clone().requires_grad_()
    ranking_dpo_loss(scores, DOWN, ALL, reference).sum().backward()
    assert reference.grad is None
    with pytest.raises(ValueError, match="rank_dpo compares with a reference model: give its reference_scores"):
        alignment_loss(HALVES, DOWN, ALL, config=AlignmentConfig(loss="rank_dpo"))
    with pytest.raises(ValueError, match=r"\(1, 1\) reference scores for \(1, 3\) scores"):
        ranking_dpo_loss(HALVES, DOWN, ALL, HALVES[:, :1])
