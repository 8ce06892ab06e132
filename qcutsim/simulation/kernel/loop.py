"""The loop: events, the coordinator's turns, and what follows from them, as in the farm.

At one instant things happen in the order in which they were scheduled, but what ends on the host
ends before anything is added to it, and the coordinator takes its turn when nothing else is left to
happen; messages are ordered as :func:`qcutsim.dispatch.order_key` orders events.
"""

from __future__ import annotations

import numpy as np

from qcutsim.simulation.kernel.cancelling import message_of
from qcutsim.simulation.kernel.choosing import SPECULATIVE, choose, wake_s
from qcutsim.simulation.kernel.collecting import collect
from qcutsim.simulation.kernel.compiled import compiled, inlined
from qcutsim.simulation.kernel.heaps import pop
from qcutsim.simulation.kernel.hosting import (
    compute,
    enter,
    schedule,
    set_alarm,
    tell_coordinator,
    watch,
)
from qcutsim.simulation.kernel.memory import (
    ACTION_AT,
    ACTION_RUN,
    ACTION_WORKER,
    ACTIONS,
    ALARM_NUMBER,
    ALARM_S,
    ATTEMPT_BITS,
    BATCH,
    BATCH_AT,
    BATCH_ITEM,
    BATCH_S,
    BEGIN,
    BEGUN,
    COLLECT,
    COLLECT_CPU,
    COLLECT_LATENCY,
    COORDINATOR,
    COPIES_BEGUN,
    CPU,
    DELAY,
    DISPATCH,
    DISPATCH_CPU,
    DISPATCHED,
    DUE_S,
    END,
    ENDED,
    EVENT_ITEM,
    EVENT_NUMBER,
    EVENT_S,
    EVENTS,
    FIRST,
    HANDLE,
    HAS_FIRED,
    HELD,
    INBOX,
    INBOX_ITEM,
    INBOX_S,
    IS_SEALED,
    IS_SHARED,
    IS_SLOW,
    IS_TELLING,
    JOB_ITEM,
    JOB_NUMBER,
    JOB_WORK,
    JOBS,
    JOIN,
    JOINED,
    KINDS,
    LAST_S,
    MESSAGE_BITS,
    MOST_COPIES,
    NEXT_STAGE,
    NOW_S,
    NUMBER,
    PHASE,
    POLICY,
    REST,
    RETURNING,
    ROW,
    SEND,
    SERVE,
    SERVICE,
    SERVING,
    SLOWNESS,
    START,
    STARTED,
    STARTED_RUN,
    STATE,
    TASK_ENDED,
    TIMER,
    TIMER_AT,
    TIMER_S,
    TIMERS,
    TOLD,
    TOTAL,
    WANTED_S,
    WORK_S,
    WORKER,
    WORKER_JOINED,
    WORKER_NUMBER,
    WORKERS,
    Array,
)

GOES_ON, STAGE_IS_OVER = 1, 2
"""What follows from something that happened: flags."""


@inlined
def happen(whole: Array, real: Array, times: Array, tasks: Array, item: int) -> int:
    """One thing that was due; returns what follows."""
    kind, number = item % KINDS, item // KINDS
    if kind == COORDINATOR:
        return GOES_ON
    if kind == NEXT_STAGE:
        return STAGE_IS_OVER
    if kind == TIMER:
        tell_coordinator(whole, real, HAS_FIRED, number)
    elif kind == JOIN:
        whole[whole[NUMBER] + number] = whole[JOINED]
        whole[JOINED] += 1
        message = whole[whole[NUMBER] + number] * whole[WORKERS] + number
        tell_coordinator(whole, real, WORKER_JOINED, message)
    else:
        go_on_with(whole, real, times, tasks, kind, number)
    return 0


@inlined
def go_on_with(whole: Array, real: Array, times: Array, tasks: Array, kind: int, run: int) -> None:
    """The next step in the life of a run."""
    is_speculative = whole[POLICY] == SPECULATIVE
    task = run % whole[TOTAL] if is_speculative else run
    is_told = not is_speculative or tasks[IS_SEALED, run] == 0
    if kind == BEGIN:
        if is_told:
            times[STARTED, run] = real[NOW_S]
        worker = tasks[WORKER_NUMBER, run] if is_speculative else tasks[WORKER, run]
        delay_s = times[DELAY, run] * whole[whole[IS_SLOW] + worker]
        if delay_s > 0:
            schedule(whole, real, delay_s, KINDS * run + SERVE)
            return
        kind = SERVE
    if kind == SERVE:
        if is_speculative:
            tasks[STATE, run] = SERVING
        if whole[IS_SHARED] == 1:
            enter(whole, real, times[SERVICE, task], KINDS * run + END)
            return
        if times[SERVICE, task] > 0:
            schedule(whole, real, times[SERVICE, task], KINDS * run + END)
            return
        kind = END
    if kind == END:
        if is_told:
            times[ENDED, run] = real[NOW_S]
        if is_speculative:
            tasks[STATE, run] = RETURNING
        if times[COLLECT_LATENCY, task] > 0:
            schedule(whole, real, times[COLLECT_LATENCY, task], KINDS * run + END + 1)
            return
    whole[whole[HELD] + tasks[WORKER, run]] = -1
    tell_coordinator(whole, real, TASK_ENDED, message_of(whole, run))


