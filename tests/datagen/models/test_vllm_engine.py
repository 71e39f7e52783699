import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from datagen.models.vllm_engine import VllmEngine
from datagen.requests.failure import RequestFailed
from datagen.requests.request import Api, Reply, Request, Sampling
from datagen_prompts.template import Turn
from datagen_schemas.errors import DataError, MissingExtraError
from datagen_trainers.tiny import build_model, build_tokenizer

WORDS = "Ana has pens and gives some of them to Tom . ?"
PROMPTS = [
    "Ana has 5 pens.\n",
    "Tom has 3 * 4 pens and gives 7 to Ana?\n",
    "pens\n",
    "some of them and some of them and 12\n",
]

pytestmark = pytest.mark.filterwarnings("ignore")  # what vLLM imports warns
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")

Ask = Callable[[Sequence[Request]], list[list[Reply] | BaseException]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model with heads of 32, the smallest that vLLM takes; a next token that is far from certain."""
    transformers_logging.disable_progress_bar()
    tokenizer = build_tokenizer([*WORDS.split(), *(f" {word}" for word in WORDS.split())], max_number=20)
    tokenizer.chat_template = "{% for m in messages %}Tom gives {{ m.content }} to Ana{% endfor %}"
    model = build_model(tokenizer, seed=1, hidden=64, heads=2, layers=2, max_length=128)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2)
    path = tmp_path_factory.mktemp("model")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def run(backend: VllmEngine, requests: Sequence[Request], runner: asyncio.Runner) -> list[list[Reply] | BaseException]:
    async def ask() -> list[list[Reply] | BaseException]:
        answers = await asyncio.gather(*map(backend.answer, requests), return_exceptions=True)
        return [answer if isinstance(answer, BaseException) else list(answer) for answer in answers]

    return runner.run(ask())


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Ask]:
    """One engine for all tests: it takes most of a minute to start."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; read where there is no GPU
        patch.setenv("VLLM_NO_USAGE_STATS", "1")
        backend = VllmEngine(str(folder), dtype="float32", enforce_eager=True)
        yield lambda requests: run(backend, requests, runner)
        runner.run(backend.close())


def request(
    prompt: str, *, samples: int = 1, api: Api = "completions", **sampling: float | int | tuple[str, ...]
) -> Request:
    return Request(
        row="r",
        endpoint="vllm",
        model="tiny",
        api=api,
        turns=(Turn("user", prompt),),
        sampling=Sampling(**sampling),  # type: ignore[arg-type]  # a test's shorthand
        seed=7,
        samples=tuple(range(samples)),
    )


def replies(answer: list[Reply] | BaseException) -> list[Reply]:
    assert isinstance(answer, list), answer
    return answer


def test_without_vllm_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtraError) as caught:
        VllmEngine("model")
    assert str(caught.value) == (
        "the vllm backend needs the extra 'vllm'. Install it with: pip install 'datagen[vllm]'"
    )


@needs_vllm
def test_greedy_tokens_are_those_of_transformers(ask: Ask, folder: Path) -> None:
    model: Any = LlamaForCausalLM.from_pretrained(folder).eval()  # Any: its stubs know no generate
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    answers = ask([request(prompt, temperature=0, max_tokens=30) for prompt in PROMPTS])
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = list(tokenizer(prompt)["input_ids"])
        alone = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=30)[0].tolist()
        whole = tokenizer.decode(alone, skip_special_tokens=True)
        (reply,) = replies(answer)
        assert reply.text == whole.removeprefix(tokenizer.decode(ids, skip_special_tokens=True))
        assert reply.completion_tokens == len(alone) - len(ids)
        assert reply.finish_reason == ("stop" if alone[-1] == tokenizer.eos_token_id else "length")


@needs_vllm
def test_samples_differ_and_do_not_depend_on_what_is_asked_beside_them(ask: Ask) -> None:
    many = [request(prompt, samples=8, temperature=1.0, max_tokens=25) for prompt in PROMPTS]
    together = [[reply.text for reply in replies(answer)] for answer in ask(many)]
    again = [[reply.text for reply in replies(ask([one])[0])] for one in many]
    first_two = ask([request(PROMPTS[0], samples=2, temperature=1.0, max_tokens=25)])[0]
    assert together == again
    assert [reply.text for reply in replies(first_two)] == together[0][:2]
    assert len({text for texts in together for text in texts}) > 20


