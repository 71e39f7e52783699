"""CPU time and peak memory of the segmentation losses, forward and backward, from hidden states through the head.

    python benchmarks/losses.py [--shape 512 32000 2048] [--head frozen] [--rounds 3] [--published] [--no-memory]

Time is CPU time of one thread, the methods in turn in one process, the least of the rounds. Memory is the peak of a
fresh process over what it held before: hidden states and head. All rows are answer rows of a single sequence, the
worst case (the sequences of word problems fit in a chunk, and then a trained head costs no second pass), lambda is
0.6, and targets are Zipf distributed, which makes two to four times the classes of as many tokens of GSM8K. Beside the
chunked cross-entropy: torch's on all logits, Liger's fused one where it is installed (it needs Triton, so a GPU), and
with --published the published Lovasz loss, written from its description: a loop over the vocabulary, once, since it
takes minutes.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from datagen_trainers.losses.fused import fused_segmentation_loss
from datagen_trainers.losses.segmentation import TOKEN_LOSSES, SegmentationSettings
from datagen_trainers.response_log_probs import Head

SHAPES = [(512, 32_000, 2048), (2048, 32_000, 2048), (2048, 128_000, 1024), (4096, 152_000, 896)]
CE_WEIGHT = 0.6
FUSED = ("focal", "sadl", "dice", "gdl", "lovasz")
BASELINE = "CE, chunked"
FULL = "CE, all logits"
LIGER = "CE, Liger"
PUBLISHED = "Lovasz, published"


class Inputs(NamedTuple):
    """What a method gets."""

    hidden: Tensor
    weight: Tensor
    targets: Tensor


Method = Callable[[Inputs], Tensor]


def made_inputs(shape: tuple[int, int, int], *, trained: bool) -> Inputs:
    """Random hidden states that know a little of their Zipf distributed targets."""
    n, vocabulary, width = shape
    rng = torch.Generator().manual_seed(0)
    weights = 1 / (torch.arange(vocabulary) + 2.7)
    targets = torch.multinomial(weights, n, replacement=True, generator=rng)
    weight = torch.randn(vocabulary, width, generator=rng).mul_(width**-0.5)
    hidden = torch.randn(n, width, generator=rng) + 3 * weight[targets]
    return Inputs(hidden.requires_grad_(), weight.requires_grad_(trained), targets)


def fused(inputs: Inputs, *, loss: str, ce_weight: float = CE_WEIGHT) -> Tensor:
    """Ours: all rows are the answer of one sequence."""
    n = len(inputs.targets)
    return fused_segmentation_loss(
        inputs.hidden,
        Head(inputs.weight),
        inputs.targets,
        torch.zeros_like(inputs.targets),
        losses=[loss],
        settings=SegmentationSettings(loss=loss, ce_weight=ce_weight),
        ce_scale=ce_weight / n,
        answer_scale=torch.tensor([(1 - ce_weight) / (n if loss in TOKEN_LOSSES else 1)]),
    ).total


def published_lovasz(inputs: Inputs) -> Tensor:
    """Lambda CE + (1 - lambda) Lovasz-softmax as the published code has it: a loop over the vocabulary."""
    logits = linear(inputs.hidden, inputs.weight)
    probs = logits.softmax(dim=1)
    losses = []
    for c in range(logits.shape[1]):
        is_target = (inputs.targets == c).float()
        if is_target.sum() == 0:
            continue
        errors, order = (is_target - probs[:, c]).abs().sort(descending=True)
        sorted_targets = is_target[order]
        inside = is_target.sum() - sorted_targets.cumsum(0)
        outside = is_target.sum() + (1 - sorted_targets).cumsum(0)
        jaccard = 1 - inside / outside
        jaccard[1:] -= jaccard[:-1].clone()
        losses.append(torch.dot(errors, jaccard))
    return CE_WEIGHT * cross_entropy(logits, inputs.targets) + (1 - CE_WEIGHT) * torch.stack(losses).mean()


def liger_cross_entropy() -> Method | None:
    """Liger's fused linear cross-entropy, if it can be had."""
    try:
        # Imported here, since it is not one of our dependencies.
        from liger_kernel.transformers import (  # type: ignore[import-not-found, unused-ignore]  # not installed
            LigerFusedLinearCrossEntropyLoss,  # pyright: ignore
        )
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    loss: Any = LigerFusedLinearCrossEntropyLoss()  # Any: not installed where types are checked
    return lambda inputs: loss(inputs.weight, inputs.hidden, inputs.targets)


def methods(*, published: bool) -> dict[str, Method]:
    """All that can be measured here, by name."""
    found: dict[str, Method] = {
        BASELINE: lambda inputs: fused(inputs, loss="ce", ce_weight=1.0),
        FULL: lambda inputs: cross_entropy(linear(inputs.hidden, inputs.weight), inputs.targets),
    }
    if (liger := liger_cross_entropy()) is not None:
        found[LIGER] = liger
    for loss in FUSED:
        found[loss] = partial(fused, loss=loss)
    if published:
        found[PUBLISHED] = published_lovasz
    return found


