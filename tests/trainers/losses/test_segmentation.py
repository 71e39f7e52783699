import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from datagen_schemas.errors import DataError
from datagen_trainers.losses.dice import dice_loss, generalized_dice_loss, self_adjusting_dice_loss
from datagen_trainers.losses.focal import cross_entropy_loss, focal_loss
from datagen_trainers.losses.lovasz import lovasz_softmax_loss
from datagen_trainers.losses.segmentation import (
    LOSSES,
    SegmentationSettings,
    answer_loss,
    sadl_warning,
    segmentation_loss,
    user_loss,
)

Vectors = dict[str, Any]  # Any: JSON


Loss = Callable[..., Tensor]
FUNCTIONS: dict[str, Loss] = {
    "ce": cross_entropy_loss,
    "focal": focal_loss,
    "sadl": self_adjusting_dice_loss,
    "dice": dice_loss,
    "gdl": generalized_dice_loss,
    "lovasz": lovasz_softmax_loss,
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [  # Any: keyword arguments of several functions
    ("ce", {}),
    ("focal", {"gamma": 2.0}),
    ("focal", {"gamma": 0.5}),
    ("sadl", {"alpha": 1.0, "smooth": 1.0}),
    ("sadl", {"alpha": 0.5, "smooth": 0.1}),
    ("dice", {"squared": True}),
    ("dice", {"squared": False, "smooth": 0.1}),
    ("gdl", {"absent": "zero"}),
    ("gdl", {"absent": "max"}),
    ("lovasz", {"classes": "present"}),
    ("lovasz", {"classes": "all"}),
]
each_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda value: str(value))


def with_gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def case(n: int, *, vocabulary: int = 23, seed: int = 0, confident: float = 2.0) -> tuple[Tensor, Tensor]:
    """Random rows whose targets are likelier than others, of about 2 in 3 classes, some of them rare."""
    rng = torch.Generator().manual_seed(seed)
    targets = (torch.rand(n, generator=rng, dtype=torch.float64) ** 2 * vocabulary * 2 / 3).long()
    logits = torch.randn(n, vocabulary, generator=rng, dtype=torch.float64)
    logits[torch.arange(n), targets] += confident * torch.randn(n, generator=rng, dtype=torch.float64).abs()
    return logits, targets


def loops(name: str, logits: Tensor, targets: Tensor, options: dict[str, Any]) -> Tensor:
    """The definitions, row by row and class by class."""
    p = logits.softmax(1)
    n, vocabulary = logits.shape
    y: list[int] = targets.tolist()
    t = [p[i, y[i]] for i in range(n)]
    classes = [c for c in range(vocabulary) if c in y]
    smooth = options.get("smooth", 1e-5)
    if name == "ce":
        return torch.stack([-t_i.log() for t_i in t]).mean()
    if name == "focal":
        return torch.stack([-((1 - t_i) ** options["gamma"]) * t_i.log() for t_i in t]).mean()
    if name == "sadl":
        f = [(1 - t_i) ** options["alpha"] * t_i for t_i in t]
        return torch.stack([1 - (2 * f_i + smooth) / (f_i + 1 + smooth) for f_i in f]).mean()
    if name == "dice":
        each = []
        for c in classes:
            inside = sum(t[i] for i in range(n) if y[i] == c)
            size = sum(p[i, c] ** 2 if options["squared"] else p[i, c] for i in range(n)) + y.count(c)
            each.append(torch.as_tensor(1 - (2 * inside + smooth) / (size + smooth)))
        return torch.stack(each).mean()
    if name == "gdl":
        weight = {c: 1 / y.count(c) ** 2 for c in classes}
        other = max(weight.values()) if options["absent"] == "max" else 0.0
        top = sum(weight[y[i]] * t[i] for i in range(n))
        bottom = sum(weight.get(c, other) * (p[:, c].sum() + y.count(c)) for c in range(vocabulary))
        return torch.as_tensor(1 - (2 * top + smooth) / (bottom + smooth))
    each = []
    for c in classes if options["classes"] == "present" else range(vocabulary):
        errors = [1 - p[i, c] if y[i] == c else p[i, c] for i in range(n)]
        # The Jaccard loss of the set M of mistaken rows: |M| / |{y = c} or M|.
        mistaken: set[int] = set()
        foreground = {i for i in range(n) if y[i] == c}
        value, before = torch.zeros((), dtype=p.dtype), 0.0
        for i in sorted(range(n), key=lambda i: -float(errors[i].detach())):
            mistaken.add(i)
            jaccard = len(mistaken) / len(foreground | mistaken)
            value = value + errors[i] * (jaccard - before)
            before = jaccard
        each.append(value)
    return torch.stack(each).mean()


