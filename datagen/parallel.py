"""A map over worker processes that keeps the input's order and a bounded number of tasks in flight."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def ordered_map(function: Callable[[T], U], items: Iterable[T], *, workers: int) -> Iterator[U]:
    """`map`, in `workers` processes; in this process if one is enough.

    Args:
        function: a module-level function, or a `partial` of one.
        items: consumed no faster than results are taken, so memory stays flat.
        workers: number of processes; results and their order do not depend on it.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    # Not fork: the caller may have threads (the reply store's writer, aiohttp), and a forked lock never opens.
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_ctrl_c_to_the_parent) as pool:
        pending: deque[Future[U]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
