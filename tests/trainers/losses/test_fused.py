from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from datagen_schemas.errors import DataError
from datagen_trainers.losses.fused import SegmentationSums, fused_segmentation_loss
from datagen_trainers.losses.segmentation import (
    LOSSES,
    TOKEN_LOSSES,
    SegmentationSettings,
    answer_loss,
    segmentation_loss,
)
from datagen_trainers.response_log_probs import Head

VOCABULARY, WIDTH = 37, 8
OWN = "fused_own_losses:squares"
HEADS: dict[str, tuple[float, float | None, bool]] = {  # scale, soft cap, bias
    "plain": (1.0, None, False),
    "scaled with bias": (0.5, None, True),
    "soft-capped": (1.5, 2.0, True),
}
FORMS = [
    *(SegmentationSettings(loss=loss) for loss in LOSSES),
    SegmentationSettings(loss="focal", focal_gamma=0.5),
    SegmentationSettings(loss="sadl", sadl_alpha=0.5, sadl_smooth=0.1),
    SegmentationSettings(loss="dice", dice_squared=False, smooth=0.1),
    SegmentationSettings(loss="gdl", gdl_absent="max"),
    SegmentationSettings(loss=OWN),
]
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.loss}-{FORMS.index(form)}")


@pytest.fixture(autouse=True)
def _own_loss(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "fused_own_losses.py").write_text(
        "def squares(logits, targets):\n"
        "    return ((1 - logits.softmax(1).gather(1, targets[:, None])) ** 2).sum() + logits.square().mean()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


class Case(NamedTuple):
    hidden: Tensor
    head: Head
    targets: Tensor
    sequence: Tensor
    n_sequences: int

    @property
    def inputs(self) -> list[Tensor]:
        return [x for x in (self.hidden, self.head.weight, self.head.bias) if x is not None and x.requires_grad]

    @property
    def logits(self) -> Tensor:
        head = self.head
        logits = self.hidden @ head.weight.T
        logits = (logits if head.bias is None else logits + head.bias) * head.scale
        return logits if head.softcap is None else head.softcap * torch.tanh(logits / head.softcap)


def case(
    lengths: Sequence[int], *, trained: bool, head: str = "plain", dtype: torch.dtype = torch.float64, seed: int = 0
) -> Case:
    """Rows of sequences of these lengths in a random order; the first of them are an instruction's."""
    rng = torch.Generator().manual_seed(seed)
    scale, softcap, has_bias = HEADS[head]
    n = sum(lengths)
    hidden, weight, bias = (
        torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype)
        for shape in ((n, WIDTH), (VOCABULARY, WIDTH), (VOCABULARY,))
    )
    targets = (torch.rand(n, generator=rng) ** 2 * VOCABULARY * 0.7).long()
    # Some rows are confident and right.
    hidden[::3] += weight[targets[::3]]
    sequence = torch.cat([torch.full((length,), s - 1) for s, length in enumerate(lengths)])
    sequence = sequence[torch.randperm(n, generator=rng)]
    vector = bias.requires_grad_(trained) if has_bias else None
    full_head = Head(weight.requires_grad_(trained), vector, scale, softcap)
    return Case(hidden.requires_grad_(), full_head, targets, sequence, len(lengths) - 1)


def fused(
    case: Case, form: SegmentationSettings, *, losses: Sequence[str] | None = None, chunk_rows: int = 64
) -> SegmentationSums:
    """The loss with the scales of `segmentation_loss` for a single kind of loss."""
    names = [form.loss] * case.n_sequences if losses is None else losses
    counts = torch.bincount(case.sequence + 1, minlength=case.n_sequences + 1)[1:]
    units = counts.sum() if form.loss in TOKEN_LOSSES else (counts > 0).sum()
    return fused_segmentation_loss(
        case.hidden,
        case.head,
        case.targets,
        case.sequence,
        losses=names,
        settings=form,
        ce_scale=form.ce_weight / max(1, len(case.targets)),
        answer_scale=torch.full((case.n_sequences,), 1 - form.ce_weight, dtype=torch.float64) / units.clamp(min=1),
        chunk_rows=chunk_rows,
    )


def gradients(value: Tensor, case: Case) -> list[Tensor]:
    return list(torch.autograd.grad(value, case.inputs))


