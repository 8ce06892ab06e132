"""Which ready task goes to which idle worker: the policies of qcutsim.dispatch, compiled."""

from __future__ import annotations

import numpy as np

from qcutsim.simulation.kernel.compiled import compiled, inlined
from qcutsim.simulation.kernel.memory import (
    ACTION_RUN,
    ACTION_WORKER,
    BEGUN,
    DELAY_S,
    ENDS_AT,
    FIRST,
    GROUP,
    GROUP_COUNT,
    GROUPS_AT,
    HEAD,
    IDLE,
    IS_CLOSED,
    IS_IDLE,
    IS_OPEN,
    LOWEST,
    NEXT_S,
    NOW_S,
    OPEN,
    ORDER,
    POLICY,
    QUEUE_AT,
    QUEUE_END,
    SIZE,
    TAIL,
    TASKS,
    WORKERS,
    Array,
)
from qcutsim.simulation.kernel.speculation import choose_or_copy, wake_to_copy_s

EAGER, BATCHED, STAGGERED, LONGEST_FIRST, WORK_STEALING, SPECULATIVE = range(6)


@compiled
def submit(whole: Array, real: Array, tasks: int) -> None:
    """A query's tasks are ready."""
    policy = whole[POLICY]
    whole[TASKS], whole[QUEUE_AT] = tasks, 0
    whole[QUEUE_END] = 0 if policy in (BATCHED, STAGGERED) else tasks
    whole[GROUP], whole[OPEN], whole[BEGUN] = 0, 0, 0
    if policy == STAGGERED:
        for group in range(whole[GROUPS_AT], whole[GROUPS_AT] + whole[GROUP_COUNT]):
            # As now + place x spacing is worked out when the query comes.
            real[group] = real[NOW_S] + real[group]
    if policy == WORK_STEALING:
        for worker in range(whole[WORKERS]):
            whole[whole[HEAD] + worker] = whole[whole[ENDS_AT] + worker]
            whole[whole[TAIL] + worker] = whole[whole[ENDS_AT] + worker + 1]


@inlined
def finished(whole: Array, real: Array, tasks: Array, task: int) -> None:
    """A task of the block is done."""
    if whole[POLICY] == BATCHED and tasks[IS_OPEN, task] == 1:
        tasks[IS_OPEN, task] = 0
        whole[OPEN] -= 1
        real[NEXT_S] = real[NOW_S] + real[DELAY_S]


@inlined
def wake_s(whole: Array, real: Array, times: Array, tasks: Array) -> float:
    """When the policy wants to be woken; infinity: never."""
    if whole[POLICY] == SPECULATIVE:
        return wake_to_copy_s(whole, real, times, tasks)
    if whole[POLICY] == BATCHED and whole[QUEUE_END] < whole[TASKS] and whole[OPEN] == 0:
        return float(real[NEXT_S])
    if whole[POLICY] == STAGGERED and whole[GROUP] < whole[GROUP_COUNT]:
        return float(real[whole[GROUPS_AT] + whole[GROUP]])
    return np.inf


@inlined
def release(whole: Array, real: Array, tasks: Array) -> None:
    """Let go what may begin now."""
    if whole[POLICY] == BATCHED:
        while whole[QUEUE_END] < whole[TASKS] and whole[OPEN] == 0 and real[NOW_S] >= real[NEXT_S]:
            end = min(whole[QUEUE_END] + whole[SIZE], whole[TASKS])
            real[NEXT_S] = real[NOW_S] + real[DELAY_S]
            if whole[IS_CLOSED] == 1:
                for place in range(whole[QUEUE_END], end):
                    task = tasks[ORDER, whole[FIRST] + place]
                    tasks[IS_OPEN, whole[FIRST] + task] = 1
                whole[OPEN] = end - whole[QUEUE_END]
            whole[QUEUE_END] = end
    elif whole[POLICY] == STAGGERED:
        while (
            whole[GROUP] < whole[GROUP_COUNT]
            and real[NOW_S] >= real[whole[GROUPS_AT] + whole[GROUP]]
        ):
            whole[GROUP] += 1
            whole[QUEUE_END] = whole[whole[ENDS_AT] + whole[GROUP]]


@inlined
def choose(whole: Array, real: Array, times: Array, tasks: Array) -> int:
    """Note which tasks go to which workers now; returns how many. They are idle no more."""
    release(whole, real, tasks)
    if whole[IDLE] == 0:
        return 0
    if whole[POLICY] == SPECULATIVE:
        return choose_or_copy(whole, real, times, tasks)
    if whole[POLICY] == WORK_STEALING:
        return steal(whole, tasks)
    count, worker, idle = 0, whole[LOWEST], whole[IS_IDLE]  # all before it are busy
    while whole[QUEUE_AT] < whole[QUEUE_END] and whole[IDLE] > 0:
        while whole[idle + worker] == 0:
            worker += 1
        task = tasks[ORDER, whole[FIRST] + whole[QUEUE_AT]]
        whole[whole[ACTION_RUN] + count] = whole[FIRST] + task
        whole[whole[ACTION_WORKER] + count] = worker
        whole[idle + worker] = 0
        whole[QUEUE_AT] += 1
        whole[IDLE] -= 1
        count += 1
    whole[LOWEST] = worker
    return count


@compiled
def steal(whole: Array, tasks: Array) -> int:
    """First each idle worker its own, then who has none from the tail of the longest."""
    count, first = 0, whole[FIRST]
    for is_theft in (False, True):
        for worker in range(whole[WORKERS]):
            if whole[IDLE] == 0:
                return count
            if whole[whole[IS_IDLE] + worker] == 0:
                continue
            owner = worker
            if is_theft:
                for other in range(whole[WORKERS]):
                    gap = left_of(whole, other) - left_of(whole, owner)
                    if gap > 0 or (gap == 0 and other < owner):
                        owner = other
            if left_of(whole, owner) == 0:
                continue
            if is_theft:
                whole[whole[TAIL] + owner] -= 1
                place = whole[whole[TAIL] + owner]
            else:
                place = whole[whole[HEAD] + owner]
                whole[whole[HEAD] + owner] += 1
            whole[whole[ACTION_RUN] + count] = first + tasks[ORDER, first + place]
            whole[whole[ACTION_WORKER] + count] = worker
            whole[whole[IS_IDLE] + worker] = 0
            whole[IDLE] -= 1
            count += 1
    return count


@compiled
def left_of(whole: Array, worker: int) -> int:
    """How many tasks a worker has left of its own."""
    return int(whole[whole[TAIL] + worker] - whole[whole[HEAD] + worker])
