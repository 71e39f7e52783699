"""Embeddings: a mean over a text's own tokens, whatever it shares a batch with."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from datagen.models.embeddings import embed
from datagen_schemas.errors import DataError, MissingExtraError
from datagen_trainers.tiny import build_model, build_tokenizer

WORDS = "Ana has pens and gives some of them to Tom . ?"
TEXTS = [
    "Ana has 5 pens and gives some of them to Tom. Tom has some pens and gives 12 of them to Ana.",
    "pens",
    "Tom has 3 pens?",
    "Ana gives Tom 12 of 15 pens and some of them to Ana",
    "Tom has 3 pens?",
]


@pytest.fixture(scope="module", params=["llama", "bert", "llama without a pad token"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of two layers; Llama's tokenizer pads on the left, and BERT's positions are absolute."""
    transformers_logging.disable_progress_bar()
    tokenizer = build_tokenizer([*WORDS.split(), *(f" {word}" for word in WORDS.split())], max_number=20)
    path = tmp_path_factory.mktemp("model")
    if request.param == "bert":
        torch.manual_seed(1)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        BertModel(config).save_pretrained(path)
    else:
        build_model(tokenizer, seed=1, hidden=32, layers=2, max_length=64).save_pretrained(path)
    if request.param == "llama without a pad token":
        core: Any = tokenizer.backend_tokenizer  # Any: tokenizers has no stubs
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
    tokenizer.save_pretrained(path)
    return path


def alone(folder: Path, text: str) -> torch.Tensor:
    """The obvious way: one text, no padding, all its tokens."""
    model: Any = AutoModel.from_pretrained(folder).eval()  # Any: the auto classes return any class
    ids = AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    with torch.no_grad():
        mean: torch.Tensor = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
    return torch.nn.functional.normalize(mean, dim=0)


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_an_embedding_is_the_mean_over_the_tokens_whatever_is_in_the_batch(folder: Path, batch_size: int) -> None:
    embeddings = embed(TEXTS, model=str(folder), batch_size=batch_size)
    assert embeddings.shape == (5, 32)
    assert embeddings.dtype == np.float32
    for text, embedding in zip(TEXTS, embeddings, strict=True):
        np.testing.assert_allclose(embedding, alone(folder, text).numpy(), atol=1e-5)


def test_norms_are_1_and_other_texts_lie_elsewhere(folder: Path) -> None:
    embeddings = embed(TEXTS, model=str(folder))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    similarities = embeddings @ embeddings.T
    assert similarities[2, 4] == pytest.approx(1, abs=1e-5)
    assert max(similarities[0, 1], similarities[0, 2], similarities[1, 2]) < 0.999


def test_a_text_longer_than_the_context_is_cut(folder: Path) -> None:
    long = " ".join(["Ana has pens and"] * 40)  # 160 words; the context is 64 tokens
    longer = " ".join(["Ana has pens and"] * 40 + ["Tom"])
    first, second = embed([long, longer], model=str(folder))
    np.testing.assert_array_equal(first, second)


def test_no_text_is_no_row_and_a_text_without_tokens_is_zeros(folder: Path) -> None:
    assert embed([], model=str(folder)).shape == (0, 32)
    tokens = AutoTokenizer.from_pretrained(folder)("")["input_ids"]
    (empty,) = embed([""], model=str(folder))
    assert np.linalg.norm(empty) == pytest.approx(1 if tokens else 0, abs=1e-5)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="embedding model .*nothing"):
        embed(["pens"], model=str(tmp_path / "nothing"))


def test_without_transformers_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError) as caught:
        embed(["pens"], model="model")
    assert (
        str(caught.value) == "--embedding-model needs the extra 'train'. Install it with: pip install 'datagen[train]'"
    )


def test_a_batch_of_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        embed(["pens"], model="model", batch_size=0)
