"""A backend whose replies are written beforehand: for tests and demonstrations."""

from collections.abc import Callable, Mapping, Sequence

from datagen.requests.failure import RequestFailed
from datagen.requests.request import Reply, Request

Script = Mapping[str, str | Sequence[str]] | Callable[[Request, int], str | Reply]


class Scripted:
    """Answers from a script: no network, no model.

    The script is a function of request and sample, which may raise RequestFailed; or a mapping from the content of
    the last turn to a text, or to texts of which sample i gets the i-th, starting again after the last.
    """

    def __init__(self, script: Script, *, max_samples: int = 16) -> None:
        """Take the script."""
        self._script = script
        self._max_samples = max_samples
        self.calls: list[Request] = []

    @property
    def max_samples(self) -> int:
        """How many samples one call may ask for."""
        return self._max_samples

    async def answer(self, request: Request) -> Sequence[Reply]:
        """One reply per element of `request.samples`."""
        self.calls.append(request)
        return [self._reply(request, sample) for sample in request.samples]

    async def close(self) -> None:
        """Nothing to release."""

    def _reply(self, request: Request, sample: int) -> Reply:
        if isinstance(self._script, Mapping):
            prompt = request.turns[-1].content
            if prompt not in self._script:
                raise RequestFailed("refused", f"no scripted reply to {prompt[:60]!r}", retryable=False)
            entry = self._script[prompt]
            said: str | Reply = entry if isinstance(entry, str) else entry[sample % len(entry)]
        else:
            said = self._script(request, sample)
        if isinstance(said, Reply):
            return said
        prompt_tokens = sum(len(turn.content.split()) for turn in request.turns)
        return Reply(said, "stop", prompt_tokens if sample == request.samples[0] else 0, len(said.split()))
