"""What is asked of a model, what it answers, and the key that makes the two findable again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import orjson

from datagen.seeding import seed_for
from datagen_prompts.template import Turn

Api = Literal["chat", "completions"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the model draws its tokens."""

    temperature: float = 0.7  # RFT paper, section 3.3
    top_p: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For keys and provenance: temperature 1 and 1.0 are the same, and so is any order of the fields."""
        return {
            "temperature": float(self.temperature),
            "top_p": float(self.top_p),
            "max_tokens": self.max_tokens,
            "stop": self.stop,
        }

    def as_json(self) -> str:
        """Canonical JSON object."""
        return orjson.dumps(self.as_dict(), option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt and the samples wanted for it; a server that supports `n` answers them in one call."""

    row: str  # who asks (a problem's id): for messages and progress, not part of the key
    endpoint: str  # base URL, 'transformers', 'vllm', ...
    model: str
    api: Api
    turns: tuple[Turn, ...]
    sampling: Sampling
    seed: int  # the job's seed
    samples: tuple[int, ...]
    response_schema: str | None = None  # JSON Schema that the reply should follow, where the server can enforce it

    def reply_key(self, sample: int) -> str:
        """SHA-256 of canonical JSON of everything that changes the reply, and of nothing else."""
        identity = {
            "endpoint": self.endpoint,
            "model": self.model,
            "api": self.api,
            "turns": [[turn.role, turn.content] for turn in self.turns],
            "sampling": self.sampling.as_dict(),
            "seed": self.seed,
            "sample": sample,
        }
        if (
            self.response_schema is not None
        ):  # left out otherwise: replies that were stored before it existed stay found
            identity["response_schema"] = self.response_schema
        return hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def sample_seed(self, sample: int) -> int:
        """The seed that a server or a local generator is given for one sample."""
        return seed_for(self.seed, *(turn.content for turn in self.turns), str(sample))


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice of a model's answer."""

    text: str
    finish_reason: str | None
    prompt_tokens: int | None  # of the call, divided among its choices, so that sums over replies are what was paid
    completion_tokens: int | None


class Backend(Protocol):
    """Who answers a Request. Transports, engines and scripts all have this one method."""

    @property
    def max_samples(self) -> int:
        """How many samples one call may ask for."""
        ...

    async def answer(self, request: Request) -> Sequence[Reply]:
        """One reply per element of `request.samples`, in their order.

        Raises:
            datagen.requests.failure.RequestFailed: the call failed; says whether another try can help.
        """
        ...

    async def close(self) -> None:
        """Release connections and memory."""
        ...
