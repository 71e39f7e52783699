"""Brings every wanted sample into the reply store: a sliding window of calls, no batch barriers.

A row's failure is its own; only a dead server, a full disk or a limit ends the job early. Memory is flat in the
number of requests: they are read as the window moves, and replies go to the store, not to the caller.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from datagen.requests.budget import Budget, Reservation
from datagen.requests.call import Call, in_batches, restrict, split
from datagen.requests.circuit import Circuit
from datagen.requests.failure import FailedRow, RequestFailed
from datagen.requests.ledger import Ledger, Usage, load_prices
from datagen.requests.limits import (
    Limits,
    TokenBucket,
    estimated_prompt_tokens,
    most_completion_tokens,
)
from datagen.requests.request import Backend, Reply, Request
from datagen.requests.retry import RateLimitWindow, backoff_s
from datagen.requests.store import ReplyStore
from datagen.seeding import rng_for
from datagen_schemas.errors import ServerError, StoreError

log = logging.getLogger(__name__)

_MOST_UNSTORED = 1_024  # calls whose replies wait for the disk
_PROGRESS_EVERY_S = 0.1
# A 429 costs a row a tenth of a try: the row did nothing wrong. It still ends, should only this row be refused.
_LIMITED_PER_TRY = 10


class Progress(NamedTuple):
    """Where a job stands; samples, not rows. Tokens and money are its own, also where it shares a ledger."""

    done: int  # cached, stored, failed or skipped
    total: int | None
    failed: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None


class Fetched(NamedTuple):
    """What a job did; asked = cached + stored + skipped + the samples in failed."""

    asked: int
    cached: int  # were in the store, or were asked for by another row of this job
    stored: int
    failed: tuple[FailedRow, ...]
    stopped: str | None  # 'max-cost reached', 'max-tokens-total reached', or that one call may use more than that
    ledger: Ledger
    calls: int
    skipped: int  # not asked because of `stopped`


def fetch_replies(
    requests: Iterable[Request],
    backend: Backend,
    store: ReplyStore,
    *,
    limits: Limits,
    seed: int,
    ledger: Ledger | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    total: int | None = None,
) -> Fetched:
    """Ask for every sample that is not in the store, and store what comes.

    Ctrl-C cancels the calls under way and raises KeyboardInterrupt; what was answered is in the store. The backend
    is closed at the end; one that is to be used again opens itself again.

    Args:
        requests: read lazily, once.
        backend: who answers.
        store: read and written.
        limits: see Limits.
        seed: of the jitter in the back-off; nothing stored depends on it.
        ledger: where to book what is used; one that several jobs share makes their limits one limit.
        on_progress: called at most ten times a second, and at the end.
        total: number of samples, if known, for `on_progress`.

    Raises:
        ServerError: the server cannot be reached, or refuses everything.
        StoreError: a reply could not be stored.
    """
    ledger = ledger if ledger is not None else Ledger(load_prices())
    return asyncio.run(_Job(requests, backend, store, limits, seed, ledger, on_progress, total).run())


class _Waiter(NamedTuple):
    """A sample whose reply another row with the same prompt is already asking for."""

    row_number: int
    row: str
    sample: int


class _Job:
    """State of one fetch_replies."""

    def __init__(
        self,
        requests: Iterable[Request],
        backend: Backend,
        store: ReplyStore,
        limits: Limits,
        seed: int,
        ledger: Ledger,
        on_progress: Callable[[Progress], None] | None,
        total: int | None,
    ) -> None:
        self._requests, self._backend, self._store, self._limits = requests, backend, store, limits
        self._ledger, self._on_progress, self._total = ledger, on_progress, total
        self._rng = rng_for(seed, "retry")
        self._window = RateLimitWindow(base_s=limits.backoff_s, rng=self._rng, clock=time.monotonic)
        self._rpm = TokenBucket(limits.rpm) if limits.rpm else None
        self._tpm = TokenBucket(limits.tpm) if limits.tpm else None
        self._circuit = Circuit()
        self._budget = Budget(limits, ledger)
        self._queue: asyncio.Queue[Call] = asyncio.Queue()
        self._room = asyncio.Event()
        self._pending: dict[str, list[_Waiter]] = {}
        self._to_keep: list[tuple[Call, dict[int, Reply]]] = []
        self._has_to_keep = asyncio.Event()
        self._stored_some = asyncio.Event()
        self._failures: list[tuple[int, FailedRow]] = []
        self._asked = self._cached = self._stored = self._failed = self._skipped = 0
        self._endpoint = self._model = ""
        self._before: Usage | None = None  # what earlier jobs of this ledger had used of the model
        self._reported_at = 0.0
        self._calls_before = ledger.calls

    async def run(self) -> Fetched:
        workers = [asyncio.create_task(self._work()) for _ in range(self._limits.max_in_flight)]
        tasks = [asyncio.create_task(self._drive()), asyncio.create_task(self._store_replies()), *workers]
        try:
            # Workers end by an exception alone, so the first to end is the finished job or what broke it.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._backend.close()
            if self._to_keep:  # interrupted: these were paid for as well
                with suppress(StoreError):
                    await self._put(self._to_keep)
        try:
            for task in done:
                task.result()
            self._circuit.finished(self._endpoint)
        except ServerError as error:  # no manifest will say what it cost
            raise ServerError(f"{error}{self._ledger.spent()}") from error
        self._report(last=True)
        return Fetched(
            self._asked,
            self._cached,
            self._stored,
            _by_row(self._failures),
            self._budget.exhausted,
            self._ledger,
            self._ledger.calls - self._calls_before,
            self._skipped,
        )

    async def _drive(self) -> None:
        """Queue what is missing, at most one window ahead of the calls; return when all is settled."""
        row_number = 0
        for batch in in_batches(self._requests):
            calls: list[Call] = []
            for request in batch:
                if self._before is None:
                    self._before = self._ledger.usage(request.endpoint, request.model)
                self._endpoint, self._model = request.endpoint, request.model
                self._asked += len(request.samples)
                keys: dict[int, str] = {}
                for sample in request.samples:
                    key = request.reply_key(sample)
                    # Taken before the look-up: the same prompt in two rows is asked for once.
                    if (waiters := self._pending.get(key)) is not None:
                        waiters.append(_Waiter(row_number, request.row, sample))
                    else:
                        self._pending[key] = []
                        keys[sample] = key
                calls.append(Call(row_number, request, keys))
                row_number += 1
            wanted = [key for call in calls for key in call.keys.values()]
            missing = await asyncio.to_thread(self._store.missing, wanted)
            for call in calls:
                to_ask = {sample: key for sample, key in call.keys.items() if key in missing}
                self._cached += len(call.keys) - len(to_ask)
                self._cached += sum(len(self._pending.pop(key)) for key in call.keys.values() if key not in missing)
                for part in split(tuple(to_ask), self._backend.max_samples):
                    while self._queue.qsize() >= self._limits.max_in_flight:
                        self._room.clear()
                        await self._room.wait()
                    self._queue.put_nowait(restrict(call, part))
            self._report()
        await self._queue.join()

    async def _work(self) -> None:
        while True:
            call = await self._queue.get()
            self._room.set()
            if await self._is_settled(call):
                self._queue.task_done()
                self._report()

    async def _is_settled(self, call: Call) -> bool:
        """Ask until there are replies or no hope, or put back what has to be asked differently.

        False if there is something to be stored: it is settled when that is done.
        """
        first, *rest = split(call.request.samples, self._backend.max_samples)
        for part in rest:  # the backend has learned in the meantime that it may ask for fewer
            self._queue.put_nowait(restrict(call, part))
        call = restrict(call, first) if rest else call
        tries = limited = 0
        while True:
            reservation: Reservation | None = None
            if self._budget.is_limited:
                reservation = await self._budget.admit(call.request)
                if reservation is None:
                    self._skip(call)
                    return True
            await self._within_rates(call.request)
            await self._window.enter()
            self._ledger.add_call(call.request.endpoint, call.request.model, is_retry=tries + limited > 0)
            failure: RequestFailed | None = None
            try:
                replies = await self._backend.answer(call.request)
            except RequestFailed as error:
                failure = error
                self._account(call.request, tuple(error.answered.values()), error, reservation)
                answered = error.answered
            except asyncio.CancelledError:
                if self._ledger.uncounted_calls:  # what ends the job loses replies, so this call's may be lost as well
                    self._add_uncounted(call.request)
                raise
            else:
                self._account(call.request, replies, None, reservation)
                answered = dict(zip(call.request.samples, replies, strict=True))
            finally:
                self._window.leave()
            if answered:
                self._window.succeeded()
                self._circuit.succeeded()
            if failure is None:
                await self._keep(call, answered)
                return False
            if answered or failure.adapted:
                left = tuple(sample for sample in call.request.samples if sample not in answered)
                self._queue.put_nowait(restrict(call, left))
                if answered:
                    await self._keep(call, answered)
                return not answered
            log.debug("%s, samples %s: %s", call.request.row, call.request.samples, failure)
            is_limited = failure.kind == "rate_limited"
            limited += is_limited
            tries += not is_limited
            self._circuit.failed(call.request.endpoint, failure, tries=tries)
            if is_limited and failure.retryable:
                self._window.limited(failure.retry_after_s)
                if (
                    self._window.rounds <= self._limits.max_tries
                    and limited < _LIMITED_PER_TRY * self._limits.max_tries
                ):
                    continue
            elif failure.retryable and tries < self._limits.max_tries:
                wait = backoff_s(tries, base_s=self._limits.backoff_s, rng=self._rng)
                await asyncio.sleep(max(wait, failure.retry_after_s or 0.0))
                continue
            self._fail(call, failure)
            self._circuit.gave_up(call.request.endpoint, failure)
            return True

    async def _within_rates(self, request: Request) -> None:
        """Wait until the limits per minute allow another call."""
        wait = self._rpm.reserve(1) if self._rpm else 0.0
        if self._tpm:
            tokens = estimated_prompt_tokens(request) + most_completion_tokens(request)
            wait = max(wait, self._tpm.reserve(tokens))
        if wait > 0:
            await asyncio.sleep(wait)

    def _account(
        self,
        request: Request,
        replies: Sequence[Reply],
        failure: RequestFailed | None,
        reservation: Reservation | None,
    ) -> None:
        """Book what a try used, and give back what it had reserved beyond that."""
        before = self._ledger.prompt_tokens + self._ledger.completion_tokens
        self._ledger.add_replies(request.endpoint, request.model, replies)
        if failure is not None:
            self._ledger.add_tokens(request.endpoint, request.model, failure.prompt_tokens, failure.completion_tokens)
        used = self._ledger.prompt_tokens + self._ledger.completion_tokens - before
        if self._tpm and used:
            reserved = estimated_prompt_tokens(request) + most_completion_tokens(request)
            self._tpm.give_back(reserved - used)
        # A refused call costs nothing; of one that was cut off nobody says what it cost.
        if not used and (replies or (failure is not None and failure.may_be_charged)):
            self._add_uncounted(request)
        if reservation is not None:
            self._budget.release(reservation)

    def _add_uncounted(self, request: Request) -> None:
        prompt_tokens, completion_tokens = estimated_prompt_tokens(request), most_completion_tokens(request)
        self._ledger.add_uncounted(request.endpoint, request.model, prompt_tokens, completion_tokens)

    async def _keep(self, call: Call, replies: dict[int, Reply]) -> None:
        """Hand replies over to be stored; the worker goes on asking meanwhile, unless the disk falls behind."""
        while len(self._to_keep) >= _MOST_UNSTORED:
            await self._stored_some.wait()
        self._to_keep.append((call, replies))
        self._has_to_keep.set()

    async def _store_replies(self) -> None:
        """Store what has come, all in one commit, and settle it."""
        while True:
            await self._has_to_keep.wait()
            self._has_to_keep.clear()
            self._stored_some.clear()
            batch, self._to_keep = self._to_keep, []
            await self._put(batch)
            self._stored_some.set()
            for call, replies in batch:
                self._stored += len(replies)
                self._cached += sum(len(self._pending.pop(call.keys[sample])) for sample in replies)
                self._queue.task_done()
            self._report()

    async def _put(self, batch: Sequence[tuple[Call, dict[int, Reply]]]) -> None:
        items = [(call.keys[sample], reply) for call, replies in batch for sample, reply in replies.items()]
        await self._store.put(items)

    def _skip(self, call: Call) -> None:
        self._skipped += len(call.keys) + sum(len(self._pending.pop(key)) for key in call.keys.values())

    def _fail(self, call: Call, failure: RequestFailed) -> None:
        failed = [_Waiter(call.row_number, call.request.row, sample) for sample in call.request.samples]
        failed += [waiter for key in call.keys.values() for waiter in self._pending.pop(key)]
        self._failed += len(failed)
        for row_number, row, sample in failed:
            self._failures.append((row_number, FailedRow(row, (sample,), failure.kind, failure.message)))

    def _report(self, *, last: bool = False) -> None:
        if self._on_progress is None or (not last and time.monotonic() < self._reported_at + _PROGRESS_EVERY_S):
            return
        self._reported_at = time.monotonic()
        done = self._cached + self._stored + self._failed + self._skipped
        used, before = self._ledger.usage(self._endpoint, self._model), self._before or Usage()
        self._on_progress(
            Progress(
                done,
                self._total,
                self._failed,
                self._cached,
                used.prompt_tokens - before.prompt_tokens,
                used.completion_tokens - before.completion_tokens,
                None if used.cost_usd is None else used.cost_usd - before.known_cost_usd,
            )
        )


def _by_row(failures: list[tuple[int, FailedRow]]) -> tuple[FailedRow, ...]:
    """One entry per row and kind of failure, in the order of the rows, whatever order they failed in."""
    merged: dict[tuple[int, str], FailedRow] = {}
    for row_number, failed in sorted(failures, key=lambda item: (item[0], item[1].samples)):
        key = (row_number, failed.kind)
        samples = merged[key].samples + failed.samples if key in merged else failed.samples
        merged[key] = failed._replace(samples=samples)
    return tuple(merged.values())
