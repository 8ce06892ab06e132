"""From logs to a profile.

Service times come from pools of one worker, where nothing is shared; what sharing costs comes
from larger ones. Cold queries are left out.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from qcutsim.calibrate.profile import (
    PROFILE_SCHEMA,
    CalibrationProfile,
    PoolModel,
    Sharing,
    StageModel,
    TaskModel,
)
from qcutsim.calibrate.selection import query_filter
from qcutsim.calibrate.tables import QuantileTable
from qcutsim.errors import CalibrationError
from qcutsim.manifest import Manifest
from qcutsim.records import (
    MERGE_PARTITION,
    QueryLog,
    QueryRecord,
    RunRecord,
    SkipReport,
    TaskRecord,
    read_queries,
)

FEWEST_TASKS = 5
"""A class of subexperiment is modelled from at least so many tasks."""

FEWEST_GAPS = 10
"""The idle gap is modelled from at least so many pairs of tasks in a row on one worker."""

Features = tuple[int, int, int]

_STAGES = ("partition", "generate", "reconstruct")


@dataclass(slots=True)
class _PoolData:
    """What the logs say of one kind of pool. ``*_alone`` is from pools of one worker."""

    workers: set[int] = field(default_factory=set)
    service_alone: dict[Features, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_alone: dict[Features, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_shared: dict[Features, list[float]] = field(default_factory=lambda: defaultdict(list))
    collect: list[float] = field(default_factory=list)
    dispatch: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    coordinator_cpu_s: float = 0.0
    coordinator_tasks: int = 0
    process_cpu_s: dict[tuple[str, int], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    class_tasks: dict[Features, int] = field(default_factory=lambda: defaultdict(int))


@dataclass(slots=True)
class _Observed:
    runs: dict[int, RunRecord] = field(default_factory=dict)
    queries: int = 0
    kinds: set[tuple[str, int]] = field(default_factory=set)
    stages: dict[str, dict[tuple[str, int], list[float]]] = field(
        default_factory=lambda: {name: defaultdict(list) for name in _STAGES}
    )
    pools: dict[str, _PoolData] = field(default_factory=lambda: defaultdict(_PoolData))
    delayed: int = 0
    tasks: int = 0
    delay_s: float = 0.0


def calibrate_logs(
    logs: Iterable[str | os.PathLike[str]],
    *,
    only: Sequence[str] = (),
    skipped: SkipReport | None = None,
) -> CalibrationProfile:
    """Fit a profile to the warm queries of one or more logs of one pipeline.

    Args:
        logs: JSONL logs with task records.
        only: tests on query fields, all of which must hold, as ``"workers<=2"``.
        skipped: collects the lines that could not be read.

    Raises:
        LogError: a log cannot be read.
        InputError: a test in ``only`` is malformed.
        CalibrationError: the logs lack what a model needs; the message says which run to add.
    """
    chosen = query_filter(only)
    skipped = SkipReport() if skipped is None else skipped
    observed = _Observed()
    for log in read_queries(logs, skipped):
        if log.query.outcome == "ok" and not log.query.is_cold and chosen(log.query):
            _observe(observed, log)
    return _fit(observed, tuple(only), skipped.count)


def _observe(observed: _Observed, log: QueryLog) -> None:
    query = log.query
    observed.runs[id(log.run)] = log.run
    observed.queries += 1
    observed.kinds.add((query.pipeline, query.shots))
    labels = query.partition_labels
    observed.stages["partition"][labels, 1].append(query.partition_s)
    observed.stages["generate"][labels, max(query.subexperiments, 1)].append(query.generate_s)
    work = max(query.reconstruction_work, 1)
    observed.stages["reconstruct"][labels, work].append(query.reconstruct_s)
    pool = observed.pools[query.pool]
    pool.workers.add(query.workers)
    if query.process_cpu_s is not None:
        pool.process_cpu_s[labels, query.workers].append(query.process_cpu_s)
    own = [task for task in log.tasks if task.partition != MERGE_PARTITION]
    tasks = [task for task in own if task.outcome == "ok"]
    for task in tasks:
        _observe_task(observed, pool, query, task)
    if query.workers == 1 and len(tasks) == len(log.tasks) == query.executed:
        _observe_gaps(pool, query, tasks)


def _observe_task(
    observed: _Observed, pool: _PoolData, query: QueryRecord, task: TaskRecord
) -> None:
    features = (task.mid_circuit_measurements, task.width, task.depth)
    observed.tasks += 1
    if task.injected_delay_s > 0:
        observed.delayed += 1
        observed.delay_s += task.injected_delay_s
    if query.workers == 1:
        pool.service_alone[features].append(task.ended_s - task.started_s - task.injected_delay_s)
        pool.collect.append(task.collected_s - task.ended_s)
        pool.start.append(task.started_s - task.dispatched_s)
        if task.cpu_s is not None:
            pool.cpu_alone[features].append(task.cpu_s)
    elif task.cpu_s is not None:
        pool.cpu_shared[features].append(task.cpu_s)


def _observe_gaps(pool: _PoolData, query: QueryRecord, tasks: list[TaskRecord]) -> None:
    ordered = sorted(tasks, key=lambda task: task.started_s)
    for before, after in pairwise(ordered):
        pool.gap.append(after.started_s - before.ended_s)
        pool.dispatch.append(after.dispatched_s - before.collected_s)
    if query.coordinator_cpu_s is not None:
        pool.coordinator_cpu_s += query.coordinator_cpu_s
        pool.coordinator_tasks += len(tasks)


def _fit(observed: _Observed, only: tuple[str, ...], skipped_lines: int) -> CalibrationProfile:
    if not observed.queries:
        raise CalibrationError(
            "no warm, successful query is left to calibrate on"
            + (f" once only {' and '.join(only)} is kept" if only else "")
            + "; run a scenario first with 'qcutsim run'"
        )
    if len(observed.kinds) > 1:
        found = ", ".join(
            f"{pipeline} at {shots} shots" for pipeline, shots in sorted(observed.kinds)
        )
        raise CalibrationError(
            f"the logs mix pipelines or shots ({found}); choose one with "
            "--only 'pipeline=...' and --only 'shots=...'"
        )
    ((pipeline, shots),) = observed.kinds
    runs = list(observed.runs.values())
    _refuse_mixtures(runs)
    manifests = tuple({_text(run.manifest): run.manifest for run in runs}.values())
    cores = manifests[0].machine.cores
    return CalibrationProfile(
        schema=PROFILE_SCHEMA,
        pipeline=pipeline,
        shots=shots,
        origin=runs[0].origin,
        manifests=manifests,
        only=only,
        queries=observed.queries,
        skipped_lines=skipped_lines,
        stragglers={
            "share": observed.delayed / observed.tasks if observed.tasks else 0.0,
            "mean_delay_s": observed.delay_s / observed.delayed if observed.delayed else 0.0,
        },
        **{name: _stage_models(observed.stages[name]) for name in _STAGES},
        pools={kind: _pool_model(kind, data, cores) for kind, data in observed.pools.items()},
    )


def _refuse_mixtures(runs: Sequence[RunRecord]) -> None:
    origins = sorted({run.origin for run in runs})
    if len(origins) > 1:
        raise CalibrationError(
            "the logs hold both measured and simulated runs; calibrate on one sort at a time"
        )
    machines = {run.manifest.machine for run in runs}
    if len(machines) > 1:
        found = "; ".join(sorted(f"{m.processor}, {m.cores} cores" for m in machines))
        raise CalibrationError(
            f"the logs come from different machines ({found}); calibrate on each by itself"
        )


def _text(manifest: Manifest) -> str:
    return repr(manifest)


def _stage_models(seen: dict[tuple[str, int], list[float]]) -> tuple[StageModel, ...]:
    return tuple(
        StageModel(partition_labels=labels, work=work, seconds=QuantileTable.of(seconds))
        for (labels, work), seconds in sorted(seen.items(), key=lambda item: item[0][::-1])
    )


def _pool_model(kind: str, data: _PoolData, cores: int) -> PoolModel:
    tasks = sum(len(times) for times in data.service_alone.values())
    if len(data.gap) < FEWEST_GAPS:
        raise CalibrationError(
            f"pool {kind!r}: {tasks} tasks and {len(data.gap)} idle gaps from pools of one worker "
            f"are in the logs (pools seen: {sorted(data.workers)}); a service model needs "
            f"{FEWEST_GAPS} gaps: add runs with 'pool.workers: 1' that cut at least once"
        )
    collect, dispatch = QuantileTable.of(data.collect), QuantileTable.of(data.dispatch)
    cpu_per_task_s = data.coordinator_cpu_s / max(data.coordinator_tasks, 1)
    share = (cpu_per_task_s - dispatch.mean) / collect.mean if collect.mean > 0 else 0.0
    return PoolModel(
        workers=tuple(sorted(data.workers)),
        sharing=_sharing(kind, data, cores),
        collect_s=collect,
        collect_cpu_share=min(max(share, 0.0), 1.0),
        dispatch_s=dispatch,
        start_s=QuantileTable.of(data.start),
        idle_gap_s=QuantileTable.of(data.gap),
        coordinator_cpu_per_task_s=cpu_per_task_s,
        waiting_share=_waiting_share(data),
        tasks=tuple(_task_models(kind, data)),
    )


def _waiting_share(data: _PoolData) -> float:
    served = [f for f in data.cpu_alone if len(data.cpu_alone[f]) == len(data.service_alone[f])]
    service_s = sum(sum(data.service_alone[features]) for features in served)
    cpu_s = sum(sum(data.cpu_alone[features]) for features in served)
    return max(1 - cpu_s / service_s, 0.0) if service_s > 0 else 0.0


def _task_models(kind: str, data: _PoolData) -> Iterable[TaskModel]:
    for features, service in sorted(data.service_alone.items()):
        if len(service) < FEWEST_TASKS:
            raise CalibrationError(
                f"pool {kind!r}: {len(service)} tasks of the class (mid-circuit measurements, "
                f"width, depth) = {features} ran alone; a model needs {FEWEST_TASKS}: raise "
                "'repetitions' or 'queries' of the cells with 'pool.workers: 1'"
            )
        yield TaskModel(
            mid_circuit_measurements=features[0],
            width=features[1],
            depth=features[2],
            service_s=QuantileTable.of(service),
            cpu_s=QuantileTable.of(data.cpu_alone.get(features) or service),
        )


def _sharing(kind: str, data: _PoolData, cores: int) -> Sharing:
    """Structure first: threads share the interpreter lock, processes the host's cores.

    The efficiency is what structure leaves over: CPU time of the same work alone, divided by that
    of two or more workers.
    """
    if kind == "threads":
        ratios = _process_cpu_ratios(data)
        efficiency, source = _efficiency(ratios, "process CPU time")
        return Sharing(resource="lock", capacity=1, efficiency=efficiency, efficiency_from=source)
    ratios = [
        float(np.mean(data.cpu_alone[features]) / np.mean(shared))
        for features, shared in data.cpu_shared.items()
        if len(shared) >= FEWEST_TASKS
        and len(data.cpu_alone.get(features, ())) >= FEWEST_TASKS
        and min(sum(shared), sum(data.cpu_alone[features])) > 0
    ]
    capacity = 2**31 if kind == "dedicated" else cores
    efficiency, source = _efficiency(ratios, "CPU time of the tasks")
    return Sharing(
        resource="cores", capacity=capacity, efficiency=efficiency, efficiency_from=source
    )


def _process_cpu_ratios(data: _PoolData) -> list[float]:
    return [
        float(np.median(data.process_cpu_s[labels, 1]) / np.median(seconds))
        for (labels, workers), seconds in data.process_cpu_s.items()
        if workers > 1
        and (labels, 1) in data.process_cpu_s
        and min(np.median(seconds), np.median(data.process_cpu_s[labels, 1])) > 0
    ]


def _efficiency(ratios: list[float], source: str) -> tuple[float, str]:
    if not ratios:
        return 1.0, "assumed: no pool of two or more workers"
    found = float(min(np.median(ratios), 1.0))
    return found, f"{source}, {len(ratios)} comparisons of one worker with more"
