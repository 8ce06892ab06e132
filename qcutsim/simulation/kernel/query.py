"""Queries through the loop one after the other, and those that need no loop."""

from __future__ import annotations

from numba import njit

from qcutsim.simulation.kernel.choosing import submit
from qcutsim.simulation.kernel.heaps import replace_least
from qcutsim.simulation.kernel.loop import compute, decide, run_on
from qcutsim.simulation.kernel.memory import (
    BATCH,
    BATCH_AT,
    BEGUN,
    CPU_S,
    ENDS_AT,
    EXECUTED_S,
    FIRST,
    GROUP_COUNT,
    GROUPS_AT,
    IS_STAGE,
    LEFT,
    NOW_S,
    STAGE_OVER,
    Array,
)

ARRIVED, PARTITION, GENERATE, SUBMITTED, EXECUTED, RECONSTRUCTED, CPU = range(7)
FOUND = 7
"""Columns of what a query comes to, in seconds."""

TASK_AT, END_AT, GROUP_AT, GROUPS = range(4)
PLACES = 4
"""Columns of where a query's tasks, ends and groups begin, and of how many groups there are."""


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
    stages_s: Array,
    found: Array,
) -> None:
    """Simulate queries; ``stages_s`` has (partition, generate, reconstruct), ``found`` is filled.

    ``places`` has a row a query and one more, of what would come after the last.
    """
    for query in range(len(found)):
        first, count = places[query, TASK_AT], places[query + 1, TASK_AT] - places[query, TASK_AT]
        whole[FIRST], whole[ENDS_AT] = first, places[query, END_AT]
        whole[GROUPS_AT], whole[GROUP_COUNT] = places[query, GROUP_AT], places[query, GROUPS]
        row = found[query]
        row[ARRIVED] = real[NOW_S]
        stage(whole, real, times, tasks, speeds, ends, groups, stages_s[query, 0])
        row[PARTITION] = real[NOW_S] - row[ARRIVED]
        stage(whole, real, times, tasks, speeds, ends, groups, stages_s[query, 1])
        row[GENERATE] = real[NOW_S] - row[ARRIVED] - row[PARTITION]
        row[SUBMITTED] = real[EXECUTED_S] = real[NOW_S]
        real[CPU_S], whole[BEGUN], whole[LEFT] = 0.0, 0, count
        submit(whole, real, ends, groups, count)
        decide(whole, real, tasks, ends, groups)
        whole[BATCH], whole[BATCH_AT] = 0, -1
        run_on(whole, real, times, tasks, speeds, ends, groups, LEFT)
        row[EXECUTED] = real[EXECUTED_S]
        stage(whole, real, times, tasks, speeds, ends, groups, stages_s[query, 2])
        row[RECONSTRUCTED] = real[NOW_S]
        row[CPU] = real[CPU_S]


@njit(cache=True, nogil=True)
def stage(
    whole: Array,
    real: Array,
    times: Array,
    tasks: Array,
    speeds: Array,
    ends: Array,
    groups: Array,
    seconds: float,
) -> None:
    """The coordinator is busy with a stage of the query."""
    if seconds > 0:
        whole[IS_STAGE] = 1
        compute(whole, real, speeds, seconds, STAGE_OVER)
        run_on(whole, real, times, tasks, speeds, ends, groups, IS_STAGE)


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
