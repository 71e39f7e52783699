from array import array
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.models.prompt_tokens import prompt_tokens
from datagen.requests.request import Request, Sampling
from datagen_prompts.template import Turn
from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.examples import (
    IGNORED,
    Encoded,
    batch_schedule,
    encode,
    encode_examples,
    pad,
    prompt_ids,
    with_cut_prompt,
)
from datagen_trainers.tiny import build_tokenizer

TOKENIZER = build_tokenizer(["Ana", " has", " pens", "Tom", " buys", " and", " Ana"], max_number=50)


def of(ids: list[int], *, n_read: int) -> Encoded:
    return Encoded(array("i", ids), n_read)


def test_the_completion_and_its_end_are_learnt_and_the_prompt_is_not() -> None:
    (encoded,) = encode([("Ana has 3\n", "3 pens")], TOKENIZER)
    assert TOKENIZER.convert_ids_to_tokens(encoded.input_ids) == ["Ana", " has", "3", "\n", "3", " pens", "</s>"]
    assert encoded.labels == [IGNORED] * 4 + encoded.input_ids[4:]


def test_no_token_straddles_prompt_and_completion() -> None:
    # "1" + "2" read at once would be the token "12".
    (encoded,) = encode([("Ana has 1", "2 pens")], TOKENIZER)
    assert TOKENIZER.convert_ids_to_tokens(encoded.input_ids)[2:4] == ["1", "2"]


def test_the_end_is_learnt_even_where_padding_is_the_same_token() -> None:
    tokenizer = build_tokenizer(["Ana", " has"], max_number=9)
    tokenizer.pad_token = tokenizer.eos_token
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    batch = pad(encode([("Ana", "2 3 4"), ("Ana has", "5")], tokenizer), pad_id=end)
    short = batch["labels"][1].tolist()
    assert short == [IGNORED, IGNORED, tokenizer.convert_tokens_to_ids("5"), end, *[IGNORED] * (len(short) - 4)]
    assert batch["attention_mask"][1].tolist() == [1, 1, 1, 1] + [0] * (len(short) - 4)
    assert batch["input_ids"][1].tolist()[4:] == [end] * (len(short) - 4)


def test_padding_is_on_the_right_masked_and_not_learnt() -> None:
    batch = pad([of([5, 6, 7], n_read=1), of([8], n_read=0)], pad_id=1)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 1, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7], [8, IGNORED, IGNORED]]


def test_many_texts_at_once_are_what_each_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen_trainers.examples.TOGETHER", 3)
    texts = [("Ana has 1", "2 pens"), ("", "3"), ("Tom", ""), *[("Tom buys 3 and 4", f"{n} pens") for n in range(5)]]
    assert encode(texts, TOKENIZER) == [encode([text], TOKENIZER)[0] for text in texts]
    assert [one.ids.itemsize for one in encode(texts, TOKENIZER)] == [4] * 8
    assert encode([], TOKENIZER) == []


def test_a_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = build_tokenizer(["Ana"], max_number=9)
    tokenizer.eos_token = None
    with pytest.raises(DataError, match="no end-of-sequence token"):
        encode([("Ana", "3")], tokenizer)


def test_what_a_tokenizer_adds_before_a_text_stays_and_what_it_adds_behind_does_not() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = build_tokenizer(["Ana", " has"], max_number=9)
    ids = [("<s>", 2), ("</s>", 3)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=ids)
    assert tokenizer.convert_ids_to_tokens(prompt_ids(["Ana has"], tokenizer)[0]) == ["<s>", "Ana", " has"]
    assert tokenizer.convert_ids_to_tokens(encode([("Ana", "3")], tokenizer)[0].input_ids) == [
        "<s>",
        "Ana",
        "3",
        "</s>",
    ]


CHAT = (
    "{% for turn in messages %}{{ raise_exception('too short') if turn.content == '' }}"
    "<s>{{ turn.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>{% endif %}"
)


