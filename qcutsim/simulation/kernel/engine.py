"""Blocks of queries through the compiled loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qcutsim.calibrate import PoolModel
from qcutsim.cell import Cell
from qcutsim.dispatch import NodeTimes, TaskKind
from qcutsim.dispatch.policies.speculative import SpeculativeConfig
from qcutsim.simulation.block import NumberedQuery
from qcutsim.simulation.draws import QueryDraws
from qcutsim.simulation.farm import SimulatedQuery
from qcutsim.simulation.kernel.choosing import EAGER, LONGEST_FIRST, STAGGERED, WORK_STEALING
from qcutsim.simulation.kernel.eligible import POLICIES
from qcutsim.simulation.kernel.memory import (
    ARRIVED,
    CANCEL,
    CAP,
    COLLECT_CPU,
    COLLECT_LATENCY,
    COLLECTED,
    COMPLETED,
    COPIES_BEGUN,
    CPU,
    DELAY,
    DELAY_S,
    DISPATCH_CPU,
    DISPATCHED,
    ENDED,
    ENDS,
    EXECUTED,
    EXPECTED,
    FOUND,
    FOUND_AT,
    GENERATE,
    IS_CANCELLED,
    IS_CLOSED,
    IS_SLOW,
    MOST_COPIES,
    ORDER,
    PARTITION,
    PLACES,
    PLACES_AT,
    POLICY,
    QUANTILE,
    RECONSTRUCTED,
    RELEASES,
    RESTART_S,
    SAMPLES,
    SERVICE,
    SIZE,
    SLOWDOWN,
    SPEEDS,
    STAGES,
    START,
    STARTED,
    STARTED_RUN,
    STRUCTURE,
    SUBMITTED,
    TASK_ROWS,
    TASK_ROWS_SPECULATIVE,
    TIME_ROWS,
    TIME_ROWS_SPECULATIVE,
    TOTAL,
    WORKER,
    WORKER_NUMBER,
    Array,
    make_state,
)
from qcutsim.simulation.kernel.query import run_free, run_queries
from qcutsim.simulation.machines import coordinators_station
from qcutsim.simulation.workers import SimulatedRun
from qcutsim.stragglers import no_delay

_COSTS = {
    COLLECT_CPU: "collect_cpu_s",
    COLLECT_LATENCY: "collect_latency_s",
    DISPATCH_CPU: "dispatch_s",
    START: "start_s",
}


_CANCELS = ("none", "sleep_only", "kill")
"""In the order of their numbers in the compiled code."""


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

    Raises:
        OverflowError: speculation had more timers pending than there is room for.
    """
    station = coordinators_station(cell, pool.sharing, queries[0].calibration)
    speeds = np.zeros(0)
    if station is not None:
        speeds = np.array([station.speed_of(jobs) for jobs in range(cell.pool.workers + 4)])
    found = np.zeros((len(queries), FOUND))
    if not with_runs and all(_is_free(cell, speeds, query.draws) for query in queries):
        _run_free(cell, queries, found)
        return {q.number: _simulated(q, row, []) for q, row in zip(queries, found, strict=True)}
    tables, times, tasks = _tables(cell, queries)
    places = tables[PLACES_AT]
    whole, real = _state(cell, queries, tables | {SPEEDS: speeds})
    run_queries(whole, real, times, tasks)
    found = real[whole[FOUND_AT] :][: found.size].reshape(found.shape)
    done = {}
    for query, row, first in zip(queries, found, places[:, 0].tolist(), strict=False):
        runs = _runs(query, row, times, tasks, first, whole) if with_runs else []
        done[query.number] = _simulated(query, row, runs)
    return done


def _most_copies(cell: Cell) -> int:
    config = cell.policy_config
    return config.copies if isinstance(config, SpeculativeConfig) else 1


def _state(
    cell: Cell, queries: Sequence[NumberedQuery], tables: Mapping[int, Array]
) -> tuple[Array, Array]:
    total = int(tables[PLACES_AT][-1, 0])
    config, workers, asked = cell.policy_config, cell.pool.workers, cell.policy
    is_speculative = isinstance(config, SpeculativeConfig)
    kills = (_most_copies(cell) - 1) * total if cell.cancel_mode == "kill" else 0
    structures = _structures(queries) if is_speculative else {}
    whole, real = make_state(
        workers,
        tables,
        is_speculative=is_speculative,
        most_workers=workers + kills,
        structures=len(structures),
    )
    whole[POLICY], whole[TOTAL] = POLICIES.index(asked["kind"]), total
    whole[SIZE] = asked.get("size", 1)
    whole[IS_CLOSED] = asked.get("loop") == "closed"
    real[DELAY_S] = asked.get("delay_s", 0.0)
    whole[MOST_COPIES] = _most_copies(cell)
    if isinstance(config, SpeculativeConfig):
        whole[CANCEL] = _CANCELS.index(cell.cancel_mode)
        whole[SAMPLES] = config.samples
        real[[QUANTILE, SLOWDOWN, CAP]] = config.quantile, config.slowdown, config.cap
        real[RESTART_S] = cell.pool.restart_s or 0.0
    # Which workers are slow belongs to the pool, not to a query.
    is_slow = _delays(queries[0].draws, workers + kills)[1]
    whole[whole[IS_SLOW] : whole[IS_SLOW] + len(is_slow)] = is_slow
    return whole, real


