"""A server's address in its one spelling."""

from urllib.parse import urlsplit, urlunsplit

from datagen.requests.request import Api
from datagen_schemas.errors import ServerError

API_PATHS: dict[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}


def normalised_base_url(base_url: str) -> str:
    """The one spelling of a server's address, so that replies are found again: with /v1, no slash at the end.

    A path that the user gives is kept (`/api/v1`, `/v1beta/openai`), a pasted `/chat/completions` is cut off.

    Raises:
        ServerError: not an HTTP address, or one with a password or a query in it.
    """
    # The address goes into keys, manifests and messages: it must not carry a secret, nor may this message.
    if any(mark in base_url for mark in "@?#"):
        raise ServerError("the base URL has a user name or a query in it. Leave them out: the key is OPENAI_API_KEY.")
    try:
        parts = urlsplit(base_url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise ServerError(f"base URL {base_url!r} is no HTTP address. Write it like http://localhost:8000/v1.")
    path = parts.path.rstrip("/")
    for suffix in API_PATHS.values():
        path = path.removesuffix(suffix)
    return urlunsplit((parts.scheme, parts.netloc.lower(), path or "/v1", "", ""))
