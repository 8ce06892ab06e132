"""Running a coroutine from ordinary code, also where an event loop already runs."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` to its end; in a notebook's loop, in a thread of its own.

    An interrupt cancels it in either case, and waits for it to clean up.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    runner = asyncio.Runner()
    loop = runner.get_loop()
    task: asyncio.Task[T] = loop.create_task(coroutine)
    outcome: Future[T] = Future()

    async def await_task() -> T:
        return await task

    def run() -> None:
        try:
            with runner:
                outcome.set_result(runner.run(await_task()))
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="qcutsim-loop")
    try:
        thread.start()
        return outcome.result()
    except BaseException:
        with suppress(RuntimeError):  # the loop is closed: there is nothing left to cancel
            loop.call_soon_threadsafe(task.cancel)
        with suppress(RuntimeError):  # the thread never started
            thread.join()
        raise


class DaemonThreads(Executor):
    """Runs each call in a daemon thread of its own: one that is given up holds nothing up."""

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        call = partial(_settle, future, partial(fn, *args, **kwargs))
        threading.Thread(target=call, name=self._name, daemon=True).start()
        return future


class DaemonThread(Executor):
    """Runs calls one after the other in one daemon thread: nothing waits for it at exit."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._calls.put(lambda: _settle(future, partial(fn, *args, **kwargs)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread once what was submitted is done; it is not waited for."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    """Run ``call``, unless the future is cancelled, and put what comes of it into the future."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        settle = partial(future.set_exception, error)
    else:
        settle = partial(future.set_result, result)
    with suppress(InvalidStateError, RuntimeError):  # its loop is closed
        settle()


class LoopThread:
    """An event loop in a daemon thread of its own, for callers that have none, or one that runs.

    It starts when first used. Nothing holds up the interpreter's exit.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Schedule ``coroutine``; cancelling the future cancels it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name=self._name, daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what runs, await ``last()``, end the loop and wait for its thread.

        From the loop's own thread, where it cannot be waited for, it ends soon after. A later
        :meth:`submit` starts a new loop.
        """
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_wind_up(last), loop)
        if threading.current_thread() is not thread:
            thread.join()


async def _wind_up(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    try:
        await last()
    finally:
        asyncio.get_running_loop().stop()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
