"""The loop: events, the coordinator's turns, and what follows from them, as in the farm.

At one instant the host's jobs end first, then events in the order in which they were scheduled,
and the coordinator takes its turn when nothing else is left to happen at it; its messages are
ordered as :func:`qcutsim.dispatch.order_key` orders events.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from qcutsim.simulation.kernel.heaps import pop, push
from qcutsim.simulation.kernel.memory import (
    ACTION_AT,
    ACTIONS,
    ARRIVE,
    BATCH,
    BATCH_AT,
    BEGIN,
    BEGUN,
    COLLECT,
    COORDINATOR,
    CPU_S,
    DISPATCH,
    DUE_S,
    END,
    ENTERED,
    EVENTS,
    EXECUTED_S,
    HANDLE,
    IDLE,
    INBOX,
    IS_STAGE,
    JOBS,
    KINDS,
    LAST_S,
    LEFT,
    NOW_S,
    PHASE,
    REST,
    SEND,
    SEQUENCE,
    SERVE,
    STAGE_OVER,
    TIMER,
    TIMER_S,
    WANTED_S,
    WORK_S,
    Draws,
    Lives,
    Model,
    World,
)
from qcutsim.simulation.kernel.policies import choose, finished, wake_s

NOBODY = -1


@njit(cache=True, nogil=True)
def schedule(world: World, delay_s: float, item: int) -> None:
    """Let an item happen in a while."""
    whole = world.whole
    at_s = world.real[NOW_S] + (delay_s if delay_s > 0 else 0.0)
    whole[SEQUENCE] += 1
    whole[EVENTS] = push(
        world.event_s,
        world.event_number,
        world.event_item,
        whole[EVENTS],
        at_s,
        whole[SEQUENCE],
        item,
    )


@njit(cache=True, nogil=True)
def enter(world: World, model: Model, demand_s: float, item: int) -> None:
    """A job becomes busy on the host; as :meth:`qcutsim.simulation.SharedHost.enter`."""
    whole, real = world.whole, world.real
    jobs, now_s = whole[JOBS], real[NOW_S]
    if jobs > 0:
        real[WORK_S] += (now_s - real[LAST_S]) * model.speeds[jobs]
    elif now_s > real[LAST_S]:
        real[WORK_S] = 0.0
    real[LAST_S] = now_s
    whole[ENTERED] += 1
    whole[JOBS] = push(
        world.job_work,
        world.job_number,
        world.job_item,
        jobs,
        real[WORK_S] + demand_s,
        whole[ENTERED],
        item,
    )
    watch(world, model)


@njit(cache=True, nogil=True)
def watch(world: World, model: Model) -> None:
    """When the host's next job is done."""
    whole, real = world.whole, world.real
    if whole[JOBS] == 0:
        real[DUE_S] = np.inf
        return
    left = world.job_work[0] - real[WORK_S]
    delay_s = left / model.speeds[whole[JOBS]] if left > 0 else 0.0
    real[DUE_S] = real[NOW_S] + delay_s


@njit(cache=True, nogil=True)
def compute(world: World, model: Model, seconds: float, item: int) -> None:
    """The coordinator computes, longer where its host is shared."""
    if len(model.speeds) > 0:
        enter(world, model, seconds, item)
    else:
        schedule(world, seconds, item)


