"""Worker pools: what the driver asks of one, and the pool of threads."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import Literal, Protocol

from qcutsim.errors import ExecutionError
from qcutsim.runtime.messages import ResultMessage, TaskMessage
from qcutsim.runtime.work import TaskFunctionSource, load_function, perform

CancelMode = Literal["none", "sleep_only", "kill"]


MOST_WORKERS = 256
"""More workers than this on one host are a mistake rather than a question."""


class PoolListener(Protocol):
    """Hears from a pool, on the event loop's thread."""

    def worker_joined(self, worker: int) -> None:
        """A worker is ready."""

    def worker_lost(self, worker: int) -> None:
        """A worker died."""

    def pool_broken(self, error: str) -> None:
        """A lost worker could not be replaced; nothing more will run."""

    def task_ended(self, worker: int, report: ResultMessage) -> None:
        """A worker ran a task; ``report.error`` says whether it failed."""


class Pool(Protocol):
    """Runs task messages on numbered workers, one at a time each.

    ``cancel`` says what can be done to a running task: nothing (a thread inside Aer runs to its
    end), or kill its worker.
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

    def submit(self, worker: int, message: TaskMessage) -> None:
        """Give an idle worker a task."""

    async def stop(self) -> None:
        """End all workers; a running task is abandoned or killed, as ``cancel`` says."""


class InlinePool:
    """One worker that is the event loop's own thread: a task runs where its turn comes."""

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

    def submit(self, worker: int, message: TaskMessage) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(self._run, worker, message, self._listener)

    async def stop(self) -> None:
        self._listener = None

    def _run(self, worker: int, message: TaskMessage, listener: PoolListener | None) -> None:
        if listener is None or listener is not self._listener:  # the query was given up
            return
        listener.task_ended(worker, perform(self._function, message, time.process_time))


class ThreadPool:
    """Threads of this process; while Aer runs they share one interpreter lock."""

    kind = "threads"
    cancel: CancelMode = "none"

    def __init__(self, workers: int, function: TaskFunctionSource) -> None:
        self._size = workers
        self._function = load_function(function)
        self._inboxes: list[queue.SimpleQueue[TaskMessage | None]] = []
        self._threads: list[threading.Thread] = []
        self._listener: PoolListener | None = None
        self._has_own_cpu_clock = False
        self._active = 0
        self._busy: set[int] = set()
        self._abandoned: set[int] = set()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for number in range(self._size):
            inbox: queue.SimpleQueue[TaskMessage | None] = queue.SimpleQueue()
            thread = threading.Thread(
                target=self._serve, args=(number, inbox), name=f"worker-{number}", daemon=True
            )
            self._inboxes.append(inbox)
            self._threads.append(thread)
            thread.start()

    async def ready(self) -> None:
        return

    def attach(self, listener: PoolListener | None, workers: int) -> None:
        if workers > self._size:
            raise ExecutionError(f"the pool has {self._size} threads, {workers} were asked for")
        self._listener = listener
        self._active = workers
        self._abandoned = set(self._busy)
        # Aer works in a thread of its own, so only the process's CPU clock sees it, and that
        # tells one task's share only while no other task runs.
        self._has_own_cpu_clock = workers == 1
        if listener is not None:
            for worker in range(workers):
                if worker not in self._abandoned:
                    listener.worker_joined(worker)

    def submit(self, worker: int, message: TaskMessage) -> None:
        self._busy.add(worker)
        self._inboxes[worker].put(message)

    async def stop(self) -> None:
        self._listener = None
        for inbox in self._inboxes:
            inbox.put(None)
        self._inboxes.clear()
        self._threads.clear()

    def _serve(self, worker: int, inbox: queue.SimpleQueue[TaskMessage | None]) -> None:
        while (message := inbox.get()) is not None:
            clock = time.process_time if self._has_own_cpu_clock else None
            report = perform(self._function, message, clock)
            try:
                self._loop.call_soon_threadsafe(self._report, worker, report)
            except RuntimeError:  # the loop was closed while Aer ran
                return

    def _report(self, worker: int, report: ResultMessage) -> None:
        self._busy.discard(worker)
        if worker in self._abandoned:
            self._abandoned.discard(worker)
            if self._listener is not None and worker < self._active:
                self._listener.worker_joined(worker)
        elif self._listener is not None:
            self._listener.task_ended(worker, report)
