import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from datagen_schemas.errors import DataError
from datagen_trainers.groups import GroupBatch
from datagen_trainers.layouts import lay_out
from datagen_trainers.response_log_probs import (
    Head,
    candidate_scores,
    check_head,
    head_of,
    token_log_probs,
    token_means,
)

MakeBatch = Callable[..., GroupBatch]
NaiveScores = Callable[[nn.Module, GroupBatch], Tensor]

VOCABULARY = 61
RAGGED = ((7, [5, 1, 9, 4]), (3, [3, 2]))
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}


def _llama(**settings: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**(SMALL | settings)))
    model.eval()
    return model


def _with_lora(model: PreTrainedModel, *, targets: list[str], **settings: Any) -> nn.Module:
    peft = pytest.importorskip("peft")
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM", **settings)
    )
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return cast(nn.Module, adapted)


def _gradients(scores: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
    weights = torch.linspace(0.3, 1.7, scores.numel(), dtype=scores.dtype).view_as(scores)
    return list(torch.autograd.grad((weights * scores).sum(), inputs, retain_graph=True))


def _naive_log_probs(hidden: Tensor, head: Head, targets: Tensor) -> Tensor:
    logits = hidden @ head.weight.T
    logits = (logits if head.bias is None else logits + head.bias) * head.scale
    if head.softcap is not None:
        logits = head.softcap * torch.tanh(logits / head.softcap)
    return logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]


