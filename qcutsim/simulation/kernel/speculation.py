"""Speculation, compiled: the policy of qcutsim.dispatch.policies.speculative."""

from __future__ import annotations

import math

import numpy as np

from qcutsim.simulation.kernel.compiled import compiled
from qcutsim.simulation.kernel.memory import (
    ACTION_RUN,
    ACTION_WORKER,
    ASSIGNED,
    CAP,
    COPIES,
    DURATIONS,
    EXPECTED,
    FIRST,
    IDLE,
    IS_IDLE,
    KNOWN,
    LATE,
    LATENESS,
    LATEST,
    MOST_COPIES,
    NOW_S,
    NUMBER,
    OPEN_AT,
    OPEN_LIST,
    OPEN_TASKS,
    ORDER,
    QUANTILE,
    QUEUE_AT,
    QUEUE_END,
    RECENT,
    REMEMBERED,
    RUNNING,
    SAMPLES,
    SLOWDOWN,
    SLOWNESS,
    SORTED,
    STRUCTURE,
    TOTAL,
    WORKER,
    WORKERS,
    Array,
)

FORGETTING = 0.2
"""Weight of a worker's latest task in what is thought of the worker, as in the policy."""


@compiled
def choose_or_copy(whole: Array, real: Array, times: Array, tasks: Array) -> int:
    """Queued tasks to the workers with the lowest numbers, then copies of the latest ones."""
    count = 0
    while whole[QUEUE_AT] < whole[QUEUE_END] and whole[IDLE] > 0:
        task = whole[FIRST] + tasks[ORDER, whole[FIRST] + whole[QUEUE_AT]]
        begin_copy(whole, real, times, tasks, task, lowest(whole), count)
        whole[QUEUE_AT] += 1
        count += 1
    if whole[IDLE] == 0 or whole[OPEN_TASKS] == 0 or fastest(whole, real) < 0:
        return count
    for place in range(sort_late(whole, real, times, tasks)):
        worker = fastest(whole, real)
        if worker < 0 or not may_copy(whole, real):
            break
        begin_copy(whole, real, times, tasks, whole[whole[LATE] + place], worker, count)
        count += 1
    return count


@compiled
def begin_copy(
    whole: Array, real: Array, times: Array, tasks: Array, task: int, worker: int, place: int
) -> None:
    """Note the action that sends another copy of a task to an idle worker."""
    if tasks[COPIES, task] == 0:
        tasks[OPEN_AT, task] = whole[OPEN_TASKS]
        whole[whole[OPEN_LIST] + whole[OPEN_TASKS]] = task
        whole[OPEN_TASKS] += 1
    run = task + tasks[COPIES, task] * whole[TOTAL]
    tasks[COPIES, task] += 1
    times[ASSIGNED, run] = times[LATEST, task] = real[NOW_S]
    whole[RUNNING] += 1
    whole[whole[ACTION_RUN] + place] = run
    whole[whole[ACTION_WORKER] + place] = worker
    whole[whole[IS_IDLE] + worker] = 0
    whole[IDLE] -= 1


@compiled
def sort_late(whole: Array, real: Array, times: Array, tasks: Array) -> int:
    """List the open tasks that are late, the latest first, then by number; returns how many."""
    count, late, lateness = 0, whole[LATE], whole[LATENESS]
    for place in range(whole[OPEN_TASKS]):
        task = whole[whole[OPEN_LIST] + place]
        usual = usual_s(whole, real, times, tasks, task)
        if usual <= 0 or tasks[COPIES, task] >= whole[MOST_COPIES]:
            continue
        if real[NOW_S] < times[LATEST, task] + real[SLOWDOWN] * usual:
            continue
        own = (real[NOW_S] - times[LATEST, task]) / usual
        hole = count
        while hole > 0 and (
            real[lateness + hole - 1] < own
            or (real[lateness + hole - 1] == own and whole[late + hole - 1] > task)
        ):
            real[lateness + hole], whole[late + hole] = (
                real[lateness + hole - 1],
                whole[late + hole - 1],
            )
            hole -= 1
        real[lateness + hole], whole[late + hole] = own, task
        count += 1
    return count


@compiled
def wake_to_copy_s(whole: Array, real: Array, times: Array, tasks: Array) -> float:
    """When the next open task is late; infinity: nobody could copy it."""
    least = np.inf
    if whole[OPEN_TASKS] == 0 or whole[IDLE] == 0 or not may_copy(whole, real):
        return least
    if fastest(whole, real) < 0:
        return least
    for place in range(whole[OPEN_TASKS]):
        task = whole[whole[OPEN_LIST] + place]
        usual = usual_s(whole, real, times, tasks, task)
        if usual > 0 and tasks[COPIES, task] < whole[MOST_COPIES]:
            due_s = times[LATEST, task] + real[SLOWDOWN] * usual
            if real[NOW_S] < due_s < least:
                least = due_s
    return least


