"""The memory of a compiled simulation: plain arrays, one entry a task, worker or query.

Times are in seconds of virtual time. One :class:`World` is handed from function to function.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

# Numbers in ``World.whole`` and ``World.real``, of which there is one each.
EVENTS, SEQUENCE, JOBS, ENTERED, INBOX, BATCH, BATCH_AT, PHASE, LEFT = range(9)
QUEUE_AT, QUEUE_END, IDLE, OPEN, GROUP, TASKS, ACTIONS, ACTION_AT, IS_STAGE, BEGUN = range(9, 19)
WHOLE = 19
NOW_S, WORK_S, LAST_S, DUE_S, TIMER_S, NEXT_S, CPU_S, WANTED_S, EXECUTED_S = range(9)
REAL = 9

# What the coordinator is about to do.
REST, COLLECT, HANDLE, DISPATCH, SEND = range(5)

# What happens to a task, or to the coordinator: an item is 8 x task + one of these.
BEGIN, SERVE, END, ARRIVE, COORDINATOR, TIMER, STAGE_OVER = range(7)
KINDS = 8


MOST_TIMERS = 64
"""So many are pending at once at most: each new one is due before those before it."""


class Model(NamedTuple):
    """What does not change within a block.

    ``speeds[n]`` is the progress of each of n busy jobs, empty for dedicated workers.
    ``policy`` is the place in :data:`qcutsim.simulation.kernel.eligible.POLICIES`.
    """

    policy: int
    size: int
    is_closed: bool
    delay_s: float
    workers: int
    speeds: Array


class Draws(NamedTuple):
    """Of one query, an entry a task: as in :class:`qcutsim.simulation.QueryDraws`.

    ``delay_s`` is injected on workers with ``is_slow``. ``order`` are the tasks as the policy
    releases them, ``owner_at`` the places in it that belong to each worker (work stealing),
    ``group_at`` and ``group_s`` the places where groups begin and when after the query they are
    released (staggered).
    """

    service_s: Array
    collect_cpu_s: Array
    collect_latency_s: Array
    dispatch_s: Array
    start_s: Array
    delay_s: Array
    is_slow: Array
    order: Array
    owner_at: Array
    group_at: Array
    group_s: Array


class Lives(NamedTuple):
    """Of one query, an entry a task; ``started`` are its tasks in the order of their dispatch."""

    started: Array
    worker: Array
    dispatched_s: Array
    started_s: Array
    ended_s: Array
    collected_s: Array


class World(NamedTuple):
    """What changes: events to come, jobs on the host, messages, idle workers, ready tasks."""

    whole: Array
    real: Array
    event_s: Array
    event_number: Array
    event_item: Array
    job_work: Array
    job_number: Array
    job_item: Array
    inbox_s: Array
    inbox_item: Array
    batch_s: Array
    batch_item: Array
    is_idle: Array
    is_open: Array
    head: Array
    tail: Array
    action_task: Array
    action_worker: Array
    timer_s: Array
    told: Array


def make_world(workers: int, tasks: int) -> World:
    """Memory for a pool and queries of at most so many tasks."""
    events, messages = 2 * workers + 64, workers + 64
    real = np.zeros(REAL)
    real[[DUE_S, TIMER_S, WANTED_S]], real[NEXT_S] = np.inf, -np.inf
    return World(
        np.zeros(WHOLE, np.int64),
        real,
        np.zeros(events),
        np.zeros(events, np.int64),
        np.zeros(events, np.int64),
        np.zeros(workers + 4),
        np.zeros(workers + 4, np.int64),
        np.zeros(workers + 4, np.int64),
        np.zeros(messages),
        np.zeros(messages, np.int64),
        np.zeros(messages),
        np.zeros(messages, np.int64),
        np.ones(workers, np.bool_),
        np.zeros(tasks, np.bool_),
        np.zeros(workers, np.int64),
        np.zeros(workers, np.int64),
        np.zeros(workers, np.int64),
        np.zeros(workers, np.int64),
        np.full(MOST_TIMERS, np.inf),
        np.zeros(workers + 4, np.int64),
    )


def make_lives(tasks: int) -> Lives:
    """Memory for the lives of so many tasks."""
    return Lives(
        np.zeros(tasks, np.int64), np.zeros(tasks, np.int64), *(np.zeros(tasks) for _ in range(4))
    )
