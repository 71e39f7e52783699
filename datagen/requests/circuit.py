"""Notices that a server is gone, so that thousands of rows need not fail one by one."""

from datagen.requests.failure import RequestFailed
from datagen_schemas.errors import ServerError

_UNREACHABLE_TRIES = 3  # of one call, while no call has ever succeeded
_REFUSALS_AT_FIRST = 3  # in a row: a gateway may refuse one prompt with 403, but not each of the first
_REFUSALS_LATER = 10
_GIVEN_UP = 20  # calls in a row that the server brought no answer to, in all their tries
_UNANSWERED = frozenset({"transport", "timeout", "server_error", "rate_limited", "bad_reply"})
_LONGEST_WAIT_S = 900.0


class Circuit:
    """Counts failures that are not the row's own, and breaks the job when there is nothing to hope for."""

    def __init__(self) -> None:
        """Start with nothing known of the server."""
        self._has_succeeded = False
        self._refusals = 0
        self._given_up = 0
        self._last: RequestFailed | None = None

    def succeeded(self) -> None:
        """A call was answered."""
        self._has_succeeded = True
        self._refusals = self._given_up = 0

    def failed(self, endpoint: str, failure: RequestFailed, *, tries: int) -> None:
        """A try failed.

        Raises:
            ServerError: every other call would fail as well.
        """
        if failure.retry_after_s is not None and failure.retry_after_s > _LONGEST_WAIT_S:
            raise _broken(endpoint, failure, f"Run the same command again in {failure.retry_after_s / 60:.0f} minutes")
        if not failure.concerns_server:
            return
        self._last = failure
        if not failure.retryable:
            self._refusals += 1
            if self._refusals >= (_REFUSALS_LATER if self._has_succeeded else _REFUSALS_AT_FIRST):
                raise _broken(endpoint, failure, "Then run the same command again")
        elif not self._has_succeeded and tries >= _UNREACHABLE_TRIES:
            raise _broken(endpoint, failure, "Start the server or correct --base-url")

    def gave_up(self, endpoint: str, failure: RequestFailed) -> None:
        """A call failed for good. One whose own prompt or reply was refused says nothing of the others.

        Raises:
            ServerError: so did all calls before it, for long enough.
        """
        if not failure.concerns_server and failure.kind not in _UNANSWERED:
            return
        self._given_up += 1
        if self._given_up >= _GIVEN_UP:
            remedy = "Nothing else has come for a while. Look at the server, then run the same command again"
            raise _broken(endpoint, failure, remedy)

    def finished(self, endpoint: str) -> None:
        """The job is over.

        Raises:
            ServerError: not one call succeeded, because of the server: too few calls to notice earlier.
        """
        if self._last is not None and not self._has_succeeded:
            raise _broken(endpoint, self._last, "Start the server or correct --base-url, --model or OPENAI_API_KEY")


def _broken(endpoint: str, failure: RequestFailed, remedy: str) -> ServerError:
    message = failure.message.rstrip(".")
    return ServerError(f"{endpoint}: {message}. {remedy}; replies that came are kept.")