def double(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_values_and_gradients_are_the_reference_vectors(vectors: Vectors) -> None:
    seen = set()
    for item in vectors["segmentation"]:
        logits, targets = double(item["logits"]), torch.tensor(item["labels"])
        for expected in item["expected"]:
            name, options = expected["loss"], expected["params"]
            value, gradient = with_gradient(partial(FUNCTIONS[name], targets=targets, **options), logits)
            where = f"{item['id']} {name} {options}"
            assert value.item() == pytest.approx(expected["value"], abs=1e-10), where
            torch.testing.assert_close(gradient, double(expected["grad_logits"]), rtol=0, atol=1e-9)
            seen.add((item["id"], name, str(options)))
    assert len(seen) == 77  # 7 cases, 11 forms


def test_combined_objectives_are_the_reference_vectors(vectors: Vectors) -> None:
    item = vectors["combined"]
    logits, targets = double(item["logits"]), torch.tensor(item["labels"])
    sequence = torch.tensor(item["sequence"]).where(torch.tensor(item["is_answer"]) == 1, -1)
    names = {"gamma": "focal_gamma", "alpha": "sadl_alpha", "squared": "dice_squared", "absent": "gdl_absent"}
    for expected in item["expected"]:
        params: dict[str, Any] = expected["params"]  # Any: numbers, names and booleans
        options = {names.get(key, key): value for key, value in params.items() if key != "classes"}
        if expected["loss"] == "sadl":
            options["sadl_smooth"] = options.pop("smooth")
        chosen = SegmentationSettings(
            loss=expected["loss"], ce_weight=expected["lambda"], scope=expected["scope"], **options
        )
        loss = partial(segmentation_loss, targets=targets, sequence=sequence, settings=chosen)
        value, gradient = with_gradient(loss, logits)
        assert value.item() == pytest.approx(expected["value"], abs=1e-10), expected["loss"]
        torch.testing.assert_close(gradient, double(expected["grad_logits"]), rtol=0, atol=1e-9)
    assert len(item["expected"]) == 20


@each_variant
def test_300_tokens_give_what_loops_over_the_definition_give(name: str, options: dict[str, Any]) -> None:
    logits, targets = case(300, vocabulary=12)
    value, gradient = with_gradient(lambda z: FUNCTIONS[name](z, targets, **options), logits)
    expected, expected_gradient = with_gradient(lambda z: loops(name, z, targets, options), logits)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-12)


@each_variant
def test_gradients_are_finite_differences(name: str, options: dict[str, Any]) -> None:
    logits, targets = case(7, vocabulary=6, seed=3)
    targets[2] = -100
    assert torch.autograd.gradcheck(lambda z: FUNCTIONS[name](z, targets, **options), logits.requires_grad_())


@each_variant
@given(data=st.data())
@settings(deadline=None, max_examples=8)
def test_padding_order_and_names_of_tokens_do_not_matter(
    name: str, options: dict[str, Any], data: st.DataObject
) -> None:
    n, vocabulary = data.draw(st.integers(1, 9)), 7
    logits, targets = case(n, vocabulary=vocabulary, seed=data.draw(st.integers(0, 99)))
    value, gradient = with_gradient(lambda z: FUNCTIONS[name](z, targets, **options), logits)
    rows = torch.tensor(data.draw(st.permutations(range(n + 2))))
    columns = torch.tensor(data.draw(st.permutations(range(vocabulary))))
    garbage = torch.full((2, vocabulary), data.draw(st.sampled_from([0.0, 1e30, math.inf, math.nan])))
    padded = torch.cat([logits, garbage])[rows][:, columns]
    renamed = columns.argsort()[targets]
    labels = torch.cat([renamed, renamed.new_full((2,), -100)])[rows]
    its_value, its_gradient = with_gradient(lambda z: FUNCTIONS[name](z, labels, **options), padded)
    torch.testing.assert_close(its_value, value, rtol=0, atol=1e-12)
    torch.testing.assert_close(its_gradient[rows.argsort()[:n]][:, columns.argsort()], gradient, rtol=0, atol=1e-12)
    assert bool((its_gradient[labels == -100] == 0).all())


@each_variant
@pytest.mark.parametrize("n", [0, 3])
def test_without_a_labelled_row_the_loss_is_a_connected_0(name: str, options: dict[str, Any], n: int) -> None:
    options = options | ({"smooth": 0.0} if name in ("dice", "gdl") else {})
    targets = torch.full((n,), -100)
    value, gradient = with_gradient(lambda z: FUNCTIONS[name](z, targets, **options), torch.randn(n, 5))
    assert value.item() == 0.0 and gradient.tolist() == [[0.0] * 5] * n


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_costs_nothing(name: str) -> None:
    targets = torch.tensor([0, 2, 2, 3])
    logits = torch.full((4, 5), -60.0, dtype=torch.float64)
    logits[torch.arange(4), targets] = 60.0
    # But for SADL, whose f is 0 where t is 1: 1 - 1 / 2 with its smooth.
    assert FUNCTIONS[name](logits, targets).item() == pytest.approx(0.5 if name == "sadl" else 0.0, abs=1e-12)


