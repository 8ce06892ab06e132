"""Queries in flight: as many at once as a window lets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from qcutsim.errors import ExecutionError


async def run_in_window(
    window: int, calls: Iterable[Callable[[], Coroutine[Any, Any, None]]]
) -> None:
    """Await what each call makes, begun in order, at most ``window`` of them at once.

    The first that raises cancels the others, and its exception is raised.
    """
    waiting = iter(calls)

    async def serve() -> None:
        for call in waiting:
            try:
                await call()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise ExecutionError("a query was cancelled by what it waited for") from None

    if window == 1:
        await serve()
        return
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(window):
                group.create_task(serve())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
