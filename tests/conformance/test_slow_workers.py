"""Slow workers are the same in both worlds, whatever a pool did before."""

from __future__ import annotations

import asyncio
import time

import pytest
from realpools import Echo

from qcutsim.runtime import Driver, QueryWork, make_pool
from qcutsim.stragglers import InjectedDelays, Stragglers


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.usefixtures("task_functions")
def test_workers_are_counted_anew_by_every_driver(kind):
    """So that who is slow does not depend on how many workers were replaced before."""
    seen: list[set[int]] = []

    async def main() -> None:
        pool = make_pool(kind, 2, "echo:echo")
        await pool.start()
        try:
            for _ in range(2):
                asked: set[int] = set()

                def delay_s(task: int, attempt: int, worker: int, asked: set[int] = asked) -> float:
                    asked.add(worker)
                    return 0.0

                async with Driver(pool, workers=2, clock=time.monotonic) as driver:
                    work = QueryWork(tasks=[Echo(b"x")] * 20, reconstruct=list, delay_s=delay_s)
                    await driver.execute(0, work)
                seen.append(asked)
                pool.abandon(min(pool._threads if kind == "threads" else pool.process_ids()))
                await pool.ready()
        finally:
            await pool.stop()

    asyncio.run(main())
    assert all(asked <= {0, 1} for asked in seen)
    assert set().union(*seen) == {0, 1}


def test_a_slow_worker_is_one_of_its_number():
    stragglers = Stragglers(probability=0.5, delay_s=1.0, per="worker")
    first = InjectedDelays(stragglers, 3, 5, repetition=0, index=0)
    second = InjectedDelays(stragglers, 3, 9, repetition=0, index=4)
    slow = [first(0, 0, worker) > 0 for worker in range(20)]
    assert slow == [second(7, 1, worker) > 0 for worker in range(20)]
    assert {True, False} == set(slow)
