import importlib
import linecache
import math
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from datagen_schemas.errors import DataError
from datagen_schemas.example import Example
from datagen_trainers.examples import context_for, encode
from datagen_trainers.losses.segmentation import SegmentationSettings
from datagen_trainers.seg import SegConfig, SegResult

Examples = list[Example]
Fresh = Callable[[], LlamaForCausalLM]
Train = Callable[..., SegResult]

ONE = SegConfig(epochs=1, batch_size=8, accumulation=1, learning_rate=1e-3, device="cpu")
SMALL = SegConfig(epochs=2, batch_size=1, accumulation=2, learning_rate=3e-3, seed=3, max_length=64, device="cpu")


@pytest.fixture
def train(methods: dict[str, Any]) -> Train:  # Any: conftest's Method, by its name
    found: Train = methods["seg"].train
    return found


@pytest.fixture
def longest(make_example: Callable[[str, str, str], Example]) -> Example:
    return make_example("Ana\n", "1 " * 80, "1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "dc"}, "loss is 'dc': it must be one of ce, focal"),
        ({"loss": "no.such:thing"}, "'no.such:thing' cannot be imported"),
        ({"loss_by_task": {"poem": "focal"}}, "loss_by_task has 'poem'. The tasks are word_problem, multiple_choice"),
        ({"loss_by_task": {"word_problem": "bc"}}, "loss_by_task['word_problem'] is 'bc'"),
        ({"ce_weight": math.nan}, "ce_weight is nan"),
        ({"scope": "token"}, "scope is 'token'"),
        ({"max_steps": 0}, "max_steps is 0. Set it to 1 or above"),
        ({"warmup_steps": -1}, "warmup_steps is -1. Set it to 0 or above"),
        ({"context_percentile": 0.0}, "context_percentile is 0.0"),
        ({"lora_r": 2, "lora_head": True}, "an adapter of the head cannot have dropout here. Set lora_dropout = 0"),
        ({"report_to": "paper"}, "report_to is 'paper', which is not installed or not known"),
        ({"max_length": 2}, "8 of 8 are longer than 2 tokens"),
        ({"too_long": "x"}, "too_long is 'x'. Set it to leave_out or cut_prompt"),
        ({"chat": True, "too_long": "cut_prompt"}, "cut_prompt would cut the opening of a chat"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(
    changes: dict[str, Any],
    message: str,
    mixed: Examples,
    train: Train,
    fresh: Fresh,
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError) as caught:
        train(mixed, model=fresh(), config=replace(SMALL, **changes), out=tmp_path / "out")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_train_is_refused_in_one_line(
    mixed: Examples, longest: Example, train: Train, fresh: Fresh, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no example to train on: there are none"):
        train([], model=fresh(), config=SMALL, out=tmp_path / "out")
    with pytest.raises(DataError, match="no example to validate on: 1 of 1 are longer than 64 tokens"):
        train(mixed, model=fresh(), config=SMALL, out=tmp_path / "out", validation=[longest])


def test_what_is_too_long_is_left_out_and_counted_and_the_context_is_computed(
    mixed: Examples, longest: Example, tokenizer: PreTrainedTokenizerFast, train: Train, fresh: Fresh, tmp_path: Path
) -> None:
    long = [*mixed, longest]
    lengths = sorted(len(encode([(one.prompt, one.completion)], tokenizer)[0].input_ids) for one in long)
    assert lengths == [4, 5, 9, 10, 15, 15, 16, 25, 163]
    found = [context_for(lengths, percentile=percentile) for percentile in (50, 75, 80, 100)]
    assert found == [(16, 15), (16, 16), (32, 25), (256, 163)]  # the fifth, seventh, eighth and ninth of nine
    result = train(
        long, model=fresh(), config=replace(SMALL, max_steps=1, context_percentile=80), out=tmp_path / "out"
    )
    assert (result.n_examples, result.n_too_long, result.max_length, result.at_percentile) == (8, 1, 32, 25)
    assert result.n_cut == 0
    assert "| max_length | 32 |" in (tmp_path / "out" / "README.md").read_text()


def test_the_start_of_a_prompt_is_cut_if_so_wished_and_counted(
    mixed: Examples, longest: Example, tokenizer: PreTrainedTokenizerFast, train: Train, fresh: Fresh, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    wordy = longest.model_copy(update={"prompt": longest.completion, "completion": longest.prompt})
    sizes = [len(encode([(one.prompt, one.completion)], tokenizer)[0].input_ids) for one in (longest, wordy)]
    n_completion = [
        sum(at >= 0 for at in encode([(one.prompt, one.completion)], tokenizer)[0].labels) for one in (longest, wordy)
    ]
    assert min(sizes) > 64 > n_completion[1] and n_completion[0] > 64
    config = replace(SMALL, max_steps=1, max_length=64, too_long="cut_prompt")
    result = train([*mixed, longest, wordy], model=fresh(), config=config, out=tmp_path / "out")
    assert (result.n_examples, result.n_too_long, result.n_cut) == (9, 1, 1)
    warned = {record.getMessage() for record in caplog.records}
    assert "1 examples to train on, longer than 64 tokens, lose the start of their prompt" in warned
    assert "1 examples to train on, longer than 64 tokens, are left out" in warned


def test_sadl_that_pushes_right_tokens_down_is_warned_of(
    mixed: Examples, train: Train, fresh: Fresh, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(mixed, model=fresh(), config=replace(ONE, loss="sadl", ce_weight=0.3), out=tmp_path / "low")
    assert any("sadl" in record.getMessage() for record in caplog.records)
    caplog.clear()
    train(mixed, model=fresh(), config=replace(ONE, loss="sadl"), out=tmp_path / "default")
    assert not any("sadl" in record.getMessage() for record in caplog.records)


def test_a_warm_up_that_outlasts_the_run_is_warned_of(
    mixed: Examples, train: Train, fresh: Fresh, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(mixed, model=fresh(), config=replace(SMALL, max_steps=3, warmup_steps=3), out=tmp_path / "long")
    assert "3 steps of warm-up in a run of 3: the learning rate never comes to 0.003" in caplog.text
    caplog.clear()
    train(mixed, model=fresh(), config=replace(SMALL, max_steps=3, warmup_steps=2), out=tmp_path / "short")
    assert "warm-up" not in caplog.text


def test_a_users_loss_that_was_changed_is_another_loss(
    mixed: Examples, train: Train, fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    config = replace(ONE, loss="changing_loss:f")
    for power in (2, 3):
        (tmp_path / "changing_loss.py").write_text(
            f"def f(logits, targets):\n    return logits.abs().mean() ** {power}\n"
        )
        importlib.invalidate_caches()
        linecache.checkcache()
        sys.modules.pop("changing_loss", None)
        if power == 2:
            first = train(mixed, model=fresh(), config=config, out=tmp_path / "out")
            assert train(mixed, model=fresh(), config=config, out=tmp_path / "out").loss == first.loss
        else:
            with pytest.raises(DataError, match="Name another folder, or delete this one"):
                train(mixed, model=fresh(), config=config, out=tmp_path / "out")


def test_the_defaults_of_the_loss_are_those_of_its_own_settings() -> None:
    for field in fields(SegmentationSettings):
        mine = next(each for each in fields(SegConfig) if each.name == field.name)
        assert mine.default == field.default
        if field.default is MISSING:
            assert SegConfig().loss_by_task == {} == SegmentationSettings().loss_by_task
