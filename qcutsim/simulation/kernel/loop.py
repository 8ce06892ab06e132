"""The loop: events, the coordinator's turns, and what follows from them, as in the farm.

At one instant the host's jobs end first, then come events in the order in which they were
scheduled, and the coordinator takes its turn when nothing else is left to happen at it; messages
are ordered as :func:`qcutsim.dispatch.order_key` orders events.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from qcutsim.simulation.kernel.choosing import choose, finished, wake_s
from qcutsim.simulation.kernel.heaps import pop, push
from qcutsim.simulation.kernel.memory import (
    ACTION_AT,
    ACTION_TASK,
    ACTION_WORKER,
    ACTIONS,
    BATCH,
    BATCH_AT,
    BATCH_ITEM,
    BATCH_S,
    BEGIN,
    BEGUN,
    COLLECT,
    COLLECT_CPU,
    COLLECT_LATENCY,
    COLLECTED,
    COORDINATOR,
    CPU_S,
    DELAY,
    DISPATCH,
    DISPATCH_CPU,
    DISPATCHED,
    DUE_S,
    END,
    ENDED,
    ENTERED,
    EVENT_ITEM,
    EVENT_NUMBER,
    EVENT_S,
    EVENTS,
    EXECUTED_S,
    FIRST,
    HANDLE,
    IDLE,
    INBOX,
    INBOX_ITEM,
    INBOX_S,
    IS_IDLE,
    IS_SLOW,
    IS_STAGE,
    JOB_ITEM,
    JOB_NUMBER,
    JOB_WORK,
    JOBS,
    KINDS,
    LAST_S,
    LEFT,
    MOST_TIMERS,
    NOW_S,
    PHASE,
    REST,
    SEND,
    SEQUENCE,
    SERVE,
    SERVICE,
    STAGE_OVER,
    START,
    STARTED,
    STARTED_TASK,
    TIMER,
    TIMER_AT,
    TIMER_S,
    TOLD,
    WANTED_S,
    WORK_S,
    WORKER,
    Array,
)

NOBODY = -1


@njit(cache=True, nogil=True)
def schedule(whole: Array, real: Array, delay_s: float, item: int) -> None:
    """Let an item happen in a while."""
    at_s = real[NOW_S] + (delay_s if delay_s > 0 else 0.0)
    whole[SEQUENCE] += 1
    places = whole[EVENT_S], whole[EVENT_NUMBER], whole[EVENT_ITEM]
    whole[EVENTS] = push(whole, real, *places, whole[EVENTS], at_s, whole[SEQUENCE], item)


@njit(cache=True, nogil=True)
def enter(whole: Array, real: Array, speeds: Array, demand_s: float, item: int) -> None:
    """A job becomes busy on the host; as :meth:`qcutsim.simulation.SharedHost.enter`."""
    jobs, now_s = whole[JOBS], real[NOW_S]
    if jobs > 0:
        real[WORK_S] += (now_s - real[LAST_S]) * speeds[jobs]
    elif now_s > real[LAST_S]:
        real[WORK_S] = 0.0
    real[LAST_S] = now_s
    whole[ENTERED] += 1
    places = whole[JOB_WORK], whole[JOB_NUMBER], whole[JOB_ITEM]
    work = real[WORK_S] + demand_s
    whole[JOBS] = push(whole, real, *places, jobs, work, whole[ENTERED], item)
    watch(whole, real, speeds)


@njit(cache=True, nogil=True)
def watch(whole: Array, real: Array, speeds: Array) -> None:
    """When the host's next job is done."""
    if whole[JOBS] == 0:
        real[DUE_S] = np.inf
        return
    left = real[whole[JOB_WORK]] - real[WORK_S]
    delay_s = left / speeds[whole[JOBS]] if left > 0 else 0.0
    real[DUE_S] = real[NOW_S] + delay_s


@njit(cache=True, nogil=True)
def compute(whole: Array, real: Array, speeds: Array, seconds: float, item: int) -> None:
    """The coordinator computes, longer where its host is shared."""
    if len(speeds) > 0:
        enter(whole, real, speeds, seconds, item)
    else:
        schedule(whole, real, seconds, item)


@njit(cache=True, nogil=True)
def tell_coordinator(whole: Array, real: Array, message: int) -> None:
    """A message: a task that finished, or, below 0, a timer that fired."""
    place = whole[INBOX]
    real[whole[INBOX_S] + place] = real[NOW_S]
    whole[whole[INBOX_ITEM] + place] = message
    whole[INBOX] += 1


