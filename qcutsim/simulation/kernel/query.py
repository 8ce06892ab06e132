"""One query through the loop, and one without a coordinator to wait for."""

from __future__ import annotations

from numba import njit

from qcutsim.simulation.kernel.heaps import pop, push
from qcutsim.simulation.kernel.loop import advance, compute, decide, go_on
from qcutsim.simulation.kernel.memory import (
    BATCH,
    BATCH_AT,
    BEGUN,
    CPU_S,
    EXECUTED_S,
    INBOX,
    IS_STAGE,
    LEFT,
    NOW_S,
    PHASE,
    REST,
    STAGE_OVER,
    Array,
    Draws,
    Lives,
    Model,
    World,
)
from qcutsim.simulation.kernel.policies import submit

ARRIVED, PARTITION, GENERATE, SUBMITTED, EXECUTED, RECONSTRUCTED, CPU = range(7)
TIMES = 7
"""Places in what a query comes to, in seconds."""


@njit(cache=True, nogil=True)
def run_query(
    world: World,
    model: Model,
    draws: Draws,
    lives: Lives,
    partition_s: float,
    generate_s: float,
    reconstruct_s: float,
    times: Array,
) -> None:
    """Simulate a query that comes now; ``times`` is filled in."""
    whole, real = world.whole, world.real
    tasks = len(draws.order)
    times[ARRIVED] = real[NOW_S]
    stage(world, model, draws, lives, partition_s)
    times[PARTITION] = real[NOW_S] - times[ARRIVED]
    stage(world, model, draws, lives, generate_s)
    times[GENERATE] = real[NOW_S] - times[ARRIVED] - times[PARTITION]
    times[SUBMITTED] = real[NOW_S]
    real[CPU_S], whole[BEGUN], whole[LEFT] = 0.0, 0, tasks
    submit(world, model, draws)
    decide(world, model, draws)
    whole[BATCH], whole[BATCH_AT] = 0, -1
    real[EXECUTED_S] = real[NOW_S]
    go_on(world, model, draws, lives)
    while whole[LEFT] > 0 and advance(world, model, draws, lives):
        pass
    times[EXECUTED] = real[EXECUTED_S]
    stage(world, model, draws, lives, reconstruct_s)
    times[RECONSTRUCTED] = real[NOW_S]
    times[CPU] = real[CPU_S]


@njit(cache=True, nogil=True)
def stage(world: World, model: Model, draws: Draws, lives: Lives, seconds: float) -> None:
    """The coordinator is busy with a stage of the query."""
    if seconds <= 0:
        return
    whole = world.whole
    whole[IS_STAGE] = 1
    compute(world, model, seconds, STAGE_OVER)
    while whole[IS_STAGE] == 1:
        advance(world, model, draws, lives)
    while whole[INBOX] > 0 or whole[PHASE] != REST:  # timers that nobody waits for
        if not advance(world, model, draws, lives):
            break


@njit(cache=True, nogil=True)
def run_free(
    workers: int,
    service_s: Array,
    delay_s: Array,
    order: Array,
    begin_s: float,
    keys: Array,
    numbers: Array,
    items: Array,
) -> float:
    """Eager on dedicated workers where nothing but the work takes time; returns the end.

    ``order`` are the tasks as they are released; the last three hold an entry a worker.
    """
    tasks, running, end_s = len(order), 0, begin_s
    for place in range(min(workers, tasks)):
        task = order[place]
        ends_s = begin_s + delay_s[task] + service_s[task]
        running = push(keys, numbers, items, running, ends_s, task, task)
    for place in range(running, tasks):
        now_s = keys[0]
        task = order[place]
        replace_least(keys, numbers, running, now_s + delay_s[task] + service_s[task], task)
    while running > 0:
        end_s = max(end_s, keys[0])
        running = pop(keys, numbers, items, running)
    return end_s


@njit(cache=True, nogil=True)
def replace_least(keys: Array, numbers: Array, size: int, key: float, number: int) -> None:
    """Take the least entry out of a heap and put another one in."""
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (
            keys[other] < keys[below]
            or (keys[other] == keys[below] and numbers[other] < numbers[below])
        ):
            below = other
        if key < keys[below] or (key == keys[below] and number < numbers[below]):
            break
        keys[place], numbers[place] = keys[below], numbers[below]
        place = below
    keys[place], numbers[place] = key, number