def test_gamma_0_is_cross_entropy_and_alpha_0_is_dice_of_single_tokens() -> None:
    logits, targets = case(50)
    assert focal_loss(logits, targets, gamma=0.0).item() == pytest.approx(
        cross_entropy_loss(logits, targets).item(), abs=1e-14
    )
    t = logits.softmax(1)[torch.arange(50), targets]
    expected = (1 - (2 * t + 1) / (t + 2)).mean().item()
    assert self_adjusting_dice_loss(logits, targets, alpha=0.0).item() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("p_t", "reduction"), [(0.9, 100), (0.9684, 1000)])
def test_easy_tokens_count_as_much_less_as_the_focal_paper_says(p_t: float, reduction: float) -> None:
    logits, target = torch.tensor([[math.log(p_t), math.log(1 - p_t)]]), torch.tensor([0])
    ratio = focal_loss(logits, target, gamma=0.0) / focal_loss(logits, target, gamma=2.0)
    assert ratio.item() == pytest.approx(reduction, rel=1e-2)


def test_losses_of_two_tokens_are_those_worked_out_by_hand() -> None:
    # Rows p = (3/4, 1/4) with target 0 and p = (1/2, 1/2) with target 1.
    logits, targets = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).double().log(), torch.tensor([0, 1])
    # Dice: class 0: I = 3/4, Q = 9/16 + 1/4; class 1: I = 1/2, Q = 1/16 + 1/4.
    expected = (1 - 1.5 / (13 / 16 + 1) + 1 - 1 / (5 / 16 + 1)) / 2
    assert dice_loss(logits, targets, smooth=0.0).item() == pytest.approx(expected, abs=1e-14)
    # GDL: both weights are 1: sum I = 5/4, sum S = 2, sum n = 2.
    assert generalized_dice_loss(logits, targets, smooth=0.0).item() == pytest.approx(1 - 2.5 / 4, abs=1e-14)
    # Lovasz: class 0: errors 1/2 (row 1), 1/4 (row 0), J = 1/2, 1; class 1: 1/2 (row 1), 1/4 (row 0), J = 1, 1.
    expected = ((1 / 2 * 1 / 2 + 1 / 4 * 1 / 2) + 1 / 2) / 2
    assert lovasz_softmax_loss(logits, targets).item() == pytest.approx(expected, abs=1e-14)


