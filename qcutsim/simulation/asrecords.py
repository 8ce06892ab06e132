"""Simulated queries as the records that a real run writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from qcutsim.calibrate import PoolModel
from qcutsim.cell import Cell, Host, Pool, record_fields
from qcutsim.dispatch import Action, Event, to_plain
from qcutsim.records import EventRecord, QueryRecord, Record, TaskRecord
from qcutsim.simulation.block import NumberedQuery
from qcutsim.simulation.farm import SimulatedQuery
from qcutsim.simulation.models import ServiceModels
from qcutsim.simulation.workers import SimulatedRun
from qcutsim.workload import MERGE_CLASS, TaskClass, WorkloadShape


def query_records(
    cell: Cell,
    shape: WorkloadShape,
    models: ServiceModels,
    query: NumberedQuery,
    done: SimulatedQuery,
    *,
    with_tasks: bool,
) -> Iterator[Record]:
    """The tasks of a simulated query, where asked, and the query."""
    pool = models.pool
    if with_tasks:
        classes, sizes = shape.task_classes(), shape.node_bytes()
        for run in done.runs:
            of = shape.classes[classes[run.task]] if run.task < len(classes) else MERGE_CLASS
            yield _task_record(cell, pool, query, of, sizes[run.task], run)
    busy_s = float(np.sum(query.draws.service_s)) / _efficiency(cell.pool, pool)
    is_failed = done.error is not None
    executed_s = done.ended_s if is_failed else done.times.executed_s
    ended_s = done.ended_s if is_failed else done.reconstructed_s
    yield QueryRecord(
        query=query.number,
        **record_fields(cell, query.repetition, query.index),
        replication=query.replication,
        cuts=shape.cuts,
        coefficients=shape.coefficients,
        subexperiments=shape.subexperiments,
        executed=done.copies,
        submitted_s=done.arrived_s,
        partition_s=done.partition_s,
        generate_s=done.generate_s,
        execute_s=executed_s - done.times.submitted_s,
        reconstruct_s=ended_s - executed_s,
        total_s=ended_s - done.arrived_s,
        coordinator_cpu_s=done.coordinator_cpu_s,
        process_cpu_s=done.coordinator_cpu_s + (busy_s if cell.pool.kind == "threads" else 0.0),
        reconstruction=shape.reconstruction,
        reconstruction_work=shape.reconstruction_work(cell.workload.shots),
        outcome="failed" if is_failed else "ok",
        error=done.error,
        is_extrapolated=bool(models.extrapolations),
    )


def event_recorder(events: list[Record], dispatcher: int) -> Callable[[Event, list[Action]], None]:
    """Appends what a dispatcher saw and decided."""

    def record(event: Event, actions: list[Action]) -> None:
        plain = [to_plain(action) for action in actions]
        events.append(EventRecord(dispatcher=dispatcher, event=to_plain(event), actions=plain))

    return record


def _efficiency(pool: Pool | Host, model: PoolModel) -> float:
    return model.sharing.efficiency if pool.shares_cores else 1.0


def _cpu_s(pool: Pool, model: PoolModel, run: SimulatedRun, service_s: float) -> float:
    """CPU time of a copy's work on the host where it was done."""
    if pool.hosts is msgspec.UNSET:
        return service_s / _efficiency(pool, model)
    host = pool.hosts[run.host]
    return service_s / host.speed / _efficiency(host, model)


def _task_record(
    cell: Cell,
    pool: PoolModel,
    query: NumberedQuery,
    of: TaskClass,
    size: tuple[int, int],
    run: SimulatedRun,
) -> TaskRecord:
    return TaskRecord(
        query=query.number,
        task=run.task,
        attempt=run.attempt,
        worker=run.worker,
        outcome=run.outcome,
        **msgspec.structs.asdict(of) | {"payload_bytes": size[0], "result_bytes": size[1]},
        shots=cell.workload.shots,
        ready_s=run.ready_s,
        dispatched_s=run.dispatched_s,
        started_s=run.started_s,
        ended_s=run.ended_s,
        collected_s=run.collected_s,
        cpu_s=_cpu_s(cell.pool, pool, run, float(query.draws.service_s[run.task])),
        injected_delay_s=run.injected_delay_s,
    )
