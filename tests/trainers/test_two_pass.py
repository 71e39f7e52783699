from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from datagen_schemas.errors import DataError
from datagen_trainers.groups import GroupBatch
from datagen_trainers.layouts import Layout, lay_out
from datagen_trainers.response_log_probs import candidate_scores
from datagen_trainers.two_pass import refuse_dropout, two_pass_backward

MakeBatch = Callable[..., GroupBatch]

VOCABULARY = 61


def _llama(**settings: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    sizes: dict[str, Any] = dict(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(LlamaConfig(**sizes, **settings)).double()
    model.train()
    return model


def _gpt2(**dropouts: float) -> PreTrainedModel:
    torch.manual_seed(0)
    rates: dict[str, Any] = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0} | dropouts
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64, **rates)
    model = GPT2LMHeadModel(config).double()
    model.train()
    return model


RAGGED = ((7, [5, 1, 9, 4]), (3, [3, 2]))


def _contrast(scores: Tensor) -> Tensor:
    """Every pair of a row against each other: no score's gradient can be had without the others."""
    return torch.nn.functional.softplus(scores[:, None] - 2 * scores[:, :, None]).sum()


def _gradients(model: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("build", [_llama, _gpt2])
@pytest.mark.parametrize("candidates_at_once", [1, 2, 100])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_two_passes_give_the_loss_scores_and_gradients_of_one(
    build: Callable[[], PreTrainedModel], candidates_at_once: int, checkpointing: bool, make_batch: MakeBatch
) -> None:
    model, batch = build(), make_batch(*RAGGED)
    scores = candidate_scores(model, lay_out(batch, "padded"))
    loss = _contrast(scores)
    loss.backward()
    expected = _gradients(model)
    model.zero_grad()
    if checkpointing:
        model.activation_checkpointing_enable()
    result = two_pass_backward(model, batch, _contrast, candidates_at_once=candidates_at_once)
    torch.testing.assert_close(result.loss, loss.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(result.scores, scores.detach(), rtol=0, atol=2e-6)
    # Llama's norm is in float32 whatever the model is in.
    tolerance = 1e-10 if build is _gpt2 else 2e-5
    torch.testing.assert_close(_gradients(model), expected, rtol=tolerance, atol=tolerance)


def test_gradients_are_added_to_those_that_are_there(make_batch: MakeBatch) -> None:
    model, batch = _gpt2(), make_batch(*RAGGED)
    two_pass_backward(model, batch, _contrast)
    once = _gradients(model)
    two_pass_backward(model, batch, _contrast)
    torch.testing.assert_close(_gradients(model), [2 * gradient for gradient in once])


def test_a_batch_without_anything_to_compare_gives_every_parameter_a_gradient_of_zero(make_batch: MakeBatch) -> None:
    model = _llama()
    two_pass_backward(model, make_batch((4, [3, 2])), lambda scores: torch.zeros_like(scores).sum())
    assert len(_gradients(model)) == len(list(model.parameters()))
    assert all(float(gradient.abs().sum()) == 0 for gradient in _gradients(model))


def test_only_the_last_of_the_passes_with_a_gradient_passes_it_on(make_batch: MakeBatch) -> None:
    events: list[str] = []

    @contextmanager
    def no_sync() -> Iterator[None]:
        events.append("(")
        yield
        events.append(")")

    def scorer(model: nn.Module, layout: Layout) -> Tensor:
        events.append("forward" if torch.is_grad_enabled() else "look")
        return candidate_scores(model, layout)

    def backward(scalar: Tensor) -> None:
        events.append("backward")
        scalar.backward()

    two_pass_backward(
        _gpt2(), make_batch((4, [3, 2, 5])), _contrast, scorer=scorer, backward=backward, no_sync=no_sync
    )
    apart = ["(", "forward", "backward", ")"]
    assert events == ["look"] * 3 + apart * 2 + ["forward", "backward"]


def _kept_for_backward(step: Callable[[], object]) -> int:
    """Most bytes that a step's graphs hold at a time; a graph's are gone with its backward pass."""
    held = [0, 0]

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
            held[0] += self.size
            held[1] = max(held)

        def __del__(self) -> None:
            held[0] -= self.size

    with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        step()
    return held[1]


def test_memory_does_not_grow_with_the_number_of_candidates(make_batch: MakeBatch) -> None:
    model = _gpt2()
    few, many = make_batch((20, [10] * 2)), make_batch((20, [10] * 16))
    two = [_kept_for_backward(lambda batch=batch: two_pass_backward(model, batch, _contrast)) for batch in (few, many)]  # type: ignore[misc]  # a lambda's default has no type
    one = [
        _kept_for_backward(lambda batch=batch: _contrast(candidate_scores(model, lay_out(batch, "padded"))).backward())  # type: ignore[misc]  # the same
        for batch in (few, many)
    ]
    assert one[1] > 6 * one[0]
    assert two[1] < 1.1 * two[0]
    assert two[0] < 0.6 * one[0]


@pytest.mark.parametrize("model", [_gpt2(attn_pdrop=0.1), _gpt2(resid_pdrop=0.1), _llama(attention_dropout=0.1)])
def test_dropout_is_refused_while_it_is_on(model: PreTrainedModel, make_batch: MakeBatch) -> None:
    with pytest.raises(DataError, match="group_memory two_pass: dropout is on in .*attn"):
        two_pass_backward(model, make_batch(*RAGGED), _contrast)
    refuse_dropout(model.eval())


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks under the old name
def test_dropout_of_lora_is_refused() -> None:
    peft = pytest.importorskip("peft")
    for rate in (0.0, 0.05):
        lora = peft.LoraConfig(r=2, target_modules=["q_proj"], lora_dropout=rate, task_type="CAUSAL_LM")
        model = peft.get_peft_model(_llama(), lora).train()
        if rate:
            with pytest.raises(DataError, match="lora_dropout"):
                refuse_dropout(model)
        else:
            refuse_dropout(model)
