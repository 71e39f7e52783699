"""A causal language model of the transformers library, in this process, as a backend.

Requests that wait together are answered in one batch. Each prompt is read once, and its cache is copied to the rows of
its samples. A row draws its tokens with its own random numbers, so its text does not depend on what it shares a batch
with (up to the rounding of matrix products, which differs with their size).
"""

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from datagen.models.load_local import load_local
from datagen.models.prompt_tokens import prompt_tokens
from datagen.requests.failure import RequestFailed
from datagen.requests.request import Reply, Request

log = logging.getLogger(__name__)

_SMALL = 50_000_000  # parameters; below this a step costs the same for 30 rows as for 200
_GATHER_S = 0.02  # how long a batch that is not full waits for another request


class _Waiting(NamedTuple):
    """A request and where its answer goes."""

    request: Request
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[list[Reply]]"

    def resolve(self, answer: list[Reply] | Exception) -> None:
        """Hand the answer to the event loop that asked; it may have given up, or be closed."""

        def settle() -> None:
            if self.future.done():
                return
            if isinstance(answer, Exception):
                self.future.set_exception(answer)
            else:
                self.future.set_result(answer)

        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(settle)


class _Prompt(NamedTuple):
    """A request's prompt, ready to continue."""

    request: Request
    ids: list[int]
    text: str  # as the tokenizer decodes it again
    room: int  # tokens that may follow