@njit(cache=True, nogil=True)
def happen(world: World, model: Model, draws: Draws, lives: Lives, item: int) -> None:
    """One thing that was due: a step of a task, or of the coordinator."""
    kind, task = item % KINDS, item // KINDS
    if kind == COORDINATOR:
        go_on(world, model, draws, lives)
        return
    if kind == STAGE_OVER:
        world.whole[IS_STAGE] = 0
        return
    if kind == TIMER:
        tell_coordinator(world, NOBODY - task)
        return
    now_s = world.real[NOW_S]
    if kind == BEGIN:
        lives.started_s[task] = now_s
        delay_s = draws.delay_s[task] if draws.is_slow[lives.worker[task]] else 0.0
        if delay_s > 0:
            schedule(world, delay_s, KINDS * task + SERVE)
            return
        kind = SERVE
    if kind == SERVE:
        if len(model.speeds) > 0:
            enter(world, model, draws.service_s[task], KINDS * task + END)
            return
        if draws.service_s[task] > 0:
            schedule(world, draws.service_s[task], KINDS * task + END)
            return
        kind = END
    if kind == END:
        lives.ended_s[task] = now_s
        if draws.collect_latency_s[task] > 0:
            schedule(world, draws.collect_latency_s[task], KINDS * task + ARRIVE)
            return
    tell_coordinator(world, task)


@njit(cache=True, nogil=True)
def tell_coordinator(world: World, message: int) -> None:
    """A message: a task that finished, or, below 0, a timer that fired."""
    place = world.whole[INBOX]
    world.inbox_s[place] = world.real[NOW_S]
    world.inbox_item[place] = message
    world.whole[INBOX] += 1


@njit(cache=True, nogil=True)
def comes_after(one_s: float, one: int, other_s: float, other: int) -> bool:
    """Order of messages: time, then tasks by number, then timers by when they were due."""
    if one_s != other_s:
        return one_s > other_s
    if (one < 0) != (other < 0):
        return one < 0
    return one > other if one >= 0 else one < other


@njit(cache=True, nogil=True)
def take_turn(world: World, model: Model, draws: Draws, lives: Lives) -> None:
    """The coordinator takes up all messages, in order."""
    whole = world.whole
    count = whole[INBOX]
    for place in range(count):
        at_s, message = world.inbox_s[place], world.inbox_item[place]
        hole = place
        while hole > 0 and comes_after(
            world.batch_s[hole - 1], world.batch_item[hole - 1], at_s, message
        ):
            world.batch_s[hole] = world.batch_s[hole - 1]
            world.batch_item[hole] = world.batch_item[hole - 1]
            hole -= 1
        world.batch_s[hole], world.batch_item[hole] = at_s, message
    whole[INBOX] = 0
    whole[BATCH], whole[BATCH_AT], whole[PHASE] = count, 0, COLLECT
    go_on(world, model, draws, lives)


@njit(cache=True, nogil=True)
def go_on(world: World, model: Model, draws: Draws, lives: Lives) -> None:
    """The coordinator does what comes next, until it has to compute or has nothing to do."""
    whole = world.whole
    while True:
        if whole[PHASE] == COLLECT:
            if whole[BATCH_AT] >= whole[BATCH]:
                whole[PHASE] = REST
                return
            whole[PHASE] = HANDLE
            message = world.batch_item[whole[BATCH_AT]]
            if message >= 0 and draws.collect_cpu_s[message] > 0:
                compute(world, model, draws.collect_cpu_s[message], COORDINATOR)
                return
        elif whole[PHASE] == HANDLE:
            handle(world, model, draws, lives, world.batch_item[whole[BATCH_AT]])
        elif whole[PHASE] == DISPATCH:
            if whole[ACTION_AT] >= whole[ACTIONS]:
                set_timer(world)
                whole[BATCH_AT] += 1
                whole[PHASE] = COLLECT
                continue
            whole[PHASE] = SEND
            dispatch_s = draws.dispatch_s[world.action_task[whole[ACTION_AT]]]
            if dispatch_s > 0:
                compute(world, model, dispatch_s, COORDINATOR)
                return
        else:
            send(world, model, draws, lives)
            whole[ACTION_AT] += 1
            whole[PHASE] = DISPATCH


