"""Pools of the policies' benchmark outside a measurement: warmed up, and who in them is slow."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from policies_peers import EncodedTasks

from qcutsim.errors import ExecutionError
from qcutsim.runtime import Pool, ResultMessage, TaskMessage
from qcutsim.stragglers import InjectedDelays, Stragglers

MOST_REPLACEMENTS = 16
"""Workers that may come for killed ones in a block of queries, none of them slow."""


async def warm_up(pool: Pool, workers: int, tasks: EncodedTasks) -> None:
    """Run every task on every worker of a started pool."""
    await _WarmUp(pool, workers, tasks).run()


def workers_of(pool: Pool, count: int) -> list[int]:
    """Numbers of the workers that a driver of so many would use."""
    joined = _Joined()
    pool.attach(joined, count)
    pool.attach(None, 0)
    return joined.workers


def slow_repetition(stragglers: Stragglers, seed: int, workers: Sequence[int], which: int) -> int:
    """The first repetition in which of these workers only ``workers[which]`` is slow.

    Nor is any that would come for one that was killed.
    """
    later = max(workers) + 1
    replacements = range(later, later + MOST_REPLACEMENTS)
    for repetition in itertools.count():
        delay_s = InjectedDelays(stragglers, seed, 1, repetition=repetition, index=0)
        slow = [worker for worker in (*workers, *replacements) if delay_s(0, 0, worker) > 0]
        if slow == [workers[which]]:
            return repetition
    raise AssertionError("there are infinitely many repetitions")


class _Joined:
    """Hears which workers a pool has."""

    def __init__(self) -> None:
        self.workers: list[int] = []

    def worker_joined(self, worker: int) -> None:
        self.workers.append(worker)

    def worker_lost(self, worker: int) -> None:
        raise ExecutionError(f"worker {worker} was lost while nothing was measured")

    def pool_broken(self, error: str) -> None:
        raise ExecutionError(error)

    def task_ended(self, worker: int, report: ResultMessage) -> None:
        raise ExecutionError(f"worker {worker} ended a task that nobody gave it")


class _WarmUp(_Joined):
    """Runs every task on every worker of a pool."""

    def __init__(self, pool: Pool, workers: int, tasks: EncodedTasks) -> None:
        super().__init__()
        self._pool = pool
        self._size = workers
        self._tasks = tasks
        self._left = workers
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Returns when all have run."""
        self._pool.attach(self, self._size)
        await self._done.wait()
        self._pool.attach(None, 0)

    def worker_joined(self, worker: int) -> None:
        self._submit(worker, 0)

    def task_ended(self, worker: int, report: ResultMessage) -> None:
        if report.error is not None:
            raise ExecutionError(report.error)
        self._submit(worker, report.task + 1)

    def _submit(self, worker: int, number: int) -> None:
        if number < len(self._tasks):
            payload, context = self._tasks[number]
            self._pool.submit(worker, TaskMessage(0, number, 0, 0.0, payload), context)
            return
        self._left -= 1
        if self._left == 0:
            self._done.set()
