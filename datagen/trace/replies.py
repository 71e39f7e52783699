"""A stored reply, looked up without writing: the store may lie on a disk that cannot be written, or not be there."""

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from datagen.requests.ledger import load_prices
from datagen_schemas.errors import DataError

STORE = "replies.sqlite"


class StoredReply(NamedTuple):
    """What the reply store has for a key."""

    store: str
    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    created_at: str


def stores(runs: Iterable[Path], *, default: Path) -> list[Path]:
    """The reply stores that there are: the default one, then those beside the runs and above them."""
    places = [default, *(folder / STORE for run in runs for folder in (run, *run.absolute().parents[:2]))]
    return [path for path in dict.fromkeys(places) if path.is_file()]


def stored_reply(key: str, paths: Iterable[Path]) -> StoredReply | None:
    """The reply of a key, from the first store that has it; a store that cannot be read has none."""
    for path in paths:
        for mode in ("mode=ro", "mode=ro&immutable=1"):  # immutable: in a folder that cannot be written
            try:
                with closing(sqlite3.connect(f"file:{quote(os.fspath(path))}?{mode}", uri=True)) as store:
                    row = store.execute(
                        "SELECT text, finish_reason, prompt_tokens, completion_tokens, created_at FROM reply "
                        "WHERE key = ?",
                        (key,),
                    ).fetchone()
            except sqlite3.Error:
                continue
            if row is not None:
                return StoredReply(str(path), *row)
            break
    return None


def price_usd(reply: StoredReply, *, endpoint: str | None, model: str | None) -> str | None:
    """What the reply cost by today's price table; None where a price or a token count is unknown."""
    if endpoint is None or model is None or reply.prompt_tokens is None or reply.completion_tokens is None:
        return None
    try:
        price = load_prices().of(endpoint, model)
    except DataError:  # the user's own table: who builds data with it is told
        return None
    return None if price is None else str(price.cost_usd(reply.prompt_tokens, reply.completion_tokens).normalize())
