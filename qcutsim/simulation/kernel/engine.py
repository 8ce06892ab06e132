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
from qcutsim.simulation.kernel.choosing import EAGER, LONGEST_FIRST, STAGGERED, WORK_STEALING
from qcutsim.simulation.kernel.eligible import POLICIES
from qcutsim.simulation.kernel.memory import (
    COLLECT_CPU,
    COLLECT_LATENCY,
    COLLECTED,
    DELAY,
    DELAY_S,
    DISPATCH_CPU,
    DISPATCHED,
    ENDED,
    IS_CLOSED,
    IS_SLOW,
    ORDER,
    POLICY,
    SERVICE,
    SIZE,
    START,
    STARTED,
    STARTED_TASK,
    TASK_ROWS,
    TIME_ROWS,
    WORKER,
    Array,
    make_state,
)
from qcutsim.simulation.kernel.query import (
    ARRIVED,
    CPU,
    EXECUTED,
    FOUND,
    GENERATE,
    PARTITION,
    PLACES,
    RECONSTRUCTED,
    SUBMITTED,
    run_free,
    run_queries,
)
from qcutsim.simulation.machines import coordinators_station
from qcutsim.simulation.workers import SimulatedRun
from qcutsim.stragglers import no_delay

_COSTS = {
    COLLECT_CPU: "collect_cpu_s",
    COLLECT_LATENCY: "collect_latency_s",
    DISPATCH_CPU: "dispatch_s",
    START: "start_s",
}


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
    station = coordinators_station(cell, pool.sharing, queries[0].calibration)
    speeds = np.zeros(0)
    if station is not None:
        speeds = np.array([station.speed_of(jobs) for jobs in range(cell.pool.workers + 4)])
    found = np.zeros((len(queries), FOUND))
    if not with_runs and all(_is_free(cell, speeds, query.draws) for query in queries):
        _run_free(cell, queries, found)
        return {q.number: _simulated(q, row, []) for q, row in zip(queries, found, strict=True)}
    places, times, tasks, ends, groups = _tables(cell, queries)
    whole, real = _state(cell, queries[0].draws)
    stages_s = np.array(
        [(q.draws.partition_s, q.draws.generate_s, q.draws.reconstruct_s) for q in queries]
    )
    run_queries(whole, real, times, tasks, speeds, ends, groups, places, stages_s, found)
    done = {}
    for query, row, first in zip(queries, found, places[:, 0].tolist(), strict=False):
        runs = _runs(query, row, times[:, first:], tasks[:, first:]) if with_runs else []
        done[query.number] = _simulated(query, row, runs)
    return done


def _state(cell: Cell, draws: QueryDraws) -> tuple[Array, Array]:
    whole, real = make_state(cell.pool.workers)
    asked = cell.policy
    whole[POLICY] = POLICIES.index(asked["kind"])
    whole[SIZE] = asked.get("size", 1)
    whole[IS_CLOSED] = asked.get("loop") == "closed"
    real[DELAY_S] = asked.get("delay_s", 0.0)
    # Which workers are slow belongs to the pool, not to a query.
    slow = whole[IS_SLOW]
    whole[slow : slow + cell.pool.workers] = _delays(draws, cell.pool.workers)[1]
    return whole, real


def _tables(
    cell: Cell, queries: Sequence[NumberedQuery]
) -> tuple[Array, Array, Array, Array, Array]:
    """Where each query's part begins, and what is by task, end and group of all of them."""
    drawn = [query.draws for query in queries]
    orders = [_order(cell, draws) for draws in drawn]
    places = np.zeros((len(drawn) + 1, PLACES), np.int64)
    for column, sizes in enumerate(
        (
            [draws.tasks for draws in drawn],
            [len(ends) for _, ends, _ in orders],
            [len(groups) for *_, groups in orders],
        )
    ):
        places[1:, column] = np.cumsum(sizes)
    places[:-1, -1] = [len(groups) for *_, groups in orders]
    times = np.zeros((TIME_ROWS, int(places[-1, 0])))
    tasks = np.zeros((TASK_ROWS, int(places[-1, 0])), np.int64)
    for draws, (order, *_), first in zip(drawn, orders, places[:, 0].tolist(), strict=False):
        own = slice(first, first + draws.tasks)
        times[SERVICE, own] = draws.service_s
        times[DELAY, own] = _delays(draws, cell.pool.workers)[0]
        for row, name in _COSTS.items():
            times[row, own] = getattr(draws, name)
        tasks[ORDER, own] = order
    ends = np.concatenate([own for _, own, _ in orders])
    groups = np.concatenate([own for *_, own in orders])
    return places, times, tasks, ends, groups


def _delays(draws: QueryDraws, workers: int) -> tuple[Array, Array]:
    """Injected delay of each task's first copy, and on which workers."""
    if draws.delay_s is no_delay:
        return np.zeros(draws.tasks), np.ones(workers, np.bool_)
    told: Any = draws.delay_s
    amounts, is_slow = told.arrays(draws.tasks, workers)
    return amounts, is_slow