def step(method: Method, inputs: Inputs) -> float:
    """CPU seconds of one forward and backward pass."""
    inputs.hidden.grad = inputs.weight.grad = None
    started = time.process_time()
    method(inputs).backward()
    return time.process_time() - started


def cpu_times(shape: tuple[int, int, int], *, trained: bool, rounds: int, published: bool) -> dict[str, float]:
    """Least CPU time of each method."""
    inputs, least = made_inputs(shape, trained=trained), dict[str, float]()
    for i in range(rounds):
        for name, method in methods(published=published).items():
            if name != PUBLISHED or i == 0:
                least[name] = min(least.get(name, float("inf")), step(method, inputs))
    return least


def status_mib(field: str) -> float:
    """A line of this process's memory in /proc, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def own_peak(name: str, shape: tuple[int, int, int], *, trained: bool) -> float:
    """Peak memory of one step in this process, in MiB over what it held before."""
    small = (8, 16, 4)
    step(methods(published=True)[name], made_inputs(small, trained=trained))  # what is loaded at first use
    inputs = made_inputs(shape, trained=trained)
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = status_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    step(methods(published=True)[name], inputs)
    return status_mib("VmHWM") - before


def peak(name: str, shape: tuple[int, int, int], *, trained: bool) -> float:
    """`own_peak` of a fresh process."""
    command = [sys.executable, __file__, "--shape", *map(str, shape), "--head", "trained" if trained else "frozen"]
    done = subprocess.run([*command, "--memory-of", name], check=True, capture_output=True, text=True)
    return float(done.stdout)


class Row(NamedTuple):
    """One method."""

    seconds: float
    mib: float  # NaN if not measured


def goals(rows: dict[str, Row], shape: tuple[int, int, int], *, trained: bool, n_classes: int) -> list[str]:
    """Each goal and whether it is met."""
    base, found = rows[BASELINE], []

    def judge(what: str, value: float, bound: float, *, least: bool = False) -> None:
        if value == value:  # a number
            met = value >= bound if least else value <= bound
            found.append(f"{'met' if met else 'MISSED'}: {what}: {value:.2f} ({'>=' if least else '<='} {bound:.2f})")

    for loss in FUSED:
        bound = 1.10 if not trained or loss in TOKEN_LOSSES else 1.45
        judge(f"time of {loss} / chunked CE", rows[loss].seconds / base.seconds, bound)
    limit = base.mib + 4 * shape[0] * n_classes * 4 / 2**20 + 32
    for loss in FUSED:
        judge(f"peak of {loss}, MiB, within chunked CE + 4 N C 4 B + 32", rows[loss].mib, limit)
    if shape[:2] == (2048, 128_000) and not trained:
        for loss in FUSED:
            judge(f"peak of {loss} / CE of all logits", rows[loss].mib / rows[FULL].mib, 0.10)
    if PUBLISHED in rows and not trained:
        ratio = rows[PUBLISHED].seconds / rows["lovasz"].seconds
        judge("speed-up of Lovasz over the published loop", ratio, 20 if shape[1] > 100_000 else 10, least=True)
    return found


def report(shape: tuple[int, int, int], *, trained: bool, arguments: argparse.Namespace) -> None:
    """Measure and print one shape with one kind of head."""
    n_classes = len(made_inputs(shape, trained=False).targets.unique())
    head = "trained" if trained else "frozen"
    print(f"\n### N {shape[0]}, V {shape[1]}, H {shape[2]}, C {n_classes}, {head} head\n", flush=True)
    times = cpu_times(shape, trained=trained, rounds=arguments.rounds, published=arguments.published)
    rows = {}
    for name, seconds in times.items():
        measured = arguments.memory and name != PUBLISHED
        rows[name] = Row(seconds, peak(name, shape, trained=trained) if measured else float("nan"))
    base = rows[BASELINE]
    print("| method | CPU s | x chunked CE | peak MiB | more than chunked CE |\n|---|---|---|---|---|")
    for name, row in rows.items():
        ratio = row.seconds / base.seconds
        memory = f"{row.mib:.0f} | {row.mib - base.mib:+.0f}" if row.mib == row.mib else "- | -"  # NaN
        print(f"| {name} | {row.seconds:.2f} | {ratio:.2f} | {memory} |")
    print()
    for line in goals(rows, shape, trained=trained, n_classes=n_classes):
        print(f"- {line}", flush=True)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, metavar=("N", "V", "H"), action="append")
    parser.add_argument("--head", choices=("frozen", "trained"), action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--published", action="store_true", help="time the published Lovasz loss, too")
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shapes = [(n, vocabulary, width) for n, vocabulary, width in arguments.shape or SHAPES]
    heads = [head == "trained" for head in arguments.head or ("frozen", "trained")]
    if arguments.memory_of:
        print(own_peak(arguments.memory_of, shapes[0], trained=heads[0]))
        return
    print(f"torch {torch.__version__}, one thread of {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    if liger_cross_entropy() is None:
        print("Liger's fused cross-entropy is not measured: liger_kernel, or the GPU that it needs, is not there.")
    for shape in shapes:
        for trained in heads:
            report(shape, trained=trained, arguments=arguments)


if __name__ == "__main__":
    main()
