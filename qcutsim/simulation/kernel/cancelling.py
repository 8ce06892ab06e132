"""What becomes of copies that nobody needs any more, as in :mod:`qcutsim.simulation.workers`."""

from __future__ import annotations

from qcutsim.simulation.kernel.compiled import compiled
from qcutsim.simulation.kernel.heaps import place_of, remove
from qcutsim.simulation.kernel.hosting import advance, schedule, tell_coordinator, watch
from qcutsim.simulation.kernel.memory import (
    ARRIVE,
    ATTEMPT_BITS,
    BEGIN,
    CANCEL,
    COLLECTED,
    COPIES,
    DELAY,
    DISPATCHED,
    ENDED,
    EVENT_ITEM,
    EVENT_NUMBER,
    EVENT_S,
    EVENTS,
    FIRST,
    GIVEN_UP,
    HELD,
    IS_CANCELLED,
    IS_SEALED,
    IS_SLOW,
    JOB_ITEM,
    JOB_NUMBER,
    JOB_WORK,
    JOBS,
    JOIN,
    KINDS,
    NOW_S,
    NUMBER,
    OVER,
    RESTART_S,
    RETURNING,
    SENT,
    STARTED,
    STATE,
    TASK_ENDED,
    TOTAL,
    WORKER,
    WORKER_LOST,
    WORKER_NUMBER,
    WORKERS,
    Array,
)

NONE, SLEEP_ONLY, KILL = range(3)


@compiled
def cancel_others(whole: Array, real: Array, times: Array, tasks: Array, run: int) -> None:
    """A task is done: cancel its other copies, in the order of their workers' numbers."""
    task = run % whole[TOTAL]
    before = -1
    while True:
        least = -1
        for attempt in range(tasks[COPIES, task]):
            other = task + attempt * whole[TOTAL]
            number = tasks[WORKER_NUMBER, other]
            if other == run or tasks[STATE, other] == OVER or number <= before:
                continue
            if least < 0 or number < tasks[WORKER_NUMBER, least]:
                least = other
        if least < 0:
            return
        before = tasks[WORKER_NUMBER, least]
        cancel(whole, real, times, tasks, least)


@compiled
def cancel(whole: Array, real: Array, times: Array, tasks: Array, run: int) -> None:
    """Do what can be done about a copy that nobody needs."""
    if tasks[STATE, run] >= RETURNING:
        return
    worker = tasks[WORKER, run]
    if whole[CANCEL] == KILL:
        tasks[STATE, run] = GIVEN_UP
        forget(whole, real, run)
        message = whole[whole[NUMBER] + worker] * whole[WORKERS] + worker
        tell_coordinator(whole, real, WORKER_LOST, message)
        schedule(whole, real, real[RESTART_S], KINDS * worker + JOIN)
    elif whole[CANCEL] == SLEEP_ONLY and tasks[STATE, run] == SENT:
        if times[DELAY, run] * whole[whole[IS_SLOW] + tasks[WORKER_NUMBER, run]] <= 0:
            return
        tasks[STATE, run] = GIVEN_UP
        forget(whole, real, run)
        whole[whole[HELD] + worker] = -1
        tasks[IS_CANCELLED, run] = 1
        times[STARTED, run] = max(times[STARTED, run], times[DISPATCHED, run])
        times[ENDED, run] = real[NOW_S]
        tell_coordinator(whole, real, TASK_ENDED, message_of(whole, run))


@compiled
def message_of(whole: Array, run: int) -> int:
    """A run as it is told to the coordinator: by task, then by attempt."""
    if run < whole[TOTAL]:
        return run << ATTEMPT_BITS
    return int((run % whole[TOTAL]) << ATTEMPT_BITS | run // whole[TOTAL])


@compiled
def forget(whole: Array, real: Array, run: int) -> None:
    """Whatever was to happen to a run does not."""
    items = KINDS * run + BEGIN, KINDS * run + ARRIVE
    place = place_of(whole, whole[EVENT_ITEM], whole[EVENTS], *items)
    if place >= 0:
        places = whole[EVENT_S], whole[EVENT_NUMBER], whole[EVENT_ITEM]
        whole[EVENTS] = remove(whole, real, *places, whole[EVENTS], place)
    place = place_of(whole, whole[JOB_ITEM], whole[JOBS], *items)
    if place >= 0:
        advance(whole, real)
        places = whole[JOB_WORK], whole[JOB_NUMBER], whole[JOB_ITEM]
        whole[JOBS] = remove(whole, real, *places, whole[JOBS], place)
        watch(whole, real)


@compiled
def seal(whole: Array, real: Array, times: Array, tasks: Array) -> None:
    """The query has ended; what still runs of it is seen as it is now."""
    for worker in range(whole[WORKERS]):
        run = whole[whole[HELD] + worker]
        if run >= 0 and run % whole[TOTAL] >= whole[FIRST]:
            close(real, times, tasks, run)
            tasks[IS_SEALED, run] = 1


@compiled
def close(real: Array, times: Array, tasks: Array, run: int) -> None:
    """It ends now without a result; when it began is not known."""
    if tasks[IS_SEALED, run] == 0:
        tasks[IS_CANCELLED, run] = 1
        times[STARTED, run] = times[DISPATCHED, run]
        times[ENDED, run] = times[COLLECTED, run] = real[NOW_S]
