import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from datagen_trainers.losses.alignment import (
    ALIGNMENT_LOSSES,
    AlignmentConfig,
    alignment_loss,
    boundary_constraint_loss,
    detached_constraint_loss,
    pairs,
    ranking_loss,
    rdc2_loss,
)

Vectors = dict[str, Any]  # Any: JSON

# Every loss there is, with each choice that changes its value or gradient.
CONFIGS = [
    *(AlignmentConfig(loss=name) for name in ("a", "dc", "bc", "r", "rdc1", "rdc2", "rbc", "rrhf", "pro", "rank_dpo")),
    AlignmentConfig(loss="rbc", detach_boundary=False),
    AlignmentConfig(loss="rrhf", rrhf_scale=0.3, constraint=True),
    AlignmentConfig(loss="pro", constraint=True),
    AlignmentConfig(loss="pro", pro_dynamic_temperature=False),
    AlignmentConfig(loss="pro", pro_dynamic_temperature=False, constraint=True),
    AlignmentConfig(loss="rank_dpo", constraint=True),
]
NEVER_LOWERS = [c for c in CONFIGS if c.constraint or c.loss in ("dc", "rdc1")]

# The vectors' names beside ours; `params` of the vectors are added in the test.
VECTOR_CONFIGS: dict[str, list[AlignmentConfig]] = {
    "a_r": [AlignmentConfig(loss="a"), AlignmentConfig(loss="r")],
    "dc_rdc1": [AlignmentConfig(loss="dc"), AlignmentConfig(loss="rdc1")],
    "rdc2": [AlignmentConfig(loss="rdc2")],
    "bc_rbc": [AlignmentConfig(loss="bc"), AlignmentConfig(loss="rbc")],
    "bc_rbc_nodetach": [AlignmentConfig(loss="rbc", detach_boundary=False)],
    "rrhf": [AlignmentConfig(loss="rrhf")],
    "pro": [AlignmentConfig(loss="pro")],
    "pro_notau": [AlignmentConfig(loss="pro", pro_dynamic_temperature=False)],
    "pro_rdc1": [AlignmentConfig(loss="pro", constraint=True)],
    "rank_dpo": [AlignmentConfig(loss="rank_dpo")],
}

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def label(config: AlignmentConfig) -> str:
    options = {
        "constraint": config.constraint,
        "boundary_not_detached": not config.detach_boundary,
        "without_tau": not config.pro_dynamic_temperature,
    }
    return "-".join([config.loss, *(name for name, on in options.items() if on)])


def loss_of(config: AlignmentConfig) -> Loss:
    """The configured loss with some reference scores that differ between responses."""

    def loss(scores: Tensor, ranks: Tensor, valid: Tensor) -> Tensor:
        reference = -0.5 - 0.1 * ranks.nan_to_num().double()
        return alignment_loss(scores, ranks, valid, config=config, reference_scores=reference)

    return loss