@needs_vllm
def test_prompt_tokens_are_counted_once_a_call(ask: Ask, folder: Path) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    answer = replies(ask([request(PROMPTS[1], samples=3, temperature=1.0, max_tokens=12)])[0])
    assert sum(reply.prompt_tokens or 0 for reply in answer) == len(tokenizer(PROMPTS[1])["input_ids"])
    for reply in answer:
        counted = reply.completion_tokens or 0
        assert counted == 12 if reply.finish_reason == "length" else 1 <= counted <= 12


@needs_vllm
def test_more_prompts_than_fit_in_one_step_are_all_answered(ask: Ask) -> None:
    long = " and ".join(["some of them"] * 20)
    answers = ask([request(f"{i} {long}\n", samples=16, temperature=1.0, max_tokens=2) for i in range(20)])
    assert [len(replies(answer)) for answer in answers] == [16] * 20


@needs_vllm
def test_a_stop_string_ends_the_text_before_it(ask: Ask) -> None:
    free, *_ = ask([request(PROMPTS[0], samples=8, temperature=1.0, max_tokens=40)])
    words = Counter(word for reply in replies(free) for word in reply.text.split() if word.isalpha())
    stop = words.most_common(1)[0][0]
    stopped, *_ = ask([request(PROMPTS[0], samples=8, temperature=1.0, max_tokens=40, stop=(stop,))])
    for before, after in zip(replies(free), replies(stopped), strict=True):
        assert after.text == before.text.split(stop)[0]
        assert (after.completion_tokens or 0) <= (before.completion_tokens or 0)
        assert after.finish_reason == ("stop" if stop in before.text else before.finish_reason)


@needs_vllm
def test_a_chat_template_is_used_for_chats_and_only_for_them(ask: Ask) -> None:
    as_chat, as_text, spelt_out = (
        replies(answer)[0].text
        for answer in ask(
            [
                request("pens", api="chat", temperature=0, max_tokens=10),
                request("pens", temperature=0, max_tokens=10),
                request("Tom gives pens to Ana", temperature=0, max_tokens=10),
            ]
        )
    )
    assert as_chat == spelt_out
    assert as_chat != as_text


@needs_vllm
def test_a_prompt_without_room_fails_alone_and_the_context_bounds_the_reply(ask: Ask, folder: Path) -> None:
    n = len(PreTrainedTokenizerFast.from_pretrained(folder)("pens " * 60)["input_ids"])
    bounded, failed, empty = ask(
        [
            request("pens " * 60, samples=4, temperature=1.0, max_tokens=500),
            request("pens " * 200, temperature=0, max_tokens=5),
            request("", temperature=0, max_tokens=5),
        ]
    )
    assert all(n + (reply.completion_tokens or 0) <= 128 for reply in replies(bounded))
    assert isinstance(failed, RequestFailed)
    assert not failed.retryable
    assert "context 128" in failed.message
    assert isinstance(empty, RequestFailed)
    assert "empty" in empty.message


@needs_vllm
def test_what_is_no_model_is_a_one_line_error(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        (error,) = run(VllmEngine(str(tmp_path)), [request("pens")], runner)
    assert isinstance(error, DataError)
    assert "\n" not in str(error)
    assert "Name the folder or the Hub id" in str(error)


@needs_vllm
def test_a_closed_engine_starts_again_in_another_loop_with_the_same_samples(folder: Path, ask: Ask) -> None:
    """Also: an engine of its own draws the same samples as the one of the other tests."""
    asked = [request(PROMPTS[0], samples=4, temperature=1.0, max_tokens=25)]
    backend = VllmEngine(str(folder), dtype="float32", enforce_eager=True)
    for _ in range(2):
        with asyncio.Runner() as runner:
            texts = [reply.text for reply in replies(run(backend, asked, runner)[0])]
            runner.run(backend.close())
        assert texts == [reply.text for reply in replies(ask(asked)[0])]
