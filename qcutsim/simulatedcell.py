"""One simulated cell, replicated, with statistics: every answer with an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
import numpy as np

from qcutsim.analysis import (
    STAGES,
    Attribution,
    Configuration,
    Interval,
    are_enough,
    attribute,
    interval,
    pooled_quantiles,
    worker_use,
)
from qcutsim.cell import Cell
from qcutsim.records import QueryRecord, Record, StepRecord, TaskRecord
from qcutsim.simulation import Simulation, discrepancies
from qcutsim.stragglers import Stragglers

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

BATCH = 10
"""Replications that are added at a time until they are enough."""

MOST_REPLICATIONS = 2000
"""Where these are not enough, that is said."""

MOST_ATTRIBUTED_TASKS = 20_000
"""Critical paths are followed through about so many task records of a cell."""


class CellStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What was simulated of one cell. Shares are parts of the makespan; times are in seconds.

    ``makespan_s`` is the median query of a replication, ``p50_s``, ``p95_s`` and ``p99_s`` are
    quantiles over the queries of all replications. ``critical_path`` is what the makespan went into
    (see :class:`qcutsim.analysis.Attribution`). ``straggler_slowdown`` compares with the same draws
    without stragglers; ``training_s`` is how long a training run takes. ``is_wide``: the interval
    asked for was not reached. ``engine`` simulated it, and why that one. ``discrepancies`` are what
    the model itself may be off by, which the intervals hold: a factor on each makespan.
    """

    configuration: dict[str, Any]
    engine: str
    engine_why: str
    replications: int
    queries: int
    failed: int
    is_extrapolated: bool
    is_wide: bool
    makespan_s: Interval
    p50_s: Interval
    p95_s: Interval
    p99_s: Interval
    stage_shares: dict[str, Interval]
    utilisation: Interval | None
    barrier_waiting: Interval | None
    queueing_s: Interval | None
    straggler_slowdown: Interval | None
    training_s: Interval | None
    critical_path: dict[str, Interval]
    discrepancies: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SimulatedCell:
    """What became of one cell: its records, its statistics, and where it leaves the calibration.

    Its queries are numbered from 0.
    """

    records: list[Record]
    statistics: CellStatistics
    extrapolations: frozenset[str]
    substitutes: frozenset[str]


def simulate_cell(relative_half_width: float | None, job: tuple[Simulation, Cell]) -> SimulatedCell:
    """All replications of one cell: so many that their mean is as well known as asked."""
    whole, cell = job
    simulation = replace(whole, substitutes=set(), extrapolations=set(), _next_query=0)
    scenario = simulation.scenario
    records: list[Record] = []
    examples: list[tuple[QueryRecord, list[TaskRecord]]] = []
    replications, is_wide = 0, False
    while True:
        more = scenario.replications if replications == 0 else BATCH
        _replicate(simulation, cell, range(replications, replications + more), records, examples)
        replications += more
        if relative_half_width is None:
            break
        is_wide = not are_enough(_makespans(records, replications), relative_half_width)
        if not is_wide or replications >= MOST_REPLICATIONS:
            break
    statistics = _statistics(simulation, cell, records, examples, replications, is_wide)
    return SimulatedCell(
        records,
        statistics,
        frozenset(simulation.extrapolations),
        frozenset(simulation.substitutes),
    )


def _replicate(
    simulation: Simulation,
    cell: Cell,
    replications: range,
    records: list[Record],
    examples: list[tuple[QueryRecord, list[TaskRecord]]],
) -> None:
    """Add the records of further replications, and of the first ones examples with their tasks."""
    for replication in replications:
        seen = sum(len(tasks) for _, tasks in examples)
        wants_tasks = seen < MOST_ATTRIBUTED_TASKS
        tasks: list[TaskRecord] = []
        for record in simulation.cell_records(
            cell, [replication], with_tasks=wants_tasks or simulation.with_tasks
        ):
            if isinstance(record, TaskRecord):
                tasks.append(record)
                if not simulation.with_tasks:
                    continue
            elif isinstance(record, QueryRecord):
                is_ok = record.outcome == "ok"
                if wants_tasks and is_ok and len(tasks) <= MOST_ATTRIBUTED_TASKS:
                    examples.append((record, tasks))
                tasks = []
            records.append(record)


def _queries(records: Iterable[Record]) -> list[QueryRecord]:
    return [r for r in records if isinstance(r, QueryRecord) and r.outcome == "ok"]


def _makespans(records: Iterable[Record], replications: int) -> FloatArray:
    """The median query of each replication, in seconds."""
    return _by_replication(_queries(records), replications, lambda query: query.total_s)