@njit(cache=True, nogil=True)
def happen(whole: Array, real: Array, times: Array, tasks: Array, speeds: Array, item: int) -> bool:
    """One thing that was due; returns whether the coordinator goes on."""
    kind, task = item % KINDS, item // KINDS
    if kind == COORDINATOR:
        return True
    if kind == STAGE_OVER:
        whole[IS_STAGE] = 0
        return False
    if kind == TIMER:
        tell_coordinator(whole, real, NOBODY - task)
        return False
    column = whole[FIRST] + task
    if kind == BEGIN:
        times[STARTED, column] = real[NOW_S]
        delay_s = times[DELAY, column] * whole[whole[IS_SLOW] + tasks[WORKER, column]]
        if delay_s > 0:
            schedule(whole, real, delay_s, KINDS * task + SERVE)
            return False
        kind = SERVE
    if kind == SERVE:
        if len(speeds) > 0:
            enter(whole, real, speeds, times[SERVICE, column], KINDS * task + END)
            return False
        if times[SERVICE, column] > 0:
            schedule(whole, real, times[SERVICE, column], KINDS * task + END)
            return False
        kind = END
    if kind == END:
        times[ENDED, column] = real[NOW_S]
        if times[COLLECT_LATENCY, column] > 0:
            schedule(whole, real, times[COLLECT_LATENCY, column], KINDS * task + END + 1)
            return False
    tell_coordinator(whole, real, task)
    return False


@njit(cache=True, nogil=True)
def comes_after(one_s: float, one: int, other_s: float, other: int) -> bool:
    """Order of messages: time, then tasks by number, then timers."""
    if one_s != other_s:
        return one_s > other_s
    if (one < 0) != (other < 0):
        return one < 0
    return one > other if one >= 0 else one < other


@njit(cache=True, nogil=True)
def take_turn(whole: Array, real: Array) -> None:
    """The coordinator takes up all messages, in order."""
    count, batch_s, batch_item = whole[INBOX], whole[BATCH_S], whole[BATCH_ITEM]
    for place in range(count):
        at_s, message = real[whole[INBOX_S] + place], whole[whole[INBOX_ITEM] + place]
        hole = place
        while hole > 0 and comes_after(
            real[batch_s + hole - 1], whole[batch_item + hole - 1], at_s, message
        ):
            real[batch_s + hole] = real[batch_s + hole - 1]
            whole[batch_item + hole] = whole[batch_item + hole - 1]
            hole -= 1
        real[batch_s + hole], whole[batch_item + hole] = at_s, message
    whole[INBOX] = 0
    whole[BATCH], whole[BATCH_AT], whole[PHASE] = count, 0, COLLECT


@njit(cache=True, nogil=True)
def go_on(
    whole: Array,
    real: Array,
    times: Array,
    tasks: Array,
    speeds: Array,
    ends: Array,
    groups: Array,
) -> None:
    """The coordinator does what comes next, until it has to compute or has nothing to do."""
    while True:
        if whole[PHASE] == COLLECT:
            if whole[BATCH_AT] >= whole[BATCH]:
                whole[PHASE] = REST
                return
            whole[PHASE] = HANDLE
            message = whole[whole[BATCH_ITEM] + whole[BATCH_AT]]
            if message >= 0 and times[COLLECT_CPU, whole[FIRST] + message] > 0:
                seconds = times[COLLECT_CPU, whole[FIRST] + message]
                compute(whole, real, speeds, seconds, COORDINATOR)
                return
        elif whole[PHASE] == HANDLE:
            message = whole[whole[BATCH_ITEM] + whole[BATCH_AT]]
            collect(whole, real, times, tasks, message)
            decide(whole, real, tasks, ends, groups)
        elif whole[PHASE] == DISPATCH:
            if whole[ACTION_AT] >= whole[ACTIONS]:
                set_timer(whole, real)
                whole[BATCH_AT] += 1
                whole[PHASE] = COLLECT
                continue
            whole[PHASE] = SEND
            task = whole[whole[ACTION_TASK] + whole[ACTION_AT]]
            seconds = times[DISPATCH_CPU, whole[FIRST] + task]
            if seconds > 0:
                compute(whole, real, speeds, seconds, COORDINATOR)
                return
        else:
            send(whole, real, times, tasks, speeds)
            whole[ACTION_AT] += 1
            whole[PHASE] = DISPATCH


@njit(cache=True, nogil=True)
def collect(whole: Array, real: Array, times: Array, tasks: Array, message: int) -> None:
    """A message has been collected: a task is done, or a timer has fired."""
    if message < 0:
        number = TIMER_AT + NOBODY - message
        if real[number] == real[TIMER_S]:
            real[TIMER_S] = np.inf
        real[number] = np.inf
        return
    column = whole[FIRST] + message
    real[CPU_S] += times[COLLECT_CPU, column]
    times[COLLECTED, column] = real[NOW_S]
    whole[whole[IS_IDLE] + tasks[WORKER, column]] = 1
    whole[IDLE] += 1
    finished(whole, real, tasks, message)
    whole[LEFT] -= 1
    if whole[LEFT] == 0:
        real[EXECUTED_S] = real[NOW_S]


