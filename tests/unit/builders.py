"""Records, logs and profiles made by hand: what the tests of logs and models start from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from qcutsim.calibrate import CalibrationProfile, calibrate_logs
from qcutsim.cell import Cell, Pool, Workload, record_fields
from qcutsim.manifest import Machine, Manifest
from qcutsim.records import SCHEMA, LogWriter, QueryRecord, Record, RunRecord, TaskRecord
from qcutsim.scenario import Scenario
from qcutsim.stragglers import InjectedDelays
from qcutsim.workload import TaskClass, load_shape

MANIFEST = Manifest(
    qcutsim="0.1.0",
    python="3.11.7",
    machine=Machine(system="Linux x86_64", processor="a processor", cores=2),
    packages={"numpy": "2.0.0"},
)

PARTITION_S, GENERATE_S, RECONSTRUCT_S = 0.001, 0.002, 0.004
DISPATCH_S, START_S, COLLECT_S = 0.0001, 0.0002, 0.0003
COORDINATOR_CPU_PER_TASK_S = 0.00025


def service_s(task_class: TaskClass) -> float:
    """How long a task of this class takes in a log made here: exact, no noise."""
    return 0.002 + 0.010 * task_class.mid_circuit_measurements + 0.0001 * task_class.depth


def make_scenario(
    *,
    labels: tuple[str, ...] = ("AAAA", "AABB"),
    kinds: tuple[str, ...] = ("threads", "processes"),
    workers: tuple[int, ...] = (1, 2),
    shots: int = 128,
    queries: int = 5,
    seed: int = 5,
    **cell: Any,
) -> Scenario:
    """Every combination of the given labels, pools and pool sizes, one repetition."""
    cells = tuple(
        Cell(
            workload=Workload(partition_labels=label, shots=shots),
            pool=Pool(kind=kind, workers=size),
            queries=queries,
            **cell,
        )
        for label in labels
        for kind in kinds
        for size in workers
    )
    return Scenario(name="handmade", seed=seed, repetitions=1, replications=1, cells=cells)


def run_record(scenario: Scenario | None = None, **changes: Any) -> RunRecord:
    """The head of a measured log."""
    scenario = scenario or make_scenario()
    record = RunRecord(
        schema=SCHEMA,
        run="handmade",
        origin="measured",
        manifest=MANIFEST,
        scenario=scenario.resolved(),
        scenario_key=scenario.key,
        seed=scenario.seed,
        started_at="2026-01-01T00:00:00+00:00",
    )
    return msgspec.structs.replace(record, **changes)


def query_record(**changes: Any) -> QueryRecord:
    """One warm query with one cut on one thread: 10 s, of which the stages are 1, 2, 3 and 4."""
    (cell,) = make_scenario(labels=("AABB",), kinds=("threads",), workers=(1,)).cells
    record = QueryRecord(
        query=0,
        **record_fields(cell, 0, 0),
        cuts=1,
        coefficients=6,
        subexperiments=12,
        executed=12,
        submitted_s=0.0,
        partition_s=1.0,
        generate_s=2.0,
        execute_s=3.0,
        reconstruct_s=4.0,
        total_s=10.0,
    )
    return msgspec.structs.replace(record, **changes)


def task_record(**changes: Any) -> TaskRecord:
    """One task that went well."""
    record = TaskRecord(
        query=0,
        task=0,
        attempt=0,
        worker=0,
        outcome="ok",
        partition="A",
        width=2,
        depth=7,
        mid_circuit_measurements=0,
        shots=128,
        ready_s=0.0,
        dispatched_s=0.1,
        started_s=0.2,
        ended_s=0.5,
        collected_s=0.6,
    )
    return msgspec.structs.replace(record, **changes)


def measured_query(
    cell: Cell, number: int, index: int, *, seed: int = 5, **changes: Any
) -> list[Record]:
    """A query as if measured: its tasks go, in order, each to the worker that is idle first."""
    work = cell.workload
    shape = load_shape(work)
    classes = [shape.classes[i] for i in shape.task_classes()]
    injected = InjectedDelays(cell.stragglers, seed, len(classes), repetition=0, index=index)
    delays_s = [injected(task, 0, 0) for task in range(len(classes))]
    ready_s = 100.0 * number + PARTITION_S + GENERATE_S
    idle_s = [ready_s] * cell.pool.workers
    tasks: list[Record] = []
    for task, (of, delay_s) in enumerate(zip(classes, delays_s, strict=True)):
        worker = idle_s.index(min(idle_s))
        dispatched_s = idle_s[worker] + DISPATCH_S
        started_s = dispatched_s + START_S
        ended_s = started_s + delay_s + service_s(of)
        idle_s[worker] = ended_s + COLLECT_S
        tasks.append(
            TaskRecord(
                query=number,
                task=task,
                attempt=0,
                worker=worker,
                outcome="ok",
                partition=of.partition,
                width=of.width,
                depth=of.depth,
                mid_circuit_measurements=of.mid_circuit_measurements,
                shots=work.shots,
                ready_s=ready_s,
                dispatched_s=dispatched_s,
                started_s=started_s,
                ended_s=ended_s,
                collected_s=idle_s[worker],
                cpu_s=service_s(of),
                injected_delay_s=delay_s,
            )
        )
    execute_s = max(idle_s) - ready_s
    query = QueryRecord(
        query=number,
        **record_fields(cell, 0, index),
        cuts=shape.cuts,
        coefficients=shape.coefficients,
        subexperiments=shape.subexperiments,
        executed=len(tasks),
        submitted_s=ready_s,
        partition_s=PARTITION_S,
        generate_s=GENERATE_S,
        execute_s=execute_s,
        reconstruct_s=RECONSTRUCT_S,
        total_s=PARTITION_S + GENERATE_S + execute_s + RECONSTRUCT_S,
        coordinator_cpu_s=COORDINATOR_CPU_PER_TASK_S * len(tasks),
        process_cpu_s=sum(service_s(of) for of in classes),
        reconstruction_work=shape.reconstruction_work(work.shots),
        value=0.5,
    )
    return [*tasks, msgspec.structs.replace(query, **changes)]


def measured_records(scenario: Scenario) -> Iterator[Record]:
    """A whole log of the scenario, as if measured."""
    yield run_record(scenario)
    number = 0
    for cell in scenario.cells:
        for index in range(cell.queries):
            yield from measured_query(cell, number, index, seed=scenario.seed)
            number += 1


def write_log(path: Path, *records: Record) -> Path:
    """Append the records to a log."""
    with LogWriter(path) as writer:
        writer.write(*records)
    return path


def write_measured_log(path: Path, scenario: Scenario | None = None) -> Path:
    """A log as if measured, of :func:`make_scenario` by default."""
    return write_log(path, *measured_records(scenario or make_scenario()))


def make_profile(scenario: Scenario | None = None) -> CalibrationProfile:
    """The profile of a log made by hand."""
    with tempfile.TemporaryDirectory() as folder:
        return calibrate_logs([write_measured_log(Path(folder) / "run.jsonl", scenario)])


def scenario_yaml(scenario: Scenario) -> str:
    """YAML of a scenario of :func:`make_scenario`, whose ``key`` it shares when it is loaded."""
    first = scenario.cells[0]
    labels = dict.fromkeys(cell.workload.partition_labels for cell in scenario.cells)
    kinds = dict.fromkeys(cell.pool.kind for cell in scenario.cells)
    workers = dict.fromkeys(cell.pool.workers for cell in scenario.cells)
    return (
        f"name: {scenario.name}\n"
        f"seed: {scenario.seed}\n"
        f"repetitions: {scenario.repetitions}\n"
        f"replications: {scenario.replications}\n"
        f"queries: {first.queries}\n"
        f"workload: {{partition_labels: {first.workload.partition_labels}, "
        f"shots: {first.workload.shots}}}\n"
        f"stragglers: {{probability: {first.stragglers.probability}, "
        f"delay_s: {first.stragglers.delay_s}}}\n"
        "sweep:\n"
        f"  - workload.partition_labels: [{', '.join(labels)}]\n"
        f"  - pool.kind: [{', '.join(kinds)}]\n"
        f"  - pool.workers: [{', '.join(map(str, workers))}]\n"
    )
