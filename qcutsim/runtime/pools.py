"""Worker pools: what the driver asks of one, and the pools inside this process."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from qcutsim.dispatch import CancelMode
from qcutsim.errors import ExecutionError
from qcutsim.runtime.messages import ResultMessage, TaskMessage
from qcutsim.runtime.work import TaskFunction, TaskFunctionSource, load_function, perform

_BREATHS = 12
"""Rounds of the event loop between two tasks inline: cancelling a query takes a few."""

MOST_WORKERS = 256
"""More workers than this on one host are a mistake rather than a question."""


class PoolListener(Protocol):
    """Hears from a pool, on the event loop's thread."""

    def worker_joined(self, worker: int) -> None:
        """A worker is ready."""

    def worker_lost(self, worker: int) -> None:
        """A worker died or was given up."""

    def pool_broken(self, error: str) -> None:
        """A lost worker could not be replaced; nothing more will run."""

    def task_ended(self, worker: int, report: ResultMessage) -> None:
        """A worker is done with a task; the report says whether it failed or was cancelled."""


class Pool(Protocol):
    """Runs task messages on numbered workers, one at a time each.

    ``cancel`` says what can be done to a running task.
    """

    kind: str
    cancel: CancelMode

    async def start(self) -> None:
        """Bring up all workers. Raises ``ExecutionError`` when one cannot start."""

    async def ready(self) -> None:
        """Wait until all workers are up, as after a loss. Raises ``ExecutionError`` if broken."""

    def attach(self, listener: PoolListener | None, workers: int) -> None:
        """Report to ``listener`` from now on, which uses ``workers`` of the pool's workers.

        What still runs for an earlier listener is killed where the pool can, and never reported.
        """

    def submit(self, worker: int, message: TaskMessage, context: bytes) -> None:
        """Give an idle worker a task; ``context`` is what the task has in common with others."""

    def cancel_sleep(self, worker: int) -> None:
        """Cut the injected delay of the worker's task short, if it still sleeps."""

    def abandon(self, worker: int) -> None:
        """Give a worker and what it runs up: report it lost, and replace it."""

    async def stop(self) -> None:
        """End all workers; a running task is abandoned or killed."""


class InlinePool:
    """One worker that is the event loop's own thread: a task runs where its turn comes.

    A delay is waited for, but while the task works nothing else can happen: it is neither
    cancelled nor given up, and a timeout or an interrupt waits for its end.
    """

    kind = "inline"
    cancel: CancelMode = "none"

    def __init__(self, function: TaskFunctionSource) -> None:
        self._function = load_function(function)
        self._listener: PoolListener | None = None

    async def start(self) -> None:
        return

    async def ready(self) -> None:
        return

    def attach(self, listener: PoolListener | None, workers: int) -> None:
        if workers > 1:
            raise ExecutionError(f"an inline pool has one worker, {workers} were asked for")
        self._listener = listener
        if listener is not None:
            listener.worker_joined(0)

    def submit(self, worker: int, message: TaskMessage, context: bytes) -> None:
        started_s = time.monotonic()

        def sleep_over() -> None:
            self._breathe(_BREATHS, lambda: self._run(message, context, listener, started_s))

        listener = self._listener
        asyncio.get_running_loop().call_later(message.delay_s, sleep_over)

    def cancel_sleep(self, worker: int) -> None:
        return

    def abandon(self, worker: int) -> None:
        return

    async def stop(self) -> None:
        self._listener = None

    def _breathe(self, times: int, then: Callable[[], None]) -> None:
        """Let the loop go round, so that a cancellation gets through between two tasks."""
        if times == 0:
            then()
        else:
            asyncio.get_running_loop().call_soon(self._breathe, times - 1, then)

    def _run(
        self,
        message: TaskMessage,
        context: bytes,
        listener: PoolListener | None,
        started_s: float,
    ) -> None:
        if listener is None or listener is not self._listener:  # the query was given up
            return
        report = perform(self._function, message, context, time.process_time, lambda delay_s: False)
        listener.task_ended(0, msgspec.structs.replace(report, started_s=started_s))


