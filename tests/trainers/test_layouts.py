from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from datagen_schemas.errors import DataError
from datagen_trainers.groups import GroupBatch
from datagen_trainers.layouts import (
    PrefixSharing,
    backbone,
    choose_layout,
    lay_out,
    model_inputs,
    prefix_sharing,
    visible,
)
from datagen_trainers.response_log_probs import candidate_scores

MakeBatch = Callable[..., GroupBatch]
NaiveScores = Callable[[nn.Module, GroupBatch], Tensor]

VOCABULARY = 61
RAGGED = ((7, [5, 1, 9, 4]), (1, [3, 2]), (12, [6, 6, 2]))
SIZES: dict[str, Any] = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    initializer_range=0.3,
)
BOTH = pytest.mark.parametrize("layout", ["padded", "shared_prefix"])


def _of_type(model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    nn.Module.to(model, dtype)  # transformers' own `to` has lost its types
    return model


def _llama(attention: str, dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(**(SIZES | {"num_key_value_heads": 2, "attn_implementation": attention}))
    return _of_type(LlamaForCausalLM(config), dtype)


def _gpt2(attention: str, dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    torch.manual_seed(0)
    settings: dict[str, Any] = dict(
        vocab_size=VOCABULARY,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=64,
        initializer_range=0.3,
        attn_pdrop=0,
        embd_pdrop=0,
        resid_pdrop=0,
        attn_implementation=attention,
    )
    return _of_type(GPT2LMHeadModel(GPT2Config(**settings)), dtype)


def _qwen2(attention: str, dtype: torch.dtype = torch.float64) -> PreTrainedModel:
    torch.manual_seed(0)
    config = Qwen2Config(**(SIZES | {"num_key_value_heads": 1, "attn_implementation": attention}))
    return _of_type(Qwen2ForCausalLM(config), dtype)


BUILDERS = {"llama": _llama, "gpt2": _gpt2, "qwen2": _qwen2}


def _gradients(model: PreTrainedModel, scores: Tensor) -> list[Tensor]:
    """Of a loss in which every score counts differently."""
    weights = torch.linspace(0.3, 1.7, scores.numel(), dtype=scores.dtype).view_as(scores)
    model.zero_grad()
    (weights * scores.square()).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def _gap(left: list[Tensor], right: list[Tensor]) -> float:
    scale = max(float(a.abs().max()) for a in left)
    return max(float((a - b).abs().max()) for a, b in zip(left, right, strict=True)) / scale


@BOTH
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", BUILDERS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_every_layout_gives_the_scores_and_gradients_of_one_text_at_a_time(
    layout: Any, attention: str, family: str, checkpointing: bool, make_batch: MakeBatch, naive_scores: NaiveScores
) -> None:
    model, batch = BUILDERS[family](attention), make_batch(*RAGGED)
    model.train()
    expected = naive_scores(model, batch)
    gradients = _gradients(model, expected)
    if checkpointing:
        model.activation_checkpointing_enable()
    scores = candidate_scores(model, lay_out(batch, layout), chunk_rows=7)
    # Llama's norm and softmax are in float32 whatever the model is in, hence not 1e-10.
    tolerance = 1e-10 if family == "gpt2" else 2e-6
    assert float((scores - expected).detach().abs().max()) < tolerance
    assert _gap(gradients, _gradients(model, scores)) < (1e-10 if family == "gpt2" else 5e-6)


@BOTH
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_float32_is_right_to_one_in_a_hundred_thousand(
    layout: Any, attention: str, make_batch: MakeBatch, naive_scores: NaiveScores
) -> None:
    batch = make_batch(*RAGGED)
    exact, model = _llama(attention), _llama(attention, torch.float32)
    expected = naive_scores(exact, batch)
    scores = candidate_scores(model, lay_out(batch, layout))
    assert float((scores - expected).detach().abs().max()) < 1e-5
    gradients = [gradient.float() for gradient in _gradients(exact, expected)]
    assert _gap(gradients, _gradients(model, scores)) < 1e-5


def test_the_first_token_of_every_candidate_is_predicted_by_the_last_of_the_prompt(make_batch: MakeBatch) -> None:
    layout = lay_out(make_batch((3, [2, 1])), "shared_prefix")
    # Row: p0 p1 p2 a0 a1 b0. The end of each candidate predicts nothing.
    assert layout.sources.tolist() == [2, 3, 2]
    assert layout.position_ids.tolist() == [[0, 1, 2, 3, 4, 3]]
    assert layout.segments.tolist() == [[0, 0, 0, 1, 1, 2]]
    assert layout.targets.tolist() == layout.input_ids[0, 3:].tolist()
    assert layout.cells.tolist() == [0, 0, 1]


def test_a_candidate_sees_the_prompt_and_itself() -> None:
    seen = visible(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0, 0].int().tolist()
    assert seen[:5] == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
    ]
    assert sum(seen[5]) > 0  # padding, too, has something to attend to


def test_sharing_holds_each_prompt_once(make_batch: MakeBatch) -> None:
    batch = make_batch(*RAGGED)
    assert lay_out(batch, "shared_prefix").input_ids.shape == (3, 7 + 19)
    assert lay_out(batch, "padded").input_ids.shape == (9, 12 + 6)


def test_some_cells_alone_have_the_scores_they_have_among_all(make_batch: MakeBatch) -> None:
    model, batch = _gpt2("sdpa"), make_batch(*RAGGED)
    every = candidate_scores(model, lay_out(batch, "padded"))
    some = candidate_scores(model, lay_out(batch, "padded", cells={1, 4, 10}))
    kept = torch.zeros(12, dtype=torch.bool)
    kept[[1, 4, 10]] = True
    torch.testing.assert_close(some, torch.where(kept.view(3, 4), every, 0.0))


# The traps. Each of these shortcuts runs without a complaint and is wrong, which is why the layout does not take it.


@pytest.mark.parametrize("shortcut", ["boolean mask under eager", "positions alone", "mask without positions"])
def test_the_shortcuts_are_wrong(shortcut: str, make_batch: MakeBatch) -> None:
    batch = make_batch(*RAGGED)
    model = _llama("eager" if "eager" in shortcut else "sdpa")
    layout = lay_out(batch, "shared_prefix")
    inputs = dict(model_inputs(layout, model))
    if shortcut == "boolean mask under eager":
        inputs["attention_mask"] = visible(layout.segments)
    elif shortcut == "positions alone":
        del inputs["attention_mask"]
    else:
        del inputs["position_ids"]
    hidden = backbone(model)(**inputs).last_hidden_state.flatten(0, 1)
    right = backbone(model)(**model_inputs(layout, model)).last_hidden_state.flatten(0, 1)
    assert float((hidden - right)[layout.sources].detach().abs().max()) > 1e-2


def test_a_mask_per_attention_is_what_that_attention_adds_up(make_batch: MakeBatch) -> None:
    layout = lay_out(make_batch(*RAGGED), "shared_prefix")
    eager, sdpa = (model_inputs(layout, _llama(name))["attention_mask"] for name in ("eager", "sdpa"))
    assert isinstance(eager, Tensor)
    assert isinstance(sdpa, Tensor)
    assert eager.dtype == torch.float64
    assert sdpa.dtype == torch.bool
    assert torch.equal(eager == 0, sdpa)
    assert float(eager.min()) == torch.finfo(torch.float64).min


@pytest.mark.parametrize(
    ("hidden_size", "prompt", "lengths", "expected"),
    [
        (512, 64, [113] * 6, "shared_prefix"),  # 742 tokens for 1062
        (512, 384, [113] * 6, "shared_prefix"),
        (512, 8, [100] * 6, "padded"),  # 608 tokens for 648 save less than the longer row costs
        (128, 64, [113] * 16, "padded"),  # a small model spends most on attention, which sees the whole row
        (4096, 384, [400] * 6, "padded"),  # 2784 tokens are too many for a dense mask
    ],
)
def test_auto_shares_where_it_pays(
    hidden_size: int, prompt: int, lengths: list[int], expected: str, make_batch: MakeBatch
) -> None:
    sharing = PrefixSharing("sdpa", hidden_size, None, None)
    assert choose_layout(make_batch((prompt, lengths)), candidate_layout="auto", sharing=sharing) == expected
    flex = sharing._replace(attention="flex_attention")
    assert choose_layout(make_batch((prompt, lengths)), candidate_layout="auto", sharing=flex) == "shared_prefix"


def test_models_that_cannot_share_a_prompt_are_padded_by_auto_and_refused_by_name(make_batch: MakeBatch) -> None:
    batch = make_batch((384, [50] * 6))
    bloom = BloomForCausalLM(BloomConfig(vocab_size=VOCABULARY, hidden_size=16, n_layer=1, n_head=2))
    window = MistralConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        sliding_window=100,
    )
    flash = prefix_sharing(_llama("sdpa"))._replace(refusal="flash_attention_2 takes no mask of one's own")
    for sharing in (prefix_sharing(bloom), prefix_sharing(MistralForCausalLM(window)), flash):
        assert choose_layout(batch, candidate_layout="auto", sharing=sharing) == "padded"
        with pytest.raises(DataError, match="candidate_layout shared_prefix: .* Use candidate_layout"):
            choose_layout(batch, candidate_layout="shared_prefix", sharing=sharing)
    short = make_batch((60, [30] * 6))  # 90 tokens fit into the window, so that it hides nothing
    sharing = prefix_sharing(MistralForCausalLM(window))
    assert choose_layout(short, candidate_layout="shared_prefix", sharing=sharing) == "shared_prefix"


def test_flex_attention_is_refused_where_it_cannot_train(make_batch: MakeBatch) -> None:
    with pytest.raises(DataError, match="flex_attention trains on CUDA only"):
        model_inputs(lay_out(make_batch(*RAGGED), "shared_prefix"), _llama("flex_attention"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_flex_attention_gives_the_scores_of_one_text_at_a_time(
    make_batch: MakeBatch, naive_scores: NaiveScores
) -> None:
    batch = make_batch(*RAGGED)
    expected = naive_scores(_llama("eager", torch.float32), batch)
    model = nn.Module.to(_llama("flex_attention", torch.float32), "cuda")
    scores = candidate_scores(model, lay_out(batch, "shared_prefix").to("cuda"))
    assert float((scores.cpu() - expected).detach().abs().max()) < 1e-3
