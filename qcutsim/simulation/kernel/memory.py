"""The memory of a compiled simulation: plain arrays, handed from function to function.

- ``whole`` (integers) and ``real`` (seconds of virtual time): numbers of which there is one, at the
  places named below, then tables at the places that ``whole`` tells;
- ``times`` and ``tasks``: a row for each quantity. A column is a run: attempt ``a`` at task ``t``
  of the block, whose queries lie one behind the other, is ``a * whole[TOTAL] + t``; what belongs to
  a task stands at its first attempt. ``whole[FIRST]`` is the first task of the query.

Tables hold, of the host, the progress of each of n busy jobs; of work stealing, where the tasks of
each worker begin in the order; of staggering, where groups begin, and when after the query they are
released; of each query, where its tasks, ends and groups begin and how many groups there are (and
once more, of what would come after the last), its stages (partition, generate, reconstruct) in
seconds, and what it comes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Places in ``whole``: the loop, the query, the policy, speculation.
EVENTS, SEQUENCE, JOBS, ENTERED, INBOX, BATCH, BATCH_AT, PHASE, TIMERS = range(9)
QUERY, STAGE, FIRST, TASKS, LEFT, BEGUN, TOTAL, ENDS_AT, GROUPS_AT, GROUP_COUNT = range(9, 19)
POLICY, WORKERS, IDLE, ACTIONS, ACTION_AT, QUEUE_AT, QUEUE_END, OPEN, GROUP = range(19, 28)
SIZE, IS_CLOSED, CANCEL, MOST_COPIES, SAMPLES, JOINED, KNOWN, RUNNING, OPEN_TASKS = range(28, 37)
# Where tables begin in it: events, jobs, messages, workers, structures.
EVENT_NUMBER, EVENT_ITEM, JOB_NUMBER, JOB_ITEM, TOLD, INBOX_ITEM, BATCH_ITEM = range(37, 44)
IS_IDLE, HEAD, TAIL, ACTION_RUN, ACTION_WORKER, NUMBER, HELD, OPEN_LIST, LATE = range(44, 53)
IS_SLOW, DURATIONS = 53, 54
# And again single ones: the host's alarm; the queries.
ALARM_NUMBER, IS_TELLING, IS_SHARED, QUERIES, ROW, LOWEST = range(55, 61)

# Places in ``real``; its tables begin where ``whole`` tells.
NOW_S, WORK_S, LAST_S, DUE_S, TIMER_S, NEXT_S, WANTED_S, DELAY_S = range(8)
RESTART_S, QUANTILE, SLOWDOWN, CAP, ALARM_S = range(8, 13)
SINGLE = 13
EVENT_S, JOB_WORK, INBOX_S, BATCH_S, TIMER_AT, SLOWNESS, LATENESS, RECENT, SORTED = range(61, 70)
ENDS, PLACES_AT = 70, 71
SPEEDS, RELEASES, STAGES, FOUND_AT = range(72, 76)
TABLES = 76
"""Places in ``whole`` that tell where tables begin end here."""

# Rows of ``times`` and of ``tasks``; the last ones are there where tasks are speculated on.
SERVICE, COLLECT_CPU, COLLECT_LATENCY, DISPATCH_CPU, START, DELAY = range(6)
DISPATCHED, STARTED, ENDED, COLLECTED, ASSIGNED, LATEST, EXPECTED = range(6, 13)
TIME_ROWS, TIME_ROWS_SPECULATIVE = 10, 13
ORDER, STARTED_RUN, WORKER, IS_OPEN, STATE, IS_SEALED, IS_CANCELLED, WORKER_NUMBER = range(8)
COPIES, IS_DONE, OPEN_AT, STRUCTURE = range(8, 12)
TASK_ROWS, TASK_ROWS_SPECULATIVE = 4, 12

# Columns of ``places`` and of ``found``.
TASK_AT, END_AT, GROUP_AT, GROUPS = range(4)
PLACES = 4
ARRIVED, PARTITION, GENERATE, SUBMITTED, EXECUTED, RECONSTRUCTED, COMPLETED, CPU = range(8)
COPIES_BEGUN = 8
FOUND = 9

# How far a run is: sent, at work, its result on the way, given up, over.
SENT, SERVING, RETURNING, GIVEN_UP, OVER = range(5)

# What the coordinator is about to do.
REST, COLLECT, HANDLE, DISPATCH, SEND = range(5)

# What happens to a run, or to something else: an item is 8 x its number + one of these.
BEGIN, SERVE, END, ARRIVE, COORDINATOR, TIMER, NEXT_STAGE, JOIN = range(8)
KINDS = 8

# Messages to the coordinator are ordered as whole numbers: by kind, then by what they tell of.
TASK_ENDED, WORKER_LOST, WORKER_JOINED, IS_RECONSTRUCTED, IS_SUBMITTED, HAS_FIRED = range(6)
MESSAGE_BITS = 48
ATTEMPT_BITS = 7

REMEMBERED = 512
"""Durations of a structure that its quantile is taken from, as in the policy."""

_MOST_TIMERS = {False: 64, True: 1024}
"""So many are pending at most; where more would be (speculation alone), the loop gives up."""


def make_state(
    workers: int,
    tables: Mapping[int, Array],
    *,
    is_speculative: bool = False,
    most_workers: int = 0,
    structures: int = 0,
) -> tuple[Array, Array]:
    """``whole`` and ``real`` for a pool in which nothing has happened.

    Args:
        workers: at once.
        tables: ``ENDS`` and ``PLACES_AT``; ``SPEEDS``, ``RELEASES`` and ``STAGES``.
        is_speculative: whether tasks get further copies.
        most_workers: with those that replace others.
        structures: how many kinds of tasks there are to tell apart.
    """
    timers, queries = _MOST_TIMERS[is_speculative], tables[STAGES].size // 3
    events, jobs, messages = 2 * workers + timers + 8, workers + 4, 3 * workers + timers + 8
    of_whole = dict.fromkeys((EVENT_NUMBER, EVENT_ITEM), events)
    of_whole |= dict.fromkeys((JOB_NUMBER, JOB_ITEM, TOLD), jobs)
    of_whole |= dict.fromkeys((INBOX_ITEM, BATCH_ITEM), messages)
    of_whole |= dict.fromkeys(range(IS_IDLE, LATE + 1), workers)
    of_whole |= {IS_SLOW: max(workers, most_workers), DURATIONS: structures}
    of_whole |= {place: tables[place].size for place in (ENDS, PLACES_AT)}
    of_real = {EVENT_S: events, JOB_WORK: jobs, INBOX_S: messages, BATCH_S: messages}
    of_real |= {TIMER_AT: timers, SLOWNESS: workers, LATENESS: workers}
    of_real |= dict.fromkeys((RECENT, SORTED), structures * REMEMBERED)
    of_real |= {place: tables[place].size for place in (SPEEDS, RELEASES, STAGES)}
    of_real |= {FOUND_AT: queries * FOUND}
    whole = np.zeros(TABLES + sum(of_whole.values()), np.int64)
    real = np.zeros(SINGLE + sum(of_real.values()))
    for state, first, sizes in ((whole, TABLES, of_whole), (real, SINGLE, of_real)):
        begin = first
        for place, size in sizes.items():
            whole[place] = begin
            if place in tables:
                state[begin : begin + size] = tables[place].ravel()
            begin += size
    real[[DUE_S, TIMER_S, WANTED_S, ALARM_S]], real[NEXT_S] = np.inf, -np.inf
    real[whole[TIMER_AT] : whole[TIMER_AT] + timers] = np.inf
    whole[[WORKERS, IDLE, JOINED, KNOWN]] = workers
    whole[QUERIES], whole[ROW] = queries, whole[FOUND_AT]
    whole[IS_SHARED] = tables[SPEEDS].size > 0
    whole[whole[IS_IDLE] : whole[IS_IDLE] + workers] = 1
    whole[whole[NUMBER] : whole[NUMBER] + workers] = np.arange(workers)
    whole[whole[HELD] : whole[HELD] + workers] = -1
    return whole, real
