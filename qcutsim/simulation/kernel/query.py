"""Queries through the loop one after the other, and those that need no loop."""

from __future__ import annotations

from qcutsim.simulation.kernel.compiled import compiled
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
    ROW,
    STAGE,
    STAGES,
    TOTAL,
    Array,
)

COMES, PARTITIONS, GENERATES, EXECUTES, RECONSTRUCTS = range(5)
"""What a query does."""


@compiled
def run_queries(whole: Array, real: Array, times: Array, tasks: Array) -> None:
    """Simulate queries, one after the other, until nothing is left to happen.

    Raises:
        OverflowError: more timers are pending than there is room for.
    """
    whole[FIRST] = whole[TOTAL]
    follows = STAGE_IS_OVER
    while follows >= 0:
        if follows & STAGE_IS_OVER:
            end_jobs(whole, real, times, tasks)
            next_stage(whole, real)
        if follows & GOES_ON:
            go_on(whole, real, times, tasks)
        follows = next_thing(whole, real, times, tasks)


@compiled
def next_stage(whole: Array, real: Array) -> None:
    """The query comes, or is through with what it did; the coordinator turns to what is next."""
    row, now_s = whole[ROW], real[NOW_S]
    stages = whole[STAGES] + 3 * whole[QUERY]
    if whole[STAGE] == COMES:
        real[row + ARRIVED], whole[STAGE] = now_s, PARTITIONS
        if real[stages] > 0:
            compute(whole, real, real[stages], NEXT_STAGE)
            return
    if whole[STAGE] == PARTITIONS:
        real[row + PARTITION], whole[STAGE] = now_s - real[row + ARRIVED], GENERATES
        if real[stages + 1] > 0:
            compute(whole, real, real[stages + 1], NEXT_STAGE)
            return
    if whole[STAGE] == GENERATES:
        whole[STAGE] = EXECUTES
        real[row + GENERATE] = now_s - real[row + ARRIVED] - real[row + PARTITION]
        tell_coordinator(whole, real, IS_SUBMITTED, 0)
        return
    if whole[STAGE] == EXECUTES:
        whole[STAGE] = RECONSTRUCTS
        if real[stages + 2] > 0:
            compute(whole, real, real[stages + 2], NEXT_STAGE)
            return
    real[row + RECONSTRUCTED], whole[STAGE] = now_s, COMES
    tell_coordinator(whole, real, IS_RECONSTRUCTED, 0)


@compiled
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