@njit(cache=True, nogil=True)
def decide(whole: Array, real: Array, tasks: Array, ends: Array, groups: Array) -> None:
    """Which tasks go to whom now, and when the policy wants to be woken."""
    whole[ACTIONS] = choose(whole, real, tasks, ends, groups)
    whole[ACTION_AT], whole[PHASE] = 0, DISPATCH
    wanted_s = wake_s(whole, real, groups)
    real[WANTED_S] = np.inf
    if real[NOW_S] < wanted_s < real[TIMER_S]:
        real[TIMER_S] = real[WANTED_S] = wanted_s


@njit(cache=True, nogil=True)
def set_timer(whole: Array, real: Array) -> None:
    """Let a timer fire when the policy wants to be woken, unless one is set for then."""
    if real[WANTED_S] == np.inf:
        return
    free = -1
    for number in range(MOST_TIMERS):
        if real[TIMER_AT + number] == real[WANTED_S]:
            return
        if free < 0 and real[TIMER_AT + number] == np.inf:
            free = number
    real[TIMER_AT + free] = real[WANTED_S]
    schedule(whole, real, real[WANTED_S] - real[NOW_S], KINDS * free + TIMER)


@njit(cache=True, nogil=True)
def send(whole: Array, real: Array, times: Array, tasks: Array, speeds: Array) -> None:
    """A task is on its way to its worker."""
    task = whole[whole[ACTION_TASK] + whole[ACTION_AT]]
    column = whole[FIRST] + task
    real[CPU_S] += times[DISPATCH_CPU, column]
    tasks[STARTED_TASK, whole[FIRST] + whole[BEGUN]] = task
    whole[BEGUN] += 1
    tasks[WORKER, column] = whole[whole[ACTION_WORKER] + whole[ACTION_AT]]
    times[DISPATCHED, column] = real[NOW_S]
    if len(speeds) > 0 and times[START, column] > 0:
        enter(whole, real, speeds, times[START, column], KINDS * task + BEGIN)
    else:
        schedule(whole, real, times[START, column], KINDS * task + BEGIN)


@njit(cache=True, nogil=True)
def tell(whole: Array, real: Array, times: Array, tasks: Array, speeds: Array) -> bool:
    """The host's jobs that are done now go on; as :meth:`SharedHost.finish_next`."""
    real[LAST_S] = real[NOW_S]
    places = whole[JOB_WORK], whole[JOB_NUMBER], whole[JOB_ITEM]
    reached = real[WORK_S] = real[places[0]]
    done, goes_on = 0, False
    while whole[JOBS] > 0 and (done == 0 or real[places[0]] <= reached):
        whole[whole[TOLD] + done] = whole[places[2]]
        whole[JOBS] = pop(whole, real, *places, whole[JOBS])
        done += 1
    watch(whole, real, speeds)
    for place in range(done):
        item = whole[whole[TOLD] + place]
        goes_on |= happen(whole, real, times, tasks, speeds, item)
    return goes_on


@njit(cache=True, nogil=True)
def run_on(
    whole: Array,
    real: Array,
    times: Array,
    tasks: Array,
    speeds: Array,
    ends: Array,
    groups: Array,
    aim: int,
) -> None:
    """Let things happen until ``whole[aim]`` is 0 and the coordinator has said all it can now."""
    goes_on = whole[PHASE] == DISPATCH
    while True:
        if goes_on:
            go_on(whole, real, times, tasks, speeds, ends, groups)
        if whole[aim] == 0 and (aim != IS_STAGE or whole[INBOX] == 0):
            return
        event_s = real[whole[EVENT_S]] if whole[EVENTS] > 0 else np.inf
        next_s = min(event_s, real[DUE_S])
        if whole[PHASE] == REST and whole[INBOX] > 0 and next_s > real[NOW_S]:
            take_turn(whole, real)
            goes_on = True
        elif next_s == np.inf:
            return
        elif real[DUE_S] <= event_s:
            real[NOW_S] = next_s
            goes_on = tell(whole, real, times, tasks, speeds)
        else:
            real[NOW_S] = next_s
            item = whole[whole[EVENT_ITEM]]
            places = whole[EVENT_S], whole[EVENT_NUMBER], whole[EVENT_ITEM]
            whole[EVENTS] = pop(whole, real, *places, whole[EVENTS])
            goes_on = happen(whole, real, times, tasks, speeds, item)
