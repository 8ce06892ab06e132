"""Who owns an estimator's pool: a loop in the background, and workers started when needed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from qcutsim.estimator.poolspec import PoolSpec
from qcutsim.runtime import Pool, TaskFunctionSource, make_pool
from qcutsim.runtime.loop import LoopThread, run_async

T = TypeVar("T")


class PoolHost:
    """A pool of workers and the event loop it lives on.

    An inline pool has neither: it works wherever it is asked to.

    Args:
        spec: kind and size of the pool.
        function: what the workers run.
    """

    def __init__(self, spec: PoolSpec, function: TaskFunctionSource) -> None:
        self.spec = spec
        self._function = function
        self._loop = LoopThread("qcutsim-estimator")
        self._pool: Pool | None = None
        self.turn = asyncio.Lock()

    @property
    def is_inline(self) -> bool:
        """Whether work is done by the thread that asks for it."""
        return self.spec.kind == "inline"

    def run(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run ``coroutine`` in the background; of an inline pool to its end, here."""
        if not self.is_inline:
            return self._loop.submit(coroutine)
        future: Future[T] = Future()
        kept: list[T] = []

        async def keep() -> None:
            # Returned, the result would be formatted: asyncio.run shows its task to signal().
            kept.append(await coroutine)

        try:
            run_async(keep())
            future.set_result(kept[0])
        except Exception as error:
            future.set_exception(error)
        return future

    async def pool(self) -> Pool:
        """The pool, started; to be called with ``turn`` held unless it is inline."""
        if self.is_inline:
            return self._make()
        if self._pool is None:
            pool = self._make()
            await pool.start()
            self._pool = pool
        return self._pool

    def close(self) -> None:
        """Cancel what runs, stop the workers, and end the loop."""
        if self.is_inline:
            return
        self._loop.stop(self._stop_pool)

    def _make(self) -> Pool:
        return make_pool(self.spec.kind, self.spec.workers, self._function)

    async def _stop_pool(self) -> None:
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.stop()
