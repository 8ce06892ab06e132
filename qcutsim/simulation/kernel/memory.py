"""The memory of a compiled simulation: seven plain arrays, handed from function to function.

- ``whole`` (integers) and ``real`` (seconds of virtual time): numbers of which there is one, at the
  places named below, then tables at the places that ``whole`` tells;
- ``times`` and ``tasks``: a row for each quantity, a column a task, of all queries of the block one
  behind the other; ``whole[FIRST]`` is the column of the query's first task;
- ``speeds``: progress of each of n busy jobs on the host; empty for dedicated workers;
- ``ends`` and ``groups``: of work stealing, where the tasks of each worker begin in the order; of
  staggering, where groups begin, and when after the query they are released.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Places in ``whole``.
EVENTS, SEQUENCE, JOBS, ENTERED, INBOX, BATCH, BATCH_AT, PHASE, LEFT, FIRST = range(10)
QUEUE_AT, QUEUE_END, IDLE, OPEN, GROUP, TASKS, ACTIONS, ACTION_AT = range(10, 18)
IS_STAGE, BEGUN, POLICY, SIZE, IS_CLOSED, WORKERS, ENDS_AT, GROUPS_AT, GROUP_COUNT = range(18, 27)
# Where tables begin in it: events, jobs, messages, workers.
EVENT_NUMBER, EVENT_ITEM, JOB_NUMBER, JOB_ITEM, TOLD, INBOX_ITEM, BATCH_ITEM = range(27, 34)
IS_IDLE, IS_SLOW, HEAD, TAIL, ACTION_TASK, ACTION_WORKER = range(34, 40)
WHOLE = 40

# Places in ``real``; its tables begin where ``whole`` tells.
NOW_S, WORK_S, LAST_S, DUE_S, TIMER_S, NEXT_S, CPU_S, WANTED_S, EXECUTED_S, DELAY_S = range(10)
TIMER_AT = 10
MOST_TIMERS = 64
"""So many are pending at once at most: each new one is due before those before it."""
EVENT_S, JOB_WORK, INBOX_S, BATCH_S = range(40, 44)
TABLES = 44
"""Places in ``whole`` that tell where tables of ``real`` begin end here."""

# Rows of ``times`` and of ``tasks``.
SERVICE, COLLECT_CPU, COLLECT_LATENCY, DISPATCH_CPU, START, DELAY = range(6)
DISPATCHED, STARTED, ENDED, COLLECTED = range(6, 10)
TIME_ROWS = 10
ORDER, STARTED_TASK, WORKER, IS_OPEN = range(4)
TASK_ROWS = 4

# What the coordinator is about to do.
REST, COLLECT, HANDLE, DISPATCH, SEND = range(5)

# What happens to a task, or to the coordinator: an item is 8 x task + one of these.
BEGIN, SERVE, END, ARRIVE, COORDINATOR, TIMER, STAGE_OVER = range(7)
KINDS = 8


def make_state(workers: int) -> tuple[Array, Array]:
    """``whole`` and ``real`` for a pool in which nothing has happened."""
    events, jobs, messages = 2 * workers + MOST_TIMERS + 8, workers + 4, workers + MOST_TIMERS + 8
    sizes = {
        EVENT_NUMBER: events,
        EVENT_ITEM: events,
        JOB_NUMBER: jobs,
        JOB_ITEM: jobs,
        TOLD: jobs,
        INBOX_ITEM: messages,
        BATCH_ITEM: messages,
        IS_IDLE: workers,
        IS_SLOW: workers,
        HEAD: workers,
        TAIL: workers,
        ACTION_TASK: workers,
        ACTION_WORKER: workers,
    }
    whole = np.zeros(TABLES + sum(sizes.values()), np.int64)
    begin = TABLES
    for place, size in sizes.items():
        whole[place] = begin
        begin += size
    begin = TIMER_AT + MOST_TIMERS
    for place, size in (
        (EVENT_S, events),
        (JOB_WORK, jobs),
        (INBOX_S, messages),
        (BATCH_S, messages),
    ):
        whole[place] = begin
        begin += size
    real = np.zeros(begin)
    real[[DUE_S, TIMER_S, WANTED_S]], real[NEXT_S] = np.inf, -np.inf
    real[TIMER_AT : TIMER_AT + MOST_TIMERS] = np.inf
    whole[WORKERS] = whole[IDLE] = workers
    whole[whole[IS_IDLE] : whole[IS_IDLE] + workers] = 1
    return whole, real