def _structures(queries: Sequence[NumberedQuery]) -> dict[str, int]:
    """A number for each structure of the queries' tasks."""
    kinds = [kind for query in queries for kind in query.draws.kinds or (TaskKind(),)]
    names = dict.fromkeys(kind.structure for kind in kinds)
    return {name: number for number, name in enumerate(names)}


def _tables(cell: Cell, queries: Sequence[NumberedQuery]) -> tuple[dict[int, Array], Array, Array]:
    """What the memory holds of the queries, and ``times`` and ``tasks`` of all of them."""
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
    total, copies = int(places[-1, 0]), _most_copies(cell)
    is_speculative = isinstance(cell.policy_config, SpeculativeConfig)
    rows = (TIME_ROWS_SPECULATIVE, TASK_ROWS_SPECULATIVE)
    time_rows, task_rows = rows if is_speculative else (TIME_ROWS, TASK_ROWS)
    times = np.zeros((time_rows, total * copies))
    tasks = np.zeros((task_rows, total * copies), np.int64)
    structures = _structures(queries) if is_speculative else {}
    for draws, (order, *_), first in zip(drawn, orders, places[:, 0].tolist(), strict=False):
        own = slice(first, first + draws.tasks)
        times[SERVICE, own] = draws.service_s
        for attempt in range(copies):
            of_attempt = slice(attempt * total + first, attempt * total + first + draws.tasks)
            times[DELAY, of_attempt] = _delays(draws, 0, attempt)[0]
        for row, name in _COSTS.items():
            times[row, own] = getattr(draws, name)
        tasks[ORDER, own] = order
        if is_speculative:
            kinds = draws.kinds or (TaskKind(),)
            of_task = (
                np.asarray(draws.kind_of, np.int64) if draws.kinds else np.zeros(draws.tasks, int)
            )
            times[EXPECTED, own] = np.array([kind.expected_s for kind in kinds])[of_task]
            tasks[STRUCTURE, own] = np.array([structures[k.structure] for k in kinds])[of_task]
    tables = {
        ENDS: np.concatenate([own for _, own, _ in orders]),
        PLACES_AT: places,
        RELEASES: np.concatenate([own for *_, own in orders]),
        STAGES: np.array([(d.partition_s, d.generate_s, d.reconstruct_s) for d in drawn]),
    }
    return tables, times, tasks


def _delays(draws: QueryDraws, workers: int, attempt: int = 0) -> tuple[Array, Array]:
    """Injected delay of each task's copy of that attempt, and on which workers."""
    if draws.delay_s is no_delay:
        return np.zeros(draws.tasks), np.ones(workers, np.bool_)
    told: Any = draws.delay_s
    amounts, is_slow = told.arrays(draws.tasks, workers, attempt)
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
        kind_of = np.asarray(draws.kind_of) if draws.kinds else np.zeros(tasks, np.int64)
        seen, first = np.unique(kind_of, return_index=True)
        appeared = dict.fromkeys(names[kind] for kind in seen[np.argsort(first)].tolist())
        place = {name: number for number, name in enumerate(appeared)}
        group = np.array([place.get(name, 0) for name in names], np.int64)[kind_of]
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
        row[RECONSTRUCTED] = row[COMPLETED] = now_s
        row[COPIES_BEGUN] = draws.tasks


def _simulated(query: NumberedQuery, row: Array, runs: list[SimulatedRun]) -> SimulatedQuery:
    times = NodeTimes(0, ())
    times.submitted_s, times.executed_s = float(row[SUBMITTED]), float(row[EXECUTED])
    return SimulatedQuery(
        query.number,
        query.draws,
        None,
        times,
        runs=runs,
        copies=int(row[COPIES_BEGUN]),
        arrived_s=float(row[ARRIVED]),
        partition_s=float(row[PARTITION]),
        generate_s=float(row[GENERATE]),
        reconstructed_s=float(row[RECONSTRUCTED]),
        ended_s=float(row[COMPLETED]),
        coordinator_cpu_s=float(row[CPU]),
    )


def _runs(
    query: NumberedQuery, row: Array, times: Array, tasks: Array, first: int, whole: Array
) -> list[SimulatedRun]:
    """The life of each copy, in the order of their dispatch."""
    begin, ready_s = first * int(whole[MOST_COPIES]), float(row[SUBMITTED])
    order = tasks[STARTED_RUN, begin : begin + int(row[COPIES_BEGUN])]
    attempts, places = np.divmod(order, whole[TOTAL])
    is_speculative = len(tasks) == TASK_ROWS_SPECULATIVE
    is_cancelled = tasks[IS_CANCELLED, order] if is_speculative else np.zeros_like(order)
    names = (DISPATCHED, STARTED, ENDED, COLLECTED)
    lives = zip(
        (places - first).tolist(),
        attempts.tolist(),
        tasks[WORKER_NUMBER if is_speculative else WORKER, order].tolist(),
        is_cancelled.tolist(),
        *(times[name, order].tolist() for name in names),
        strict=True,
    )
    return [
        SimulatedRun(
            query.number,
            task,
            attempt,
            worker,
            ready_s,
            dispatched_s,
            "cancelled" if was_cancelled else "ok",
            query.draws.delay_s(task, attempt, worker),
            started_s,
            ended_s,
            collected_s,
            is_serving=True,
            has_ended=True,
        )
        for (
            task,
            attempt,
            worker,
            was_cancelled,
            dispatched_s,
            started_s,
            ended_s,
            collected_s,
        ) in lives
    ]