@each_form
@pytest.mark.parametrize("trained", [True, False], ids=["trained", "frozen"])
@pytest.mark.parametrize(("head", "ce_weight"), [("plain", 0.0), *((head, 0.6) for head in HEADS)])
def test_values_and_gradients_are_those_of_the_plain_losses(
    form: SegmentationSettings, trained: bool, ce_weight: float, head: str
) -> None:
    form = SegmentationSettings(**{**vars(form), "ce_weight": ce_weight})
    # Sequences in one chunk and in several, of one row and of none; with 11 rows, and with over 300.
    for lengths, chunk_rows in (([3, 5, 0, 1, 2], 4), ([0, 331], 64), ([40, 130, 9, 0, 150, 1], 64), ([9, 310], 1000)):
        rows = case(lengths, trained=trained, head=head)
        expected = segmentation_loss(rows.logits, rows.targets, rows.sequence, settings=form)
        got = fused(rows, form, chunk_rows=chunk_rows)
        torch.testing.assert_close(got.total, expected, rtol=0, atol=1e-11)
        for ours, theirs in zip(gradients(got.total, rows), gradients(expected, rows), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize("trained", [True, False])
def test_logged_sums_are_those_of_the_logits(trained: bool) -> None:
    losses = ["lovasz", "focal", "dice", "ce", OWN, "sadl"]
    rows, form = case([7, 100, 20, 0, 3, 12, 5], trained=trained), SegmentationSettings()
    got = fused(rows, form, losses=losses)
    p = rows.logits.softmax(1)
    t = p.gather(1, rows.targets[:, None])[:, 0]
    is_answer = rows.sequence >= 0
    assert got.ce.item() == pytest.approx((-t.log().sum()).item(), abs=1e-10)
    assert got.p_target.item() == pytest.approx(t[is_answer].sum().item(), abs=1e-10)
    assert got.n_right.item() == int((p.argmax(1) == rows.targets)[is_answer].sum())
    of_sequence = [rows.sequence == s for s in range(6)]
    assert got.n_classes.item() == sum(len(rows.targets[mask].unique()) for mask in of_sequence)
    for s, (loss, mask) in enumerate(zip(losses, of_sequence, strict=True)):
        n = int(mask.sum()) if loss in TOKEN_LOSSES else 1
        expected = n * answer_loss(rows.logits[mask], rows.targets[mask], loss=loss, settings=form)
        assert got.answer[s].item() == pytest.approx(expected.item(), abs=1e-10), loss
    assert not any(value.requires_grad for value in got[1:])


@pytest.mark.parametrize("trained", [True, False])
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_a_mixture_of_losses_is_what_its_scales_say(trained: bool, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 14), min_size=1, max_size=6))
    n_sequences = len(lengths) - 1
    losses = data.draw(st.lists(st.sampled_from(LOSSES), min_size=n_sequences, max_size=n_sequences))
    rows = case(lengths, trained=trained, head=data.draw(st.sampled_from(sorted(HEADS))), seed=len(lengths))
    answer_scale = torch.linspace(0.2, 1.4, n_sequences, dtype=torch.float64)
    form = SegmentationSettings()
    got = fused_segmentation_loss(
        rows.hidden,
        rows.head,
        rows.targets,
        rows.sequence,
        losses=losses,
        settings=form,
        ce_scale=torch.tensor(0.3, dtype=torch.float64),
        answer_scale=answer_scale,
        chunk_rows=data.draw(st.integers(1, 20)),
    )
    logits = rows.logits
    expected = 0.3 * torch.nn.functional.cross_entropy(logits, rows.targets, reduction="sum") + 0 * rows.hidden.sum()
    for s, loss in enumerate(losses):
        mask = rows.sequence == s
        n = int(mask.sum()) if loss in TOKEN_LOSSES else 1
        its = answer_loss(logits[mask], rows.targets[mask], loss=loss, settings=form)
        expected = expected + answer_scale[s] * n * its
    torch.testing.assert_close(got.total, expected, rtol=0, atol=1e-10)
    ours = torch.autograd.grad(3.0 * got.total, rows.inputs)
    for one, other in zip(ours, torch.autograd.grad(3.0 * expected, rows.inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@each_form
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("lengths", [[0], [0, 0, 0], [4], [4, 0]])
def test_without_rows_or_answers_gradients_are_connected(
    form: SegmentationSettings, trained: bool, lengths: list[int]
) -> None:
    rows = case(lengths, trained=trained, head="soft-capped")
    got = fused(rows, form)
    total = torch.nn.functional.cross_entropy(rows.logits, rows.targets, reduction="sum")
    total = total * (0.6 / max(1, sum(lengths)))
    assert got.total.item() == pytest.approx(total.item(), abs=1e-12)
    assert got.answer.tolist() == [0.0] * (len(lengths) - 1)
    for ours, theirs in zip(gradients(got.total, rows), gradients(total, rows), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("trained", [True, False])
def test_only_what_is_trained_gets_a_gradient(loss: str, trained: bool) -> None:
    rows, form = case([5, 70, 3], trained=trained), SegmentationSettings(loss=loss)
    with torch.no_grad():
        alone = fused(rows, form, chunk_rows=16)
    assert not alone.total.requires_grad
    got = fused(rows, form, chunk_rows=16)
    assert alone.total.item() == pytest.approx(got.total.item(), abs=1e-12)
    if trained:  # the head alone, as below a frozen backbone
        frozen = rows._replace(hidden=rows.hidden.detach())
        (weight,) = gradients(fused(frozen, form, chunk_rows=16).total, frozen)
        torch.testing.assert_close(weight, gradients(got.total, rows)[1], rtol=0, atol=1e-12)


def test_the_head_may_be_tied_or_adapted() -> None:
    rows, form = case([20, 90, 40], trained=True), SegmentationSettings()
    base = rows.head.weight.detach().clone().requires_grad_()
    a, b = torch.randn(2, WIDTH).double().requires_grad_(), torch.randn(VOCABULARY, 2).double().requires_grad_()
    tied = rows._replace(hidden=base[rows.targets.roll(1)] * 0.3, head=Head(base + 0.5 * b @ a))
    expected = segmentation_loss(tied.logits, tied.targets, tied.sequence, settings=form)
    theirs = torch.autograd.grad(expected, [base, a, b])
    tied = rows._replace(hidden=base[rows.targets.roll(1)] * 0.3, head=Head(base + 0.5 * b @ a))
    ours = torch.autograd.grad(fused(tied, form, chunk_rows=32).total, [base, a, b])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_gives_the_same(reentrant: bool) -> None:
    rows, form = case([5, 70, 3], trained=True), SegmentationSettings()
    expected = gradients(fused(rows, form).total, rows)
    total: Tensor = checkpoint(
        lambda hidden: fused(rows._replace(hidden=hidden), form).total, rows.hidden, use_reentrant=reentrant
    )
    total.backward()
    for tensor, gradient in zip(rows.inputs, expected, strict=True):
        assert tensor.grad is not None
        torch.testing.assert_close(tensor.grad, gradient, rtol=0, atol=1e-12)


def test_a_second_backward_pass_is_refused_and_not_wrong() -> None:
    rows = case([5, 20], trained=True)
    total = fused(rows, SegmentationSettings()).total
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("how", ["bfloat16", "float16", "autocast"])
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_half_precision_differs_by_the_rounding_of_products_alone(loss: str, trained: bool, how: str) -> None:
    form = SegmentationSettings(loss=loss)
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16, "autocast": torch.float32}[how]
    rows = case([20, 130, 60], trained=trained, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "autocast"):
        total = fused(rows, form).total
    # A loss scaled as a gradient scaler does, so that float16 gradients have room.
    ours = gradients(total * 1024, rows)
    exact = Case(
        rows.hidden.detach().double().requires_grad_(),
        Head(rows.head.weight.detach().double().requires_grad_(trained)),
        rows.targets,
        rows.sequence,
        rows.n_sequences,
    )
    expected = segmentation_loss(exact.logits, exact.targets, exact.sequence, settings=form)
    assert total.dtype == torch.float32
    assert total.item() == pytest.approx(expected.item(), rel=5e-3)
    for one, leaf, other in zip(ours, rows.inputs, gradients(expected * 1024, exact), strict=True):
        assert one.dtype == leaf.dtype
        assert float((one.double() - other).norm() / other.norm()) < (0.003 if how == "float16" else 0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])  # 1e-9 is 0 in float16
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "sadl"])
def test_confident_rows_keep_the_digits_of_their_gradients(loss: str, dtype: torch.dtype) -> None:
    # 1 - t is about 1e-9: a difference from 1 would be 0, and rounded products would be far larger than gradients.
    weight = torch.eye(4, 8).to(dtype)
    targets = torch.tensor([0, 1, 1, 2, 0, 1])
    hidden = (weight[targets] * 22 + torch.tensor([0.0, 0, 0, 0.5, 0, 0, 0, 0])).to(dtype).requires_grad_()
    rows = Case(hidden, Head(weight), targets, torch.zeros_like(targets), 1)
    form = SegmentationSettings(loss=loss, smooth=0.0)
    (ours,) = gradients(fused(rows, form).total * 1e6, rows)
    exact = rows._replace(hidden=hidden.detach().double().requires_grad_(), head=Head(weight.double()))
    expected = segmentation_loss(exact.logits, targets, exact.sequence, settings=form)
    (theirs,) = gradients(expected * 1e6, exact)
    assert float((ours.double() - theirs).norm() / theirs.norm()) < (1e-5 if dtype == torch.float32 else 0.02)


