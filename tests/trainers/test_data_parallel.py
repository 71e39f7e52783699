from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
    TrainingArguments,
)

from datagen_trainers.data_parallel import expect_gradients, seed_dropout

SIZES: dict[str, Any] = dict(  # Any: settings of all types
    vocab_size=31, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2
)


class _Arguments(TrainingArguments):
    """Those of one of three processes, without starting any."""

    rank = 1

    @property
    def world_size(self) -> int:
        return 3

    @property
    def process_index(self) -> int:
        return self.rank


def _searches(model: PreTrainedModel, arguments: TrainingArguments | None = None) -> bool | None:
    arguments = arguments or _Arguments(use_cpu=True)
    expect_gradients(arguments, model)
    return arguments.ddp_find_unused_parameters


def test_no_search_where_every_parameter_takes_part() -> None:
    for tied in (False, True):
        assert _searches(LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=tied))) is False


def test_a_parameter_that_takes_no_part_is_searched_for_unless_it_is_frozen() -> None:
    model = LlamaForCausalLM(LlamaConfig(**SIZES))
    model.unused = nn.Parameter(torch.zeros(3))
    assert _searches(model) is None
    model.unused.requires_grad_(False)
    assert _searches(model) is False


def test_where_tokens_choose_experts_the_trainer_decides() -> None:
    assert _searches(MixtralForCausalLM(MixtralConfig(**SIZES, num_key_value_heads=2, num_local_experts=2))) is None


def test_what_was_asked_for_and_a_single_process_stay_as_they_are() -> None:
    model = LlamaForCausalLM(LlamaConfig(**SIZES))
    assert _searches(model, _Arguments(use_cpu=True, ddp_find_unused_parameters=True)) is True
    assert _searches(model, TrainingArguments(use_cpu=True)) is None


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks under the old name
def test_adapters_are_all_that_is_looked_for() -> None:
    peft = pytest.importorskip("peft")
    lora = peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    assert _searches(peft.get_peft_model(LlamaForCausalLM(LlamaConfig(**SIZES)), lora)) is False


def test_processes_draw_different_numbers_and_the_first_those_of_a_single_one() -> None:
    drawn = []
    with torch.random.fork_rng():
        for rank in range(3):
            arguments = _Arguments(use_cpu=True, seed=5)
            arguments.rank = rank
            torch.manual_seed(5)  # as the trainer does in each
            seed_dropout(arguments)
            drawn.append(torch.rand(()).item())
        torch.manual_seed(5)
        assert drawn[0] == torch.rand(()).item()
    assert len(set(drawn)) == 3
