"""Blocks of queries through the compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qcutsim.calibrate import PoolModel
from qcutsim.cell import Cell
from qcutsim.dispatch import NodeTimes, TaskKind
from qcutsim.simulation.block import NumberedQuery
from qcutsim.simulation.draws import QueryDraws
from qcutsim.simulation.farm import SimulatedQuery
from qcutsim.simulation.kernel.eligible import POLICIES
from qcutsim.simulation.kernel.memory import (
    IDLE,
    NOW_S,
    Array,
    Draws,
    Lives,
    Model,
    World,
    make_lives,
    make_world,
)
from qcutsim.simulation.kernel.policies import EAGER, LONGEST_FIRST, STAGGERED
from qcutsim.simulation.kernel.policies import WORK_STEALING as STEALING
from qcutsim.simulation.kernel.query import (
    ARRIVED,
    CPU,
    EXECUTED,
    GENERATE,
    PARTITION,
    RECONSTRUCTED,
    SUBMITTED,
    TIMES,
    run_free,
    run_query,
)
from qcutsim.simulation.machines import coordinators_station
from qcutsim.simulation.workers import SimulatedRun
from qcutsim.stragglers import no_delay


def run_block(
    cell: Cell, pool: PoolModel, queries: Sequence[NumberedQuery], *, with_runs: bool
) -> dict[int, SimulatedQuery]:
    """Simulate queries that follow each other; the same to the last bit as the farm.

    Args:
        cell: one of which :func:`qcutsim.simulation.kernel.why_not` says nothing.
        pool: the models of its workers.
        queries: in order; at least one.
        with_runs: whether to tell the life of each task.

    Returns:
        What came of each query, by number.
    """
    model = _model(cell, pool, queries[0].calibration)
    most = max(query.draws.tasks for query in queries)
    world, lives = make_world(model.workers, most), make_lives(most)
    world.whole[IDLE] = model.workers
    found = {}
    for query in queries:
        times = np.zeros(TIMES)
        draws = query.draws
        if _is_free(model, draws) and not with_runs:
            _run_free(world, model, draws, times)
        else:
            arrays = _draws(model, cell, draws)
            stages_s = (draws.partition_s, draws.generate_s, draws.reconstruct_s)
            run_query(world, model, arrays, lives, *stages_s, times)
        found[query.number] = _simulated(query, times, lives if with_runs else None)
    return found


def _model(cell: Cell, pool: PoolModel, calibration: int | None) -> Model:
    station = coordinators_station(cell, pool.sharing, calibration)
    speeds = np.zeros(0)
    if station is not None:
        speeds = np.array([station.speed_of(jobs) for jobs in range(cell.pool.workers + 4)])
    asked = cell.policy
    return Model(
        POLICIES.index(asked["kind"]),
        int(asked.get("size", 1)),
        asked.get("loop") == "closed",
        float(asked.get("delay_s", 0.0)),
        cell.pool.workers,
        speeds,
    )


def _draws(model: Model, cell: Cell, draws: QueryDraws) -> Draws:
    order, owner_at, group_at, group_s = _order(model, cell, draws)
    amounts, is_slow = _delays(draws, model.workers)
    return Draws(
        _array(draws.service_s),
        _array(draws.collect_cpu_s),
        _array(draws.collect_latency_s),
        _array(draws.dispatch_s),
        _array(draws.start_s),
        amounts,
        is_slow,
        order,
        owner_at,
        group_at,
        group_s,
    )


def _array(values: Any) -> Array:
    return np.ascontiguousarray(values, np.float64)


def _delays(draws: QueryDraws, workers: int) -> tuple[Array, Array]:
    """Injected delay of each task's first copy, and on which workers."""
    if draws.delay_s is no_delay:
        return np.zeros(draws.tasks), np.ones(workers, np.bool_)
    amounts, is_slow = draws.delay_s.arrays(draws.tasks, workers)  # type: ignore[attr-defined]
    return amounts, is_slow


