"""Tokens, CPU time and peak memory of the layouts of k candidates, forward and backward, on a random Llama.

    python benchmarks/candidate_layouts.py [--rounds 2] [--hidden 512] [--layers 6] [--vocabulary 4000] [--only q_proj]

Time is CPU time of one thread, the layouts in turn in one process, the least of the rounds. Memory is the peak of a
fresh process over what it held before the step: the weights and their gradients are the same in every layout, so they
are held before. `auto` is one of the others, named in its row. The vocabulary is small because the head is: 2 % of the
parameters of a 7B model, 11 % here, and half of them with 32,000 tokens.
"""

import argparse
import ctypes
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging as transformers_logging

from datagen_trainers.groups import GroupBatch, TokenisedGroup, collate
from datagen_trainers.layouts import choose_layout, lay_out, prefix_sharing
from datagen_trainers.response_log_probs import candidate_scores
from datagen_trainers.two_pass import two_pass_backward


class Shape(NamedTuple):
    """One question's size."""

    prompt: int
    response: int  # mean tokens; between 0.6 and 1.4 of it
    k: int


SHAPES = {
    "GSM8K-like": Shape(64, 113, 6),
    "long prompt": Shape(384, 113, 6),
    "long answers": Shape(64, 350, 6),
    "16 candidates": Shape(128, 113, 16),
}
Method = Literal["padded", "shared_prefix", "two_pass"]
METHODS: tuple[Method, ...] = ("padded", "shared_prefix", "two_pass")


def build(arguments: argparse.Namespace) -> LlamaForCausalLM:
    """The model: a Llama with grouped queries and random weights."""
    torch.manual_seed(0)
    settings: dict[str, Any] = dict(
        vocab_size=arguments.vocabulary,
        hidden_size=arguments.hidden,
        intermediate_size=arguments.hidden * 8 // 3,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.hidden // 64,
        num_key_value_heads=max(1, arguments.hidden // 128),
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(arguments.only is None or arguments.only in name)
    return model


def made_batch(shape: Shape, *, vocabulary: int) -> GroupBatch:
    """One question of this shape with random tokens."""
    rng = random.Random(0)

    def ids(n: int) -> list[int]:
        return [rng.randrange(vocabulary) for _ in range(n)]

    lengths = [round(shape.response * (0.6 + 0.8 * i / (shape.k - 1))) for i in range(shape.k)]
    rng.shuffle(lengths)
    scores = [float(i % 2) for i in range(shape.k)]
    return collate([TokenisedGroup("made", ids(shape.prompt), [ids(n) for n in lengths], scores, None, 0, False)])


def step(model: LlamaForCausalLM, batch: GroupBatch, method: Method) -> None:
    """Scores and gradients of a ranking loss."""
    better = batch.feedback[:, :, None] > batch.feedback[:, None, :]

    def loss(scores: Tensor) -> Tensor:
        gaps = (scores[:, None, :] - scores[:, :, None])[better]
        return torch.cat([gaps.new_zeros(1), gaps]).logsumexp(0)

    model.zero_grad(set_to_none=False)
    if method == "two_pass":
        two_pass_backward(model, batch, loss)
    else:
        torch.autograd.backward(loss(candidate_scores(model, lay_out(batch, method))))


def peak_memory(model: LlamaForCausalLM, batch: GroupBatch, method: Method) -> float:
    """MB over what the process holds now."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.empty_like(parameter).fill_(0)  # zeros_like has no pages before it is written
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts from here
    before = _status("VmRSS")
    step(model, batch, method)
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    """KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def memory_in_fresh_process(name: str, method: Method) -> float:
    """Run this script again for one number."""
    command = [sys.executable, __file__, *sys.argv[1:], "--memory-of", name, method]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--vocabulary", type=int, default=4_000)
    parser.add_argument("--shape", help="PROMPT,RESPONSE,K in place of the four")
    parser.add_argument("--only", help="train only parameters with this in their name: q_proj is near to LoRA")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    transformers_logging.set_verbosity_error()
    torch.set_num_threads(1)
    shapes = {arguments.shape: Shape(*map(int, arguments.shape.split(",")))} if arguments.shape else SHAPES
    model = build(arguments)
    if arguments.memory_of:
        name, method = arguments.memory_of
        print(peak_memory(model, made_batch(shapes[name], vocabulary=arguments.vocabulary), method))
        return
    size = sum(parameter.numel() for parameter in model.model.layers.parameters()) / 1e6
    print(f"{size:.0f} M parameters in the layers, vocabulary {arguments.vocabulary:,}, sdpa, float32")
    print(f"{'':14} {'':29} {'tokens':>7} {'CPU s':>7} {'speed':>6} {'peak MB':>8} {'ratio':>6}")
    for name, shape in shapes.items():
        batch = made_batch(shape, vocabulary=arguments.vocabulary)
        seconds: dict[Method, list[float]] = {method: [] for method in METHODS}
        step(model, batch, "padded")  # warm-up: the gradients' memory
        for _ in range(arguments.rounds):
            for method in METHODS:
                started = time.process_time()
                step(model, batch, method)
                seconds[method].append(time.process_time() - started)
        peaks = {method: memory_in_fresh_process(name, method) for method in METHODS}
        chosen = choose_layout(batch, candidate_layout="auto", sharing=prefix_sharing(model))
        rows: list[tuple[str, Method]] = [*((method, method) for method in METHODS), (f"auto: {chosen}", chosen)]
        for label, method in rows:
            layout = lay_out(batch, "padded" if method == "two_pass" else method)
            tokens = layout.input_ids.numel() if method != "two_pass" else int((layout.segments >= 0).sum())
            least, base = min(seconds[method]), min(seconds["padded"])
            print(
                f"{name:14} {label:29} {tokens:7,} {least:7.2f} {base / least:5.2f}x {peaks[method]:8,.0f}"
                f" {peaks[method] / peaks['padded']:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
