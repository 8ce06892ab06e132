"""Time: events that are due, jobs on the host, and messages to the coordinator."""

from __future__ import annotations

import numpy as np

from qcutsim.simulation.kernel.compiled import inlined
from qcutsim.simulation.kernel.heaps import push
from qcutsim.simulation.kernel.memory import (
    ALARM_NUMBER,
    ALARM_S,
    DUE_S,
    ENTERED,
    EVENT_ITEM,
    EVENT_NUMBER,
    EVENT_S,
    EVENTS,
    INBOX,
    INBOX_ITEM,
    INBOX_S,
    IS_SHARED,
    IS_TELLING,
    JOB_ITEM,
    JOB_NUMBER,
    JOB_WORK,
    JOBS,
    LAST_S,
    MESSAGE_BITS,
    NOW_S,
    SEQUENCE,
    SPEEDS,
    WORK_S,
    Array,
)


@inlined
def schedule(whole: Array, real: Array, delay_s: float, item: int) -> None:
    """Let an item happen in a while."""
    at_s = real[NOW_S] + (delay_s if delay_s > 0 else 0.0)
    whole[SEQUENCE] += 1
    places = whole[EVENT_S], whole[EVENT_NUMBER], whole[EVENT_ITEM]
    whole[EVENTS] = push(whole, real, *places, whole[EVENTS], at_s, whole[SEQUENCE], item)


@inlined
def enter(whole: Array, real: Array, demand_s: float, item: int) -> None:
    """A job becomes busy on the host; as :meth:`qcutsim.simulation.SharedHost.enter`."""
    advance(whole, real)
    whole[ENTERED] += 1
    places = whole[JOB_WORK], whole[JOB_NUMBER], whole[JOB_ITEM]
    work = real[WORK_S] + demand_s
    whole[JOBS] = push(whole, real, *places, whole[JOBS], work, whole[ENTERED], item)
    watch(whole, real)


@inlined
def advance(whole: Array, real: Array) -> None:
    """The work that each busy job has received by now."""
    jobs, now_s = whole[JOBS], real[NOW_S]
    if jobs > 0:
        real[WORK_S] += (now_s - real[LAST_S]) * real[whole[SPEEDS] + jobs]
    elif now_s > real[LAST_S]:
        real[WORK_S] = 0.0
    real[LAST_S] = now_s


@inlined
def watch(whole: Array, real: Array) -> None:
    """When the host's next job is done."""
    real[DUE_S] = np.inf
    if whole[JOBS] > 0:
        left = real[whole[JOB_WORK]] - real[WORK_S]
        delay_s = left / real[whole[SPEEDS] + whole[JOBS]] if left > 0 else 0.0
        real[DUE_S] = real[NOW_S] + delay_s
    if whole[IS_TELLING] == 0:
        set_alarm(whole, real)


@inlined
def set_alarm(whole: Array, real: Array) -> None:
    """As the farm's host: one that is set for earlier than needed is set again when it fires."""
    if real[DUE_S] < real[ALARM_S]:
        real[ALARM_S] = real[DUE_S]
        whole[SEQUENCE] += 1
        whole[ALARM_NUMBER] = whole[SEQUENCE]


@inlined
def compute(whole: Array, real: Array, seconds: float, item: int) -> None:
    """The coordinator computes, longer where its host is shared."""
    if whole[IS_SHARED] == 1:
        enter(whole, real, seconds, item)
    else:
        schedule(whole, real, seconds, item)


@inlined
def tell_coordinator(whole: Array, real: Array, kind: int, what: int) -> None:
    """A message of a kind, of the run or other thing with that number."""
    place = whole[INBOX]
    real[whole[INBOX_S] + place] = real[NOW_S]
    whole[whole[INBOX_ITEM] + place] = kind << MESSAGE_BITS | what
    whole[INBOX] += 1
