"""What the coordinator learns from a message, as the dispatcher does from an event."""

from __future__ import annotations

import numpy as np
from numba import njit

from qcutsim.simulation.kernel.cancelling import cancel_others, close, seal
from qcutsim.simulation.kernel.choosing import SPECULATIVE, finished, submit
from qcutsim.simulation.kernel.hosting import schedule
from qcutsim.simulation.kernel.memory import (
    ATTEMPT_BITS,
    COLLECT_CPU,
    COLLECTED,
    COMPLETED,
    CPU,
    END_AT,
    ENDS_AT,
    EXECUTED,
    FIRST,
    GIVEN_UP,
    GROUP_AT,
    GROUP_COUNT,
    GROUPS,
    GROUPS_AT,
    HAS_FIRED,
    HELD,
    IDLE,
    IS_DONE,
    IS_IDLE,
    IS_RECONSTRUCTED,
    IS_SEALED,
    IS_SUBMITTED,
    KNOWN,
    LEFT,
    MESSAGE_BITS,
    NEXT_STAGE,
    NOW_S,
    OPEN_TASKS,
    OVER,
    POLICY,
    QUERY,
    RUNNING,
    SLOWNESS,
    STATE,
    SUBMITTED,
    TASK_AT,
    TASK_ENDED,
    TIMER_AT,
    TIMER_S,
    TOTAL,
    WORKER,
    WORKER_LOST,
    WORKERS,
    Array,
)
from qcutsim.simulation.kernel.speculation import copy_ended, copy_finished


@njit(cache=True, nogil=True)
def collect(
    whole: Array,
    real: Array,
    times: Array,
    tasks: Array,
    speeds: Array,
    ends: Array,
    groups: Array,
    places: Array,
    found: Array,
    message: int,
) -> None:
    """Take in one message."""
    kind, what = message >> MESSAGE_BITS, message & ((1 << MESSAGE_BITS) - 1)
    if kind == TASK_ENDED:
        task_ended(whole, real, times, tasks, speeds, places, found, what)
    elif kind == HAS_FIRED:
        timer = whole[TIMER_AT] + what
        if real[timer] == real[TIMER_S]:
            real[TIMER_S] = np.inf
        real[timer] = np.inf
    elif kind == IS_SUBMITTED:
        begin_query(whole, real, ends, groups, places, found)
    elif kind == IS_RECONSTRUCTED:
        end_query(whole, real, times, tasks, found)
    elif kind == WORKER_LOST:
        worker_lost(whole, real, times, tasks, what % whole[WORKERS])
    else:
        worker = what % whole[WORKERS]
        whole[whole[IS_IDLE] + worker] = 1
        whole[IDLE] += 1
        whole[KNOWN] += 1
        real[whole[SLOWNESS] + worker] = 0.0


@njit(cache=True, nogil=True)
def begin_query(
    whole: Array, real: Array, ends: Array, groups: Array, places: Array, found: Array
) -> None:
    """The query's tasks are ready."""
    query = whole[QUERY]
    first = whole[FIRST] = places[query, TASK_AT]
    count = whole[LEFT] = places[query + 1, TASK_AT] - first
    whole[ENDS_AT], whole[GROUPS_AT] = places[query, END_AT], places[query, GROUP_AT]
    whole[GROUP_COUNT] = places[query, GROUPS]
    found[query, SUBMITTED] = found[query, EXECUTED] = real[NOW_S]
    submit(whole, real, ends, groups, count)
    if count == 0:
        schedule(whole, real, 0.0, NEXT_STAGE)


@njit(cache=True, nogil=True)
def end_query(whole: Array, real: Array, times: Array, tasks: Array, found: Array) -> None:
    """The query's value is there; the next one comes."""
    if whole[POLICY] == SPECULATIVE:
        seal(whole, real, times, tasks)
        whole[RUNNING] = whole[OPEN_TASKS] = 0
    found[whole[QUERY], COMPLETED] = real[NOW_S]
    whole[FIRST] = whole[TOTAL]  # no task of the block belongs to a query that is open
    whole[QUERY] += 1
    if whole[QUERY] < len(found):
        schedule(whole, real, 0.0, NEXT_STAGE)


@njit(cache=True, nogil=True)
def task_ended(
    whole: Array,
    real: Array,
    times: Array,
    tasks: Array,
    speeds: Array,
    places: Array,
    found: Array,
    what: int,
) -> None:
    """A copy of a task finished or was cancelled; its worker is idle."""
    task = what >> ATTEMPT_BITS
    run = task + (what & ((1 << ATTEMPT_BITS) - 1)) * whole[TOTAL]
    query = min(whole[QUERY], len(found) - 1)
    while places[query, TASK_AT] > task:
        query -= 1
    found[query, CPU] += times[COLLECT_CPU, task]
    whole[whole[IS_IDLE] + tasks[WORKER, run]] = 1
    whole[IDLE] += 1
    if whole[POLICY] == SPECULATIVE:
        if tasks[IS_SEALED, run] == 0:
            times[COLLECTED, run] = real[NOW_S]
        was_given_up = tasks[STATE, run] == GIVEN_UP
        tasks[STATE, run] = OVER
        if task < whole[FIRST]:
            return
        if was_given_up:
            copy_ended(whole, real, times, tasks, run)
            return
        copy_finished(whole, real, times, tasks, run)
        if tasks[IS_DONE, task] == 1:
            return
        tasks[IS_DONE, task] = 1
        cancel_others(whole, real, times, tasks, speeds, run)
    else:
        times[COLLECTED, run] = real[NOW_S]
        finished(whole, real, tasks, task)
    whole[LEFT] -= 1
    if whole[LEFT] == 0:
        found[query, EXECUTED] = real[NOW_S]
        schedule(whole, real, 0.0, NEXT_STAGE)


@njit(cache=True, nogil=True)
def worker_lost(whole: Array, real: Array, times: Array, tasks: Array, worker: int) -> None:
    """A worker was killed with the copy that it ran."""
    run = whole[whole[HELD] + worker]
    whole[whole[HELD] + worker] = -1
    tasks[STATE, run] = OVER
    if run % whole[TOTAL] >= whole[FIRST]:
        copy_ended(whole, real, times, tasks, run)
    close(real, times, tasks, run)
    whole[KNOWN] -= 1
