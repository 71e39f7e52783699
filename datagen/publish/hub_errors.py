"""What the Hub and its library say when something is wrong, as one line with a remedy, and without any token."""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from datagen.progress import Report, Step
from datagen.publish.secrets import hidden
from datagen_schemas.errors import DatagenError, ServerError

T = TypeVar("T")

MAX_TRIES = 6
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 16.0
LONGEST_ASKED_FOR_S = 900.0  # what a Retry-After may ask for; the Hub's limits are those of 5 minutes
TRANSIENT = frozenset((408, 429, 500, 502, 503, 504))
TOKENS = "https://huggingface.co/settings/tokens"
AGAIN = "Run the same command again: what has arrived is not sent twice."


def errors() -> tuple[type[Exception], ...]:
    """What the library raises: HTTP and network errors, and what it wraps them in."""
    # Theirs is the base of what its HTTP client raises, too: httpx or httpx2, as the version has it.
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # imported there, not listed

    return (HTTPError, OSError, ValueError, RuntimeError)


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error; None if there was no answer."""
    for of in _chain(error):
        status = getattr(getattr(of, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def is_refused_by_xet(error: BaseException) -> bool:
    """Whether the large files' storage has answered with a 4xx, which its library calls a network error."""
    return status_of(error) is None and any("status client error" in str(of) for of in _chain(error))


def is_network(error: BaseException) -> bool:
    """Whether there was no answer at all."""
    if is_refused_by_xet(error):
        return False
    names = {kind.__name__ for of in _chain(error) for kind in type(of).__mro__}
    return status_of(error) is None and bool(names & {"TransportError", "ConnectionError", "TimeoutError"})


def is_transient(error: BaseException) -> bool:
    """Whether the same call may work a little later."""
    return status_of(error) in TRANSIENT or is_network(error)


def patiently(call: Callable[[], T], *, report: Report, stage: str) -> T:
    """Call the Hub until it answers, as long as it makes sense, and wait as long as it asks for.

    The library does this for uploads, but not for the calls around them.
    """
    wait = FIRST_WAIT_S
    for tries in range(1, MAX_TRIES + 1):
        try:
            return call()
        except errors() as error:
            asked = _asked_to_wait(error)
            if tries == MAX_TRIES or not is_transient(error) or (asked or 0) > LONGEST_ASKED_FOR_S:
                raise
            pause = wait if asked is None else asked
            wait = min(2 * wait, LONGEST_WAIT_S)
            said = f"the Hub answers {status_of(error)}" if status_of(error) else "the Hub does not answer"
            report(Step(stage, 0, None, f"{said}: again in {pause:.0f} s"))
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _asked_to_wait(error: BaseException) -> float | None:
    """Seconds, by the Retry-After or rate limit header of an answer."""
    for of in _chain(error):
        headers: Any = getattr(getattr(of, "response", None), "headers", None)  # Any: theirs
        if headers is None:
            continue
        for name, value in (("retry-after", headers.get("retry-after")), ("ratelimit", headers.get("ratelimit"))):
            text = value if name == "retry-after" else _parameter(value, "t")
            if text is not None and text.strip().isdigit():
                return float(text)
    return None


def _parameter(value: str | None, name: str) -> str | None:
    """Of a header such as `"api";r=0;t=55`."""
    parts = dict(part.strip().split("=", 1) for part in (value or "").split(";") if "=" in part)
    return parts.get(name) if parts.get("r") == "0" else None


def in_one_line(
    error: BaseException, *, repo: str, revision: str | None, user: str | None, keys: Sequence[str]
) -> DatagenError:
    """What happened, and what to do about it."""
    status, said = status_of(error), _said(error, keys)
    names = {kind.__name__ for of in _chain(error) for kind in type(of).__mro__}
    owner = repo.partition("/")[0]
    whose = f"of {user}" if user else "in use"
    if "OfflineModeIsEnabled" in names:
        return offline()
    if is_refused_by_xet(error):
        line = (
            f"{repo}: its storage refuses the files ({said}). Check that the token {whose} may write there; if this "
            "Hub has no Xet storage, set HF_HUB_DISABLE_XET=1."
        )
    elif is_network(error):
        line = f"the Hub cannot be reached ({said}). Check the network and HF_ENDPOINT. {AGAIN}"
    elif status == 401:
        line = f"the Hub does not accept the token. Make one with write access at {TOKENS}, and set HF_TOKEN to it."
    elif status in (402, 413, 507) or (status in (403, 422) and _is_quota(said)):
        line = f"{repo}: the storage of {owner} is used up ({said}). Free some of it, or choose another --repo."
    elif status == 403:
        line = (
            f"{repo}: the token {whose} may not write there ({said}). Use one with write access to {owner} (see "
            f"{TOKENS}), or choose another --repo."
        )
    elif "RevisionNotFoundError" in names:
        line = f"{repo}: no revision '{revision}'. Name a branch with --revision, or leave it out for main."
    elif "RepositoryNotFoundError" in names or status == 404:
        line = f"{repo}: not found, or not visible with the token {whose}. Check --repo and the token."
    elif status == 409:
        line = f"{repo} exists, but not as a dataset that the token {whose} can see. Choose another --repo."
    elif status == 429:
        line = f"the Hub asks for fewer calls, even after {MAX_TRIES} tries ({said}). Wait a while. {AGAIN}"
    elif status is not None and status >= 500:
        line = f"the Hub answers {status} even after {MAX_TRIES} tries ({said}). {AGAIN}"
    elif status is not None:
        line = f"{repo}: the Hub refuses it with {status} ({said}). Change what it names."
    else:
        line = f"{repo}: the upload failed ({said}). {AGAIN}"
    return ServerError(line)


def offline() -> ServerError:
    """For HF_HUB_OFFLINE."""
    return ServerError(
        "HF_HUB_OFFLINE is set, so nothing can be sent to the Hub. Unset it, or write a folder with --dry-run --out."
    )


def _is_quota(said: str) -> bool:
    return "storage" in said.lower() or "quota" in said.lower()


def _said(error: BaseException, keys: Sequence[str]) -> str:
    """What the server said, else what lies deepest; in one line and without secrets."""
    chain = _chain(error)
    messages = [str(message) for of in chain if (message := getattr(of, "server_message", None))]
    text = " ".join(hidden((messages or [str(chain[-1])])[0], keys=keys).split()).rstrip(".")
    return (text if len(text) <= 200 else text[:200] + "...") or type(chain[-1]).__name__
