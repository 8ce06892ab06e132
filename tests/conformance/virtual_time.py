"""Virtual time for asyncio: a loop that jumps from timer to timer, and fake workers on it."""

from __future__ import annotations

import asyncio
import itertools
import math
import selectors
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar

from qcutsim.dispatch import CancelMode
from qcutsim.runtime import PoolListener, ResultMessage, TaskMessage
from qcutsim.simulation import SharedHost

T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while anything is ready, then jumps to a timer.

    Raises:
        RuntimeError: nothing is ready and no timer is set, so that it would wait for ever.
    """

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self._idle))
        self._settling: list[asyncio.Future[None]] = []
        self._set_time(0.0)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    async def settled(self) -> None:
        """Wait until nothing else is left to happen at this instant."""
        waiter = self.create_future()
        self._settling.append(waiter)
        await waiter

    def _idle(self) -> None:
        if self._settling:
            waiters, self._settling = self._settling, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        elif self._scheduled:
            self._set_time(self._scheduled[0].when())
        else:
            raise RuntimeError("virtual time stands still: nothing is ready and no timer is set")

    def _set_time(self, now_s: float) -> None:
        self._now_s = now_s
        # asyncio runs the timers before now + resolution: with one ulp, those of now and no other.
        self._clock_resolution = math.ulp(now_s)


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: where the loop would, it calls ``on_idle`` instead."""

    def __init__(self, on_idle: Callable[[], None]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []
        ready = super().select(0)
        if not ready:
            self._on_idle()
        return ready


def run_virtual(main: Callable[[VirtualTimeLoop], Any]) -> Any:
    """The result of the coroutine that ``main`` makes, run on a fresh virtual-time loop."""
    loop = VirtualTimeLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(loop))


class VirtualHost:
    """The shared station of the simulation, driven by the loop's timers."""

    def __init__(self, loop: VirtualTimeLoop, station: SharedHost[Callable[[], None]]) -> None:
        self._loop = loop
        self._station = station
        self._due_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, demand_s: float, done: Callable[[], None]) -> int:
        """``done`` is called when the host has given ``demand_s`` seconds of work."""
        self.finish_now()
        ticket = self._station.enter(self._loop.time(), done, demand_s)
        self._watch()
        return ticket

    def finish_now(self) -> None:
        """What ends at an instant ends before anything else happens on the host."""
        while self._due_s == self._loop.time():
            self._fire()

    def leave(self, ticket: int) -> None:
        """The job of that ticket is given up."""
        self._station.leave(self._loop.time(), ticket)
        self._watch()

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = self._station.next_in_s()
        if wait_s is None:
            self._due_s = self._timer = None
            return
        self._due_s = self._loop.time() + wait_s
        self._timer = self._loop.call_at(self._due_s, self._fire)

    def _fire(self) -> None:
        done = self._station.finish_next(self._loop.time())
        self._watch()
        for call in done:
            call()


@dataclass
class _Copy:
    """A copy on its worker. ``doomed_s``: when its worker died under it, which ends it later."""

    worker: int
    message: TaskMessage
    started_s: float
    is_serving: bool = False
    doomed_s: float | None = None
    timer: asyncio.TimerHandle | None = None
    ticket: int | None = None