@inlined
def take_turn(whole: Array, real: Array) -> None:
    """The coordinator takes up all messages, in order of time, then of kind and number."""
    count, batch_s, batch_item = whole[INBOX], whole[BATCH_S], whole[BATCH_ITEM]
    for place in range(count):
        at_s, message = real[whole[INBOX_S] + place], whole[whole[INBOX_ITEM] + place]
        hole = place
        while hole > 0 and (
            real[batch_s + hole - 1] > at_s
            or (real[batch_s + hole - 1] == at_s and whole[batch_item + hole - 1] > message)
        ):
            real[batch_s + hole] = real[batch_s + hole - 1]
            whole[batch_item + hole] = whole[batch_item + hole - 1]
            hole -= 1
        real[batch_s + hole], whole[batch_item + hole] = at_s, message
    whole[INBOX] = 0
    whole[BATCH], whole[BATCH_AT], whole[PHASE] = count, 0, COLLECT


@compiled
def go_on(
    whole: Array,
    real: Array,
    times: Array,
    tasks: Array,
) -> None:
    """The coordinator does what comes next, until it has to compute or has nothing to do."""
    while True:
        if whole[PHASE] == COLLECT:
            if whole[BATCH_AT] >= whole[BATCH]:
                whole[PHASE] = REST
                return
            whole[PHASE] = HANDLE
            message = whole[whole[BATCH_ITEM] + whole[BATCH_AT]]
            if message >> MESSAGE_BITS == TASK_ENDED:
                what = message & ((1 << MESSAGE_BITS) - 1)
                seconds = times[COLLECT_CPU, what >> ATTEMPT_BITS]
                if seconds > 0:
                    end_jobs(whole, real, times, tasks)
                    compute(whole, real, seconds, COORDINATOR)
                    return
        elif whole[PHASE] == HANDLE:
            message = whole[whole[BATCH_ITEM] + whole[BATCH_AT]]
            collect(whole, real, times, tasks, message)
            decide(whole, real, times, tasks)
        elif whole[PHASE] == DISPATCH:
            if whole[ACTION_AT] >= whole[ACTIONS]:
                set_timer(whole, real)
                whole[BATCH_AT] += 1
                whole[PHASE] = COLLECT
                continue
            whole[PHASE] = SEND
            run = whole[whole[ACTION_RUN] + whole[ACTION_AT]]
            seconds = times[DISPATCH_CPU, run if run < whole[TOTAL] else run % whole[TOTAL]]
            if seconds > 0:
                end_jobs(whole, real, times, tasks)
                compute(whole, real, seconds, COORDINATOR)
                return
        else:
            send(whole, real, times, tasks)
            whole[ACTION_AT] += 1
            whole[PHASE] = DISPATCH


@inlined
def decide(whole: Array, real: Array, times: Array, tasks: Array) -> None:
    """Which tasks go to whom now, and when the policy wants to be woken."""
    whole[ACTIONS] = choose(whole, real, times, tasks)
    whole[ACTION_AT], whole[PHASE] = 0, DISPATCH
    wanted_s = wake_s(whole, real, times, tasks)
    real[WANTED_S] = np.inf
    if real[NOW_S] < wanted_s < real[TIMER_S]:
        real[TIMER_S] = real[WANTED_S] = wanted_s


@compiled
def set_timer(whole: Array, real: Array) -> None:
    """Let a timer fire when the policy wants to be woken, unless one is set for then."""
    if real[WANTED_S] == np.inf:
        return
    free, first = -1, whole[TIMER_AT]
    for number in range(whole[TIMERS]):
        if real[first + number] == real[WANTED_S]:
            return
        if free < 0 and real[first + number] == np.inf:
            free = number
    if free < 0:
        free = whole[TIMERS]
        if first + free >= whole[SLOWNESS]:  # the table that follows
            raise OverflowError("more timers than there is room for")
        whole[TIMERS] += 1
    real[first + free] = real[WANTED_S]
    schedule(whole, real, real[WANTED_S] - real[NOW_S], KINDS * free + TIMER)


