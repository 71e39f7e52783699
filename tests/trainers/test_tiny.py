import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from datagen_trainers.tiny import build_model, build_tokenizer, token_id

NOUNS = ["Ana", "Tom's", "pens", "has", "buys", "dollars", "left", "x"]
WORDS = [*NOUNS, *(f" {noun}" for noun in NOUNS)]
TOKENIZER = build_tokenizer(WORDS, max_number=250)

words = st.sampled_from(NOUNS)
numbers = st.integers(0, 999_999).map(str)
calculations = st.builds(
    lambda a, op, b, c, space, unit: f"{a}{space}{op}{space}{b} = {unit}<<{a}{op}{b}={c}>>{c}",
    numbers,
    st.sampled_from("+-*/"),
    numbers,
    numbers,
    st.sampled_from(["", " "]),
    st.sampled_from(["", "$"]),
)
marks = st.sampled_from(
    [".", ",", "?", "$", "%", "(", ")", "-", "1,000", "$3.50", ".5", "-5", "#### 12", "x5", "5x", "3:30"]
)
lines = st.lists(st.one_of(words, numbers, calculations, marks), min_size=1).map(" ".join)
texts = st.lists(lines, min_size=1, max_size=4).map("\n".join)


@given(texts)
@settings(deadline=None, max_examples=200)
def test_decoding_gives_back_the_text(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126, exclude_categories=["L"]) | st.just("\n")))
@settings(deadline=None, max_examples=200)
def test_decoding_gives_back_any_digits_marks_and_spaces(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@pytest.mark.parametrize("max_number", [5, 9, 10, 47, 100, 250, 999, 1200])
def test_numbers_up_to_the_largest_are_one_token_and_larger_ones_their_digits(max_number: int) -> None:
    tokenizer = build_tokenizer([], max_number=max_number)
    for number in range(1500):
        tokens = tokenizer.convert_ids_to_tokens(tokenizer(str(number))["input_ids"])
        assert tokens == ([str(number)] if number <= max(max_number, 9) else list(str(number))), number


def test_a_number_is_the_same_token_wherever_it_stands() -> None:
    tokens = TOKENIZER.convert_ids_to_tokens(
        TOKENIZER("Ana has 12 pens\n3 * 4 = $<<3*4=12>>12 left, 12\n#### 12")["input_ids"]
    )
    assert tokens.count("12") == 5
    assert not any(re.search(r"\d", token) and not token.isdigit() for token in tokens)


def test_an_unknown_word_is_one_unknown_token() -> None:
    assert TOKENIZER.convert_ids_to_tokens(TOKENIZER("Ana has zebras")["input_ids"]) == ["Ana", " has", "<unk>"]


def test_a_saved_tokenizer_loads_without_our_code(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "Ana has 3 * 4 = <<3*4=12>>12 pens.\n#### 12"
    assert loaded(text)["input_ids"] == TOKENIZER(text)["input_ids"]
    assert loaded.decode(loaded(text)["input_ids"]) == text
    assert (loaded.pad_token, loaded.bos_token, loaded.eos_token) == ("<pad>", "<s>", "</s>")


def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (build_model(TOKENIZER, seed=seed, hidden=32) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    weights = [model.state_dict()["model.layers.0.mlp.up_proj.weight"] for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_model_knows_the_tokenizers_special_tokens() -> None:
    config = build_model(TOKENIZER, seed=0, hidden=32).config
    ids = [token_id(TOKENIZER, token) for token in ("<pad>", "<s>", "</s>")]
    assert [config.pad_token_id, config.bos_token_id, config.eos_token_id] == ids
    assert len({*ids, token_id(TOKENIZER, "<unk>")}) == 4


def test_numbers_with_a_common_digit_start_alike() -> None:
    weights = build_model(TOKENIZER, seed=0).state_dict()["model.embed_tokens.weight"]

    def likeness(one: int, other: int) -> float:
        a, b = (weights[token_id(TOKENIZER, str(number))] for number in (one, other))
        return float(torch.cosine_similarity(a, b, dim=0))

    same_ones = [likeness(n, n + 50) for n in range(10, 150)]
    unrelated = [likeness(n, n + 57) for n in range(10, 150)]
    assert sum(same_ones) / len(same_ones) > sum(unrelated) / len(unrelated) + 0.3
