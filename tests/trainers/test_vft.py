from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.examples import IGNORED, encode
from datagen_trainers.training import TrainProgress
from datagen_trainers.vft import VftConfig, train

Fresh = Callable[[], LlamaForCausalLM]


def test_the_loss_is_the_mean_over_completion_and_end_as_in_equation_1(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, fresh: Fresh, tmp_path: Path
) -> None:
    model = fresh()
    total, n = 0.0, 0
    with torch.no_grad():
        for example in examples[:4]:  # one by one, without padding
            (encoded,) = encode([(example.prompt, example.completion)], tokenizer)
            ids, labels = encoded.input_ids, encoded.labels
            log_p = torch.log_softmax(model(torch.tensor([ids])).logits[0], dim=-1)
            for j in range(1, len(ids)):
                if labels[j] != IGNORED:
                    total -= float(log_p[j - 1, ids[j]])
                    n += 1
    assert n == sum(len(tokenizer(example.completion)["input_ids"]) + 1 for example in examples[:4])
    config = VftConfig(epochs=1, batch_size=4, device="cpu")
    result = train(examples[:4], model=model, tokenizer=tokenizer, config=config, out=tmp_path)
    assert result.loss == pytest.approx(total / n, rel=1e-4)


def test_accumulated_batches_make_the_update_of_one_large_batch(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, fresh: Fresh, tmp_path: Path
) -> None:
    # One update of all 20, in one pass and in five of different numbers of tokens.
    weights = []
    for batch_size, accumulation in ((20, 1), (4, 5)):
        model = fresh()
        config = VftConfig(epochs=1, batch_size=batch_size, accumulation=accumulation, warmup_ratio=0, device="cpu")
        result = train(examples, model=model, tokenizer=tokenizer, config=config, out=tmp_path / str(batch_size))
        assert result.steps == 1
        weights.append(model.lm_head.weight.detach().clone())
    start = fresh().lm_head.weight
    assert torch.allclose(weights[0], weights[1], rtol=0, atol=1e-7)
    assert not torch.allclose(weights[0], start, rtol=0, atol=1e-6)


def test_long_examples_are_left_out_and_counted(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, fresh: Fresh, tmp_path: Path
) -> None:
    lengths = sorted(len(encode([(e.prompt, e.completion)], tokenizer)[0].input_ids) for e in examples)
    config = VftConfig(epochs=1, batch_size=20, max_length=lengths[5], device="cpu")
    result = train(examples, model=fresh(), tokenizer=tokenizer, config=config, out=tmp_path)
    assert result.n_examples + result.n_too_long == 20
    assert 0 < result.n_examples < 20
    config = VftConfig(max_length=3, device="cpu")
    with pytest.raises(DataError, match="20 of 20 are longer than 3 tokens"):
        train(examples, model=fresh(), tokenizer=tokenizer, config=config, out=tmp_path / "none")


def test_training_learns_the_examples(
    examples: list[Example], tokenizer: PreTrainedTokenizerFast, fresh: Fresh, tmp_path: Path
) -> None:
    config = VftConfig(epochs=15, batch_size=4, learning_rate=2e-2, device="cpu", checkpoints=1)
    seen: list[TrainProgress] = []
    result = train(examples, model=fresh(), tokenizer=tokenizer, config=config, out=tmp_path, on_progress=seen.append)
    assert result.steps == len(seen) == seen[-1].steps == 75
    assert result.loss < 0.8  # ln(90) = 4.5 at the start
