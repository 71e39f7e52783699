"""The reply store: every reply that was paid for, in one SQLite file that all runs share.

Write-ahead log, and group commit: a writer thread puts all that is waiting into one transaction, so that the cost of
a durable commit is shared. `put` returns after the commit: what it acknowledged survives kill -9 and a power cut.
"""

import asyncio
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from datagen.requests.request import Reply
from datagen_schemas.errors import StoreError

log = logging.getLogger(__name__)

_SCHEMA_VERSION = 1
# A rowid table with an index on the key: the keys are random, and in a clustered table every insert would move text.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS reply (
    key TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL,
    finish_reason TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    created_at TEXT NOT NULL
)
"""
_BUSY_S = 60.0
_CHUNK = 500  # keys a query; SQLite's oldest limit of variables is 999
_LINGER_S = 0.003  # how long a commit waits for company: without it, a fast disk means a commit per reply
_MOST_ROWS = 5_000  # in one transaction, so that other processes get their turn


class _Batch(NamedTuple):
    """Rows of one `put`, and whom to tell."""

    rows: list[tuple[str, str, str | None, int | None, int | None]]
    loop: asyncio.AbstractEventLoop
    committed: asyncio.Future[None]


def default_store_path() -> Path:
    """`replies.sqlite` in $DATAGEN_HOME, by default in ~/.cache/datagen."""
    return Path(os.environ.get("DATAGEN_HOME") or Path.home() / ".cache" / "datagen").expanduser() / "replies.sqlite"


class ReplyStore:
    """Replies by key. A stored reply never changes: of two for one key, the first stays."""

    def __init__(self, path: Path) -> None:
        """Open the file, and create it where there is none.

        Raises:
            StoreError: the file cannot be opened, is damaged, or belongs to another program or version.
        """
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reader = self._connect()
            try:
                self._prepare()
                self._writer = self._connect()
            except BaseException:
                self._reader.close()
                raise
        self._reading = threading.Lock()
        self._waiting: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="reply-store", daemon=True)
        self._thread.start()
        self._closed = False

    def __enter__(self) -> "ReplyStore":
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def close(self) -> None:
        """Commit what is waiting, and close the file."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        with self._reading:
            self._reader.close()

    def get(self, key: str) -> Reply | None:
        """The reply of one key."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reply]:
        """The replies that are there, in the order of `keys`."""
        found: dict[str, Reply] = {}
        columns = "key, text, finish_reason, prompt_tokens, completion_tokens"
        for key, *reply in self._select(columns, keys):
            found[key] = Reply(*reply)
        return {key: found[key] for key in keys if key in found}

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have no reply."""
        return set(keys).difference(key for (key,) in self._select("key", keys))

    def __len__(self) -> int:
        """How many replies there are."""
        with self._reading, self._explained():
            (count,) = self._reader.execute("SELECT count(*) FROM reply").fetchone()
        return int(count)

    async def put(self, items: Sequence[tuple[str, Reply]]) -> None:
        """Store replies, and return when they are committed.

        Cancelling the wait does not take the rows back: they will be committed.

        Raises:
            StoreError: they could not be written.
        """
        if self._closed:
            raise StoreError(f"reply store {self.path} is closed. Open it again.")
        loop = asyncio.get_running_loop()
        # SQLite takes no lone surrogates, which a JSON reply can contain as escapes.
        rows = [
            (
                key,
                reply.text if reply.text.isascii() else reply.text.encode(errors="replace").decode(),
                reply.finish_reason,
                reply.prompt_tokens,
                reply.completion_tokens,
            )
            for key, reply in items
        ]
        batch = _Batch(rows, loop, loop.create_future())
        self._waiting.put(batch)
        await batch.committed

    def _write(self) -> None:
        """Commit what comes, until None comes. Runs in the writer thread."""
        last = False
        while not last:
            first = self._waiting.get()
            if first is None:
                break
            time.sleep(_LINGER_S)
            batches, n_rows = [first], len(first.rows)
            while n_rows < _MOST_ROWS and not last:
                try:
                    batch = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if batch is None:
                    last = True
                else:
                    batches.append(batch)
                    n_rows += len(batch.rows)
            self._tell(batches, self._commit(batches))
        self._writer.close()

    def _commit(self, batches: Sequence[_Batch]) -> StoreError | None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            with self._explained():
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    self._writer.executemany(
                        "INSERT OR IGNORE INTO reply VALUES (?, ?, ?, ?, ?, ?)",
                        [(*row, now) for batch in batches for row in batch.rows],
                    )
                    self._writer.execute("COMMIT")
                except sqlite3.Error:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
        except StoreError as error:
            return error
        return None

    def _tell(self, batches: Sequence[_Batch], error: StoreError | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for batch in batches:
            by_loop.setdefault(batch.loop, []).append(batch.committed)
        for loop, futures in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, futures, error)
            except RuntimeError:  # the loop is closed: its run was interrupted, and nobody waits any more
                log.debug("%d commits of an interrupted run", len(futures))

    # Any: SQLite says nothing about the types of columns
    def _select(self, columns: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            with self._reading, self._explained():
                rows = self._reader.execute(f"SELECT {columns} FROM reply WHERE key IN ({marks})", chunk).fetchall()
            yield from rows

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        # FULL: in WAL mode, NORMAL would let a power cut take back commits that were acknowledged.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _prepare(self) -> None:
        (version,) = self._reader.execute("PRAGMA user_version").fetchone()
        if version == _SCHEMA_VERSION:
            return
        (tables,) = self._reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version != 0 or (tables and not self._is_half_made()):
            raise StoreError(
                f"reply store {self.path} was made by another program or version (schema {version}). "
                "Point DATAGEN_HOME at another folder, or use the version of datagen that made it."
            )
        # Changing the journal mode does not wait for a lock, however long the time-out: others may be starting too.
        give_up_at = time.monotonic() + _BUSY_S
        while True:
            try:
                self._reader.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.02)
        self._reader.execute(_SCHEMA)
        self._reader.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def _is_half_made(self) -> bool:
        """Whether a killed process, or one that is starting just now, made our table and not yet its version."""
        columns = [row[1] for row in self._reader.execute("PRAGMA table_info(reply)")]
        return columns[:2] == ["key", "text"]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says into one line with a remedy."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                remedy = "Another program holds it: stop that, and run the command again."
            elif isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                remedy = "Make room on the disk, and run the command again: it continues."
            elif isinstance(error, (OSError, sqlite3.OperationalError)):
                remedy = "Make the file and its folder writable, or point DATAGEN_HOME at another folder."
            else:
                remedy = "Move the file away: a new one is made, and its replies are asked for again."
            raise StoreError(f"reply store {self.path}: {error}. {remedy}") from error


def _resolve(futures: Sequence[asyncio.Future[None]], error: StoreError | None) -> None:
    for future in futures:
        if future.done():  # cancelled
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
