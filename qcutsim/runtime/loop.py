"""Running a coroutine from ordinary code, also where an event loop already runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
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

    async def await_task() -> T:
        return await task

    with ThreadPoolExecutor(1) as executor:
        try:
            return executor.submit(_run_and_close, runner, await_task()).result()
        except BaseException:
            with suppress(RuntimeError):  # the loop is closed: there is nothing left to cancel
                loop.call_soon_threadsafe(task.cancel)
            raise


def _run_and_close(runner: asyncio.Runner, coroutine: Coroutine[Any, Any, T]) -> T:
    with runner:
        return runner.run(coroutine)
