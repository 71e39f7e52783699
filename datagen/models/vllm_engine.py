"""vLLM in this process, as a backend: continuous batching (PagedAttention, Kwon et al. 2023, arXiv:2309.06180).

Every sample is a request of its own with its own seed, so `-k 100` after `-k 50` draws what one job of 100 would have
drawn. vLLM's prefix cache lets the samples of a prompt share its keys and values. Rounding differs with the size of a
batch, so on a GPU a sampled text may differ from run to run; vLLM's VLLM_BATCH_INVARIANT=1 prevents that.
"""

import asyncio
import importlib.util
import itertools
import os
from collections.abc import Sequence
from typing import Any

from datagen.models.prompt_tokens import prompt_tokens
from datagen.requests.failure import RequestFailed
from datagen.requests.limits import SAMPLES_PER_CALL
from datagen.requests.request import Reply, Request
from datagen_schemas.errors import DataError, MissingExtraError

_NEEDED_FOR = "the vllm backend"


class VllmEngine:
    """Answers requests with the model in a folder or on the Hub; the engine starts with the first of them."""

    def __init__(
        self,
        path: str,
        *,
        dtype: str | None = None,
        max_model_len: int | None = None,
        tensor_parallel_size: int = 1,
        gpu_memory_utilization: float = 0.9,
        enforce_eager: bool | None = None,
        max_samples: int = SAMPLES_PER_CALL,
    ) -> None:
        """Prepare; a job whose replies are all stored never loads the model.

        Args:
            path: folder or Hub id of a model that vLLM can run.
            dtype: 'float32', 'bfloat16', ...; None is float32 on a CPU, and on a GPU the model's own, but 16 bits for
                a model in float32, as vLLM does.
            max_model_len: most tokens of prompt and reply together; None is the model's own limit. A smaller one needs
                less memory.
            tensor_parallel_size: GPUs that share one copy of the model.
            gpu_memory_utilization: share of a GPU's memory for weights and cache. On a CPU the size of the cache is
                vLLM's VLLM_CPU_KVCACHE_SPACE, in GiB.
            enforce_eager: run without compiling, which takes a minute or more; None compiles on a GPU only.
            max_samples: the most samples of one request.

        Raises:
            MissingExtraError: vLLM is not installed.
        """
        if importlib.util.find_spec("vllm") is None:
            raise MissingExtraError("vllm", needed_for=_NEEDED_FOR)
        self._path = path
        self._dtype = dtype
        self._max_model_len = max_model_len
        self._tensor_parallel_size = tensor_parallel_size
        self._gpu_memory_utilization = gpu_memory_utilization
        self._enforce_eager = enforce_eager
        self._max_samples = max_samples
        self._request_ids = itertools.count()
        # Any, twice: vLLM is not installed where types are checked, and tokenizers are of many classes
        self._engine: Any = None
        self._tokenizer: Any = None

    @property
    def max_samples(self) -> int:
        """How many samples one call may ask for."""
        return self._max_samples

    async def answer(self, request: Request) -> Sequence[Reply]:
        """One reply per element of `request.samples`, in their order.

        Raises:
            RequestFailed: the prompt is empty or leaves no room in the model's context, or the engine failed; samples
                that were finished before it did are in the exception.
            DataError: the model cannot be loaded.
        """
        if self._engine is None:
            self._start()  # no await: calls that arrive together share one engine
        assert self._engine is not None
        prompt = prompt_tokens(request, self._tokenizer, context=self._engine.model_config.max_model_len)
        # Counted once a call, as servers do, and shared out so that the sum over the replies is right.
        share, rest = divmod(len(prompt), len(request.samples))
        outcomes = await asyncio.gather(
            *(
                self._draw(request, sample, prompt, share + (rest if i == 0 else 0))
                for i, sample in enumerate(request.samples)
            ),
            return_exceptions=True,
        )
        replies = {s: reply for s, reply in zip(request.samples, outcomes, strict=True) if isinstance(reply, Reply)}
        for failure in outcomes:
            if isinstance(failure, RequestFailed):
                failure.answered = replies
            if isinstance(failure, BaseException):
                raise failure
        return list(replies.values())

    async def close(self) -> None:
        """Stop the engine's process and free its memory; another call starts it again."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.shutdown()
            await asyncio.sleep(0)  # its tasks on this loop were cancelled, and end now

    def _start(self) -> None:
        """Load the model. It has to happen in the running event loop, to which the engine's sockets belong.

        Raises:
            MissingExtraError: vLLM is installed in part.
            DataError: vLLM cannot load the model.
        """
        # Results alone go to stdout. vLLM reads this when it is imported, so what the user has set counts.
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        # A forked engine would inherit the connections of the reply store, which SQLite forbids.
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        try:
            from transformers import AutoTokenizer
            from vllm import AsyncEngineArgs, AsyncLLMEngine  # pyright: ignore[reportMissingImports]
            from vllm.platforms import current_platform  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MissingExtraError("vllm", needed_for=_NEEDED_FOR) from error
        on_cpu = current_platform.is_cpu()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(self._path)
            # In no local variable: vLLM keeps this frame, and with it the engine would live until Python ends.
            self._engine = AsyncLLMEngine.from_engine_args(
                AsyncEngineArgs(
                    model=self._path,
                    dtype=self._dtype or ("float32" if on_cpu else "auto"),
                    max_model_len=self._max_model_len,
                    tensor_parallel_size=self._tensor_parallel_size,
                    gpu_memory_utilization=self._gpu_memory_utilization,
                    enforce_eager=on_cpu if self._enforce_eager is None else self._enforce_eager,
                    enable_prefix_caching=True,
                    # On a CPU, vLLM 0.32 dies of a prompt in two chunks with a seed: it sets the generator back by
                    # an offset, which CPU generators do not have.
                    enable_chunked_prefill=False if on_cpu else None,
                )
            )
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0].rstrip(".")
            raise DataError(
                f"model {self._path}: {reason}. Name the folder or the Hub id of a model that vLLM can run here."
            ) from error

    async def _draw(self, request: Request, sample: int, prompt: list[int], prompt_tokens: int) -> Reply:
        """One sample.

        Raises:
            RequestFailed: the engine did not finish it.
        """
        from vllm import SamplingParams  # pyright: ignore[reportMissingImports]
        from vllm.sampling_params import (  # pyright: ignore[reportMissingImports]
            RequestOutputKind,
            StructuredOutputsParams,
        )
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError  # pyright: ignore[reportMissingImports]

        sampling = request.sampling
        schema = request.response_schema
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=request.sample_seed(sample),
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
        )
        final: Any = None  # Any: vLLM is not installed where types are checked
        try:
            tokens = {"type": "token", "prompt_token_ids": prompt}
            async for answer in self._engine.generate(tokens, parameters, f"datagen-{next(self._request_ids)}"):
                final = answer
        except EngineDeadError as error:
            message = "vLLM's engine stopped; its log above says why"
            raise RequestFailed("server_error", message, retryable=False, concerns_server=True) from error
        except EngineGenerateError as error:
            raise RequestFailed("server_error", f"vLLM failed: {error}", retryable=True) from error
        except ValueError as error:
            raise RequestFailed("refused", " ".join(str(error).split())[:300], retryable=False) from error
        output = final.outputs[0]
        if output.finish_reason in ("abort", "error"):
            raise RequestFailed("server_error", f"vLLM ended a reply with '{output.finish_reason}'", retryable=True)
        return Reply(output.text, output.finish_reason, prompt_tokens, len(output.token_ids))
