import asyncio
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from datagen.models.decode import Row, continue_prompts, draw_tokens, uniforms
from datagen.models.transformers_local import TransformersLocal
from datagen.requests.failure import RequestFailed
from datagen.requests.request import Api, Reply, Request, Sampling
from datagen_prompts.template import Turn
from datagen_schemas.errors import DataError
from datagen_trainers.tiny import build_model, build_tokenizer

WORDS = "Ana has pens and gives some of them to Tom . ?"
PROMPTS = [
    "Ana has 5 pens.\n",
    "Tom has 3 * 4 pens and gives 7 to Ana?\n",
    "pens\n",
    "some of them and some of them and 12\n",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model; weights larger than usual, so that its next-token distributions are far from flat."""
    transformers_logging.disable_progress_bar()
    tokenizer = build_tokenizer([*WORDS.split(), *(f" {word}" for word in WORDS.split())], max_number=20)
    model = build_model(tokenizer, seed=1, hidden=32, layers=2, max_length=128)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2)
    path = tmp_path_factory.mktemp("model")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:  # Any: what from_pretrained returns, and generate's own types refuse a Llama
    return LlamaForCausalLM.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:  # Any: what from_pretrained returns
    return PreTrainedTokenizerFast.from_pretrained(folder)


def request(
    prompt: str,
    *,
    samples: int = 1,
    api: Api = "completions",
    temperature: float = 1.0,
    max_tokens: int = 20,
    stop: tuple[str, ...] = (),
) -> Request:
    return Request(
        row="r",
        endpoint="transformers",
        model="tiny",
        api=api,
        turns=(Turn("user", prompt),),
        sampling=Sampling(temperature=temperature, max_tokens=max_tokens, stop=stop),
        seed=7,
        samples=tuple(range(samples)),
    )


def answers(folder: Path, requests: Sequence[Request], *, batch_size: int | None = None) -> list[list[Reply]]:
    async def ask() -> list[list[Reply]]:
        backend = TransformersLocal(str(folder), device="cpu", batch_size=batch_size)
        try:
            return [list(replies) for replies in await asyncio.gather(*map(backend.answer, requests))]
        finally:
            await backend.close()

    return asyncio.run(ask())


def test_greedy_tokens_are_those_of_generate(model: Any, tokenizer: Any) -> None:
    prompts = [list(tokenizer(prompt)["input_ids"]) for prompt in PROMPTS]
    got = continue_prompts(
        model,
        prompts,
        [Row(i, 0) for i in range(len(prompts))],
        ends={3},
        pad_id=1,
        max_tokens=[30] * 4,
        temperature=0,
    )
    for prompt, continuation in zip(prompts, got, strict=True):
        alone = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=30, eos_token_id=3)
        assert continuation.tokens == alone[0, len(prompt) :].tolist()
        assert continuation.ended == (continuation.tokens[-1] == 3)


def test_a_sample_does_not_depend_on_its_batch(folder: Path) -> None:
    requests = [request(prompt, samples=5, temperature=1.0, max_tokens=25) for prompt in PROMPTS]
    together = answers(folder, requests, batch_size=64)
    in_threes = answers(folder, requests, batch_size=3)
    alone = [answers(folder, [single])[0] for single in requests]
    assert together == in_threes == alone
    assert len({reply.text for replies in together for reply in replies}) > 15


def test_a_sample_does_not_depend_on_the_other_samples_asked_for(folder: Path) -> None:
    first_two, four = (
        answers(folder, [request(PROMPTS[0], samples=n, temperature=1.0, max_tokens=20)])[0] for n in (2, 4)
    )
    assert [reply.text for reply in four[:2]] == [reply.text for reply in first_two]


def test_rows_that_end_early_leave_the_others_as_they_are(model: Any, tokenizer: Any) -> None:
    """With a third of the vocabulary as ends, rows end at every step and the batch shrinks again and again."""
    prompts = [list(tokenizer(prompt)["input_ids"]) for prompt in PROMPTS]
    rows = [Row(i % 4, seed) for i, seed in enumerate(range(40))]
    ends = set(range(0, len(tokenizer), 8))
    together = continue_prompts(model, prompts, rows, ends=ends, pad_id=1, max_tokens=[20, 20, 5, 20], temperature=1.0)
    for row, continuation in zip(rows, together, strict=True):
        alone = continue_prompts(
            model,
            [prompts[row.prompt]],
            [Row(0, row.seed)],
            ends=ends,
            pad_id=1,
            max_tokens=[5 if row.prompt == 2 else 20],
            temperature=1.0,
        )
        assert [continuation] == alone
    assert len({len(continuation.tokens) for continuation in together}) > 5


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_follow_the_softmax_at_the_temperature(temperature: float) -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0, -torch.inf]])
    n = 20_000
    drawn = draw_tokens(logits.expand(n, -1), uniforms(range(n), 1)[:, 0], temperature, 1.0)
    counts = Counter(drawn.tolist())
    weights = [math.exp(z / temperature) for z in (0.0, 1.0, 2.0, -1.0)]
    expected = [n * weight / sum(weights) for weight in weights]
    chi_square = sum((counts[i] - e) ** 2 / e for i, e in enumerate(expected))
    assert chi_square < 16.3  # 99.9 % of the distribution with 3 degrees of freedom; the seeds are fixed
    assert counts[4] == 0


def test_top_p_draws_from_the_smallest_set_that_reaches_it() -> None:
    logits = torch.tensor([[math.log(p) for p in (0.1, 0.5, 0.15, 0.25)]])
    n = 20_000
    # .5 and .25 reach .6 together, so they are drawn 2 : 1
    counts = Counter(draw_tokens(logits.expand(n, -1), uniforms(range(n), 1)[:, 0], 1.0, 0.6).tolist())
    assert set(counts) == {1, 3}
    assert counts[1] / n == pytest.approx(2 / 3, abs=0.01)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(0, 1, exclude_max=True), st.floats(0.05, 1))
@settings(deadline=None, max_examples=200)
def test_a_token_is_drawn_for_any_logits_and_never_an_impossible_one(
    logits: list[float], uniform: float, top_p: float
) -> None:
    padded = torch.tensor([[-torch.inf, *logits, -torch.inf]])
    drawn = int(draw_tokens(padded, torch.tensor([uniform], dtype=torch.float64), 0.3, top_p))
    assert 1 <= drawn <= len(logits)


def test_replies_carry_text_reason_and_token_counts(folder: Path, tokenizer: Any) -> None:
    replies = answers(folder, [request(PROMPTS[1], samples=3, temperature=1.0, max_tokens=12)])[0]
    assert sum(reply.prompt_tokens or 0 for reply in replies) == len(tokenizer(PROMPTS[1])["input_ids"])
    for reply in replies:
        assert "<" + "/s>" not in reply.text
        assert (
            reply.completion_tokens == 12 if reply.finish_reason == "length" else (reply.completion_tokens or 0) <= 12
        )


def test_a_stop_string_ends_the_text_before_it(folder: Path) -> None:
    free = answers(folder, [request(PROMPTS[0], samples=8, max_tokens=40)])[0]
    stop = Counter(word for reply in free for word in reply.text.split()).most_common(1)[0][0]
    stopped = answers(folder, [request(PROMPTS[0], samples=8, max_tokens=40, stop=(stop,))])[0]
    for before, after in zip(free, stopped, strict=True):
        assert after.text == before.text.split(stop)[0]
        assert (after.completion_tokens or 0) <= (before.completion_tokens or 0)
        assert after.finish_reason == ("stop" if stop in before.text else before.finish_reason)
    assert any(stop in reply.text for reply in free)


def test_a_chat_template_is_used_for_chats_and_only_for_them(folder: Path, tmp_path: Path) -> None:
    chat = PreTrainedTokenizerFast.from_pretrained(folder)
    chat.chat_template = "{% for m in messages %}Tom gives {{ m.content }} to Ana{% endfor %}"
    LlamaForCausalLM.from_pretrained(folder).save_pretrained(tmp_path)
    chat.save_pretrained(tmp_path)
    as_chat, as_text, spelt_out = (
        answers(tmp_path, [one])[0][0].text
        for one in (
            request("pens", api="chat", temperature=0, max_tokens=10),
            request("pens", temperature=0, max_tokens=10),
            request("Tom gives pens to Ana", temperature=0, max_tokens=10),
        )
    )
    assert as_chat == spelt_out
    assert as_chat != as_text


def test_a_prompt_without_room_fails_alone(folder: Path) -> None:
    async def ask() -> list[Sequence[Reply] | BaseException]:
        backend = TransformersLocal(str(folder), device="cpu")
        long = request("pens " * 200, temperature=0, max_tokens=5)
        short = request(PROMPTS[0], temperature=0, max_tokens=5)
        try:
            return await asyncio.gather(*map(backend.answer, [short, long, short]), return_exceptions=True)
        finally:
            await backend.close()

    first, failed, last = asyncio.run(ask())
    assert isinstance(failed, RequestFailed)
    assert not failed.retryable
    assert "context 128" in failed.message
    assert first == last


def test_the_context_bounds_the_reply(folder: Path, tokenizer: Any) -> None:
    prompt = "pens " * 60  # two tokens each but for the first
    n = len(tokenizer(prompt)["input_ids"])
    reply = answers(folder, [request(prompt, temperature=1.0, max_tokens=500)])[0][0]
    assert n + (reply.completion_tokens or 0) <= 128


def test_what_is_no_model_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Name the folder or the Hub id") as caught:
        TransformersLocal(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_running_out_of_memory_halves_the_batch(folder: Path) -> None:
    class Small(TransformersLocal):
        """A machine with room for three rows."""

        def _continue_part(self, prompts: Sequence[object], rows: Sequence[tuple[int, int]]) -> list[Reply]:
            if len(rows) > 3:
                raise torch.OutOfMemoryError
            ask: Callable[..., list[Reply]] = super()._continue_part
            return ask(prompts, rows)

    async def ask() -> list[list[Reply]]:
        backend = Small(str(folder), device="cpu", batch_size=16)
        try:
            return [list(replies) for replies in await asyncio.gather(*map(backend.answer, requests))]
        finally:
            await backend.close()

    requests = [request(prompt, samples=4, temperature=1.0, max_tokens=5) for prompt in PROMPTS]
    assert asyncio.run(ask()) == answers(folder, requests)


def test_a_chat_template_that_refuses_fails_its_caller_instead_of_waiting_for_ever(
    folder: Path, tmp_path: Path
) -> None:
    chat = PreTrainedTokenizerFast.from_pretrained(folder)
    chat.chat_template = "{{ raise_exception('no chats here') }}"
    LlamaForCausalLM.from_pretrained(folder).save_pretrained(tmp_path)
    chat.save_pretrained(tmp_path)
    with pytest.raises(RequestFailed, match="template refuses the prompt: no chats here"):
        answers(tmp_path, [request("pens", api="chat")])
