"""What processes that train together must be told, and transformers' Trainer does not tell them."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import TrainingArguments

from datagen_trainers.layouts import backbone, causal_lm
from datagen_trainers.response_log_probs import head_of, token_log_probs


def expect_gradients(arguments: TrainingArguments, model: nn.Module) -> None:
    """Spare DistributedDataParallel its search for parameters without gradient, where every one gets its own.

    The trainer has it search in every pass, and torch then warns, once a process, that there was nothing to find.
    """
    if arguments.world_size > 1 and arguments.ddp_find_unused_parameters is None and _uses_every_parameter(model):
        arguments.ddp_find_unused_parameters = False


def seed_dropout(arguments: TrainingArguments) -> None:
    """Give every process random numbers of its own, the first one those of a single process.

    The trainer seeds all alike, and so the same places of every process's rows would drop out. Checkpoints hold the
    state of each process, so that a run resumes as it would have gone on. Call it once the trainer is built.
    """
    if arguments.process_index:
        torch.manual_seed(arguments.seed + arguments.process_index)


def _uses_every_parameter(model: nn.Module) -> bool:
    """Whether each trained parameter occurs in the graph of a few tokens' log-probabilities."""
    config = causal_lm(model).config.get_text_config()
    if getattr(config, "layerdrop", 0.0) or any("expert" in name for name in config.to_dict()):
        return False  # these depend on chance and on the tokens
    head = head_of(model)
    ids = torch.arange(1, 9, device=head.weight.device)[None] % len(head.weight)
    with torch.enable_grad():
        hidden: Tensor = cast(Any, backbone(model))(input_ids=ids, use_cache=False).last_hidden_state
        open_nodes = [token_log_probs(hidden[0], head, ids[0]).sum().grad_fn]
    reached: set[int] = set()
    seen: set[object] = set()
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            reached.add(id(leaf))
        open_nodes.extend(following for following, _ in node.next_functions)
    return all(id(parameter) in reached for parameter in model.parameters() if parameter.requires_grad)