def test_the_gradient_of_a_users_loss_may_be_one_number(tmp_path: Path) -> None:
    (tmp_path / "mean_of_logits.py").write_text("def f(logits, targets):\n    return logits.mean()\n")
    rows, form = case([2, 5], trained=True, head="soft-capped"), SegmentationSettings(loss="mean_of_logits:f")
    expected = gradients(segmentation_loss(rows.logits, rows.targets, rows.sequence, settings=form), rows)
    for ours, theirs in zip(gradients(fused(rows, form).total, rows), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("logits", "takes 1 positional argument but 2 were given"),
        ("logits, targets", "no attribute 'nothing'"),
        ("logits, targets, shape=(2, 3)", "must match the size"),
    ],
)
def test_a_users_loss_that_fails_is_named_with_what_it_was_given(arguments: str, said: str, tmp_path: Path) -> None:
    name = f"failing_{len(arguments)}"
    body = "logits + logits.new_zeros(shape)" if "shape" in arguments else "logits.nothing()"
    (tmp_path / f"{name}.py").write_text(f"def f({arguments}):\n    return {body}\n")
    with pytest.raises(DataError, match=rf"'{name}:f' failed on logits \(5, 37\) and targets \(5,\): .*{said}"):
        fused(case([2, 5], trained=False), SegmentationSettings(loss=f"{name}:f"))