@inlined
def send(whole: Array, real: Array, times: Array, tasks: Array) -> None:
    """A copy is on its way to its worker."""
    run = whole[whole[ACTION_RUN] + whole[ACTION_AT]]
    worker = whole[whole[ACTION_WORKER] + whole[ACTION_AT]]
    task = run if run < whole[TOTAL] else run % whole[TOTAL]
    real[whole[ROW] + CPU] += times[DISPATCH_CPU, task]
    real[whole[ROW] + COPIES_BEGUN] += 1
    tasks[STARTED_RUN, whole[FIRST] * whole[MOST_COPIES] + whole[BEGUN]] = run
    whole[BEGUN] += 1
    tasks[WORKER, run] = worker
    whole[whole[HELD] + worker] = run
    if whole[POLICY] == SPECULATIVE:
        tasks[WORKER_NUMBER, run] = whole[whole[NUMBER] + worker]
    times[DISPATCHED, run] = real[NOW_S]
    if whole[IS_SHARED] == 1 and times[START, task] > 0:
        end_jobs(whole, real, times, tasks)
        enter(whole, real, times[START, task], KINDS * run + BEGIN)
    else:
        schedule(whole, real, times[START, task], KINDS * run + BEGIN)


@compiled
def tell(whole: Array, real: Array, times: Array, tasks: Array) -> None:
    """The host's jobs that are done now go on; as :meth:`SharedHost.finish_next`."""
    real[LAST_S] = real[NOW_S]
    places = whole[JOB_WORK], whole[JOB_NUMBER], whole[JOB_ITEM]
    reached = real[WORK_S] = real[places[0]]
    done = 0
    while whole[JOBS] > 0 and (done == 0 or real[places[0]] <= reached):
        whole[whole[TOLD] + done] = whole[places[2]]
        whole[JOBS] = pop(whole, real, *places, whole[JOBS])
        done += 1
    whole[IS_TELLING] = 1
    watch(whole, real)
    for place in range(done):
        item = whole[whole[TOLD] + place]
        if item % KINDS == COORDINATOR or item % KINDS == NEXT_STAGE:
            schedule(whole, real, 0.0, item)  # after all that happens at this instant anyway
        else:
            happen(whole, real, times, tasks, item)
    whole[IS_TELLING] = 0
    set_alarm(whole, real)


@inlined
def end_jobs(whole: Array, real: Array, times: Array, tasks: Array) -> None:
    """What ends on the host at this instant ends before anything is added to it."""
    while real[DUE_S] == real[NOW_S]:
        tell(whole, real, times, tasks)


@inlined
def enters(whole: Array, times: Array, tasks: Array, item: int) -> bool:
    """Whether the next step of a run, if it is one, is work on the host."""
    kind, run = item % KINDS, item // KINDS
    if whole[IS_SHARED] == 0 or kind > SERVE:
        return False
    if kind == SERVE:
        return True
    is_speculative = whole[POLICY] == SPECULATIVE
    worker = tasks[WORKER_NUMBER, run] if is_speculative else tasks[WORKER, run]
    return bool(times[DELAY, run] * whole[whole[IS_SLOW] + worker] <= 0)


@inlined
def next_thing(whole: Array, real: Array, times: Array, tasks: Array) -> int:
    """Let what is due next happen; returns what follows, or -1: nothing is left to happen."""
    event_s = real[whole[EVENT_S]] if whole[EVENTS] > 0 else np.inf
    next_s = min(event_s, real[ALARM_S])
    if whole[PHASE] == REST and whole[INBOX] > 0 and next_s > real[NOW_S]:
        take_turn(whole, real)
        return GOES_ON
    if next_s == np.inf:
        return -1
    real[NOW_S] = next_s
    if real[ALARM_S] < event_s or (
        real[ALARM_S] == event_s and whole[ALARM_NUMBER] < whole[whole[EVENT_NUMBER]]
    ):
        real[ALARM_S] = np.inf
        if real[DUE_S] == next_s:
            tell(whole, real, times, tasks)
        else:
            set_alarm(whole, real)
        return 0
    item = whole[whole[EVENT_ITEM]]
    places = whole[EVENT_S], whole[EVENT_NUMBER], whole[EVENT_ITEM]
    whole[EVENTS] = pop(whole, real, *places, whole[EVENTS])
    if real[DUE_S] == next_s and enters(whole, times, tasks, item):
        end_jobs(whole, real, times, tasks)
    return happen(whole, real, times, tasks, item)
