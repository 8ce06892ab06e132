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

import msgspec

from qcutsim.errors import ExecutionError
from qcutsim.runtime.messages import FrameReader, ReadyMessage, ResultMessage, TaskMessage, frame
from qcutsim.runtime.pools import CancelMode, PoolListener

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_results = msgspec.msgpack.Decoder(ResultMessage)
_ready = msgspec.msgpack.Decoder(ReadyMessage)


@dataclass(slots=True)
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    socket: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    outgoing: bytearray = field(default_factory=bytearray)
    ready: asyncio.Future[None] | None = None


class ProcessPool:
    """Worker processes on this host, one Aer thread each.

    Args:
        workers: how many.
        function: ``module:function`` that takes a payload and returns a result.
    """

    kind = "processes"
    cancel: CancelMode = "kill"

    def __init__(self, workers: int, function: str) -> None:
        self._size = workers
        self._function = function
        self._workers: dict[int, _Worker] = {}
        self._active: set[int] = set()
        self._next_number = 0
        self._listener: PoolListener | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        started = [self._spawn() for _ in range(self._size)]
        try:
            await asyncio.gather(*(self._wait_ready(worker) for worker in started))
        except BaseException:
            await self.stop()
            raise

    def attach(self, listener: PoolListener | None, workers: int) -> None:
        if workers > self._size:
            raise ExecutionError(f"the pool has {self._size} processes, {workers} were asked for")
        self._listener = listener
        self._active = set(sorted(self._workers)[:workers]) if listener else set()
        if listener is not None:
            for number in sorted(self._active):
                listener.worker_joined(number)

    def submit(self, worker: int, message: TaskMessage) -> None:
        target = self._workers.get(worker)
        if target is None:  # its loss is reported already
            return
        target.outgoing += frame(message)
        self._send(target)

    async def stop(self) -> None:
        self._listener = None
        workers = list(self._workers.values())
        self._workers.clear()
        for worker in workers:
            self._disconnect(worker)
            worker.process.kill()
        await asyncio.to_thread(_reap, [worker.process for worker in workers])

    def process_ids(self) -> dict[int, int]:
        """Worker number -> operating system's process id."""
        return {number: worker.process.pid for number, worker in self._workers.items()}

    def _spawn(self) -> _Worker:
        ours, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "qcutsim.runtime.worker",
                    str(theirs.fileno()),
                    self._function,
                ],
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
        worker = _Worker(self._next_number, process, ours)
        self._next_number += 1
        worker.ready = self._loop.create_future()
        self._workers[worker.number] = worker
        self._loop.add_reader(ours, self._receive, worker)
        return worker

    async def _wait_ready(self, worker: _Worker) -> None:
        assert worker.ready is not None
        await worker.ready

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
        if not data:
            self._lost(worker)
            return
        for body in worker.reader.feed(data):
            if worker.ready is not None:
                self._became_ready(worker, _ready.decode(body))
            elif self._listener is not None and worker.number in self._active:
                self._listener.task_ended(worker.number, _results.decode(body))

    def _became_ready(self, worker: _Worker, message: ReadyMessage) -> None:
        assert worker.ready is not None
        ready, worker.ready = worker.ready, None
        if message.error is not None:
            ready.set_exception(ExecutionError(f"a worker cannot start: {message.error.strip()}"))
        elif not ready.done():
            ready.set_result(None)

    def _lost(self, worker: _Worker) -> None:
        self._disconnect(worker)
        del self._workers[worker.number]
        worker.process.kill()
        code = worker.process.wait()
        if worker.ready is not None and not worker.ready.done():
            worker.ready.set_exception(
                ExecutionError(f"a worker process ended before it was ready (exit code {code})")
            )
            return
        was_active = worker.number in self._active
        self._active.discard(worker.number)
        if was_active and self._listener is not None:
            self._listener.worker_lost(worker.number)
        replacement = self._spawn()
        assert replacement.ready is not None
        if was_active:
            self._active.add(replacement.number)
        replacement.ready.add_done_callback(lambda done: self._replaced(replacement, done))

    def _replaced(self, worker: _Worker, ready: asyncio.Future[None]) -> None:
        if ready.cancelled() or ready.exception() is not None:
            return
        if worker.number in self._active and self._listener is not None:
            self._listener.worker_joined(worker.number)

    def _disconnect(self, worker: _Worker) -> None:
        self._loop.remove_reader(worker.socket)
        self._loop.remove_writer(worker.socket)
        worker.socket.close()


def _reap(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.wait()
