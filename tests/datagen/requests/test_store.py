import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.requests.request import Reply
from datagen.requests.store import ReplyStore, default_store_path
from datagen_schemas.errors import StoreError

# Stores replies that depend on their key alone, several puts at a time, and says which were acknowledged.
WRITER = """
import asyncio, sys
from pathlib import Path
from datagen.requests.request import Reply
from datagen.requests.store import ReplyStore

async def main(first, last):
    with ReplyStore(Path(sys.argv[1])) as store:
        async def put(i):
            if store.get(f"key{i}") is None:
                await store.put([(f"key{i}", Reply(f"reply {i} " * 20, "stop", i, 1))])
            sys.stdout.write(f"{i}\\n")
            sys.stdout.flush()
        for start in range(first, last, 50):
            await asyncio.gather(*(put(i) for i in range(start, min(start + 50, last))))

asyncio.run(main(int(sys.argv[2]), int(sys.argv[3])))
"""


def put(store: ReplyStore, **replies: str) -> None:
    asyncio.run(store.put([(key, Reply(text, "stop", 1, 2)) for key, text in replies.items()]))


def test_none_of_3000_replies_acknowledged_is_lost_or_doubled_by_repeated_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    rng = random.Random(0)
    acknowledged: set[int] = set()
    kills = 0
    while len(acknowledged) < 3_000:
        first = min(set(range(3_000)) - acknowledged)
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(first), "3000"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        # Killed a little after its first replies, wherever that finds it; the last run may finish.
        lines = [process.stdout.readline() for _ in range(rng.randrange(1, 40))]
        time.sleep(rng.uniform(0, 0.06))
        killed = kills < 8
        if killed:
            process.send_signal(signal.SIGKILL)
            kills += 1
        rest, _ = process.communicate()
        assert process.returncode == (-signal.SIGKILL if killed else 0)
        # A line that the kill cut in two is no acknowledgement.
        acknowledged |= {
            int(line) for line in ("".join(lines) + rest).splitlines(keepends=True) if line.endswith("\n")
        }
        with ReplyStore(path) as store:
            keys = [f"key{i}" for i in sorted(acknowledged)]
            assert store.missing(keys) == set()
    assert kills == 8
    with ReplyStore(path) as store:
        assert len(store) == 3_000
        replies = store.get_many([f"key{i}" for i in range(3_000)])
    assert all(replies[f"key{i}"] == Reply(f"reply {i} " * 20, "stop", i, 1) for i in range(3_000))
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(DISTINCT key) FROM reply").fetchone() == (3_000,)
    connection.close()


def test_a_reply_is_committed_before_it_is_acknowledged(store: ReplyStore) -> None:
    seen: list[int] = []

    async def main() -> None:
        for i in range(20):
            await store.put([(f"key{i}", Reply("text", None, None, None))])
            other = sqlite3.connect(store.path)
            seen.extend(other.execute("SELECT count(*) FROM reply").fetchone())
            other.close()

    asyncio.run(main())
    assert seen == list(range(1, 21))


def test_many_puts_share_a_commit(store: ReplyStore) -> None:
    # The rows of one commit have one time.
    async def main() -> None:
        await asyncio.gather(*(store.put([(f"key{i}", Reply("x", None, None, None))]) for i in range(2_000)))

    asyncio.run(main())
    assert len(store) == 2_000
    connection = sqlite3.connect(store.path)
    times = connection.execute("SELECT count(DISTINCT created_at) FROM reply").fetchone()[0]
    connection.close()
    assert times <= 20


def test_the_first_of_two_replies_for_a_key_stays(store: ReplyStore) -> None:
    put(store, a="first")
    put(store, a="second")
    reply = store.get("a")
    assert reply is not None and reply.text == "first"
    assert len(store) == 1


@settings(deadline=None, max_examples=30)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_text_comes_back_as_it_was(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    replies = [Reply(text, "length", None, 3) for text in texts]
    with ReplyStore(tmp_path_factory.mktemp("store") / "replies.sqlite") as store:
        asyncio.run(store.put([(str(i), reply) for i, reply in enumerate(replies)]))
        assert [store.get(str(i)) for i in range(len(replies))] == replies


def test_a_lone_surrogate_does_not_stop_the_writer(store: ReplyStore) -> None:
    put(store, a="\ud800 tail", b="fine")
    assert store.get_many(["b", "a"]) == {"b": Reply("fine", "stop", 1, 2), "a": Reply("? tail", "stop", 1, 2)}


def test_more_keys_than_sqlite_takes_in_a_query_are_looked_up(store: ReplyStore) -> None:
    keys = [f"key{i}" for i in range(2_345)]
    asyncio.run(store.put([(key, Reply(key, None, None, None)) for key in keys[::2]]))
    assert store.missing(keys) == set(keys[1::2])
    assert list(store.get_many(keys)) == keys[::2]


def test_two_processes_and_two_threads_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "replies.sqlite"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(first), str(first + 300)], stdout=subprocess.DEVNULL
        )
        for first in (0, 150)
    ]

    def write(name: str) -> None:
        with ReplyStore(path) as store:
            for i in range(100):
                put(store, **{f"{name}{i}": "text"})

    threads = [threading.Thread(target=write, args=(name,)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    with ReplyStore(path) as store:
        assert len(store) == 450 + 200


def test_a_cancelled_wait_does_not_lose_the_reply(tmp_path: Path) -> None:
    async def main(store: ReplyStore) -> None:
        waiting = asyncio.create_task(store.put([("a", Reply("text", None, None, None))]))
        await asyncio.sleep(0)
        waiting.cancel()

    with ReplyStore(tmp_path / "replies.sqlite") as store:
        asyncio.run(main(store))
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        assert store.missing(["a"]) == set()


@pytest.mark.parametrize(
    "content", [b"this is no database, however long it goes on " * 100, b"SQLite format 3\0" * 90]
)
def test_a_damaged_file_is_an_error_that_says_what_to_do(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=rf"{path}: .*Move the file away"):
        ReplyStore(path)
    assert path.read_bytes() == content


def test_pages_damaged_after_opening_are_an_error_too(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with ReplyStore(path) as store:
        asyncio.run(store.put([(f"key{i}", Reply("text " * 50, None, None, None)) for i in range(500)]))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with ReplyStore(path) as store, pytest.raises(StoreError, match="Move the file away"):
        store.get("key7")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="DATAGEN_HOME"):
        ReplyStore(tmp_path / "file" / "replies.sqlite")
    with pytest.raises(StoreError, match="DATAGEN_HOME"):
        ReplyStore(tmp_path)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE precious (thing)")
    connection.close()
    with pytest.raises(StoreError, match="another program or version"):
        ReplyStore(path)


def test_a_full_disk_reaches_the_one_who_stores(store: ReplyStore) -> None:
    # SQLite's own limit on pages stands in for the disk; it is set on the store's connection in its own thread.
    store._writer.execute("PRAGMA max_page_count = 12")
    with pytest.raises(StoreError, match="Make room on the disk"):
        put(store, **{f"key{i}": "text " * 500 for i in range(50)})
    assert len(store) == 0
    put(store, small="still writable")
    assert len(store) == 1


def test_a_closed_store_refuses_replies(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "replies.sqlite")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        put(store, a="text")


def test_the_store_is_where_datagen_home_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATAGEN_HOME", str(tmp_path))
    assert default_store_path() == tmp_path / "replies.sqlite"
    monkeypatch.delenv("DATAGEN_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store_path() == tmp_path / ".cache" / "datagen" / "replies.sqlite"