def value_and_gradient(loss: Loss, scores: Tensor, ranks: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    leaf = scores.clone().requires_grad_()
    value = loss(leaf, ranks, valid)
    value.sum().backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def group(scores: Sequence[float], ranks: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
    row = torch.tensor([scores], dtype=torch.float64)
    return row, torch.tensor([ranks], dtype=torch.float64), torch.ones(1, len(scores), dtype=torch.bool)


def explicit_loss(config: AlignmentConfig, s: Tensor, ranks: Sequence[float], valid: Sequence[bool]) -> Tensor:
    """The equations of the L_A family for one group, pair by pair, with the sums as they are printed."""
    candidates = [i for i in range(len(ranks)) if valid[i]]
    total = torch.ones((), dtype=torch.float64) + 0 * s.sum()
    for i in candidates:
        for j in candidates:
            if not ranks[i] > ranks[j]:
                continue
            is_lowest = ranks[j] == min(ranks[k] for k in candidates)
            constant = config.loss in ("dc", "rdc1") or (config.loss == "rdc2" and is_lowest)
            total = total + torch.exp((s[j].detach() if constant else s[j]) - s[i])
            if config.loss in ("bc", "rbc"):
                lowest = torch.stack([s[k] for k in candidates if ranks[k] > ranks[j]]).amin()
                t = 2 * lowest - 2 * config.boundary_beta - s[i]
                total = total + torch.exp((t.detach() if config.detach_boundary else t) - s[j])
    return torch.log(total)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Ragged groups with ties among the ranks, and sometimes among the scores, whose padding stands anywhere."""
    n, k = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    row = st.lists(st.integers(-40, 0), min_size=k, max_size=k)
    scores = torch.tensor([draw(row) for _ in range(n)], dtype=torch.float64) / 8
    rank_row = st.lists(st.sampled_from([0.0, 1.0, 2.0, 22 / 3]), min_size=k, max_size=k)
    ranks = torch.tensor([draw(rank_row) for _ in range(n)], dtype=torch.float64)
    valid = torch.tensor([draw(st.lists(st.booleans(), min_size=k, max_size=k)) for _ in range(n)])
    return scores, ranks, valid


def test_values_and_gradients_are_those_of_the_independent_implementation(vectors: Vectors) -> None:
    compared = 0
    for vector in vectors["aft"]:
        scores, ranks, reference = (
            torch.tensor([vector[name]], dtype=torch.float64) for name in ("scores", "rank", "ref_scores")
        )
        valid = torch.tensor([vector["valid"]]).bool()
        assert int(pairs(ranks, valid).sum()) == vector["pairs"]
        for expected in vector["expected"]:
            for config in VECTOR_CONFIGS[expected["loss"]]:
                if "beta" in expected["params"]:
                    beta = expected["params"]["beta"]
                    config = replace(config, **{"dpo_beta" if config.loss == "rank_dpo" else "boundary_beta": beta})

                loss = partial(alignment_loss, config=config, reference_scores=reference)
                value, gradient = value_and_gradient(loss, scores, ranks, valid)
                assert value.item() == pytest.approx(expected["value"], rel=0, abs=1e-10), (
                    vector["id"],
                    label(config),
                )
                assert gradient[0].tolist() == pytest.approx(expected["grad_scores"], rel=0, abs=1e-9), vector["id"]
                single, single_gradient = value_and_gradient(loss, scores.float(), ranks, valid)
                assert single.item() == pytest.approx(expected["value"], rel=1e-5), (vector["id"], label(config))
                assert single_gradient[0].tolist() == pytest.approx(expected["grad_scores"], rel=1e-5, abs=1e-6)
                compared += 1
    # 11 entries per group; a_r, dc_rdc1 and both betas of bc_rbc stand for two names each.
    assert compared == 6 * (11 + 4)


def test_the_gradient_around_the_boundary_is_that_of_the_vectors(vectors: Vectors) -> None:
    table = vectors["bc_boundary_sign"]
    for row in table["rows"]:
        inputs = group([*table["scores_positive"], row["s_n"]], [1, 1, 0])
        _, gradient = value_and_gradient(boundary_constraint_loss, *inputs)
        assert gradient[0].tolist() == pytest.approx(row["grad"], rel=0, abs=1e-9)


def test_three_candidates_by_hand() -> None:
    # p = 1/2, n = 1/4 and 1/8, so exp(s_n - s_p) is 1/2 and 1/4. With beta = 0: T = 2 ln 1/2 - ln 1/2 = ln 1/2, and
    # exp(T - s_n) is 2 and 4.
    inputs = group([math.log(1 / 2), math.log(1 / 4), math.log(1 / 8)], [1, 0, 0])
    for loss in (ranking_loss, detached_constraint_loss, rdc2_loss):
        assert loss(*inputs).item() == pytest.approx(math.log(1.75))
    assert boundary_constraint_loss(*inputs, boundary_beta=0).item() == pytest.approx(math.log(7.75))
    # As a ranking 2 > 1 > 0 there is the pair of the two n besides: exp(s_j - s_i) = 1/2.
    ranked = group([math.log(1 / 2), math.log(1 / 4), math.log(1 / 8)], [2, 1, 0])
    assert ranking_loss(*ranked).item() == pytest.approx(math.log(2.25))
    # RDC2 detaches only the lowest: d/ds of exp(s_2 - s_1) + exp(s_3 - s_1) + exp(s_3 - s_2) = 1/2 + 1/4 + 1/2.
    _, gradient = value_and_gradient(rdc2_loss, *ranked)
    assert gradient[0].tolist() == pytest.approx([-0.75 / 2.25, (0.5 - 0.5) / 2.25, 0.0])
    _, gradient = value_and_gradient(detached_constraint_loss, *ranked)
    assert gradient[0].tolist() == pytest.approx([-0.75 / 2.25, -0.5 / 2.25, 0.0])


@pytest.mark.parametrize(
    "config", [c for c in CONFIGS if c.loss in ("a", "dc", "bc", "r", "rdc1", "rdc2", "rbc")], ids=label
)
@given(batch=batches())
@settings(deadline=None, max_examples=30)
def test_the_pair_matrix_gives_what_the_printed_sums_give(
    config: AlignmentConfig, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    scores, ranks, valid = batch
    value, gradient = value_and_gradient(loss_of(config), *batch)
    leaf = scores.clone().requires_grad_()
    rows = [explicit_loss(config, leaf[b], ranks[b].tolist(), valid[b].tolist()) for b in range(len(scores))]
    torch.stack(rows).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(value, torch.stack(rows).detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "config", [c for c in CONFIGS if c.loss in ("a", "r", "pro", "rank_dpo", "rrhf") and not c.constraint], ids=label
)
def test_gradients_without_a_detached_part_are_those_of_finite_differences(config: AlignmentConfig) -> None:
    scores = torch.tensor(
        [[-0.4, -1.3, -0.7, -2.0], [-0.2, -0.1, -0.9, -0.3]], dtype=torch.float64, requires_grad=True
    )
    ranks = torch.tensor([[3.0, 2.0, 2.0, 1.0], [1.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    valid = torch.tensor([[True] * 4, [True, True, True, False]])
    assert torch.autograd.gradcheck(lambda s: loss_of(config)(s, ranks, valid), (scores,))


def test_the_boundary_with_its_own_gradient_is_that_of_finite_differences() -> None:
    scores = torch.tensor([[-0.4, -1.3, -0.7, -2.0]], dtype=torch.float64, requires_grad=True)
    ranks, valid = torch.tensor([[3.0, 2.0, 2.0, 1.0]]), torch.ones(1, 4, dtype=torch.bool)
    assert torch.autograd.gradcheck(
        lambda s: boundary_constraint_loss(s, ranks, valid, detach_boundary=False), (scores,)
    )


@pytest.mark.parametrize("beta", [0.125, 0.0, -0.5])  # Figure 2c goes down to -0.8
def test_the_gradient_of_a_negative_turns_exactly_at_the_boundary(beta: float) -> None:
    # Eq. 10: B = min positive - beta, in binary fractions so that nothing is rounded.
    boundary = -0.5 - beta
    for offset in (-4.0, -0.5, -(2.0**-20), 0.0, 2.0**-20, 0.5):
        inputs = group([-0.25, -0.5, boundary + offset], [1, 1, 0])
        _, gradient = value_and_gradient(
            lambda s, r, v: boundary_constraint_loss(s, r, v, boundary_beta=beta), *inputs
        )
        first, second, negative = gradient[0].tolist()
        assert first < 0 and second < 0, "Eq. 9: positives are always raised"
        assert (negative > 0) - (negative < 0) == (offset > 0) - (offset < 0)


@pytest.mark.parametrize(("s_n", "gradient_of_lowest"), [(-1.5, 0.93), (-0.5, 0.23)])
def test_an_undetached_boundary_pushes_the_lowest_positive_down(s_n: float, gradient_of_lowest: float) -> None:
    inputs = group([-0.3, -0.5, s_n], [1, 1, 0])
    _, free = value_and_gradient(lambda s, r, v: boundary_constraint_loss(s, r, v, detach_boundary=False), *inputs)
    _, detached = value_and_gradient(boundary_constraint_loss, *inputs)
    assert free[0, 1].item() == pytest.approx(gradient_of_lowest, abs=0.005)
    assert detached[0, 1].item() < 0
    # T holds no score of a negative, so the negative's own gradient is the same.
    assert free[0, 2].item() == pytest.approx(detached[0, 2].item(), rel=1e-12)


@pytest.mark.parametrize("config", NEVER_LOWERS, ids=label)
@given(batch=batches())
@settings(deadline=None, max_examples=12)
def test_a_detached_constraint_never_lowers_a_score(
    config: AlignmentConfig, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    value, gradient = value_and_gradient(loss_of(config), *batch)
    better_than_some = pairs(*batch[1:]).any(dim=2)
    assert bool((gradient <= 0).all())
    assert bool((gradient[~better_than_some] == 0).all())
    # The constraint changes the gradient only.
    free = replace(config, constraint=False) if config.constraint else AlignmentConfig(loss="r")
    torch.testing.assert_close(value, loss_of(free)(*batch), rtol=0, atol=0)


def test_the_free_loss_lowers_a_negative_where_the_detached_does_not() -> None:
    inputs = group([-0.5, -1.0], [1, 0])
    weight = math.exp(-0.5) / (1 + math.exp(-0.5))
    assert value_and_gradient(ranking_loss, *inputs)[1][0].tolist() == pytest.approx([-weight, weight])
    assert value_and_gradient(detached_constraint_loss, *inputs)[1][0].tolist() == pytest.approx([-weight, 0.0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("config", CONFIGS, ids=label)
def test_groups_without_pairs_give_exactly_nothing_at_any_scale(
    config: AlignmentConfig, scale: float, dtype: torch.dtype
) -> None:
    scores = (-scale * torch.tensor([[0.1, 0.7, 1.0]] * 6)).to(dtype)
    ranks = torch.tensor([[1, 1, 1], [0, 0, 0], [22 / 3] * 3, [1, 0, 1], [5, 4, 3], [1, 0, 0]])
    valid = torch.tensor([[True] * 3, [True] * 3, [True] * 3, [True, False, True], [False] * 3, [False, True, True]])
    value, gradient = value_and_gradient(loss_of(config), scores, ranks, valid)
    assert value.tolist() == [0.0] * 6
    assert gradient.tolist() == [[0.0] * 3] * 6
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("config", CONFIGS, ids=label)
def test_groups_of_no_slots_and_batches_of_no_groups_give_nothing(config: AlignmentConfig) -> None:
    for shape in ((2, 0), (0, 3), (0, 0)):
        value = loss_of(config)(torch.zeros(shape), torch.zeros(shape), torch.zeros(shape, dtype=torch.bool))
        assert value.tolist() == [0.0] * shape[0]


@pytest.mark.parametrize("config", CONFIGS, ids=label)
def test_large_gaps_stay_finite_in_half_precision_too(config: AlignmentConfig) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        scores = torch.tensor([[-9e3, -1.0, -300.0, -0.5], [-0.5, -1.0, -300.0, -9e3]]).to(dtype)
        ranks, valid = torch.tensor([[4, 3, 2, 1]] * 2), torch.ones(2, 4, dtype=torch.bool)
        value, gradient = value_and_gradient(loss_of(config), scores, ranks, valid)
        assert bool(value.isfinite().all()) and bool(gradient.isfinite().all())


def test_a_gap_of_9000_costs_9000() -> None:
    # log(1 + e^9000) is 9000 to the last digit; exp overflows float32 beyond 88.
    scores, valid = torch.tensor([[-9000.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool)
    value, gradient = value_and_gradient(ranking_loss, scores, torch.tensor([[1, 0]]), valid)
    assert value.item() == 9000.0
    assert gradient.tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("config", CONFIGS, ids=label)
@given(batch=batches(), garbage=st.sampled_from([math.nan, math.inf, -math.inf, 1e30, -55.0]))
@settings(deadline=None, max_examples=12)
def test_what_stands_in_padding_does_not_matter(
    config: AlignmentConfig, batch: tuple[Tensor, Tensor, Tensor], garbage: float
) -> None:
    scores, ranks, valid = batch
    plain_value, plain_gradient = value_and_gradient(loss_of(config), *batch)
    slots = torch.full((len(scores), 2), garbage, dtype=torch.float64)
    padded = (
        torch.cat([scores.masked_fill(~valid, garbage), slots], dim=1),
        torch.cat([ranks.masked_fill(~valid, garbage), slots], dim=1),
        torch.cat([valid, torch.zeros(len(scores), 2, dtype=torch.bool)], dim=1),
    )
    value, gradient = value_and_gradient(loss_of(config), *padded)
    torch.testing.assert_close(value, plain_value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient[:, :-2], plain_gradient, rtol=1e-12, atol=1e-12)
    assert bool((gradient[~padded[2]] == 0).all())


@pytest.mark.parametrize("config", CONFIGS, ids=label)
@given(batch=batches(), data=st.data())
@settings(deadline=None, max_examples=12)
def test_the_order_of_candidates_and_the_company_of_a_group_do_not_matter(
    config: AlignmentConfig, batch: tuple[Tensor, Tensor, Tensor], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(batch[0].shape[1])))
    value, gradient = value_and_gradient(loss_of(config), *batch)
    for b in range(len(value)):
        alone = [tensor[b : b + 1, order] for tensor in batch]
        its_value, its_gradient = value_and_gradient(loss_of(config), alone[0], alone[1], alone[2])
        torch.testing.assert_close(its_value, value[b : b + 1], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(its_gradient[0], gradient[b, order], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("config", CONFIGS, ids=label)
def test_no_loss_looks_at_a_value_from_python(config: AlignmentConfig) -> None:
    # A meta tensor has a shape and no values: an `if` on one raises.
    scores, valid = torch.empty(3, 4, device="meta"), torch.empty(3, 4, dtype=torch.bool, device="meta")
    assert loss_of(config)(scores, torch.empty(3, 4, device="meta"), valid).shape == (3,)


@pytest.mark.parametrize("config", CONFIGS, ids=label)
def test_half_precision_scores_are_computed_in_float32(config: AlignmentConfig) -> None:
    scores = torch.tensor([[-0.31, -0.52, -0.44, -0.9]], dtype=torch.bfloat16)
    ranks, valid = torch.tensor([[2.0, 1.0, 1.0, 0.0]]), torch.ones(1, 4, dtype=torch.bool)
    value = loss_of(config)(scores, ranks, valid)
    exact = loss_of(config)(scores.double(), ranks, valid)
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)


def test_ranks_may_be_whole_numbers_booleans_or_floats() -> None:
    scores, valid = torch.tensor([[-0.5, -1.0]]), torch.ones(1, 2, dtype=torch.bool)
    for config in CONFIGS:
        values = {
            alignment_loss(scores, ranks, valid, config=config, reference_scores=scores / 2).item()
            for ranks in (torch.tensor([[True, False]]), torch.tensor([[1, 0]]), torch.tensor([[1.0, 0.0]]))
        }
        assert len(values) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "abc"}, "no alignment loss 'abc'; there are a, dc, bc"),
        ({"loss": "rbc", "constraint": True}, "constraint belongs to rrhf, pro and rank_dpo"),
        ({"rrhf_scale": 0.0}, "rrhf_scale is 0.0"),
        ({"dpo_beta": float("nan")}, "dpo_beta is nan"),
        ({"boundary_beta": float("inf")}, "boundary_beta is inf"),
    ],
)
def test_settings_that_mean_something_else_are_refused(
    settings: dict[str, Any],  # as from a file: any type may stand there
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        AlignmentConfig(**settings)


def test_every_loss_has_a_configuration_in_these_tests() -> None:
    assert {config.loss for config in CONFIGS} == set(ALIGNMENT_LOSSES)