@njit(cache=True, nogil=True)
def handle(world: World, model: Model, draws: Draws, lives: Lives, message: int) -> None:
    """A message has been collected: what does the dispatcher decide?"""
    whole, real = world.whole, world.real
    if message >= 0:
        real[CPU_S] += draws.collect_cpu_s[message]
        lives.collected_s[message] = real[NOW_S]
        world.is_idle[lives.worker[message]] = True
        whole[IDLE] += 1
        finished(world, model, message)
        whole[LEFT] -= 1
        if whole[LEFT] == 0:
            real[EXECUTED_S] = real[NOW_S]
    else:
        number = NOBODY - message
        if world.timer_s[number] == real[TIMER_S]:
            real[TIMER_S] = np.inf
        world.timer_s[number] = np.inf
    decide(world, model, draws)


@njit(cache=True, nogil=True)
def decide(world: World, model: Model, draws: Draws) -> None:
    """Which tasks go to whom now, and when the policy wants to be woken."""
    whole, real = world.whole, world.real
    whole[ACTIONS] = choose(world, model, draws, world.action_task, world.action_worker)
    whole[ACTION_AT], whole[PHASE] = 0, DISPATCH
    wanted_s = wake_s(world, model, draws)
    real[WANTED_S] = np.inf
    if real[NOW_S] < wanted_s < real[TIMER_S]:
        real[TIMER_S] = real[WANTED_S] = wanted_s


@njit(cache=True, nogil=True)
def set_timer(world: World) -> None:
    """Let a timer fire when the policy wants to be woken, unless one is set for then."""
    real = world.real
    if real[WANTED_S] == np.inf:
        return
    free = -1
    for number in range(len(world.timer_s)):
        if world.timer_s[number] == real[WANTED_S]:
            return
        if free < 0 and world.timer_s[number] == np.inf:
            free = number
    world.timer_s[free] = real[WANTED_S]
    schedule(world, real[WANTED_S] - real[NOW_S], KINDS * free + TIMER)


@njit(cache=True, nogil=True)
def send(world: World, model: Model, draws: Draws, lives: Lives) -> None:
    """A task is on its way to its worker."""
    whole, real = world.whole, world.real
    task = world.action_task[whole[ACTION_AT]]
    real[CPU_S] += draws.dispatch_s[task]
    lives.started[whole[BEGUN]] = task
    whole[BEGUN] += 1
    lives.worker[task] = world.action_worker[whole[ACTION_AT]]
    lives.dispatched_s[task] = real[NOW_S]
    if len(model.speeds) > 0 and draws.start_s[task] > 0:
        enter(world, model, draws.start_s[task], KINDS * task + BEGIN)
    else:
        schedule(world, draws.start_s[task], KINDS * task + BEGIN)


@njit(cache=True, nogil=True)
def advance(world: World, model: Model, draws: Draws, lives: Lives) -> bool:
    """The next thing happens; ``False``: there is none."""
    whole, real = world.whole, world.real
    event_s = world.event_s[0] if whole[EVENTS] > 0 else np.inf
    next_s = min(event_s, real[DUE_S])
    if whole[PHASE] == REST and whole[INBOX] > 0 and next_s > real[NOW_S]:
        take_turn(world, model, draws, lives)
        return True
    if next_s == np.inf:
        return False
    real[NOW_S] = next_s
    if real[DUE_S] <= event_s:
        tell(world, model, draws, lives)
        return True
    item = world.event_item[0]
    whole[EVENTS] = pop(world.event_s, world.event_number, world.event_item, whole[EVENTS])
    happen(world, model, draws, lives, item)
    return True


@njit(cache=True, nogil=True)
def tell(world: World, model: Model, draws: Draws, lives: Lives) -> None:
    """The host's jobs that are done now go on; as :meth:`SharedHost.finish_next`."""
    whole, real = world.whole, world.real
    real[LAST_S] = real[NOW_S]
    reached = real[WORK_S] = world.job_work[0]
    done = 0
    while whole[JOBS] > 0 and (done == 0 or world.job_work[0] <= reached):
        world.told[done] = world.job_item[0]
        whole[JOBS] = pop(world.job_work, world.job_number, world.job_item, whole[JOBS])
        done += 1
    watch(world, model)
    for place in range(done):
        happen(world, model, draws, lives, world.told[place])