class FakePool:
    """Workers that take given times: dedicated, or on one shared host.

    A worker first sleeps the injected delay, during which it does not burden the host.

    Args:
        loop: whose time passes.
        service_s: (query, task) -> seconds of work.
        fails: (query, task, attempt) -> the error of that copy, if any.
        host: what the workers share; ``None`` for dedicated ones.
        cancel: what can be done to a running copy.
        restart_s: until a lost worker is replaced.
    """

    kind = "fake"

    def __init__(
        self,
        loop: VirtualTimeLoop,
        service_s: Callable[[int, int], float],
        fails: Callable[[int, int, int], str | None],
        host: VirtualHost | None = None,
        cancel: CancelMode = "none",
        restart_s: float = 0.0,
    ) -> None:
        self._loop = loop
        self._service_s = service_s
        self._fails = fails
        self._host = host
        self.cancel = cancel
        self._restart_s = restart_s
        self._listener: PoolListener | None = None
        self._numbers = itertools.count()
        self._joined_s: dict[int, float] = {}
        self._copies: dict[int, _Copy] = {}

    async def start(self) -> None:
        """Nothing is to be brought up."""

    async def stop(self) -> None:
        """Nothing is to be ended."""

    async def ready(self) -> None:
        """Fake workers always are."""

    def attach(self, listener: PoolListener | None, workers: int) -> None:
        """Report to ``listener``; all its workers join at once."""
        self._listener = listener
        if listener is not None:
            for _ in range(workers):
                self.join()

    def join(self) -> None:
        """One more worker is there."""
        if self._listener is not None:
            worker = next(self._numbers)
            self._joined_s[worker] = self._loop.time()
            self._listener.worker_joined(worker)

    def lose(self, worker: int) -> None:
        """The worker dies, if it was there before; what it finishes at this instant counts."""
        now_s = self._loop.time()
        if self._listener is None or not self._joined_s.get(worker, now_s) < now_s:
            return
        copy = self._copies.get(worker)
        if copy is not None:
            copy.doomed_s = now_s
            if self._host is not None:
                self._host.finish_now()
                self._leave_host(copy)
        self._replace(worker)

    def submit(self, worker: int, message: TaskMessage, context: bytes) -> None:
        """Sleep, then serve."""
        if worker in self._joined_s:
            copy = self._copies[worker] = _Copy(worker, message, self._loop.time())
            copy.timer = self._loop.call_later(message.delay_s, self._serve, copy)

    def cancel_sleep(self, worker: int) -> None:
        """End a sleep that has not ended."""
        copy = self._copies.get(worker)
        alive = worker in self._joined_s
        if alive and copy is not None and copy.message.delay_s > 0 and not copy.is_serving:
            del self._copies[worker]
            copy.timer.cancel()
            self._report(copy, is_cancelled=True)

    def abandon(self, worker: int) -> None:
        """Kill the worker."""
        if worker in self._joined_s:
            copy = self._copies.pop(worker, None)
            if copy is not None:
                copy.timer.cancel()
                self._leave_host(copy)
            self._replace(worker)

    def _replace(self, worker: int) -> None:
        del self._joined_s[worker]
        self._listener.worker_lost(worker)
        self._loop.call_later(self._restart_s, self.join)

    def _leave_host(self, copy: _Copy) -> None:
        if copy.ticket is not None:
            self._host.leave(copy.ticket)
            copy.ticket = None

    def _serve(self, copy: _Copy) -> None:
        if copy.doomed_s is not None and copy.doomed_s < self._loop.time():
            return
        copy.is_serving = True
        service_s = self._service_s(copy.message.query, copy.message.task)
        if copy.doomed_s is not None and service_s > 0:
            return
        if self._host is None:
            copy.timer = self._loop.call_later(service_s, self._end, copy)
        else:
            copy.ticket = self._host.enter(service_s, lambda: self._end(copy))

    def _end(self, copy: _Copy) -> None:
        copy.ticket = None
        if copy.doomed_s is None or copy.doomed_s == self._loop.time():
            self._copies.pop(copy.worker, None)
            self._report(copy, is_cancelled=False)

    def _report(self, copy: _Copy, *, is_cancelled: bool) -> None:
        of = (copy.message.query, copy.message.task, copy.message.attempt)
        error = None if is_cancelled else self._fails(*of)
        now_s = self._loop.time()
        report = ResultMessage(*of, copy.started_s, now_s, None, b"", error, is_cancelled)
        assert self._listener is not None
        self._listener.task_ended(copy.worker, report)


class Reconstruction:
    """A ``reconstruct``, or a merge, that :class:`VirtualExecutor` makes take ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, results: object) -> object:
        return results


class VirtualExecutor(Executor):
    """Runs each :class:`Reconstruction` in virtual time, one after the other."""

    def __init__(self, loop: VirtualTimeLoop, host: VirtualHost | None = None) -> None:
        self._loop = loop
        self._host = host
        self._waiting: deque[tuple[Future[Any], Reconstruction, Any]] = deque()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue ``fn``, a :class:`Reconstruction`."""
        future: Future[Any] = Future()
        self._waiting.append((future, fn, *args))
        if len(self._waiting) == 1:
            self._begin()
        return future

    def _begin(self) -> None:
        seconds = self._waiting[0][1].seconds
        if self._host is None or seconds <= 0:
            self._loop.call_later(seconds, self._end)
        else:
            self._host.enter(seconds, self._end)

    def _end(self) -> None:
        future, function, results = self._waiting.popleft()
        future.set_result(function(results))
        if self._waiting:
            self._begin()