@dataclass(slots=True)
class _Thread:
    """One thread, and the end of its sleep."""

    number: int
    inbox: queue.SimpleQueue[tuple[TaskMessage, bytes] | None] = field(
        default_factory=queue.SimpleQueue
    )
    wake: threading.Event = field(default_factory=threading.Event)
    is_busy: bool = False
    is_of_earlier_listener: bool = False


class ThreadPool:
    """Threads of this process; while Aer runs they share one interpreter lock.

    Args:
        workers: how many.
        function: what they run.
        cancel: ``none`` or ``sleep_only``.
    """

    kind = "threads"

    def __init__(
        self, workers: int, function: TaskFunctionSource, cancel: CancelMode = "sleep_only"
    ) -> None:
        self.cancel = cancel
        self._size = workers
        self._function = load_function(function)
        self._threads: dict[int, _Thread] = {}
        self._next_number = 0
        self._active: set[int] = set()
        self._listener: PoolListener | None = None
        self._has_own_cpu_clock = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for _ in range(self._size):
            self._spawn()

    async def ready(self) -> None:
        return

    def attach(self, listener: PoolListener | None, workers: int) -> None:
        if workers > self._size:
            raise ExecutionError(f"the pool has {self._size} threads, {workers} were asked for")
        self._listener = listener
        self._active = set(sorted(self._threads)[:workers])
        # Aer works in a thread of its own, so only the process's CPU clock sees it, and that
        # tells one task's share only while no other task runs.
        self._has_own_cpu_clock = workers == 1
        for thread in self._threads.values():
            thread.is_of_earlier_listener = thread.is_busy
            if thread.is_busy:
                thread.wake.set()
            if listener is not None and thread.number in self._active and not thread.is_busy:
                listener.worker_joined(thread.number)

    def submit(self, worker: int, message: TaskMessage, context: bytes) -> None:
        thread = self._threads[worker]
        thread.is_busy = True
        thread.wake.clear()
        thread.inbox.put((message, context))

    def cancel_sleep(self, worker: int) -> None:
        if worker in self._threads:
            self._threads[worker].wake.set()

    def abandon(self, worker: int) -> None:
        if worker not in self._threads:
            return
        self._end(self._threads.pop(worker))
        self._has_own_cpu_clock = False
        replacement = self._spawn()
        if worker in self._active:
            self._active.discard(worker)
            self._active.add(replacement.number)
            if self._listener is not None:
                self._listener.worker_lost(worker)
                self._listener.worker_joined(replacement.number)

    async def stop(self) -> None:
        self._listener = None
        for thread in self._threads.values():
            self._end(thread)
        self._threads.clear()

    @staticmethod
    def _end(thread: _Thread) -> None:
        """Let it end once it has done what cannot be stopped; it sleeps no longer."""
        thread.wake.set()
        thread.inbox.put(None)

    def _spawn(self) -> _Thread:
        thread = self._threads[self._next_number] = _Thread(self._next_number)
        self._next_number += 1
        threading.Thread(
            target=self._serve, args=(thread,), name=f"worker-{thread.number}", daemon=True
        ).start()
        return thread

    def _serve(self, thread: _Thread) -> None:
        function: TaskFunction = self._function
        while (work := thread.inbox.get()) is not None:
            clock = time.process_time if self._has_own_cpu_clock else None
            report = perform(function, *work, clock, thread.wake.wait)
            try:
                self._loop.call_soon_threadsafe(self._report, thread.number, report)
            except RuntimeError:  # the loop was closed while Aer ran
                return

    def _report(self, number: int, report: ResultMessage) -> None:
        thread = self._threads.get(number)
        if thread is None:  # it was given up
            return
        thread.is_busy = False
        if self._listener is None or number not in self._active:
            return
        if thread.is_of_earlier_listener:
            thread.is_of_earlier_listener = False
            self._listener.worker_joined(number)
        else:
            self._listener.task_ended(number, report)