def test_lovasz_without_confusions_is_the_class_balanced_mean_of_1_minus_t() -> None:
    # Section 1 of Berman et al.: where no other row outranks the last of a class, its loss is its mean error.
    logits, targets = case(40, vocabulary=8)
    logits[torch.arange(40), targets] -= 100.0  # every error of a target is near 1
    t = logits.softmax(1)[torch.arange(40), targets]
    means = [float((1 - t)[targets == c].mean()) for c in targets.unique()]
    assert lovasz_softmax_loss(logits, targets).item() == pytest.approx(sum(means) / len(means), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_variant
def test_half_precision_logits_are_computed_in_float32(name: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    logits, targets = case(5000, vocabulary=11)  # in float16, 1 / 5000^2 is 0
    rounded = logits.to(dtype)
    value, gradient = with_gradient(lambda z: FUNCTIONS[name](z, targets, **options), rounded)
    exact, exact_gradient = with_gradient(lambda z: FUNCTIONS[name](z, targets, **options), rounded.double())
    assert value.dtype == torch.float32 and gradient.dtype == dtype
    assert value.item() == pytest.approx(exact.item(), rel=2e-5)
    assert bool(gradient.isfinite().all())
    if dtype == torch.bfloat16:
        assert float((gradient.double() - exact_gradient).norm() / exact_gradient.norm()) < 0.01


def test_each_task_gets_its_loss_and_its_share_of_sequences() -> None:
    # Section 4.8. Sequence 0: 4 answer rows, sequence 1: 2, sequence 2: none, sequence 3: 3.
    logits, targets = case(12)
    sequence = torch.tensor([-1, -1, 0, 0, 0, 0, -1, 1, 1, 3, 3, 3])
    chosen = SegmentationSettings(
        loss="lovasz", loss_by_task={"multiple_choice": "focal", "word_problem": "lovasz"}, ce_weight=0.6
    )
    tasks = ["word_problem", "multiple_choice", "word_problem", "another"]
    losses = [chosen.loss_of(task) for task in tasks]
    assert losses == ["lovasz", "focal", "lovasz", "lovasz"]
    lovasz = [lovasz_softmax_loss(logits[sequence == s], targets[sequence == s]) for s in (0, 3)]
    focal = focal_loss(logits[sequence == 1], targets[sequence == 1])
    expected = 0.6 * cross_entropy_loss(logits, targets) + 0.4 * (lovasz[0] + lovasz[1] + focal) / 3
    got = segmentation_loss(logits, targets, sequence, settings=chosen, losses=losses)
    assert got.item() == pytest.approx(expected.item(), abs=1e-14)


@pytest.mark.parametrize("scope", ["sequence", "batch"])
@pytest.mark.parametrize("name", LOSSES)
def test_instructions_alone_have_cross_entropy_alone(name: str, scope: Any) -> None:  # Any: a literal of the settings
    logits, targets = case(5)
    chosen = SegmentationSettings(loss=name, scope=scope)
    got = segmentation_loss(logits, targets, torch.full((5,), -1), settings=chosen)
    assert got.item() == pytest.approx(0.6 * cross_entropy_loss(logits, targets).item(), abs=1e-14)


def test_a_user_names_a_loss_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own_losses.py").write_text(
        "from torch.nn.functional import cross_entropy\n\n"
        "def smoothed(logits, targets):\n    return cross_entropy(logits, targets, label_smoothing=0.1)\n\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    logits, targets = case(6)
    targets[4] = -100
    kept = targets != -100
    chosen = SegmentationSettings(loss="own_losses:smoothed", ce_weight=0.0)
    got = answer_loss(logits, targets, loss=chosen.loss, settings=chosen)
    expected = torch.nn.functional.cross_entropy(logits[kept], targets[kept], label_smoothing=0.1)
    assert got.item() == pytest.approx(expected.item(), abs=1e-14)
    for name in ("own_losses:absent", "absent_module:f", "own_losses:number", "own_losses:"):
        with pytest.raises(DataError, match=f"loss: '{name}' "):
            user_loss(name)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"loss": "lovas"}, "loss is 'lovas'"),
        ({"loss_by_task": {"qa": "foca"}}, r"loss_by_task\['qa'\] is 'foca'"),
        ({"ce_weight": 1.5}, "ce_weight is 1.5"),
        ({"ce_weight": math.nan}, "ce_weight is nan"),
        ({"scope": "all"}, "scope is 'all'"),
        ({"gdl_absent": "min"}, "gdl_absent is 'min'"),
        ({"focal_gamma": -1.0}, "focal_gamma is -1.0"),
        ({"sadl_smooth": math.inf}, "sadl_smooth is inf"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    chosen: dict[str, Any],  # Any: as from a file
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentationSettings(**chosen)


@pytest.mark.parametrize(
    ("ce_weight", "warns"), [(0.4, True), (0.428, True), (0.4286, False), (0.6, False), (1, False)]
)
def test_sadl_warns_below_three_sevenths(ce_weight: float, warns: bool) -> None:
    warning = sadl_warning(SegmentationSettings(loss="sadl", ce_weight=ce_weight))
    assert (warning is not None) == warns
    assert warning is None or "0.429" in warning
    assert sadl_warning(SegmentationSettings(loss="focal", ce_weight=ce_weight)) is None


@pytest.mark.parametrize(
    ("alpha", "smooth", "ce_weight", "n_instruction", "lowers"),
    [(1.0, 1.0, 0.43, 0, False), (1.0, 1.0, 0.42, 0, True), (2.0, 1.0, 0.0, 0, True), (2.0, 1.0, 0.2, 0, False)]
    + [(0.0, 1.0, 0.0, 0, False), (0.5, 1.0, 0.9, 0, True), (1.0, 0.1, 0.6, 0, True), (1.0, 0.1, 0.65, 0, False)]
    + [(1.0, 1.0, 0.61, 4000, False), (1.0, 1.0, 0.59, 4000, True), (1.0, 1.0, 0.74, 12_000, True)],
)
def test_the_warning_comes_exactly_where_a_step_would_lower_some_right_token(
    alpha: float, smooth: float, ce_weight: float, n_instruction: int, lowers: bool
) -> None:
    chosen = SegmentationSettings(loss="sadl", sadl_alpha=alpha, sadl_smooth=smooth, ce_weight=ce_weight)
    t = torch.linspace(0.001, 1 - 1e-9, 4000, dtype=torch.float64)
    logits = torch.cat([torch.stack([t.log(), (1 - t).log()], dim=1), t.new_zeros(n_instruction, 2)])
    targets = torch.zeros(len(logits), dtype=torch.int64)
    sequence = targets.clone()
    sequence[len(t) :] = -1
    _, gradient = with_gradient(lambda z: segmentation_loss(z, targets, sequence, settings=chosen), logits)
    assert bool((gradient[: len(t), 0] > 0).any()) == lowers
    assert (sadl_warning(chosen, answer_share=len(t) / len(logits)) is not None) == lowers
