"""All rows of a micro-batch through the head, in chunks, with values and gradients of their losses; for `fused`.

See `fused` for the mathematics. p, t and y are a row's softmax, that of its target, and the target; u is W h + b, the
logits z are softcap tanh(scale u / softcap), or scale u.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from datagen_schemas.errors import DataError
from datagen_trainers.losses.region_gradients import RegionRows, region_loss_
from datagen_trainers.losses.row_chunks import Chunk, Part, by_sequence, row_chunks
from datagen_trainers.losses.segmentation import TOKEN_LOSSES, SegmentationSettings, user_loss
from datagen_trainers.response_log_probs import Head

CLASS_BLOCK = 256  # rows of the head that are copied at a time


class Scales(NamedTuple):
    """What sums are multiplied by in the total."""

    ce: Tensor  # ()
    answer: Tensor  # (S,)


class Plan(NamedTuple):
    """What does not depend on the rows."""

    scale: float
    softcap: float | None
    losses: tuple[str, ...]
    settings: SegmentationSettings
    chunk_rows: int
    with_gradients: bool


class _Soft(NamedTuple):
    """A chunk after the softmax."""

    others: Tensor  # (n, V) exp(z - max), and 0 at the target
    total: Tensor  # (n,) sum of exp(z - max): p is others / total
    nll: Tensor  # (n,) -log t
    p_target: Tensor  # (n,) t
    miss: Tensor  # (n,) 1 - t
    is_right: Tensor  # (n,) bool: no token is likelier than the target
    cap_slope: Tensor | None  # (n, V) dz / du of z = softcap tanh(u / softcap), where a gradient needs it


def _softmax_(logits: Tensor, targets: Tensor, *, softcap: float | None) -> _Soft:
    """Softmax of a chunk, in place."""
    target = targets[:, None]
    highest = logits.amax(dim=1, keepdim=True)
    at_target = (logits.gather(1, target) - highest)[:, 0]
    cap_slope = None if softcap is None else (logits / softcap).square_().neg_().add_(1)
    others = logits.sub_(highest).exp_().scatter_(1, target, 0.0)
    rest, exponential = others.sum(dim=1), at_target.exp()
    total = rest + exponential
    nll = torch.where(exponential > 0.5, torch.log1p(rest / exponential), total.log() - at_target)
    return _Soft(others, total, nll, exponential / total, rest / total, at_target == 0, cap_slope)


def _token_loss(soft: _Soft, rows: slice, *, loss: str, settings: SegmentationSettings) -> tuple[Tensor, Tensor]:
    """A token loss of some rows of a chunk, and its k = -dL/dlog t: the gradient is k times that of cross-entropy."""
    nll, t, miss = soft.nll[rows], soft.p_target[rows], soft.miss[rows]
    if loss == "ce":
        return nll, torch.ones_like(nll)
    miss = miss.clamp(min=torch.finfo(miss.dtype).tiny)  # as in `focal.miss_probability`
    if loss == "focal":
        gamma = settings.focal_gamma
        return miss**gamma * nll, miss**gamma + gamma * miss ** (gamma - 1) * t * nll
    alpha, smooth = settings.sadl_alpha, settings.sadl_smooth
    adjusted = miss**alpha * t
    size = adjusted + 1 + smooth
    slope = (2 + smooth) / size.square() * t
    return 1 - (2 * adjusted + smooth) / size, slope * (miss**alpha - alpha * miss ** (alpha - 1) * t)


class _Region(NamedTuple):
    """What a region loss needs of its sequence, n rows and C present classes; filled as they go through the head."""

    classes: Tensor  # (C,) vocabulary ids
    of_rows: Tensor  # (n,) target of each row, 0 to C - 1
    counts: Tensor  # (C,) float
    probs: Tensor  # (C, n), 0 at targets; in the end dL/du at the present classes, less k p
    cap_slope: Tensor | None  # (C, n)


class HeadPass:
    """All rows through the head: sums, and gradients if there are any to be had."""

    def __init__(
        self,
        hidden: Tensor,
        head: Head,
        targets: Tensor,
        sequence: Tensor,
        *,
        scales: Scales,
        plan: Plan,
        needs: tuple[bool, bool, bool],
    ) -> None:
        """Make room for the gradients that are needed, of hidden, weight and bias, and sort the rows."""
        self.hidden, self.head, self.targets, self.sequence = hidden, head, targets, sequence
        self.scales, self.plan = scales, plan
        exact = scales.ce.dtype
        n, (n_vocabulary, _) = len(targets), head.weight.shape
        self.hidden_gradient = torch.empty_like(hidden, dtype=exact) if needs[0] else None
        # In float32, and rounded once: in bfloat16 a sum of many chunks stops to grow.
        self.weight_gradient = torch.zeros_like(head.weight, dtype=exact) if needs[1] else None
        self.bias_gradient = hidden.new_zeros(n_vocabulary, dtype=exact) if needs[2] else None
        self.needs_any, self.head_trains = any(needs), needs[1] or needs[2]
        self.ce, self.p_target = hidden.new_zeros((2,), dtype=exact).unbind()
        self.n_right = targets.new_zeros(())
        self.answer = hidden.new_zeros(len(plan.losses), dtype=exact)
        # Of each row: t, 1 - t, the number k that multiplies its softmax, and dL/du at the target.
        self.t, self.miss, self.k, self.at_target = hidden.new_zeros((4, n), dtype=exact).unbind()

        self.order = by_sequence(sequence, n_sequences=len(plan.losses))
        answers = self.order.rows[self.order.starts[0] :]
        keys = sequence[answers] * n_vocabulary + targets[answers]
        self.class_keys, self.key_of_answer, self.key_counts = keys.unique(return_inverse=True, return_counts=True)
        of_sequence = torch.bincount(self.class_keys // n_vocabulary, minlength=len(plan.losses))
        self.class_starts = [0, *of_sequence.cumsum(0).tolist()]
        self.n_classes = targets.new_full((), len(self.class_keys))
        self.regions: dict[int, _Region] = {}
        self.token_losses = {  # which sequences have them; made once, since each copy to a GPU waits for it
            loss: torch.tensor([name == loss for name in plan.losses], device=targets.device)
            for loss in TOKEN_LOSSES
            if loss in plan.losses
        }

    def run(self) -> None:
        """Go through all chunks."""
        again: list[Chunk] = []
        for chunk in row_chunks(self.order, losses=self.plan.losses, chunk_rows=self.plan.chunk_rows):
            self._first_time(chunk)
            if not chunk.is_complete:
                again.append(chunk)
                continue
            while self.needs_any and again:
                self._second_time(again.pop())
            again.clear()
            self.regions.clear()

    def _first_time(self, chunk: Chunk) -> None:
        """Values of a chunk, and its gradients as far as they are known."""
        logits, own_gradient = self._logits(chunk.rows), None
        if chunk.own is not None:
            own_gradient = self._own_loss(chunk.own, logits, self.targets[chunk.rows])
        soft = self._softmax(logits, chunk)
        self.t[chunk.rows], self.miss[chunk.rows] = soft.p_target, soft.miss
        is_answer = self.sequence[chunk.rows] >= 0
        self.ce += soft.nll.sum()
        self.p_target += (soft.p_target * is_answer).sum()
        self.n_right += (soft.is_right & is_answer).sum()
        for part in chunk.parts:
            self._collect(part, soft)
            if part.is_last:
                self._region_loss(part.sequence)
        self._token_rows(chunk, soft)
        if not self.needs_any:
            return
        if soft.cap_slope is not None:
            soft.others.mul_(soft.cap_slope)
        if chunk.is_complete:
            self._gradients(chunk, soft, own_gradient)
        elif self.hidden_gradient is not None and not self.head_trains:
            others = soft.others.to(self.head.weight.dtype)
            self.hidden_gradient[chunk.rows] = self._expected_rows(others, soft)

    def _second_time(self, chunk: Chunk) -> None:
        """Gradients of a chunk whose sequence was not complete; its logits are made again only if the head trains."""
        if self.head_trains:
            soft = self._softmax(self._logits(chunk.rows), chunk)
            if soft.cap_slope is not None:
                soft.others.mul_(soft.cap_slope)
            self._gradients(chunk, soft, None)
        elif self.hidden_gradient is not None:
            self._hidden_gradient(chunk, self.hidden_gradient[chunk.rows])

    def _logits(self, rows: Tensor) -> Tensor:
        """Float32 logits of some rows."""
        logits = (self.hidden[rows] @ self.head.weight.T).to(self.ce.dtype)
        if self.head.bias is not None:
            logits += self.head.bias
        if self.head.scale != 1.0:
            logits *= self.head.scale
        softcap = self.head.softcap
        return logits if softcap is None else logits.div_(softcap).tanh_().mul_(softcap)

    def _softmax(self, logits: Tensor, chunk: Chunk) -> _Soft:
        softcap = self.head.softcap if self.needs_any else None
        return _softmax_(logits, self.targets[chunk.rows], softcap=softcap)

    def _collect(self, part: Part, soft: _Soft) -> None:
        """Keep the probabilities of the present classes."""
        if part.sequence not in self.regions:
            self.regions[part.sequence] = self._region(part.sequence, with_slope=soft.cap_slope is not None)
        region = self.regions[part.sequence]
        columns = soft.others[part.rows].index_select(1, region.classes)
        region.probs[:, part.place] = columns.div_(soft.total[part.rows, None]).T
        if region.cap_slope is not None and soft.cap_slope is not None:
            region.cap_slope[:, part.place] = soft.cap_slope[part.rows].index_select(1, region.classes).T

    def _region(self, s: int, *, with_slope: bool) -> _Region:
        classes = slice(self.class_starts[s], self.class_starts[s + 1])
        counts = self.key_counts[classes].to(self.ce.dtype)
        answers = slice(*(start - self.order.starts[0] for start in self.order.starts[s : s + 2]))
        of_rows = self.key_of_answer[answers] - self.class_starts[s]
        probs = counts.new_empty(len(counts), len(of_rows))
        vocabulary_ids = self.class_keys[classes] - s * len(self.head.weight)
        return _Region(vocabulary_ids, of_rows, counts, probs, torch.empty_like(probs) if with_slope else None)

    def _region_loss(self, s: int) -> None:
        """The loss of a sequence whose rows have all been through the head, and all derivatives by its logits."""
        region, rows = self.regions[s], self.order.of(s)
        t, miss = self.t[rows], self.miss[rows]
        value, by_t = region_loss_(
            RegionRows(region.probs, region.of_rows, region.counts, t, miss),
            loss=self.plan.losses[s],
            settings=self.plan.settings,
        )
        self.answer[s] = value
        if not self.needs_any:
            return
        ce, answer = self.scales.ce * self.head.scale, self.scales.answer[s] * self.head.scale
        elsewhere = region.probs.sum(dim=0)  # of p_c A_c
        self.k[rows] = ce - answer * (t * by_t + elsewhere)
        # t (A - s) with A - s = A (1 - t) - elsewhere, which keeps its digits where t is nearly 1.
        at_target = answer * t * (by_t * miss - elsewhere) - ce * miss
        region.probs.mul_(answer)[region.of_rows, torch.arange(len(rows), device=rows.device)] = at_target
        if region.cap_slope is not None:
            region.probs.mul_(region.cap_slope)

    def _token_rows(self, chunk: Chunk, soft: _Soft) -> None:
        """Values and numbers k of the rows without a region loss."""
        rows = slice(chunk.n_region, None)
        at = chunk.rows[rows]
        k = self.scales.ce.expand(len(at)).clone()
        if chunk.own is None:
            sequence = self.sequence[at]
            s = sequence.clamp(min=0)
            for loss, of_sequences in self.token_losses.items():
                value, slope = _token_loss(soft, rows, loss=loss, settings=self.plan.settings)
                has_it = (sequence >= 0) & of_sequences[s]
                self.answer.index_add_(0, s, value.masked_fill(~has_it, 0))
                k += (slope * self.scales.answer[s]).masked_fill(~has_it, 0)
        self.k[at] = k.mul_(self.head.scale)
        at_target = -k * soft.miss[rows]
        if soft.cap_slope is not None:
            at_target *= soft.cap_slope[rows].gather(1, self.targets[at, None])[:, 0]
        self.at_target[at] = at_target

    def _own_loss(self, s: int, logits: Tensor, targets: Tensor) -> Tensor:
        """Value and gradient of a user's loss."""
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            name = self.plan.losses[s]
            loss = user_loss(name)
            try:
                value = loss(leaf, targets)
            except torch.OutOfMemoryError:
                raise
            except (TypeError, ValueError, AttributeError, LookupError, AssertionError, RuntimeError) as error:
                shapes = f"logits {tuple(leaf.shape)} and targets {tuple(targets.shape)}"
                raise DataError(f"loss: {name!r} failed on {shapes}: {error}. Mend it.") from error
            if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
                raise DataError(f"loss: {name!r} gave no scalar that depends on the logits. Return a sum or a mean.")
            gradient = torch.autograd.grad(value, leaf)[0] if self.needs_any else torch.empty(0)
        self.answer[s] = value.detach()
        return gradient

    def _gradients(self, chunk: Chunk, soft: _Soft, own_gradient: Tensor | None) -> None:
        """All gradients of a chunk whose numbers k are known."""
        others = soft.others.to(self.head.weight.dtype)
        if chunk.own is not None and own_gradient is not None:
            # Not in place: the gradient of a mean, say, is one number seen many times.
            own_gradient = own_gradient * (self.scales.answer[chunk.own] * self.head.scale)
            if soft.cap_slope is not None:
                own_gradient *= soft.cap_slope
        if self.hidden_gradient is not None:
            self._hidden_gradient(chunk, self._expected_rows(others, soft))
            if own_gradient is not None:
                self.hidden_gradient[chunk.rows] += _product(own_gradient, self.head.weight)
        hidden, k = self.hidden[chunk.rows], self.k[chunk.rows] / soft.total
        alone = chunk.rows[chunk.n_region :]
        targets, at_target = self.targets[alone], self.at_target[alone]
        if self.weight_gradient is not None:
            self._add_to_weight(others, hidden * k[:, None])
            if own_gradient is not None:
                self._add_to_weight(own_gradient, hidden)
            self.weight_gradient.index_add_(0, targets, hidden[chunk.n_region :] * at_target[:, None])
            for part in chunk.parts:
                for classes, change in self._changes(part):
                    self.weight_gradient.index_add_(0, classes, _product(change, hidden[part.rows]))
        if self.bias_gradient is not None:
            self.bias_gradient += k @ soft.others
            if own_gradient is not None:
                self.bias_gradient += own_gradient.sum(dim=0)
            self.bias_gradient.index_add_(0, targets, at_target)
            for part in chunk.parts:
                for classes, change in self._changes(part):
                    self.bias_gradient.index_add_(0, classes, change.sum(dim=1))

    def _expected_rows(self, others: Tensor, soft: _Soft) -> Tensor:
        """(n, H) sum of p times the row of the head over all classes but the target (times the slope of the cap)."""
        return (others @ self.head.weight).to(soft.total.dtype).div_(soft.total[:, None])

    def _hidden_gradient(self, chunk: Chunk, expected: Tensor) -> None:
        """Gradient of a chunk's hidden states; overwrites the `_expected_rows`."""
        assert self.hidden_gradient is not None
        weight = self.head.weight
        gradient = expected.mul_(self.k[chunk.rows, None])
        for part in chunk.parts:
            for classes, change in self._changes(part):
                gradient[part.rows] += _product(change.T, weight[classes])
        alone = chunk.rows[chunk.n_region :]
        gradient[chunk.n_region :] += weight[self.targets[alone]] * self.at_target[alone, None]
        self.hidden_gradient[chunk.rows] = gradient

    def _changes(self, part: Part) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of present classes, and dL/du there (classes, rows of the part) beside k p."""
        region = self.regions[part.sequence]
        for start in range(0, len(region.classes), CLASS_BLOCK):
            block = slice(start, start + CLASS_BLOCK)
            yield region.classes[block], region.probs[block, part.place]

    def _add_to_weight(self, left: Tensor, right: Tensor) -> None:
        """Add left^T right, (n, V) and (n, H), to the gradient of the weight."""
        assert self.weight_gradient is not None
        dtype = self.head.weight.dtype
        if self.weight_gradient.dtype == dtype:
            self.weight_gradient.addmm_(left.T, right)
            return
        left, left_scale = _rounded(left, dtype)
        right, right_scale = _rounded(right, dtype)
        change = left.T @ right
        for scale in (left_scale, right_scale):
            change = change if scale is None else change.to(scale.dtype) * scale
        self.weight_gradient += change


def _rounded(values: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Values in a dtype, and the number they are to be multiplied by: float16 has no room for small gradients."""
    if dtype != torch.float16 or values.dtype == dtype:
        return values.to(dtype), None
    scale = values.abs().amax().clamp(min=torch.finfo(values.dtype).tiny)
    return (values / scale).to(dtype), scale


def _product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right in the dtype of `right`, and that in the dtype of `left`, float32 at least."""
    rounded, scale = _rounded(left, right.dtype)
    product = (rounded @ right).to(left.dtype)
    return product if scale is None else product.mul_(scale)
