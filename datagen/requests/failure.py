"""A call that brought no reply, and a row that stays without one."""

from collections.abc import Mapping
from typing import NamedTuple

from datagen.requests.request import Reply


class RequestFailed(Exception):
    """One call failed. A backend raises it; whoever retries reads it; it is never stored as a reply."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        concerns_server: bool = False,
        adapted: bool = False,
        answered: Mapping[int, Reply] | None = None,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        may_be_charged: bool = False,
    ) -> None:
        """Say what happened.

        Args:
            kind: rate_limited, timeout, transport, server_error, bad_reply, refused or empty.
            message: one line for the user, without any key.
            retryable: another try can help.
            retry_after_s: how long the server asked to wait.
            concerns_server: every other row would fail in the same way (wrong key, unknown model, nobody listens).
            adapted: the backend now asks differently, so the next try does not count as one.
            answered: samples that did arrive; they are kept, and only the rest is asked again.
            prompt_tokens: paid for without a usable reply; what `answered` cost stands in its replies.
            completion_tokens: likewise.
            may_be_charged: the server may have worked on it, and did not say how much.
        """
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.concerns_server = concerns_server
        self.adapted = adapted
        self.answered = dict(answered or {})
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.may_be_charged = may_be_charged


class FailedRow(NamedTuple):
    """Samples of one row that no try could bring."""

    row: str
    samples: tuple[int, ...]
    kind: str
    message: str