def _order(model: Model, cell: Cell, draws: QueryDraws) -> tuple[Array, Array, Array, Array]:
    """In which order the policy releases tasks, whose they are, and in which groups."""
    tasks = draws.tasks
    order = _by_expectation(draws) if model.policy == LONGEST_FIRST else np.arange(tasks)
    nothing = np.zeros(0, np.int64)
    if model.policy == STEALING:
        owner = order % model.workers
        if cell.policy["deal"] == "blocks":
            owner = order * model.workers // max(tasks, 1)
        order = np.argsort(owner, kind="stable")
        owner_at = np.searchsorted(owner[order], np.arange(model.workers + 1))
        return order, owner_at.astype(np.int64), nothing, np.zeros(0)
    if model.policy == STAGGERED:
        kinds = draws.kinds or (TaskKind(),)
        name_of = [getattr(kind, cell.policy["by"]) for kind in kinds]
        names = [name_of[kind] for kind in draws.kind_of] if draws.kinds else [""] * tasks
        place = {name: number for number, name in enumerate(dict.fromkeys(names))}
        group = np.array([place[name] for name in names], np.int64)
        order = np.argsort(group, kind="stable")
        group_at = np.searchsorted(group[order], np.arange(len(place) + 1))
        group_s = np.arange(len(place)) * float(cell.policy["spacing_s"])
        return order, nothing, group_at.astype(np.int64), group_s
    return order, nothing, nothing, np.zeros(0)


def _by_expectation(draws: QueryDraws) -> Array:
    """Tasks by their expected service time, the longest first, ties by number."""
    if not draws.kinds:
        return np.arange(draws.tasks)
    expected_s = np.array([kind.expected_s for kind in draws.kinds])
    return np.argsort(-expected_s[np.asarray(draws.kind_of)], kind="stable")


def _is_free(model: Model, draws: QueryDraws) -> bool:
    """Whether nothing but the work takes time, and workers share nothing."""
    costs = (draws.collect_cpu_s, draws.collect_latency_s, draws.dispatch_s, draws.start_s)
    is_simple = model.policy in (EAGER, LONGEST_FIRST) and len(model.speeds) == 0
    delay_s: Any = draws.delay_s
    is_per_task = delay_s is no_delay or delay_s.is_per_task
    return is_simple and is_per_task and not any(np.any(cost) for cost in costs)


def _run_free(world: World, model: Model, draws: QueryDraws, times: Array) -> None:
    begin_s = float(world.real[NOW_S])
    times[ARRIVED] = begin_s
    partitioned_s = begin_s + draws.partition_s
    times[PARTITION] = partitioned_s - begin_s
    times[SUBMITTED] = partitioned_s + draws.generate_s
    times[GENERATE] = times[SUBMITTED] - begin_s - times[PARTITION]
    amounts, _ = _delays(draws, model.workers)
    order = _by_expectation(draws) if model.policy == LONGEST_FIRST else np.arange(draws.tasks)
    workers = model.workers
    memory = np.zeros(workers), np.zeros(workers, np.int64), np.zeros(workers, np.int64)
    service_s = _array(draws.service_s)
    times[EXECUTED] = run_free(workers, service_s, amounts, order, times[SUBMITTED], *memory)
    times[RECONSTRUCTED] = times[EXECUTED] + draws.reconstruct_s
    world.real[NOW_S] = times[RECONSTRUCTED]


def _simulated(query: NumberedQuery, times: Array, lives: Lives | None) -> SimulatedQuery:
    draws = query.draws
    node_times = NodeTimes(0, ())
    node_times.submitted_s, node_times.executed_s = float(times[SUBMITTED]), float(times[EXECUTED])
    return SimulatedQuery(
        query.number,
        draws,
        None,
        node_times,
        runs=[] if lives is None else _runs(query, float(times[SUBMITTED]), lives),
        copies=draws.tasks,
        arrived_s=float(times[ARRIVED]),
        partition_s=float(times[PARTITION]),
        generate_s=float(times[GENERATE]),
        reconstructed_s=float(times[RECONSTRUCTED]),
        ended_s=float(times[RECONSTRUCTED]),
        coordinator_cpu_s=float(times[CPU]),
    )


def _runs(query: NumberedQuery, ready_s: float, lives: Lives) -> list[SimulatedRun]:
    draws = query.draws
    found = []
    for task in lives.started[: draws.tasks].tolist():
        worker = int(lives.worker[task])
        found.append(
            SimulatedRun(
                query.number,
                task,
                0,
                worker,
                ready_s,
                float(lives.dispatched_s[task]),
                "ok",
                draws.delay_s(task, 0, worker),
                float(lives.started_s[task]),
                float(lives.ended_s[task]),
                float(lives.collected_s[task]),
                is_serving=True,
                has_ended=True,
            )
        )
    return found