def _by_replication(
    queries: Sequence[QueryRecord],
    replications: int,
    value: Callable[[QueryRecord], float],
) -> FloatArray:
    """The median over the queries of each replication that has any."""
    values: list[list[float]] = [[] for _ in range(replications)]
    for query in queries:
        values[query.replication].append(value(query))
    return np.array([np.median(own) for own in values if own])


def _statistics(
    simulation: Simulation,
    cell: Cell,
    records: Sequence[Record],
    examples: Sequence[tuple[QueryRecord, list[TaskRecord]]],
    replications: int,
    is_wide: bool,
) -> CellStatistics:
    queries = _queries(records)
    failed = sum(isinstance(r, QueryRecord) and r.outcome == "failed" for r in records)
    first = next(r for r in records if isinstance(r, QueryRecord))
    off = discrepancies(simulation.profile, simulation.scenario, cell, replications)

    medians_s = _by_replication(queries, replications, lambda query: query.total_s)
    totals_s: list[list[float]] = [[] for _ in range(replications)]
    for query in queries:
        totals_s[query.replication].append(query.total_s)
    p50_s, p95_s, p99_s = pooled_quantiles(
        totals_s, (0.5, 0.95, 0.99), off=off, seed=simulation.scenario.seed
    )
    uses = [use for query, tasks in examples if (use := worker_use(query, tasks)) is not None]
    engine, why = simulation.engine_of(cell, simulation.look_up(cell)[1])
    return CellStatistics(
        configuration=Configuration.of(first)._asdict(),
        engine=engine,
        engine_why=why,
        replications=replications,
        queries=len(queries),
        failed=failed,
        is_extrapolated=first.is_extrapolated,
        is_wide=is_wide,
        makespan_s=interval(
            medians_s * off[: len(medians_s)],
            float(np.median(medians_s)) if len(medians_s) else float("nan"),
        ),
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        stage_shares={
            stage: interval(
                _by_replication(queries, replications, partial(_stage_share, f"{stage}_s"))
            )
            for stage in STAGES
        },
        utilisation=_mean_interval([use.utilisation for use in uses]),
        barrier_waiting=_mean_interval([use.barrier_waiting for use in uses]),
        queueing_s=_mean_interval([use.queueing_s for use in uses]),
        straggler_slowdown=_slowdown(simulation, cell, queries, replications),
        training_s=_training(records, off),
        critical_path=_critical_path(examples),
        discrepancies=tuple(off.tolist()),
    )


def _stage_share(stage: str, query: QueryRecord) -> float:
    return float(getattr(query, stage)) / query.total_s if query.total_s > 0 else 0.0


def _mean_interval(values: Sequence[float]) -> Interval | None:
    return interval(np.array(values)) if values else None


def _critical_path(
    examples: Sequence[tuple[QueryRecord, list[TaskRecord]]],
) -> dict[str, Interval]:
    """Shares of the makespan, by what it went into; what never takes anything is left out."""
    shares: dict[str, list[float]] = {name: [] for name in Attribution.__struct_fields__}
    for query, tasks in examples:
        found = attribute(query, tasks)
        for name, own in shares.items():
            own.append(getattr(found, name) / query.total_s if query.total_s > 0 else 0.0)
    return {
        name.removesuffix("_s"): interval(np.array(own), float(np.mean(own)))
        for name, own in shares.items()
        if own and max(own) > 0
    }


def _training(records: Sequence[Record], off: FloatArray) -> Interval | None:
    """From the first step to the end of the last one, of each training run."""
    ends: dict[tuple[int, int], float] = {}
    for record in records:
        if isinstance(record, StepRecord):
            run = (record.replication, record.repetition)
            ends[run] = max(ends.get(run, 0.0), record.ended_s)
    if not ends:
        return None
    values = np.array([ends_s * off[run[0]] for run, ends_s in ends.items()])
    return interval(values, float(np.median(list(ends.values()))))


def _slowdown(
    simulation: Simulation, cell: Cell, queries: Sequence[QueryRecord], replications: int
) -> Interval | None:
    """Makespan over that of the same draws without stragglers."""
    if cell.stragglers.probability <= 0:
        return None
    quiet = msgspec.structs.replace(cell, stragglers=Stragglers())
    without = _queries(simulation.cell_records(quiet, range(replications), with_tasks=False))
    # In some replications every query may have failed, with stragglers or without.
    both = {q.replication for q in queries} & {q.replication for q in without}
    slow, quick = (
        _by_replication([q for q in of if q.replication in both], replications, _total_s)
        for of in (queries, without)
    )
    off, quiet_off = (
        discrepancies(simulation.profile, simulation.scenario, own, replications)[sorted(both)]
        for own in (cell, quiet)
    )
    middle = float(np.median(slow / quick)) if len(slow) else float("nan")
    return interval(slow * off / (quick * quiet_off), middle)


def _total_s(query: QueryRecord) -> float:
    return query.total_s