@compiled
def copy_finished(whole: Array, real: Array, times: Array, tasks: Array, run: int) -> None:
    """A copy finished, perhaps after another copy of its task."""
    task = run % whole[TOTAL]
    duration_s = real[NOW_S] - times[ASSIGNED, run]
    whole[RUNNING] -= 1
    place = tasks[OPEN_AT, task]
    if place >= 0:
        whole[OPEN_TASKS] -= 1
        last = whole[whole[OPEN_LIST] + whole[OPEN_TASKS]]
        whole[whole[OPEN_LIST] + place], tasks[OPEN_AT, last] = last, place
        tasks[OPEN_AT, task] = -1
    usual = usual_s(whole, real, times, tasks, task)
    note_pace(whole, real, tasks[WORKER, run], duration_s, usual)
    remember(whole, real, tasks[STRUCTURE, task], duration_s)


@compiled
def copy_ended(whole: Array, real: Array, times: Array, tasks: Array, run: int) -> None:
    """A copy was cancelled or killed: its task is done."""
    ran_s = real[NOW_S] - times[ASSIGNED, run]
    whole[RUNNING] -= 1
    usual = usual_s(whole, real, times, tasks, run % whole[TOTAL])
    worker = tasks[WORKER, run]
    if usual > 0 and ran_s > real[whole[SLOWNESS] + worker] * usual:
        note_pace(whole, real, worker, ran_s, usual)


@compiled
def note_pace(whole: Array, real: Array, worker: int, duration_s: float, usual: float) -> None:
    """How fast a worker is thought to be."""
    if usual > 0:
        before = real[whole[SLOWNESS] + worker]
        real[whole[SLOWNESS] + worker] = before + FORGETTING * (duration_s / usual - before)


@compiled
def may_copy(whole: Array, real: Array) -> bool:
    """Whether further copies run on fewer workers than they may."""
    most = max(1, int(real[CAP] * whole[KNOWN]))
    return bool(whole[RUNNING] - whole[OPEN_TASKS] < most)


@compiled
def lowest(whole: Array) -> int:
    """The idle worker with the lowest number; there is one."""
    best = -1
    for worker in range(whole[WORKERS]):
        if whole[whole[IS_IDLE] + worker] == 1 and (
            best < 0 or whole[whole[NUMBER] + worker] < whole[whole[NUMBER] + best]
        ):
            best = worker
    return best


@compiled
def fastest(whole: Array, real: Array) -> int:
    """The fastest idle worker that is not late itself; -1: there is none."""
    best, slowness, number = -1, whole[SLOWNESS], whole[NUMBER]
    for worker in range(whole[WORKERS]):
        own_s = real[slowness + worker]
        if whole[whole[IS_IDLE] + worker] == 0 or own_s >= real[SLOWDOWN]:
            continue
        if (
            best < 0
            or own_s < real[slowness + best]
            or (own_s == real[slowness + best] and whole[number + worker] < whole[number + best])
        ):
            best = worker
    return best


@compiled
def usual_s(whole: Array, real: Array, times: Array, tasks: Array, task: int) -> float:
    """What a task of its structure is seen, else expected, to take; 0: unknown."""
    structure = tasks[STRUCTURE, task]
    seen = min(whole[whole[DURATIONS] + structure], REMEMBERED)
    if seen >= whole[SAMPLES]:
        place = math.ceil(real[QUANTILE] * seen) - 1
        return float(real[whole[SORTED] + structure * REMEMBERED + place])
    return float(times[EXPECTED, task])


@compiled
def remember(whole: Array, real: Array, structure: int, duration_s: float) -> None:
    """Take in one more duration; the oldest is forgotten where there are many."""
    count = whole[whole[DURATIONS] + structure]
    recent = whole[RECENT] + structure * REMEMBERED
    ordered = whole[SORTED] + structure * REMEMBERED
    seen = min(count, REMEMBERED)
    if seen == REMEMBERED:
        oldest = real[recent + count % REMEMBERED]
        place = np.searchsorted(real[ordered : ordered + seen], oldest)
        seen -= 1
        for after in range(place, seen):
            real[ordered + after] = real[ordered + after + 1]
    real[recent + count % REMEMBERED] = duration_s
    hole = seen
    while hole > 0 and real[ordered + hole - 1] > duration_s:
        real[ordered + hole] = real[ordered + hole - 1]
        hole -= 1
    real[ordered + hole] = duration_s
    whole[whole[DURATIONS] + structure] = count + 1
