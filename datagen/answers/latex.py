"""Math-Verify in a worker process that is killed on time-out.

Math-Verify's own time-out is SIGALRM, which fails outside the main thread, and raises a BaseException; a long
operation in C would not see it either. So each question goes to a process of ours, and one that does not answer is
killed. What was asked once is remembered, questions without an answer too: k samples of one problem repeat each other.
"""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from datagen_schemas.errors import DatagenError

MAX_CHARS = 2_000  # longer answers are not asked about
MAX_REMEMBERED = 1 << 14
START_TIMEOUT_S = 120.0  # importing SymPy on a busy machine

_WORKER = Path(__file__).with_name("latex_worker.py")


class LatexJudge:
    """Says whether two answers are mathematically equal. Calls from several threads take turns."""

    def __init__(self, *, timeout_s: float = 5.0) -> None:
        """Start nothing yet: the worker starts with the first question."""
        self.timeout_s = timeout_s
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._remembered = lru_cache(maxsize=MAX_REMEMBERED)(self._ask)

    def __enter__(self) -> Self:
        """Nothing to start yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker."""
        self.close()

    def equal(self, answer: str, gold: str) -> bool | None:
        """Whether they are equal; None if that took too long or could not be read."""
        if max(len(answer), len(gold)) > MAX_CHARS:
            return None
        with self._lock:
            return self._remembered(answer, gold)

    def _ask(self, answer: str, gold: str) -> bool | None:
        if self._worker is None:
            self._worker = _Worker()
        request = {"answer": answer, "gold": gold, "timeout_s": self.timeout_s}
        reply = self._worker.ask(json.dumps(request), timeout_s=self.timeout_s)
        if reply is None:
            self._stop()
            return None
        equal = reply.get("equal") if isinstance(reply, dict) else None
        return equal if isinstance(equal, bool) else None

    def close(self) -> None:
        """End the worker, if one runs."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker = None


class _Worker:
    """One worker process and the thread that reads its replies."""

    def __init__(self) -> None:
        # -P: its folder must not shadow anybody's modules. A session of its own: Ctrl-C is the parent's to handle.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if self._reply(START_TIMEOUT_S) != "ready":
            self.kill()
            raise DatagenError(
                f"the Math-Verify worker of {sys.executable} did not start. See why: python -c 'import math_verify'"
            )

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put("")  # it has ended

    def _reply(self, timeout_s: float) -> object:
        try:
            line = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            return None
        return json.loads(line) if line else None

    def ask(self, request: str, *, timeout_s: float) -> object:
        """The reply; None if the worker has died or takes too long."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self._reply(timeout_s)

    def kill(self) -> None:
        """End the process and the thread, and close the pipes."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it never read
                    pipe.close()