class TransformersLocal:
    """Answers requests with the model in a folder or on the Hub; one thread generates, batch after batch."""

    def __init__(
        self,
        path: str,
        *,
        device: str | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        max_samples: int = 64,
    ) -> None:
        """Load the model.

        Args:
            path: folder or Hub id that `AutoModelForCausalLM` loads.
            device: 'cpu', 'cuda', 'cuda:1', 'mps'; None takes a GPU if there is one.
            batch_size: rows generated at a time, of which each has a cache; None is 32, and 256 for a small model.
                When memory runs out it is halved.
            dtype: 'float32', 'bfloat16', ...; None is the model's own on a GPU and float32 on a CPU.
            max_samples: the most samples of one request.

        Raises:
            MissingExtraError: torch or transformers is not installed.
            DataError: there is no such model, or it cannot be loaded.
        """
        loaded = load_local(path, device=device, dtype=dtype)
        import torch  # here, where it is known to be installed

        from datagen.models import decode

        self._decode = decode
        self._out_of_memory = torch.OutOfMemoryError
        self._max_samples = max_samples
        self._tokenizer = loaded.tokenizer
        self._model: Any = loaded.model  # Any: the auto classes return whatever class the folder names
        self._batch_size = batch_size or (256 if self._model.num_parameters() < _SMALL else 32)
        self._ends = _end_tokens(self._model, self._tokenizer)
        self._inbox: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="transformers-local", daemon=True)
        self._thread.start()

    @property
    def max_samples(self) -> int:
        """How many samples one call may ask for."""
        return self._max_samples

    async def answer(self, request: Request) -> Sequence[Reply]:
        """One reply per element of `request.samples`, in their order.

        Raises:
            RequestFailed: the prompt is empty or leaves no room in the model's context, or memory is too small.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Reply]] = loop.create_future()
        self._inbox.put(_Waiting(request, loop, future))
        return await future

    async def close(self) -> None:
        """Finish the batch at work, stop the thread, and let go of the model."""
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)
        self._model = None

    def _work(self) -> None:
        """Answer batch after batch until told to stop."""
        waiting: deque[_Waiting] = deque()
        while self._gather(waiting):
            batch = []
            for item in self._take(waiting):
                try:
                    batch.append((item, self._read(item.request)))
                except Exception as error:  # a chat template raises what it likes; only its own caller fails
                    item.resolve(error)
            try:
                answers = self._generate([prompt for _, prompt in batch])
            except Exception as error:  # whatever torch raises belongs to those who asked; the next batch goes on
                answers = [error for _ in batch]
            for (item, _), answer in zip(batch, answers, strict=True):
                item.resolve(answer)

    def _gather(self, waiting: deque[_Waiting]) -> bool:
        """Move what has arrived to `waiting`, until a batch is full or nothing comes; False when told to stop."""
        while sum(len(item.request.samples) for item in waiting) < self._batch_size:
            try:
                item = self._inbox.get(timeout=_GATHER_S if waiting else None)
            except queue.Empty:
                break
            if item is None:
                return False
            waiting.append(item)
        return True

    def _take(self, waiting: deque[_Waiting]) -> list[_Waiting]:
        """The oldest request and those behind it that are sampled the same way, up to a full batch."""
        batch = [waiting.popleft()]
        rows = len(batch[0].request.samples)
        for item in list(waiting):
            same = item.request.sampling == batch[0].request.sampling
            if same and rows + len(item.request.samples) <= self._batch_size:
                waiting.remove(item)
                batch.append(item)
                rows += len(item.request.samples)
        return batch

    def _read(self, request: Request) -> _Prompt:
        """The request's prompt in tokens.

        Raises:
            RequestFailed: nothing to continue, or no room to continue it.
        """
        context = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        ids = prompt_tokens(request, self._tokenizer, context=context)
        room = request.sampling.max_tokens if context is None else min(request.sampling.max_tokens, context - len(ids))
        return _Prompt(request, ids, self._tokenizer.decode(ids, skip_special_tokens=True), room)

    def _generate(self, prompts: Sequence[_Prompt]) -> list[list[Reply] | Exception]:
        """Replies of requests that are sampled the same way; half as many rows at a time when memory runs out."""
        rows = [(i, sample) for i, prompt in enumerate(prompts) for sample in prompt.request.samples]
        replies: list[list[Reply]] = [[] for _ in prompts]
        while rows:
            part = rows[: self._batch_size]
            first, last = part[0][0], part[-1][0]
            try:
                texts = self._continue_part(prompts[first : last + 1], [(i - first, sample) for i, sample in part])
            except self._out_of_memory as error:
                if self._batch_size == 1:
                    raise RequestFailed("refused", "out of memory with a single row", retryable=False) from error
                self._batch_size //= 2
                log.warning("out of memory: going on with %d rows at a time", self._batch_size)
                continue
            rows = rows[len(part) :]
            for (i, _), reply in zip(part, texts, strict=True):
                replies[i].append(reply)
        return list(replies)

    def _continue_part(self, prompts: Sequence[_Prompt], rows: Sequence[tuple[int, int]]) -> list[Reply]:
        """One reply per (prompt, sample)."""
        sampling = prompts[0].request.sampling
        tail = max(map(len, sampling.stop), default=0) + 8  # tokens; each is a character or more, but for byte pieces

        def is_stopped(tokens: list[int]) -> bool:
            text = self._tokenizer.decode(tokens[-tail:], skip_special_tokens=True)
            return any(stop in text for stop in sampling.stop)

        continuations = self._decode.continue_prompts(
            self._model,
            [prompt.ids for prompt in prompts],
            [self._decode.Row(i, prompts[i].request.sample_seed(sample)) for i, sample in rows],
            ends=self._ends,
            pad_id=self._tokenizer.pad_token_id or 0,
            max_tokens=[prompt.room for prompt in prompts],
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            is_stopped=is_stopped if sampling.stop else None,
        )
        replies = []
        for (i, sample), continuation in zip(rows, continuations, strict=True):
            prompt = prompts[i]
            # Decoded together with the prompt: alone, many tokenizers drop the space that opens a text.
            text = self._tokenizer.decode([*prompt.ids, *continuation.tokens], skip_special_tokens=True)
            text = text.removeprefix(prompt.text)
            cuts = [at for stop in sampling.stop if (at := text.find(stop)) >= 0]
            # The prompt is read once for all samples: its tokens are shared out so that the sum is what was computed.
            share, rest = divmod(len(prompt.ids), len(prompt.request.samples))
            replies.append(
                Reply(
                    text=text[: min(cuts)] if cuts else text,
                    finish_reason="stop" if continuation.ended else "length",
                    prompt_tokens=share + (rest if sample == prompt.request.samples[0] else 0),
                    completion_tokens=len(continuation.tokens),
                )
            )
        return replies


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:  # Any: the auto classes return any class
    """Tokens that end a text, by the generation settings, which list several for chat models, and by the tokenizer."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    ends = named if isinstance(named, list) else [named]
    return frozenset(end for end in (*ends, tokenizer.eos_token_id) if end is not None)