@pytest.mark.parametrize("chunk_rows", [1, 4, 300, 1000])
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize(("bias", "scale", "softcap"), [(False, 1.0, None), (True, 0.25, None), (True, 1.5, 2.0)])
def test_chunks_give_the_values_and_gradients_of_the_whole(
    chunk_rows: int, trained: bool, bias: bool, scale: float, softcap: float | None
) -> None:
    torch.manual_seed(0)
    n = 301 if chunk_rows > 1 else 11
    hidden = torch.randn(n, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(23, 8, dtype=torch.float64, requires_grad=trained)
    vector = torch.randn(23, dtype=torch.float64, requires_grad=trained) if bias else None
    head, targets = Head(weight, vector, scale, softcap), torch.randint(23, (n,))
    got, expected = (
        token_log_probs(hidden, head, targets, chunk_rows=chunk_rows),
        _naive_log_probs(hidden, head, targets),
    )
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)
    inputs = [tensor for tensor in (hidden, weight, vector) if tensor is not None and tensor.requires_grad]
    for ours, theirs in zip(_gradients(got, inputs), _gradients(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


def test_the_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    hidden, weight = (torch.randn(n, 5, dtype=torch.float64, requires_grad=True) for n in (6, 9))
    targets = torch.randint(9, (6,))

    def of(h: Tensor, w: Tensor) -> Tensor:
        return token_log_probs(h, Head(w, None, 0.7, 3.0), targets, chunk_rows=4)

    assert torch.autograd.gradcheck(of, (hidden, weight))


def test_bfloat16_heads_have_float32_log_probabilities() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(300, 64, requires_grad=True)
    weight, targets = torch.randn(500, 64, requires_grad=True), torch.randint(500, (300,))
    rounded = [tensor.detach().bfloat16().requires_grad_() for tensor in (hidden, weight)]
    got = token_log_probs(rounded[0], Head(rounded[1]), targets)
    expected = _naive_log_probs(hidden, Head(weight), targets)
    assert got.dtype == torch.float32
    gradients = _gradients(got, rounded)
    assert [gradient.dtype for gradient in gradients] == [torch.bfloat16] * 2
    for ours, theirs in zip(gradients, _gradients(expected, [hidden, weight]), strict=True):
        assert float((ours.float() - theirs).norm() / theirs.norm()) < 0.03
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = token_log_probs(hidden, Head(weight), targets)
    torch.testing.assert_close(under_autocast, got)
    assert _gradients(under_autocast, [weight])[0].dtype == torch.float32


def test_the_softmax_of_a_bfloat16_head_is_in_float32() -> None:
    head = Head(torch.zeros(501, 4, dtype=torch.bfloat16))
    log_probs = token_log_probs(torch.zeros(3, 4, dtype=torch.bfloat16), head, torch.arange(3))
    assert log_probs.tolist() == pytest.approx([-math.log(501)] * 3, abs=1e-6)


def test_a_bias_trains_on_a_frozen_weight() -> None:
    hidden, weight = torch.zeros(4, 3), torch.zeros(2, 3)
    bias = torch.zeros(2, requires_grad=True)
    log_probs = token_log_probs(hidden, Head(weight, bias), torch.tensor([0, 0, 0, 1]))
    # d log p(t) / d bias = e_t - (1/2, 1/2), over three rows of token 0 and one of token 1
    assert torch.autograd.grad(log_probs.sum(), bias)[0].tolist() == [1.0, -1.0]


def test_huge_logits_do_not_overflow() -> None:
    weight = torch.tensor([[1e4], [-1e4]])
    log_probs = token_log_probs(torch.ones(2, 1), Head(weight), torch.tensor([0, 1]))
    assert log_probs.tolist() == [0.0, -2e4]


def test_no_rows_give_no_log_probabilities_and_a_gradient_of_zero() -> None:
    hidden, weight = torch.zeros(0, 4, requires_grad=True), torch.ones(3, 4, requires_grad=True)
    log_probs = token_log_probs(hidden, Head(weight), torch.zeros(0, dtype=torch.int64))
    assert log_probs.shape == (0,)
    assert torch.autograd.grad(log_probs.sum(), weight)[0].abs().sum() == 0


def test_a_score_is_the_mean_over_the_tokens_of_a_response(make_batch: MakeBatch) -> None:
    layout = lay_out(make_batch(*RAGGED), "padded")
    log_probs = torch.arange(24.0)
    assert token_means(log_probs, layout).tolist() == [[2.0, 5.0, 10.0, 16.5], [20.0, 22.5, 0.0, 0.0]]


class _Products(TorchDispatchMode):
    """Counts matrix products."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(cast(Any, self))
        self.n = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += "mm" in func.__name__
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("trained", "products"), [(False, 2), (True, 4)])
def test_a_frozen_head_costs_two_matrix_products_a_chunk_and_a_trained_one_four(trained: bool, products: int) -> None:
    hidden, weight = torch.ones(6, 4, requires_grad=True), torch.ones(5, 4, requires_grad=trained)
    with _Products() as seen:
        token_log_probs(hidden, Head(weight), torch.zeros(6, dtype=torch.int64), chunk_rows=2).sum().backward()
    assert seen.n == 3 * products


class _LargestTensor(TorchDispatchMode):
    """Notes the size of the largest tensor that any operation gives, forward and backward."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(cast(Any, self))
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return result


@pytest.mark.parametrize("trained", [True, False])
def test_no_tensor_of_tokens_times_vocabulary_exists(trained: bool, make_batch: MakeBatch) -> None:
    vocabulary, tokens, chunk = 4000, 24, 4  # of the sizes below, chunk x vocabulary is the only one near the limit
    model = _llama(vocab_size=vocabulary, hidden_size=4, intermediate_size=4)
    model.get_parameter("lm_head.weight").requires_grad_(trained)
    batch = make_batch(*RAGGED)
    assert int(batch.lengths.sum()) == tokens

    def largest(scores: Any) -> int:
        with _LargestTensor() as seen:
            scores().sum().backward()
        return int(seen.elements)

    chunked = largest(lambda: candidate_scores(model, lay_out(batch, "padded"), chunk_rows=chunk))
    assert chunked == chunk * vocabulary
    # The same watch sees what the chunks avoid.
    assert largest(lambda: candidate_scores(model, lay_out(batch, "padded"), chunk_rows=1000)) == tokens * vocabulary
    assert largest(lambda: model(input_ids=torch.zeros(1, tokens, dtype=torch.int64)).logits) == tokens * vocabulary


def _gemma2() -> PreTrainedModel:
    return Gemma2ForCausalLM(Gemma2Config(**SMALL, head_dim=8, final_logit_softcapping=1.5))


def _cohere() -> PreTrainedModel:
    return CohereForCausalLM(CohereConfig(**SMALL, logit_scale=0.3))


def _granite() -> PreTrainedModel:
    return GraniteForCausalLM(GraniteConfig(**SMALL, logits_scaling=4.0))


def _with_bias() -> PreTrainedModel:
    model = _llama()
    head = nn.Linear(32, VOCABULARY)
    model.set_output_embeddings(head)
    return model


@pytest.mark.parametrize("build", [_llama, _gemma2, _cohere, _granite, _with_bias])
@pytest.mark.parametrize("layout", ["padded", "shared_prefix"])
def test_soft_caps_scales_and_biases_of_the_logits_are_respected(
    build: Any, layout: Any, make_batch: MakeBatch, naive_scores: NaiveScores
) -> None:
    torch.manual_seed(0)
    model, batch = build().double().eval(), make_batch(*RAGGED)
    check_head(model)
    scores, expected = candidate_scores(model, lay_out(batch, layout), chunk_rows=7), naive_scores(model, batch)
    assert float((scores - expected).detach().abs().max()) < 2e-6
    weight = [model.get_output_embeddings().weight]
    torch.testing.assert_close(_gradients(scores, weight), _gradients(expected, weight), rtol=1e-5, atol=1e-5)


class _Doubled(LlamaForCausalLM):
    """A model with a scale of its own."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        outputs = super().forward(*args, **kwargs)
        cast(Any, outputs).logits *= 2
        return outputs


def test_a_model_that_does_something_else_to_its_logits_is_refused() -> None:
    with pytest.raises(DataError, match="_Doubled does not compute its logits by weight, bias, scale and soft cap"):
        check_head(_Doubled(LlamaConfig(**SMALL)))


def test_the_check_does_not_look_at_a_padding_token_alone() -> None:
    for token in (0, 1):
        settings: dict[str, Any] = SMALL | {"pad_token_id": token}
        model = _Doubled(LlamaConfig(**settings))
        assert not cast(Tensor, model.get_input_embeddings().weight)[token].any()
        with pytest.raises(DataError, match="does not compute its logits"):
            check_head(model)


def test_a_model_whose_logits_are_no_numbers_is_refused() -> None:
    model = _llama()
    with torch.no_grad():
        model.get_parameter("lm_head.weight").fill_(math.nan)
    with pytest.raises(DataError, match="does not compute its logits"):
        check_head(model)


def test_checking_is_without_dropout_and_leaves_the_model_in_its_mode() -> None:
    rates: dict[str, Any] = {"resid_pdrop": 0.5, "embd_pdrop": 0.5, "attn_pdrop": 0.5}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=1, n_head=4, **rates)).train()
    check_head(model)
    assert model.training


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks under the old name
@pytest.mark.parametrize("targets", [["q_proj", "v_proj", "down_proj"], ["q_proj", "lm_head"]])
@pytest.mark.parametrize("layout", ["padded", "shared_prefix"])
def test_lora_models_have_their_own_scores_and_gradients_also_with_an_adapted_head(
    targets: list[str], layout: Any, make_batch: MakeBatch, naive_scores: NaiveScores
) -> None:
    model, batch = _with_lora(_llama().double(), targets=targets).double(), make_batch(*RAGGED)
    check_head(model)
    scores, expected = candidate_scores(model, lay_out(batch, layout), chunk_rows=7), naive_scores(model, batch)
    torch.testing.assert_close(scores, expected, rtol=0, atol=2e-6)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(trained) == 2 * (2 * len(targets) - ("lm_head" in targets))
    torch.testing.assert_close(_gradients(scores, trained), _gradients(expected, trained), rtol=1e-5, atol=2e-6)
    with cast(Any, model).disable_adapter():
        torch.testing.assert_close(
            candidate_scores(model, lay_out(batch, layout)), naive_scores(model, batch), rtol=0, atol=2e-6
        )


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks under the old name
def test_a_head_that_is_trained_beside_lora_is_used(make_batch: MakeBatch, naive_scores: NaiveScores) -> None:
    model = _with_lora(_llama().double(), targets=["q_proj"], modules_to_save=["lm_head"]).double()
    with torch.no_grad():
        head_of(model).weight.add_(1.0, alpha=0.5).mul_(torch.arange(VOCABULARY)[:, None])
    batch = make_batch(*RAGGED)
    torch.testing.assert_close(
        candidate_scores(model, lay_out(batch, "padded")), naive_scores(model, batch), rtol=0, atol=1e-4
    )
    with cast(Any, model).disable_adapter():
        assert head_of(model).weight is cast(Any, model).get_base_model().lm_head.original_module.weight


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks under the old name
def test_an_adapter_that_is_merged_is_not_added_again(make_batch: MakeBatch, naive_scores: NaiveScores) -> None:
    model, batch = _with_lora(_llama().double(), targets=["q_proj", "lm_head"]).double(), make_batch(*RAGGED)
    expected = naive_scores(model, batch)
    cast(Any, model).merge_adapter()
    torch.testing.assert_close(candidate_scores(model, lay_out(batch, "padded")), expected, rtol=0, atol=2e-6)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks under the old name
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_dora": True}, "more than W"),
        ({"lora_bias": True}, "more than W"),
        ({"lora_dropout": 0.1}, "has dropout"),
    ],
)
def test_adapters_of_the_head_that_are_no_plain_matrix_are_refused(settings: dict[str, Any], message: str) -> None:
    base = _with_bias() if "lora_bias" in settings else _llama()
    model = _with_lora(base, targets=["lm_head"], **settings)
    with pytest.raises(DataError, match=message):
        head_of(model.train())
    if "lora_dropout" in settings:  # which is off when nothing is trained
        assert head_of(model.eval()).weight.shape == (VOCABULARY, 32)


def test_a_model_without_a_linear_head_is_refused() -> None:
    model = _llama()
    with pytest.raises(DataError, match="LlamaModel has no language-model head"):
        head_of(model.base_model)
    model.set_output_embeddings(nn.Embedding(VOCABULARY, 32))
    with pytest.raises(DataError, match="the head is a Embedding, not a plain linear layer"):
        head_of(model)
    with pytest.raises(DataError, match="Linear is no causal language model"):
        head_of(nn.Linear(2, 2))


def test_gradients_of_a_bfloat16_head_are_summed_over_chunks_in_float32() -> None:
    # Every row adds the same to the gradient of the bias: bfloat16, with 8 bits, would stop at 256 times that.
    n, hidden = 2000, torch.ones(2000, 4, dtype=torch.bfloat16)
    weight = torch.zeros(2, 4, dtype=torch.bfloat16, requires_grad=True)
    bias = torch.zeros(2, dtype=torch.bfloat16, requires_grad=True)
    got = token_log_probs(hidden, Head(weight, bias), torch.zeros(n, dtype=torch.int64), chunk_rows=1)
    torch.autograd.backward(got.sum())
    assert weight.grad is not None and bias.grad is not None
    # d log p(0) / dz = (1 - 1/2, -1/2) in each row; 2000 / 2 = 1000 is a bfloat16.
    assert bias.grad.dtype == weight.grad.dtype == torch.bfloat16
    assert bias.grad.tolist() == [1000, -1000]
    assert weight.grad.tolist() == [[1000] * 4, [-1000] * 4]
