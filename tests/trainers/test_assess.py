import math
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from datagen_schemas.alignment import AlignmentGroup
from datagen_trainers.assess import QuestionPairs, QuestionScores, assess, load_to_score, question_pairs, score_groups
from datagen_trainers.tiny import build_model, build_tokenizer

PROMPT = "Ana has 2 pens and buys 3 pens.\n"
POSITIVES = ("Ana has <<2+3=5>>5 pens.\n#### 5", "#### 5", "Ana buys 3.\n#### 5")
NEGATIVES = ("Ana has <<2+2=4>>4 pens.\n#### 4", "#### 7")


def group(prompt: str, positives: tuple[str, ...], negatives: tuple[str, ...]) -> AlignmentGroup:
    n, m = len(positives), len(negatives)
    return AlignmentGroup(
        prompt=prompt,
        responses=(*positives, *negatives),
        scores=(1.0,) * n + (0.0,) * m,
        problem_id=prompt,
        sources=("sampled",) * (n + m),
    )


GROUPS = [
    group(PROMPT, POSITIVES, NEGATIVES),
    group("Ana has 2 pens and buys 3 pens. Ana has 2 pens and buys 3 pens.\n", (), NEGATIVES),
    group("Ana.\n", POSITIVES[:1], NEGATIVES),
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer([PROMPT, *POSITIVES, *NEGATIVES], max_number=20)


def tiny(tokenizer: PreTrainedTokenizerFast, *, max_length: int = 128) -> LlamaForCausalLM:
    model = build_model(tokenizer, seed=1, hidden=32, layers=1, heads=2, max_length=max_length)
    model.eval()
    return model


def naive_score(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str, response: str) -> float:
    """One response alone, no padding: mean log-likelihood of its tokens and its end."""
    read = tokenizer(prompt)["input_ids"]
    said = [*tokenizer(response, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    with torch.no_grad():
        log_p = torch.log_softmax(model(torch.tensor([[*read, *said]])).logits[0].double(), dim=-1)
    return sum(float(log_p[len(read) + j - 1, token]) for j, token in enumerate(said)) / len(said)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_scores_are_those_of_each_response_alone(tokenizer: PreTrainedTokenizerFast, batch_size: int) -> None:
    model = tiny(tokenizer)
    found = score_groups(GROUPS, model=model, tokenizer=tokenizer, batch_size=batch_size)
    for of, scored in zip(GROUPS, found, strict=True):
        expected = [naive_score(model, tokenizer, of.prompt, response) for response in of.responses]
        assert [*scored.positives, *scored.negatives] == pytest.approx(expected, abs=1e-5)
        assert len(scored.positives) == sum(of.scores)


def test_prompts_given_as_tokens_take_the_place_of_the_text(tokenizer: PreTrainedTokenizerFast) -> None:
    model = tiny(tokenizer)
    prompts = [tokenizer(of.prompt)["input_ids"] for of in GROUPS]
    plain = score_groups(GROUPS, model=model, tokenizer=tokenizer)
    assert score_groups(GROUPS, model=model, tokenizer=tokenizer, prompts=prompts) == plain
    other = score_groups(GROUPS, model=model, tokenizer=tokenizer, prompts=[prompts[0]] * 3)
    assert other[0] == plain[0]
    assert other[2].positives != pytest.approx(plain[2].positives, abs=1e-4)


def test_a_response_beyond_the_context_is_left_out_and_counted(tokenizer: PreTrainedTokenizerFast) -> None:
    n = [len(tokenizer(text)["input_ids"]) for text in (PROMPT, *POSITIVES)]
    model = tiny(tokenizer, max_length=n[0] + n[2] + 1)  # room for "#### 5" and its end
    (found,) = score_groups(GROUPS[:1], model=model, tokenizer=tokenizer)
    assert (len(found.positives), len(found.negatives), found.n_too_long) == (1, 1, 3)
    assert found.positives[0] == pytest.approx(naive_score(model, tokenizer, PROMPT, "#### 5"), abs=1e-5)


QUESTIONS = [
    QuestionScores((-0.1, -0.4), (-0.2, -0.4)),  # 2 of 4: 1 + 0; the tie is wrong
    QuestionScores((-1.0,), (-2.0, -3.0, -4.0)),  # 3 of 3
    QuestionScores((-1.0,), ()),  # no pair, a positive all the same
    QuestionScores((), (-1.0,)),
]


def test_the_metrics_by_hand() -> None:
    assert question_pairs(QUESTIONS) == [QuestionPairs(2, 4), (3, 3), (0, 0), (0, 0)]
    found = assess(QUESTIONS, seed=0)
    assert found.macro == pytest.approx(0.75)
    assert found.micro == pytest.approx(5 / 7)
    assert (found.n_questions, found.n_pairs, found.n_positives) == (2, 7, 4)
    assert found.perplexity == pytest.approx((math.exp(0.1) + math.exp(0.4) + 2 * math.e) / 4)
    assert found.macro_interval == (0.5, 1.0)
    assert found.micro_interval == (0.5, 1.0)
    assert found == assess(QUESTIONS, seed=0)


def test_nothing_to_compare_is_nan_and_not_0() -> None:
    for questions in ([], [QuestionScores((-1.0,), ())]):
        found = assess(questions, seed=0)
        assert math.isnan(found.macro)
        assert math.isnan(found.micro)
        assert (found.n_questions, found.n_pairs) == (0, 0)
    assert assess([QuestionScores((-1.0,), ())], seed=0).perplexity == pytest.approx(math.e)


def test_a_saved_model_scores_as_it_did_before(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    model = tiny(tokenizer)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_to_score(str(tmp_path))
    assert not loaded.model.training
    again = score_groups(GROUPS, model=loaded.model, tokenizer=loaded.tokenizer)
    for one, other in zip(score_groups(GROUPS, model=model, tokenizer=tokenizer), again, strict=True):
        assert one.positives == pytest.approx(other.positives, abs=1e-5)
