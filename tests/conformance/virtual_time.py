"""Virtual time for asyncio: a loop that jumps from timer to timer, and fake workers on it."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

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

    def enter(self, demand_s: float, done: Callable[[], None]) -> None:
        """``done`` is called when the host has given ``demand_s`` seconds of work."""
        while self._due_s == self._loop.time():  # what ends at an instant ends before it
            self._fire()
        self._station.enter(self._loop.time(), done, demand_s)
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


class FakePool:
    """Workers that take given times: dedicated, or on one shared host.

    A worker first sleeps the injected delay, during which it does not burden the host.

    Args:
        loop: whose time passes.
        service_s: (query, task) -> seconds of work.
        fails: (query, task, attempt) -> the error of that copy, if any.
        host: what the workers share; ``None`` for dedicated ones.
    """

    kind = "fake"
    cancel = "none"

    def __init__(
        self,
        loop: VirtualTimeLoop,
        service_s: Callable[[int, int], float],
        fails: Callable[[int, int, int], str | None],
        host: VirtualHost | None = None,
    ) -> None:
        self._loop = loop
        self._service_s = service_s
        self._fails = fails
        self._host = host
        self._listener: PoolListener | None = None

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
            for worker in range(workers):
                listener.worker_joined(worker)

    def submit(self, worker: int, message: TaskMessage) -> None:
        """Sleep, then serve."""
        started_s = self._loop.time()
        self._loop.call_later(message.delay_s, self._serve, worker, message, started_s)

    def _serve(self, worker: int, message: TaskMessage, started_s: float) -> None:
        service_s = self._service_s(message.query, message.task)
        if self._host is None:
            self._loop.call_later(service_s, self._end, worker, message, started_s)
        else:
            self._host.enter(service_s, lambda: self._end(worker, message, started_s))

    def _end(self, worker: int, message: TaskMessage, started_s: float) -> None:
        copy = (message.query, message.task, message.attempt)
        now_s = self._loop.time()
        report = ResultMessage(*copy, started_s, now_s, None, b"", self._fails(*copy))
        assert self._listener is not None
        self._listener.task_ended(worker, report)


class Reconstruction:
    """A ``reconstruct`` that :class:`VirtualExecutor` makes take ``seconds``."""

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