def _order(cell: Cell, draws: QueryDraws) -> tuple[Array, Array, Array]:
    """In which order the policy releases tasks, where its parts begin, when groups are released."""
    policy, tasks, workers = cell.policy, draws.tasks, cell.pool.workers
    order, nothing = np.arange(tasks), np.zeros(0)
    if policy["kind"] == POLICIES[LONGEST_FIRST]:
        order = _by_expectation(draws)
    elif policy["kind"] == POLICIES[WORK_STEALING]:
        owner = order % workers
        if policy["deal"] == "blocks":
            owner = order * workers // max(tasks, 1)
        order = np.argsort(owner, kind="stable")
        return order, np.searchsorted(owner[order], np.arange(workers + 1)), nothing
    elif policy["kind"] == POLICIES[STAGGERED]:
        names = [getattr(kind, policy["by"]) for kind in draws.kinds or (TaskKind(),)]
        of_task = [names[kind] for kind in draws.kind_of] if draws.kinds else names * tasks
        place = {name: number for number, name in enumerate(dict.fromkeys(of_task))}
        group = np.array([place[name] for name in of_task], np.int64)
        order = np.argsort(group, kind="stable")
        ends = np.searchsorted(group[order], np.arange(len(place) + 1))
        return order, ends, np.arange(len(place)) * float(policy["spacing_s"])
    return order, np.zeros(0, np.int64), nothing


def _by_expectation(draws: QueryDraws) -> Array:
    """Tasks by their expected service time, the longest first, ties by number."""
    if not draws.kinds:
        return np.arange(draws.tasks)
    expected_s = np.array([kind.expected_s for kind in draws.kinds])
    return np.argsort(-expected_s[np.asarray(draws.kind_of)], kind="stable")


def _is_free(cell: Cell, speeds: Array, draws: QueryDraws) -> bool:
    """Whether nothing but the work takes time, and workers share nothing."""
    is_simple = cell.policy["kind"] in (POLICIES[EAGER], POLICIES[LONGEST_FIRST])
    delay_s: Any = draws.delay_s
    is_per_task = delay_s is no_delay or delay_s.is_per_task
    costs = (getattr(draws, name) for name in _COSTS.values())
    return is_simple and is_per_task and len(speeds) == 0 and not any(map(np.any, costs))


def _run_free(cell: Cell, queries: Sequence[NumberedQuery], found: Array) -> None:
    workers, now_s = cell.pool.workers, 0.0
    is_by_size = cell.policy["kind"] == POLICIES[LONGEST_FIRST]
    keys, numbers = np.zeros(workers), np.zeros(workers, np.int64)
    for row, query in zip(found, queries, strict=True):
        draws = query.draws
        partitioned_s = now_s + draws.partition_s
        row[ARRIVED], row[PARTITION] = now_s, partitioned_s - now_s
        row[SUBMITTED] = partitioned_s + draws.generate_s
        row[GENERATE] = row[SUBMITTED] - now_s - row[PARTITION]
        order = _by_expectation(draws) if is_by_size else np.arange(draws.tasks)
        service_s = np.ascontiguousarray(draws.service_s, np.float64)
        amounts, _ = _delays(draws, workers)
        begin_s = float(row[SUBMITTED])
        row[EXECUTED] = run_free(workers, service_s, amounts, order, begin_s, keys, numbers)
        now_s = float(row[EXECUTED]) + draws.reconstruct_s
        row[RECONSTRUCTED] = now_s


def _simulated(query: NumberedQuery, row: Array, runs: list[SimulatedRun]) -> SimulatedQuery:
    times = NodeTimes(0, ())
    times.submitted_s, times.executed_s = float(row[SUBMITTED]), float(row[EXECUTED])
    return SimulatedQuery(
        query.number,
        query.draws,
        None,
        times,
        runs=runs,
        copies=query.draws.tasks,
        arrived_s=float(row[ARRIVED]),
        partition_s=float(row[PARTITION]),
        generate_s=float(row[GENERATE]),
        reconstructed_s=float(row[RECONSTRUCTED]),
        ended_s=float(row[RECONSTRUCTED]),
        coordinator_cpu_s=float(row[CPU]),
    )


def _runs(query: NumberedQuery, row: Array, times: Array, tasks: Array) -> list[SimulatedRun]:
    """The life of each task, in the order of their dispatch."""
    count, ready_s = query.draws.tasks, float(row[SUBMITTED])
    order = tasks[STARTED_TASK, :count]
    lives = zip(
        order.tolist(),
        tasks[WORKER, order].tolist(),
        *(times[name, order].tolist() for name in (DISPATCHED, STARTED, ENDED, COLLECTED)),
        strict=True,
    )
    return [
        SimulatedRun(
            query.number,
            task,
            0,
            worker,
            ready_s,
            dispatched_s,
            "ok",
            query.draws.delay_s(task, 0, worker),
            started_s,
            ended_s,
            collected_s,
            is_serving=True,
            has_ended=True,
        )
        for task, worker, dispatched_s, started_s, ended_s, collected_s in lives
    ]
