"""The engines' peers: a heap of when workers are free, and SimPy workers, with nothing else."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import simpy
from numba import njit


@njit(cache=True)
def heap_farm(workers: int, service_s: Any) -> float:
    """Makespan of tasks in order, each on the worker that is free first."""
    free_s = [0.0 for _ in range(workers)]
    end_s = 0.0
    for task in range(len(service_s)):
        ends_s = free_s[0] + service_s[task]
        heapq.heapreplace(free_s, ends_s)
        end_s = max(end_s, ends_s)
    return end_s


def simpy_farm(workers: int, service_s: list[float]) -> float:
    """Makespan of the same in SimPy: workers that take the next task, no dispatcher, no records."""
    env, waiting = simpy.Environment(), iter(service_s)

    def work() -> Iterator[simpy.Event]:
        for seconds in waiting:
            yield env.timeout(seconds)

    for _ in range(workers):
        env.process(work())
    env.run()
    return float(env.now)
