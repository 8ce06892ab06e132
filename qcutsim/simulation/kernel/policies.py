"""Which ready task goes to which idle worker: the policies of qcutsim.dispatch, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from qcutsim.simulation.kernel.memory import (
    GROUP,
    IDLE,
    NEXT_S,
    NOW_S,
    OPEN,
    QUEUE_AT,
    QUEUE_END,
    TASKS,
    Draws,
    Model,
    World,
)

EAGER, BATCHED, STAGGERED, LONGEST_FIRST, WORK_STEALING = range(5)


@njit(cache=True, nogil=True)
def submit(world: World, model: Model, draws: Draws) -> None:
    """A query's tasks are ready."""
    whole = world.whole
    tasks = len(draws.order)
    whole[TASKS], whole[QUEUE_AT] = tasks, 0
    whole[QUEUE_END] = 0 if model.policy in (BATCHED, STAGGERED) else tasks
    whole[GROUP], whole[OPEN] = 0, 0
    if model.policy == STAGGERED:
        for group in range(len(draws.group_s)):
            # As now + place x spacing is worked out when the query comes.
            draws.group_s[group] = world.real[NOW_S] + draws.group_s[group]
    if model.policy == WORK_STEALING:
        for worker in range(model.workers):
            world.head[worker] = draws.owner_at[worker]
            world.tail[worker] = draws.owner_at[worker + 1]


@njit(cache=True, nogil=True)
def finished(world: World, model: Model, task: int) -> None:
    """A task is done."""
    if model.policy == BATCHED and model.is_closed and world.is_open[task]:
        world.is_open[task] = False
        world.whole[OPEN] -= 1
        world.real[NEXT_S] = world.real[NOW_S] + model.delay_s


@njit(cache=True, nogil=True)
def wake_s(world: World, model: Model, draws: Draws) -> float:
    """When the policy wants to be woken; infinity: never."""
    whole = world.whole
    if model.policy == BATCHED and whole[QUEUE_END] < whole[TASKS] and whole[OPEN] == 0:
        return float(world.real[NEXT_S])
    if model.policy == STAGGERED and whole[GROUP] < len(draws.group_s):
        return float(draws.group_s[whole[GROUP]])
    return np.inf


@njit(cache=True, nogil=True)
def release(world: World, model: Model, draws: Draws) -> None:
    """Let go what may begin now."""
    whole, real = world.whole, world.real
    if model.policy == BATCHED:
        while whole[QUEUE_END] < whole[TASKS] and whole[OPEN] == 0 and real[NOW_S] >= real[NEXT_S]:
            end = min(whole[QUEUE_END] + model.size, whole[TASKS])
            real[NEXT_S] = real[NOW_S] + model.delay_s
            if model.is_closed:
                for place in range(whole[QUEUE_END], end):
                    world.is_open[draws.order[place]] = True
                whole[OPEN] = end - whole[QUEUE_END]
            whole[QUEUE_END] = end
    elif model.policy == STAGGERED:
        while whole[GROUP] < len(draws.group_s) and real[NOW_S] >= draws.group_s[whole[GROUP]]:
            whole[GROUP] += 1
            whole[QUEUE_END] = draws.group_at[whole[GROUP]]


@njit(cache=True, nogil=True)
def choose(world: World, model: Model, draws: Draws, tasks: np.ndarray, workers: np.ndarray) -> int:
    """Fill in which tasks go to which workers now; returns how many. They are idle no more."""
    whole = world.whole
    if whole[IDLE] == 0:
        release(world, model, draws)
        return 0
    if model.policy == WORK_STEALING:
        return steal(world, model, draws, tasks, workers)
    release(world, model, draws)
    count, worker = 0, 0
    while whole[QUEUE_AT] < whole[QUEUE_END] and whole[IDLE] > 0:
        while not world.is_idle[worker]:
            worker += 1
        tasks[count], workers[count] = draws.order[whole[QUEUE_AT]], worker
        world.is_idle[worker] = False
        whole[QUEUE_AT] += 1
        whole[IDLE] -= 1
        count += 1
    return count


@njit(cache=True, nogil=True)
def steal(world: World, model: Model, draws: Draws, tasks: np.ndarray, workers: np.ndarray) -> int:
    """First each idle worker its own, then who has none from the tail of the longest."""
    count = 0
    for is_theft in (False, True):
        for worker in range(model.workers):
            if not world.is_idle[worker]:
                continue
            owner = worker
            if is_theft:
                for other in range(model.workers):
                    if size(world, other) > size(world, owner) or (
                        size(world, other) == size(world, owner) and other < owner
                    ):
                        owner = other
            if size(world, owner) == 0:
                continue
            if is_theft:
                world.tail[owner] -= 1
                tasks[count] = draws.order[world.tail[owner]]
            else:
                tasks[count] = draws.order[world.head[owner]]
                world.head[owner] += 1
            workers[count] = worker
            world.is_idle[worker] = False
            world.whole[IDLE] -= 1
            count += 1
    return count


@njit(cache=True, nogil=True)
def size(world: World, worker: int) -> int:
    """How many tasks a worker has left of its own."""
    return int(world.tail[worker] - world.head[worker])