def test_a_prompt_can_be_a_turn_of_a_chat_as_it_is_when_the_model_is_asked() -> None:
    tokenizer = build_tokenizer(["Ana", " has"], max_number=9)
    with pytest.raises(DataError, match="no chat template. Leave --chat out"):
        prompt_ids(["Ana has"], tokenizer, chat=True)
    tokenizer.chat_template = CHAT
    (encoded,) = encode([("Ana has", "3")], tokenizer, chat=True)
    tokens = tokenizer.convert_ids_to_tokens(encoded.input_ids)
    assert tokens == ["<s>", "Ana", " has", "</s>", "<s>", "3", "</s>"]
    assert encoded.labels == [IGNORED] * 5 + encoded.input_ids[5:]
    turns = (Turn("user", "Ana has"),)
    request = Request("row", "transformers", "m", "chat", turns, Sampling(), seed=0, samples=(0,))
    assert prompt_tokens(request, tokenizer, context=None) == encoded.input_ids[:5]
    with pytest.raises(DataError, match=r"refuses a prompt \(too short\)"):
        prompt_ids(["Ana", ""], tokenizer, chat=True)


def test_examples_that_are_too_long_are_counted_and_none_is_cut(examples: list[Example]) -> None:
    texts = [word for example in examples for word in (example.prompt, example.completion)]
    tokenizer = build_tokenizer(texts, max_number=50)
    whole = encode_examples(examples, tokenizer, max_length=512)
    lengths = [len(item.ids) for item in whole.encoded]
    assert (len(lengths), whole.n_too_long) == (20, 0)
    limit = sorted(lengths)[9]
    some = encode_examples(examples, tokenizer, max_length=limit)
    assert some.encoded == [item for item in whole.encoded if len(item.ids) <= limit]
    assert len(some.encoded) + some.n_too_long == 20
    assert some.n_too_long > 0


def test_cutting_takes_the_first_tokens_of_the_prompt_and_none_of_the_completion() -> None:
    whole = of([1, 4, 5, 6, 7, 8], n_read=4)
    assert with_cut_prompt(whole, max_length=6, bos_id=1) == whole
    assert with_cut_prompt(whole, max_length=4, bos_id=None) == of([5, 6, 7, 8], n_read=2)
    assert with_cut_prompt(whole, max_length=4, bos_id=1) == of([1, 6, 7, 8], n_read=2)
    assert with_cut_prompt(whole, max_length=3, bos_id=None) == of([6, 7, 8], n_read=1)
    assert with_cut_prompt(whole, max_length=3, bos_id=1) is None  # nothing of the question would be read
    assert with_cut_prompt(whole, max_length=2, bos_id=None) is None


@given(st.lists(st.integers(1, 100), min_size=1, max_size=300), st.integers(1, 9), st.integers(1, 3), st.integers())
@settings(deadline=None, max_examples=50)
def test_every_epoch_has_every_example_once(lengths: list[int], batch_size: int, epochs: int, seed: int) -> None:
    schedule = batch_schedule(lengths, batch_size=batch_size, epochs=epochs, seed=seed)
    per_epoch = -(-len(lengths) // batch_size)
    assert len(schedule) == epochs * per_epoch
    for at in range(0, len(schedule), per_epoch):
        assert Counter(i for batch in schedule[at : at + per_epoch] for i in batch) == Counter(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in schedule)
    assert schedule == batch_schedule(lengths, batch_size=batch_size, epochs=epochs, seed=seed)


def test_batches_of_similar_lengths_save_most_of_the_padding() -> None:
    lengths = [10 + (i * 37) % 91 for i in range(1000)]  # every length from 10 to 100, shuffled

    def padding(schedule: list[list[int]]) -> float:
        padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in schedule)
        return padded / sum(lengths) - 1

    in_order = [list(range(at, min(at + 8, 1000))) for at in range(0, 1000, 8)]
    assert padding(batch_schedule(lengths, batch_size=8, epochs=1, seed=0)) < 0.1 * padding(in_order)
    assert batch_schedule(lengths, batch_size=8, epochs=1, seed=0) != batch_schedule(
        lengths, batch_size=8, epochs=1, seed=1
    )
