"""The review page on loopback: one person's browser, and nobody else.

Only a request that names this server as its host and knows the token is answered: another page in the same browser may
send requests here, also under a name of its own that it points at 127.0.0.1 (DNS rebinding), but it has neither. What
a judge said of a candidate leaves the server only after the candidate has been rated.
"""

import asyncio
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any

from aiohttp import web

from datagen.review.draw import Item
from datagen.review.ratings import RatingsFile
from datagen_schemas.errors import ServerError, StoreError

HOST = "127.0.0.1"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NONCE = "NONCE-OF-THIS-RESPONSE"  # in page.html
_TOKEN = web.AppKey("token", str)
_HOSTS = web.AppKey("hosts", frozenset[str])

Json = dict[str, Any]  # Any: nested JSON


def content_security_policy(nonce: str) -> str:
    """Nothing but the page's own script and style, talking to this server."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def serve(
    items: Sequence[Item], ratings: RatingsFile, *, port: int | None = None, opened: Callable[[str], None]
) -> None:
    """Serve the page until its reader finishes; `opened` gets the address, with the token that it needs.

    Raises:
        ServerError: the port is taken.
    """
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port or 0))
    except OSError as error:
        listener.close()
        raise ServerError(
            f"port {port} of {HOST}: {error.strerror}. Name another with --port, or leave it out for a free one"
        ) from error
    bound: int = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    finished = asyncio.Event()
    app = review_app(items, ratings, token=token, port=bound, finished=finished)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        opened(f"http://{HOST}:{bound}/{token}/")
        await finished.wait()
    finally:
        await runner.cleanup()


def review_app(
    items: Sequence[Item], ratings: RatingsFile, *, token: str, port: int, finished: asyncio.Event
) -> web.Application:
    """The page and the four requests that it makes, all below /TOKEN/."""
    page = files("datagen.review").joinpath("page.html").read_text("utf-8")

    async def show_page(_: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        policy = {"Content-Security-Policy": content_security_policy(nonce)}
        return web.Response(text=page.replace(_NONCE, nonce), content_type="text/html", headers=policy)

    async def show_progress(_: web.Request) -> web.Response:
        return web.json_response({"ratings": [_rating_of(item, ratings) for item in items]})

    async def show_item(request: web.Request) -> web.Response:
        return web.json_response(_as_seen(items[_index(request, len(items))], ratings))

    async def rate(request: web.Request) -> web.Response:
        item = items[_index(request, len(items))]
        rating = await _posted_rating(request)
        if rating != _rating_of(item, ratings):
            try:
                ratings.save(item, rating)
            except StoreError as error:
                return web.json_response({"error": str(error)}, status=507)
        return web.json_response(_as_seen(item, ratings))

    async def finish(_: web.Request) -> web.Response:
        finished.set()
        return web.json_response({})

    app = web.Application(middlewares=[_only_the_reader], client_max_size=1024)
    app[_TOKEN] = token
    app[_HOSTS] = frozenset({f"{HOST}:{port}", f"localhost:{port}"})
    app.router.add_get("/{token}/", show_page)
    app.router.add_get("/{token}/progress", show_progress)
    app.router.add_get("/{token}/items/{i}", show_item)
    app.router.add_post("/{token}/items/{i}", rate)
    app.router.add_post("/{token}/finish", finish)
    return app


@web.middleware
async def _only_the_reader(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """403 for a foreign host, a foreign page, or a request without the token; says nothing of what there is."""
    hosts = request.app[_HOSTS]
    origin = request.headers.get("Origin")
    first = request.path.lstrip("/").split("/")[0]
    if (
        request.headers.get("Host") not in hosts
        or (origin is not None and origin.removeprefix("http://") not in hosts)
        or not hmac.compare_digest(first.encode(), request.app[_TOKEN].encode())
    ):
        return web.json_response({"error": "not yours"}, status=403, headers=HEADERS)
    try:
        response = await handler(request)
    except web.HTTPException as error:  # 404 and the like
        response = web.json_response({"error": error.reason}, status=error.status)
    response.headers.update(HEADERS)
    return response


def _index(request: web.Request, n: int) -> int:
    text = request.match_info["i"]
    if not (text.isascii() and text.isdigit() and int(text[:9]) < n):
        raise web.HTTPNotFound(reason=f"there are items 0 to {n - 1}")
    return int(text[:9])


async def _posted_rating(request: web.Request) -> int:
    try:
        posted = await request.json()
    except ValueError as error:
        raise web.HTTPBadRequest(reason="no JSON") from error
    rating = posted.get("rating") if isinstance(posted, dict) else None
    if type(rating) is not int or not 1 <= rating <= 10:
        raise web.HTTPBadRequest(reason="a rating is a whole number from 1 to 10")
    return rating


def _rating_of(item: Item, ratings: RatingsFile) -> int | None:
    saved = ratings.latest.get(item.key)
    return None if saved is None else saved.rating


def _as_seen(item: Item, ratings: RatingsFile) -> Json:
    """What the reader may see of an item now."""
    problem, candidate = item
    rating = _rating_of(item, ratings)
    seen: Json = {
        "question": problem.question,
        "choices": problem.choices,
        "reference": problem.rationale,
        "answer": problem.answer,
        "candidate": candidate.response,
        "rating": rating,
        "judgement": None,
    }
    if rating is not None:
        seen["judgement"] = {
            "score": candidate.score,
            "verdict": candidate.verdict,
            "corruption": None if candidate.corruption is None else candidate.corruption.method,
            "judges": [judge.model_dump() for judge in candidate.judges],
        }
    return seen
