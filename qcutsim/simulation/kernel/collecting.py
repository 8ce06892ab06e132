"""What the coordinator learns from a message, as the dispatcher does from an event."""

from __future__ import annotations

import numpy as np

from qcutsim.simulation.kernel.cancelling import cancel_others, close, seal
from qcutsim.simulation.kernel.choosing import SPECULATIVE, finished, submit
from qcutsim.simulation.kernel.compiled import compiled, inlined
from qcutsim.simulation.kernel.hosting import schedule
from qcutsim.simulation.kernel.memory import (
    ATTEMPT_BITS,
    COLLECT_CPU,
    COLLECTED,
    COMPLETED,
    CPU,
    END_AT,
    ENDS,
    ENDS_AT,
    EXECUTED,
    FIRST,
    FOUND,
    FOUND_AT,
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
    LOWEST,
    MESSAGE_BITS,
    NEXT_STAGE,
    NOW_S,
    OPEN_TASKS,
    OVER,
    PLACES,
    PLACES_AT,
    POLICY,
    QUERIES,
    QUERY,
    RELEASES,
    ROW,
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


@inlined
def collect(whole: Array, real: Array, times: Array, tasks: Array, message: int) -> None:
    """Take in one message."""
    kind, what = message >> MESSAGE_BITS, message & ((1 << MESSAGE_BITS) - 1)
    if kind == TASK_ENDED:
        task_ended(whole, real, times, tasks, what)
    elif kind == HAS_FIRED:
        timer = whole[TIMER_AT] + what
        if real[timer] == real[TIMER_S]:
            real[TIMER_S] = np.inf
        real[timer] = np.inf
    elif kind == IS_SUBMITTED:
        begin_query(whole, real)
    elif kind == IS_RECONSTRUCTED:
        end_query(whole, real, times, tasks)
    elif kind == WORKER_LOST:
        worker_lost(whole, real, times, tasks, what % whole[WORKERS])
    else:
        worker = what % whole[WORKERS]
        whole[whole[IS_IDLE] + worker] = 1
        whole[IDLE] += 1
        whole[KNOWN] += 1
        real[whole[SLOWNESS] + worker] = 0.0


@compiled
def begin_query(whole: Array, real: Array) -> None:
    """The query's tasks are ready."""
    own = whole[PLACES_AT] + whole[QUERY] * PLACES
    first = whole[FIRST] = whole[own + TASK_AT]
    count = whole[LEFT] = whole[own + PLACES + TASK_AT] - first
    whole[ENDS_AT] = whole[ENDS] + whole[own + END_AT]
    whole[GROUPS_AT] = whole[RELEASES] + whole[own + GROUP_AT]
    whole[GROUP_COUNT] = whole[own + GROUPS]
    real[whole[ROW] + SUBMITTED] = real[whole[ROW] + EXECUTED] = real[NOW_S]
    submit(whole, real, count)
    if count == 0:
        schedule(whole, real, 0.0, NEXT_STAGE)


@compiled
def end_query(whole: Array, real: Array, times: Array, tasks: Array) -> None:
    """The query's value is there; the next one comes."""
    if whole[POLICY] == SPECULATIVE:
        seal(whole, real, times, tasks)
        whole[RUNNING] = whole[OPEN_TASKS] = 0
    real[whole[ROW] + COMPLETED] = real[NOW_S]
    whole[FIRST] = whole[TOTAL]  # no task of the block belongs to a query that is open
    whole[QUERY] += 1
    if whole[QUERY] < whole[QUERIES]:
        whole[ROW] += FOUND
        schedule(whole, real, 0.0, NEXT_STAGE)


@inlined
def task_ended(whole: Array, real: Array, times: Array, tasks: Array, what: int) -> None:
    """A copy of a task finished or was cancelled; its worker is idle."""
    task = what >> ATTEMPT_BITS
    run = task + (what & ((1 << ATTEMPT_BITS) - 1)) * whole[TOTAL]
    row = whole[ROW]
    if task < whole[FIRST]:  # perhaps of a query that is over
        row = row_of(whole, task)
    real[row + CPU] += times[COLLECT_CPU, task]
    worker = tasks[WORKER, run]
    whole[whole[IS_IDLE] + worker] = 1
    whole[IDLE] += 1
    if worker < whole[LOWEST]:
        whole[LOWEST] = worker
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
        cancel_others(whole, real, times, tasks, run)
    else:
        times[COLLECTED, run] = real[NOW_S]
        finished(whole, real, tasks, task)
    whole[LEFT] -= 1
    if whole[LEFT] == 0:
        real[whole[ROW] + EXECUTED] = real[NOW_S]
        schedule(whole, real, 0.0, NEXT_STAGE)


@compiled
def row_of(whole: Array, task: int) -> int:
    """Where what a query comes to is noted, by one of its tasks."""
    query = min(whole[QUERY], whole[QUERIES] - 1)
    while whole[whole[PLACES_AT] + query * PLACES + TASK_AT] > task:
        query -= 1
    return int(whole[FOUND_AT] + query * FOUND)


@compiled
def worker_lost(whole: Array, real: Array, times: Array, tasks: Array, worker: int) -> None:
    """A worker was killed with the copy that it ran."""
    run = whole[whole[HELD] + worker]
    whole[whole[HELD] + worker] = -1
    tasks[STATE, run] = OVER
    if run % whole[TOTAL] >= whole[FIRST]:
        copy_ended(whole, real, times, tasks, run)
    close(real, times, tasks, run)
    whole[KNOWN] -= 1
