import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_trainers.aft import AftConfig, train_aft
from datagen_trainers.groups import collate, tokenised
from datagen_trainers.layouts import lay_out
from datagen_trainers.load import load_model
from datagen_trainers.response_log_probs import candidate_scores
from datagen_trainers.tiny import build_model, build_tokenizer

HAS_BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is not None
TEXTS = ["Ana has 3 pens and buys 4 pens .\n", "Ana has 7 pens .", "Ana has 1 pens .", "Ana buys 3 ."]
GROUP = AlignmentGroup(
    prompt=TEXTS[0],
    responses=tuple(TEXTS[1:]),
    scores=(1.0, 0.0, 0.0),
    problem_id="1",
    sources=("sampled",) * 3,
    reference=TEXTS[1],
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tokenizer: PreTrainedTokenizerFast = build_tokenizer(TEXTS, max_number=9)
    build_model(tokenizer, seed=1, hidden=128, layers=1, heads=4).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def _layer_bytes(model: PreTrainedModel) -> int:
    weights = (weight for name, weight in model.named_parameters() if name.endswith("_proj.weight"))
    return sum(weight.numel() * weight.element_size() for weight in weights)


def _scores(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    with torch.no_grad():
        layout = lay_out(collate([tokenised(GROUP, tokenizer, max_length=64)]), "padded")
        return candidate_scores(model.eval(), layout)


@pytest.mark.skipif(not HAS_BITSANDBYTES, reason="bitsandbytes is not installed")
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # peft asks under the old name
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # bitsandbytes' own
def test_qlora_trains_adapters_on_a_base_an_eighth_as_large_and_they_load_again(base: Path, tmp_path: Path) -> None:
    loaded = load_model(str(base), four_bit=True)
    # 4 bits for 32
    assert _layer_bytes(loaded.model) * 8 == _layer_bytes(load_model(str(base)).model)
    config = AftConfig(
        epochs=1, batch_size=1, accumulation=1, learning_rate=5e-3, max_length=64, device="cpu", lora_r=4
    )
    config = replace(config, lora_dropout=0.0, lora_merge=False, four_bit=True, warmup_ratio=0.0)
    seen: list[float] = []
    train_aft(
        [GROUP] * 12,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        config=config,
        out=tmp_path / "out",
        on_progress=lambda at: seen.append(at.loss),
    )
    assert seen[-1] < 0.8 * seen[0]
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    again = load_model(str(tmp_path / "out"), four_bit=True)
    expected = _scores(loaded.model, loaded.tokenizer)
    got = _scores(again.model, again.tokenizer)
    untrained = _scores(load_model(str(base), four_bit=True).model, again.tokenizer)
    torch.testing.assert_close(got, expected, rtol=0, atol=5e-3)  # products in bfloat16
    assert (untrained - expected).abs().max() > 0.1


@pytest.mark.skipif(HAS_BITSANDBYTES, reason="bitsandbytes is installed")
def test_four_bits_without_bitsandbytes_name_the_remedy(base: Path) -> None:
    with pytest.raises(DataError, match="^--four-bit needs the package bitsandbytes. Install it: pip install bitsan"):
        load_model(str(base), four_bit=True)


def test_what_is_no_model_is_refused_with_what_is_missing(base: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder. Name the folder or the Hub id"):
        load_model(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="config.json: a file, and no folder. Name the folder or the Hub id"):
        load_model(str(base / "config.json"))
    for file in base.glob("*token*"):
        file.unlink()
    with pytest.raises(
        DataError, match="its tokenizer cannot be loaded. Put the files of its tokenizer beside"
    ) as caught:
        load_model(str(base))
    assert "\n" not in str(caught.value)
