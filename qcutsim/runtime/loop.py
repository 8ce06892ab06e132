"""Running a coroutine from ordinary code, also where an event loop already runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
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
