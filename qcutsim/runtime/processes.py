"""A pool of worker processes of our own, each one socket away.

They are started as ``python -m qcutsim.runtime.worker``, so a user's script needs no
``__main__`` guard, and one dead worker is one dead worker: it is replaced under a new number.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import count

import msgspec

from qcutsim.dispatch import CancelMode
from qcutsim.errors import ExecutionError
from qcutsim.runtime.messages import (
    MOST_CONTEXTS,
    CancelMessage,
    ContextMessage,
    FrameReader,
    ReadyMessage,
    ResultMessage,
    TaskMessage,
    frame,
)
from qcutsim.runtime.pools import PoolListener

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
BURY_AGAIN_S = 0.05
"""How soon a killed process that has not ended yet is looked at again."""

MOST_FAILED_STARTS = 3
"""A pool breaks down when so many workers in a row died before they were ready."""

_results = msgspec.msgpack.Decoder(ResultMessage)
_ready = msgspec.msgpack.Decoder(ReadyMessage)


@dataclass(slots=True)
class _Worker:
    """One process. ``ready`` is done once it has loaded the task function, or failed to.

    ``contexts`` holds the numbers of those it was sent and keeps, in the order it got them.
    """

    number: int
    process: subprocess.Popen[bytes]
    socket: socket.socket
    ready: asyncio.Future[None]
    task: TaskMessage | None = None
    contexts: dict[int, None] = field(default_factory=dict)
    reader: FrameReader = field(default_factory=FrameReader)
    outgoing: bytearray = field(default_factory=bytearray)

    @property
    def is_up(self) -> bool:
        return self.ready.done() and not self.ready.cancelled() and not self.ready.exception()


class ProcessPool:
    """Worker processes on this host, one Aer thread each.

    Args:
        workers: how many.
        function: ``module:function`` that takes a payload and its context and returns a result.
        cancel: what is done to a task that nobody needs any more.
    """

    kind = "processes"

    def __init__(self, workers: int, function: str, cancel: CancelMode = "sleep_only") -> None:
        self.cancel = cancel
        self._size = workers
        self._function = function
        self._workers: dict[int, _Worker] = {}
        self._active: set[int] = set()
        self._next_number = 0
        self._listener: PoolListener | None = None
        self._broken: str | None = None
        self._failed_starts = 0
        self._dying: list[subprocess.Popen[bytes]] = []
        self._contexts: dict[bytes, int] = {}
        self._context_numbers = count(1)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            for _ in range(self._size):
                self._spawn()
            await self.ready()
        except BaseException:
            await self.stop()
            raise

    async def ready(self) -> None:
        while waiting := [w.ready for w in self._workers.values() if not w.is_up]:
            await asyncio.gather(*waiting)
        if self._broken is not None:
            raise ExecutionError(self._broken)

    def attach(self, listener: PoolListener | None, workers: int) -> None:
        if workers > self._size:
            raise ExecutionError(f"the pool has {self._size} processes, {workers} were asked for")
        self._listener = None
        for worker in list(self._workers.values()):
            if worker.task is not None:  # with work of the listener before
                self._replace(worker)
        self._listener = listener
        self._active = set(sorted(self._workers)[:workers])
        if listener is not None:
            for number in sorted(self._active):
                if self._workers[number].is_up:
                    listener.worker_joined(number)

    def submit(self, worker: int, message: TaskMessage, context: bytes) -> None:
        target = self._workers.get(worker)
        if target is None:  # its loss is reported already
            return
        target.task = message
        if context:
            number = self._number_of(context)
            message = msgspec.structs.replace(message, context=number)
            if number not in target.contexts:
                if len(target.contexts) == MOST_CONTEXTS:
                    del target.contexts[next(iter(target.contexts))]
                target.contexts[number] = None
                target.outgoing += frame(ContextMessage(number, context))
        target.outgoing += frame(message)
        self._send(target)

    def cancel_sleep(self, worker: int) -> None:
        target = self._workers.get(worker)
        if target is not None and target.task is not None and target.task.delay_s > 0:
            copy = (target.task.query, target.task.task, target.task.attempt)
            target.outgoing += frame(CancelMessage(*copy))
            self._send(target)

    def abandon(self, worker: int) -> None:
        if worker in self._workers:
            self._replace(self._workers[worker])

    async def stop(self) -> None:
        self._listener = None
        workers = list(self._workers.values())
        self._workers.clear()
        for worker in workers:
            self._end(worker)
        dying, self._dying = self._dying, []
        await asyncio.to_thread(_reap, [*dying, *(worker.process for worker in workers)])

    def process_ids(self) -> dict[int, int]:
        """Worker number -> operating system's process id."""
        return {number: worker.process.pid for number, worker in self._workers.items()}

    def _number_of(self, context: bytes) -> int:
        if context not in self._contexts:
            if len(self._contexts) == MOST_CONTEXTS:
                del self._contexts[next(iter(self._contexts))]
            self._contexts[context] = next(self._context_numbers)
        return self._contexts[context]

    def _spawn(self) -> _Worker:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise ExecutionError(f"a worker process could not be started: {error}") from error
        # -P: a file in the user's folder must not stand in for a module of the library.
        command = [sys.executable, "-P", "-m", "qcutsim.runtime.worker", str(theirs.fileno())]
        try:
            process = subprocess.Popen(
                [*command, self._function],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD},
            )
        except OSError as error:
            ours.close()
            raise ExecutionError(f"a worker process could not be started: {error}") from error
        finally:
            theirs.close()
        ours.setblocking(False)
        worker = _Worker(self._next_number, process, ours, self._loop.create_future())
        worker.ready.add_done_callback(_retrieve)
        self._next_number += 1
        self._workers[worker.number] = worker
        self._loop.add_reader(ours, self._receive, worker)
        return worker

    def _send(self, worker: _Worker) -> None:
        try:
            sent = worker.socket.send(worker.outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:  # the worker died; the reader sees its end of file
            self._loop.remove_writer(worker.socket)
            return
        del worker.outgoing[:sent]
        if worker.outgoing:
            self._loop.add_writer(worker.socket, self._send, worker)
        else:
            self._loop.remove_writer(worker.socket)

    def _receive(self, worker: _Worker) -> None:
        try:
            data = worker.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            for body in worker.reader.feed(data):
                if worker.ready.done():
                    self._task_ended(worker, _results.decode(body))
                else:
                    self._loaded(worker, _ready.decode(body))
        except msgspec.MsgspecError:  # it no longer speaks our language
            data = b""
        if not data:
            self._lost(worker)

    def _loaded(self, worker: _Worker, message: ReadyMessage) -> None:
        if message.error is not None:
            self._cannot_start(worker, message.error.strip())
            return
        self._failed_starts = 0
        worker.ready.set_result(None)
        if worker.number in self._active and self._listener is not None:
            self._listener.worker_joined(worker.number)

    def _task_ended(self, worker: _Worker, report: ResultMessage) -> None:
        worker.task = None
        if self._listener is not None and worker.number in self._active:
            self._listener.task_ended(worker.number, report)

    def _lost(self, worker: _Worker) -> None:
        if worker.number not in self._workers:
            return
        if worker.is_up:
            self._replace(worker)
        elif not worker.ready.done():
            self._failed_starts += 1
            if self._failed_starts < MOST_FAILED_STARTS:
                self._replace(worker)
                worker.ready.set_result(None)
                return
            code = worker.process.wait()
            self._cannot_start(worker, f"it ended before it was ready (exit code {code})")

    def _replace(self, worker: _Worker) -> None:
        del self._workers[worker.number]
        self._end(worker)
        self._dying.append(worker.process)
        self._bury()
        is_used = worker.is_up and worker.number in self._active
        if is_used and self._listener is not None:
            self._listener.worker_lost(worker.number)
        try:
            replacement = self._spawn()
        except ExecutionError as error:
            self._break_down(str(error))
            return
        if worker.number in self._active:
            self._active.discard(worker.number)
            self._active.add(replacement.number)

    def _bury(self) -> None:
        """Take leave of killed processes as they end, which takes some milliseconds each."""
        self._dying = [process for process in self._dying if process.poll() is None]
        if self._dying:
            self._loop.call_later(BURY_AGAIN_S, self._bury)

    def _cannot_start(self, worker: _Worker, why: str) -> None:
        del self._workers[worker.number]
        self._end(worker)
        worker.process.wait()
        error = f"a worker process cannot start: {why}"
        worker.ready.set_exception(ExecutionError(error))
        self._break_down(error)

    def _break_down(self, error: str) -> None:
        self._broken = error
        if self._listener is not None:
            self._listener.pool_broken(error)

    def _end(self, worker: _Worker) -> None:
        self._loop.remove_reader(worker.socket)
        self._loop.remove_writer(worker.socket)
        worker.socket.close()
        worker.process.kill()


def _retrieve(ready: asyncio.Future[None]) -> None:
    """Mark the outcome as seen: a pool that broke down is told by name, not by a warning."""
    if not ready.cancelled():
        ready.exception()


def _reap(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.wait()
