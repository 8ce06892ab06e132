"""Queries through the loop one after the other, and those that need no loop."""

from __future__ import annotations

from numba import njit

from qcutsim.simulation.kernel.heaps import replace_least
from qcutsim.simulation.kernel.hosting import compute, tell_coordinator
from qcutsim.simulation.kernel.loop import GOES_ON, STAGE_IS_OVER, end_jobs, go_on, next_thing
from qcutsim.simulation.kernel.memory import (
    ARRIVED,
    FIRST,
    GENERATE,
    IS_RECONSTRUCTED,
    IS_SUBMITTED,
    NEXT_STAGE,
    NOW_S,
    PARTITION,
    QUERY,
    RECONSTRUCTED,
    STAGE,
    TOTAL,
    Array,
)

COMES, PARTITIONS, GENERATES, EXECUTES, RECONSTRUCTS = range(5)
"""What a query does."""


@njit(cache=True, nogil=True)
def run_queries(
    whole: Array,
    real: Array,
    times: Array,
    tasks: Array,
    speeds: Array,
    ends: Array,
    groups: Array,
    places: Array,
    stages: Array,
    found: Array,
) -> None:
    """Simulate queries, one after the other, until nothing is left to happen; fills ``found``.

    Raises:
        OverflowError: more timers are pending than there is room for.
    """
    whole[FIRST] = whole[TOTAL]
    follows = STAGE_IS_OVER
    while follows >= 0:
        if follows & STAGE_IS_OVER:
            end_jobs(whole, real, times, tasks, speeds)
            next_stage(whole, real, speeds, stages, found)
        if follows & GOES_ON:
            go_on(whole, real, times, tasks, speeds, ends, groups, places, found)
        follows = next_thing(whole, real, times, tasks, speeds)


@njit(cache=True, nogil=True)
def next_stage(whole: Array, real: Array, speeds: Array, stages: Array, found: Array) -> None:
    """The query comes, or is through with what it did; the coordinator turns to what is next."""
    query = whole[QUERY]
    row, now_s = found[query], real[NOW_S]
    if whole[STAGE] == COMES:
        row[ARRIVED], whole[STAGE] = now_s, PARTITIONS
        if stages[query, 0] > 0:
            compute(whole, real, speeds, stages[query, 0], NEXT_STAGE)
            return
    if whole[STAGE] == PARTITIONS:
        row[PARTITION], whole[STAGE] = now_s - row[ARRIVED], GENERATES
        if stages[query, 1] > 0:
            compute(whole, real, speeds, stages[query, 1], NEXT_STAGE)
            return
    if whole[STAGE] == GENERATES:
        row[GENERATE], whole[STAGE] = now_s - row[ARRIVED] - row[PARTITION], EXECUTES
        tell_coordinator(whole, real, IS_SUBMITTED, 0)
        return
    if whole[STAGE] == EXECUTES:
        whole[STAGE] = RECONSTRUCTS
        if stages[query, 2] > 0:
            compute(whole, real, speeds, stages[query, 2], NEXT_STAGE)
            return
    row[RECONSTRUCTED], whole[STAGE] = now_s, COMES
    tell_coordinator(whole, real, IS_RECONSTRUCTED, 0)


@njit(cache=True, nogil=True)
def run_free(
    workers: int,
    service_s: Array,
    delay_s: Array,
    order: Array,
    begin_s: float,
    keys: Array,
    numbers: Array,
) -> float:
    """Tasks in order on dedicated workers where nothing but their work takes time.

    Returns when the last one ends. ``keys`` and ``numbers`` hold an entry a worker.
    """
    tasks, end_s = len(order), begin_s
    running = min(workers, tasks)
    for place in range(running):
        keys[place], numbers[place] = -1.0, -1
    for place in range(tasks):
        task = order[place]
        now_s = begin_s if place < running else keys[0]
        ends_s = now_s + delay_s[task] + service_s[task]
        replace_least(keys, numbers, running, ends_s, task)
        end_s = max(end_s, ends_s)
    return end_s