@pytest.mark.parametrize("body", ["logits.square().mean(1)", "logits.detach().sum()", "'loss'"])
def test_a_users_loss_that_cannot_be_minimised_is_refused(body: str, tmp_path: Path) -> None:
    name = f"not_a_loss_{len(body)}"
    (tmp_path / f"{name}.py").write_text(f"def f(logits, targets):\n    return {body}\n")
    with pytest.raises(DataError, match=f"loss: '{name}:f' gave no scalar"):
        fused(case([2, 5], trained=False), SegmentationSettings(loss=f"{name}:f"))


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that is made."""

    most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # Any: torch's
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self.most = max(self.most, tensor.numel())
        return result


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("trained", [True, False])
def test_no_tensor_is_larger_than_a_chunk_of_logits_or_the_head(loss: str, trained: bool) -> None:
    torch.manual_seed(0)
    n, vocabulary, width, chunk_rows = 400, 3000, 4, 32
    hidden = torch.randn(n, width, requires_grad=True)
    weight = torch.randn(vocabulary, width, requires_grad=trained)
    targets = torch.randint(60, (n,))
    rows = Case(hidden, Head(weight), targets, torch.zeros_like(targets), 1)
    with Largest() as largest:  # type: ignore[no-untyped-call]  # torch types none
        total = fused(rows, SegmentationSettings(loss=loss), chunk_rows=chunk_rows).total
        total.backward()
    assert hidden.grad is not None and (weight.grad is not None) == trained
    assert largest.most == chunk_rows * vocabulary


def test_the_head_multiplies_no_more_than_it_has_to() -> None:
    # Matrix products with the vocabulary: 2 a chunk with a frozen head, 3 with a trained one; of a sequence of 100
    # rows in chunks of 32, the first 4 + 32 + 32 rows once more for a region loss with a trained head.
    class Products(TorchDispatchMode):
        rows = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # Any: torch's
            result = func(*args, **(kwargs or {}))
            if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm_.default):
                factors = args[-2:]
                shapes = {size for factor in factors for size in factor.shape}
                n = int(next(iter(shapes - {VOCABULARY, WIDTH})))
                self.rows += n * (VOCABULARY in shapes)
            return result

    for loss, trained, expected in (
        ("ce", False, 200),
        ("focal", True, 300),
        ("lovasz", False, 200),
        ("lovasz", True, 300 + 68),
        ("gdl", True, 300 + 68),
    ):
        rows = case([0, 100], trained=trained)
        with Products() as products:  # type: ignore[no-untyped-call]  # torch types none
            fused(rows, SegmentationSettings(loss=loss), chunk_rows=32)
        assert products.rows == expected, (loss, trained)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@each_form
@pytest.mark.parametrize("trained", [True, False])
def test_a_gpu_gives_the_same(form: SegmentationSettings, trained: bool) -> None:
    rows = case([40, 130, 9, 0, 150, 1], trained=trained, head="soft-capped")
    expected = gradients(fused(rows, form).total, rows)

    def there(tensor: Tensor) -> Tensor:
        return tensor.detach().cuda().requires_grad_(tensor.requires_grad)

    assert rows.head.bias is not None
    head = rows.head._replace(weight=there(rows.head.weight), bias=there(rows.head.bias))
    moved = Case(there(rows.hidden), head, rows.targets.cuda(), rows.sequence.cuda(), rows.n_sequences)
    for one, other in zip(gradients(fused(moved, form).total, moved), expected, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=0, atol=1e-10)
