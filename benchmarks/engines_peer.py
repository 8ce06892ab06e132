"""The peer of the compiled engine: a heap of when workers are free, and nothing else."""

from __future__ import annotations

import heapq
from typing import Any

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
