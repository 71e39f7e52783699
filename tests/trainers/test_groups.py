import pytest
from transformers import PreTrainedTokenizerFast

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.errors import DataError
from datagen_trainers.examples import encode
from datagen_trainers.groups import GroupBatch, collate, tokenised, tokenised_groups
from datagen_trainers.tiny import build_tokenizer

WORDS = ["Ana", " has", " pens", "Tom", " buys", " and", " Ana"]


def _tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(WORDS, max_number=50)


def _group(*responses: str, prompt: str = "Ana has 3\n", reference: str | None = None) -> AlignmentGroup:
    scores = tuple(float(i) for i in range(len(responses)))
    sources = ("sampled",) * len(responses)
    return AlignmentGroup(
        prompt=prompt, responses=responses, scores=scores, problem_id="p/7", sources=sources, reference=reference
    )


def test_a_response_has_the_tokens_that_vft_gives_it() -> None:
    tokenizer = _tokenizer()
    group = _group("3 pens", "4 and 5", prompt="Ana has 1", reference="2 pens")
    got = tokenised(group, tokenizer, max_length=99)
    assert got.reference is not None
    for text, ids in zip(["3 pens", "4 and 5", "2 pens"], [*got.responses, got.reference], strict=True):
        assert got.prompt + ids == encode([("Ana has 1", text)], tokenizer)[0].input_ids
        assert ids[-1] == tokenizer.eos_token_id
    assert got.scores == [0.0, 1.0]


def test_a_response_over_the_limit_is_left_out_with_its_score_and_counted_never_cut() -> None:
    # Prompt: Ana, has, 3, newline = 4; responses with their ends: 3, 6, 3.
    group = _group("3 pens", "3 pens and 4 pens", "4 pens")
    got = tokenised(group, _tokenizer(), max_length=7)
    assert [len(ids) for ids in got.responses] == [3, 3]
    assert (got.scores, got.n_too_long) == ([0.0, 2.0], 1)
    assert len(tokenised(group, _tokenizer(), max_length=10).responses) == 3


def test_a_reference_over_the_limit_is_counted_apart() -> None:
    groups = [_group("3", "4", reference="3 pens and 4 pens"), _group("3", "4", reference="3")]
    got = tokenised_groups(groups, _tokenizer(), max_length=7)
    assert [group.reference is None for group in got.groups] == [True, False]
    assert (got.n_too_long_references, got.n_too_long_responses, got.n_small_groups) == (1, 0, 0)


@pytest.mark.parametrize(("small", "n_kept"), [("drop", 1), ("keep", 2)])
def test_a_group_left_with_one_response_is_counted_and_kept_only_if_asked(small: str, n_kept: int) -> None:
    groups = [_group("3", "4"), _group("3", "3 pens and 4 pens"), _group("3 pens and 4 pens")]
    got = tokenised_groups(groups, _tokenizer(), max_length=7, small="drop" if small == "drop" else "keep")
    assert len(got.groups) == n_kept  # the third has nothing left, so it is not kept either
    assert (got.n_too_long_responses, got.n_small_groups) == (2, 2)


def test_the_end_counts_even_where_padding_is_the_same_token() -> None:
    tokenizer = _tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    batch = collate(tokenised_groups([_group("3", "3 pens and 4")], tokenizer, max_length=99).groups)
    assert batch.lengths.tolist() == [[2, 5]]
    assert batch.completions[0, 0, 1] == batch.completions[0, 1, 4] == tokenizer.eos_token_id


def test_a_batch_holds_every_group_and_pads_by_length() -> None:
    tokenizer = _tokenizer()
    groups = [_group("3", "4 pens", "5"), _group("6", "7", prompt="Tom", reference="8 pens")]
    batch = collate(tokenised_groups(groups, tokenizer, max_length=99).groups)
    assert batch.prompt_lengths.tolist() == [4, 1]
    assert tokenizer.decode(batch.prompts[1, :1]) == "Tom"
    assert batch.lengths.tolist() == [[2, 3, 2], [2, 2, 3]]
    assert batch.ranked.tolist() == [[True, True, True], [True, True, False]]
    assert batch.feedback.tolist() == [[0.0, 1.0, 2.0], [0.0, 1.0, 0.0]]
    assert batch.reference.tolist() == [-1, 2]
    assert GroupBatch(**batch._asdict()) == batch


def test_a_reference_among_the_responses_is_not_a_column_of_its_own() -> None:
    batch = collate(tokenised_groups([_group("3", "4 pens", reference="4 pens")], _tokenizer(), max_length=99).groups)
    assert batch.reference.tolist() == [1]
    assert batch.ranked.tolist() == [[True, True]]


def test_a_tokenizer_without_end_and_a_prompt_without_tokens_are_refused() -> None:
    tokenizer = _tokenizer()
    with pytest.raises(DataError, match="problem p/7: the prompt has no tokens"):
        tokenised(_group("3", "4", prompt=""), tokenizer, max_length=99)
    tokenizer.eos_token = None
    with pytest.raises(DataError, match="no end-of-sequence token"):
        tokenised(_group("3", "4"), tokenizer, max_length=99)
