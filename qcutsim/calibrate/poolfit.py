"""The model of one kind of pool, from queries on pools of one worker and on larger ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qcutsim.calibrate.contention import fit_sharing, shared_wait_s
from qcutsim.calibrate.effects import FittedEffects, fit_effects
from qcutsim.calibrate.families import choose_family
from qcutsim.calibrate.profile import PoolModel, TaskModel
from qcutsim.calibrate.resampling import Resampling
from qcutsim.calibrate.samples import Features, FloatArray, IntArray, QuerySample, classes_of
from qcutsim.calibrate.scales import Scale, fit_task_scale
from qcutsim.calibrate.tables import QuantileTable
from qcutsim.calibrate.tails import NaturalStragglers, fit_stragglers, is_straggler
from qcutsim.errors import CalibrationError

FEWEST_TASKS = 5
"""A class of subexperiment is modelled from at least so many tasks."""

FEWEST_GAPS = 10
"""The idle gap is modelled from at least so many pairs of tasks in a row on one worker."""

COARSE: Features = (0, 1, 0, 1)
"""The one class of a pool whose logs hold no task records."""

_LEAST_BYTE_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class _Alone:
    """Tasks of pools of one worker, one entry a task; ``query`` numbers the samples."""

    features: IntArray
    query: IntArray
    service_s: FloatArray
    cpu_s: FloatArray
    collect_s: FloatArray
    start_s: FloatArray

    @classmethod
    def of(cls, samples: Sequence[QuerySample]) -> _Alone:
        alone = [(i, s) for i, s in enumerate(samples) if s.query.workers == 1 and s.tasks]
        return cls(
            features=_joined([s.features for _, s in alone]).reshape(-1, 4).astype(np.int64),
            query=_joined([np.full(s.tasks, i) for i, s in alone]).astype(np.int64),
            service_s=np.maximum(_joined([s.service_s for _, s in alone]), 0.0),
            cpu_s=_joined([s.cpu_s for _, s in alone]),
            collect_s=_joined([s.collected_s - s.ended_s for _, s in alone]),
            start_s=_joined([s.started_s - s.dispatched_s for _, s in alone]),
        )

    def members(self, features: Features) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.asarray((self.features == features).all(axis=1))


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Between two tasks in a row on the only worker; one entry a pair."""

    idle_s: FloatArray
    dispatch_s: FloatArray
    payload_bytes: FloatArray


def fit_pool(
    kind: str, samples: Sequence[QuerySample], cold: Sequence[QuerySample], cores: int | None,
    shots: int, resampling: Resampling,
) -> PoolModel:  # fmt: skip
    """Fit the model of one kind of pool.

    Args:
        kind: of the pool.
        samples: its warm queries; ``resampling`` has weights of the same, in this order.
        cold: its cold ones.
        cores: of the host, ``None`` where the logs do not tell.
        shots: of every subexperiment.
        resampling: for the bootstrap.

    Raises:
        CalibrationError: too few observations for a model; says how many are needed.
    """
    if not any(sample.tasks for sample in samples):
        return _coarse_pool(kind, samples, cores, resampling)
    alone, gaps = _Alone.of(samples), _gaps(samples)
    if len(gaps.idle_s) < FEWEST_GAPS:
        sizes = sorted({sample.query.workers for sample in samples})
        raise CalibrationError(
            f"pool {kind!r}: {len(alone.service_s)} tasks and {len(gaps.idle_s)} idle gaps from "
            f"pools of one worker are in the logs (pools seen: {sizes}); a service model needs "
            f"{FEWEST_GAPS} gaps: add runs with one worker ('pool.workers: 1' in a scenario) "
            "whose queries are several tasks each"
        )
    collect, dispatch = QuantileTable.of(alone.collect_s), QuantileTable.of(gaps.dispatch_s)
    cpu_per_task_s = _coordinator_cpu_s(samples)
    share = (cpu_per_task_s - dispatch.mean) / collect.mean if collect.mean > 0 else 0.0
    tasks, fitted, stragglers = _tasks(kind, alone, samples, resampling)
    payload, result = _mean_bytes(samples)
    sharing, idle_gap = fit_sharing(kind, samples, cores, resampling), QuantileTable.of(gaps.idle_s)
    wait_s = 0.0
    if sharing.resource == "cores" and cores is not None:
        usual_s = {model.features: model.service_s.mean / sharing.efficiency for model in tasks}
        wait_s = shared_wait_s(samples, cores, usual_s, idle_gap.mean)
    return PoolModel(
        workers=tuple(sorted({sample.query.workers for sample in samples})),
        sharing=sharing,
        shared_wait_s=wait_s,
        collect_s=collect,
        collect_cpu_share=min(max(share, 0.0), 1.0),
        dispatch_s=dispatch,
        start_s=QuantileTable.of(alone.start_s),
        idle_gap_s=idle_gap,
        coordinator_cpu_per_task_s=cpu_per_task_s,
        waiting_share=_waiting_share(alone),
        tasks=tasks,
        scale=_scale(tasks, shots),
        effects=fitted.effects,
        stragglers=stragglers,
        cold_start_s=_cold_start(tasks, cold),
        payload_bytes=payload,
        result_bytes=result,
        dispatch_s_per_byte=_per_byte(gaps.dispatch_s, gaps.payload_bytes),
        collect_s_per_byte=_per_byte(alone.collect_s, _alone_result_bytes(samples)),
        overhead_bootstrap=_overhead_ratios(samples, resampling),
    )


def _joined(arrays: Sequence[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _gaps(samples: Sequence[QuerySample]) -> _Gaps:
    idle, dispatch, payload = [], [], []
    for sample in samples:
        if sample.query.workers == 1 and sample.is_whole and sample.tasks > 1:
            order = np.argsort(sample.started_s, kind="stable")
            idle.append(sample.started_s[order][1:] - sample.ended_s[order][:-1])
            dispatch.append(sample.dispatched_s[order][1:] - sample.collected_s[order][:-1])
            payload.append(sample.payload_bytes[order][1:])
    return _Gaps(_joined(idle), _joined(dispatch), _joined(payload))


def _coordinator_cpu_s(samples: Sequence[QuerySample]) -> float:
    """CPU seconds of the coordinator a task, on pools of one worker."""
    known = [
        (sample.query.coordinator_cpu_s, sample.tasks)
        for sample in samples
        if sample.query.workers == 1 and sample.is_whole and sample.tasks > 1
    ]
    counted = [(cpu_s, tasks) for cpu_s, tasks in known if cpu_s is not None]
    tasks = sum(count for _, count in counted)
    return sum(cpu_s for cpu_s, _ in counted) / tasks if tasks else 0.0


def _tasks(
    kind: str, alone: _Alone, samples: Sequence[QuerySample], resampling: Resampling
) -> tuple[tuple[TaskModel, ...], FittedEffects, NaturalStragglers]:
    """A model a class; what queries, rounds and stragglers added is taken out first."""
    classes = classes_of([sample for sample in samples if sample.query.workers == 1])
    medians = np.ones(len(alone.service_s))
    for features in classes:
        own = alone.members(features)
        if own.sum() < FEWEST_TASKS:
            raise CalibrationError(
                f"pool {kind!r}: {own.sum()} tasks of the class (mid-circuit measurements, "
                f"width, depth, subexperiments) = {features} ran alone; a model needs "
                f"{FEWEST_TASKS}: add queries on one worker ('pool.workers: 1' in a scenario)"
            )
        medians[own] = max(float(np.median(alone.service_s[own])), 1e-12)
    residual = alone.service_s / medians
    late = is_straggler(residual)
    excess_s = (alone.service_s - medians)[late]
    stragglers = fit_stragglers(excess_s, len(residual))
    lost_s = np.bincount(alone.query[late], excess_s, len(samples))
    usual = ~late
    fitted = fit_effects(
        np.log(np.maximum(residual[usual], 1e-12)),
        alone.query[usual],
        np.array([_execute_log(*known) for known in zip(samples, lost_s, strict=True)]),
        _places(samples),
    )
    service = alone.service_s[usual] / np.exp(fitted.of_task)
    models = []
    for features in classes:
        own = alone.members(features)
        models.append(_task_model(features, alone, own, service[own[usual]], samples, resampling))
    return tuple(models), fitted, stragglers


def _task_model(
    features: Features,
    alone: _Alone,
    own: np.ndarray[Any, np.dtype[np.bool_]],
    service: FloatArray,
    samples: Sequence[QuerySample],
    resampling: Resampling,
) -> TaskModel:
    cpu = alone.cpu_s[own]
    known = cpu[~np.isnan(cpu)]
    family, goodness = choose_family(service)
    size = len(samples)
    sums = np.bincount(alone.query[own], alone.service_s[own], size).astype(float)
    counts = np.bincount(alone.query[own], minlength=size).astype(float)
    return TaskModel(
        mid_circuit_measurements=features[0],
        width=features[1],
        depth=features[2],
        subexperiments=features[3],
        service_s=QuantileTable.of(service),
        cpu_s=QuantileTable.of(known if known.size else service),
        family=family,
        goodness=goodness,
        bootstrap=resampling.ratios(sums, counts),
    )


def _places(samples: Sequence[QuerySample]) -> IntArray:
    """Numbers of each query's configuration and block."""
    configurations: dict[str, int] = {}
    blocks: dict[tuple[int, int, str], int] = {}
    places = []
    for sample in samples:
        query = sample.query
        block = (sample.run, query.repetition, query.cell)
        configuration = configurations.setdefault(query.cell, len(configurations))
        places.append((configuration, blocks.setdefault(block, len(blocks))))
    return np.array(places, np.int64).reshape(-1, 2)


def _execute_log(sample: QuerySample, lost_s: float) -> float:
    """Of the execute stage without what its stragglers added, where that is known."""
    is_delayed = bool(sample.delay_s.any())
    usual_s = max(sample.query.execute_s - lost_s, 1e-9)
    return float("nan") if is_delayed else float(np.log(usual_s))


def _scale(tasks: Sequence[TaskModel], shots: int) -> Scale:
    return fit_task_scale({model.features: model.service_s.mean for model in tasks}, shots)


def _waiting_share(alone: _Alone) -> float:
    known = ~np.isnan(alone.cpu_s)
    service_s, cpu_s = alone.service_s[known].sum(), alone.cpu_s[known].sum()
    return float(min(max(1 - cpu_s / service_s, 0.0), 1.0)) if service_s > 0 else 0.0


def _cold_start(tasks: Sequence[TaskModel], cold: Sequence[QuerySample]) -> QuantileTable | None:
    """How much longer than its class's median each worker's first task took."""
    medians = {model.features: model.service_s.median for model in tasks}
    found, begun = [], set()
    for sample in sorted(cold, key=lambda one: (one.run, one.query.submitted_s)):
        for place in np.argsort(sample.started_s, kind="stable"):
            worker = (sample.run, sample.query.pool, int(sample.worker[place]))
            a, b, c, d = (int(value) for value in sample.features[place])
            if worker not in begun and (a, b, c, d) in medians:
                found.append(float(sample.service_s[place]) - medians[a, b, c, d])
            begun.add(worker)
    return QuantileTable.of(found) if found else None


def _mean_bytes(samples: Sequence[QuerySample]) -> tuple[float, float]:
    alone = [sample for sample in samples if sample.query.workers == 1]
    payload = _joined([sample.payload_bytes for sample in alone])
    result = _joined([sample.result_bytes for sample in alone])
    return float(payload.mean()), float(result.mean())


def _alone_result_bytes(samples: Sequence[QuerySample]) -> FloatArray:
    return _joined([s.result_bytes for s in samples if s.query.workers == 1 and s.tasks])


def _per_byte(seconds: FloatArray, size: FloatArray) -> float:
    """Seconds a byte, by least squares; 0 where sizes hardly differ or more is not slower."""
    if len(size) < FEWEST_GAPS or size.std() <= _LEAST_BYTE_SPREAD * size.mean():
        return 0.0
    capped = np.minimum(seconds, np.quantile(seconds, 0.95))
    centred = size - size.mean()
    return max(float(np.dot(centred, capped) / np.dot(centred, centred)), 0.0)


def _overhead_ratios(samples: Sequence[QuerySample], resampling: Resampling) -> tuple[float, ...]:
    """Of the idle gap between two tasks, which dispatch, start and collection make up."""
    sums, counts = np.zeros(len(samples)), np.zeros(len(samples))
    for number, sample in enumerate(samples):
        gap = _gaps([sample]).idle_s
        sums[number], counts[number] = np.maximum(gap, 0).sum(), len(gap)
    return resampling.ratios(sums, counts)


def _coarse_pool(
    kind: str, samples: Sequence[QuerySample], cores: int | None, resampling: Resampling
) -> PoolModel:
    """Without task records: all subexperiments take the same, overheads included."""
    alone = [s for s in samples if s.query.workers == 1 and s.query.execute_s > 0]
    if len(alone) < FEWEST_TASKS:
        sizes = sorted({sample.query.workers for sample in samples})
        raise CalibrationError(
            f"pool {kind!r}: {len(alone)} queries on one worker are in the logs (pools seen: "
            f"{sizes}), and no task records; a coarse model needs {FEWEST_TASKS} such queries"
        )
    count = [max(sample.query.executed, sample.query.subexperiments, 1) for sample in alone]
    seconds = np.array([s.query.execute_s / n for s, n in zip(alone, count, strict=True)])
    table, nothing = QuantileTable.of(seconds), QuantileTable.constant(0.0)
    mid, width, depth, subexperiments = COARSE
    return PoolModel(
        workers=tuple(sorted({sample.query.workers for sample in samples})),
        sharing=fit_sharing(kind, samples, cores, resampling),
        collect_s=nothing,
        collect_cpu_share=0.0,
        dispatch_s=nothing,
        start_s=nothing,
        idle_gap_s=nothing,
        coordinator_cpu_per_task_s=0.0,
        waiting_share=0.0,
        tasks=(
            TaskModel(
                mid_circuit_measurements=mid,
                width=width,
                depth=depth,
                subexperiments=subexperiments,
                service_s=table,
                cpu_s=table,
            ),
        ),
        is_coarse=True,
    )


def lacks_of(kind: str, pool: PoolModel) -> Iterator[str]:
    """In words, what the logs could not tell of this pool."""
    if pool.is_coarse:
        yield (
            f"pool {kind!r}: no task records; every subexperiment takes the same time, and what "
            "the coordinator does for each is part of it"
        )
    if pool.sharing.resource in ("learned", "unknown"):
        yield (
            f"pool {kind!r}: the host's cores are not known; pools larger than "
            f"{pool.workers[-1]} cannot be simulated unless workers are dedicated: a run with "
            "them would tell"
        )
    elif pool.sharing.efficiency_from.startswith("assumed"):
        yield (
            f"pool {kind!r}: no pool of two or more workers; that sharing the host costs nothing "
            "beyond its cores is assumed: a run with 'pool.workers: 2' would tell"
        )
    if not pool.is_coarse and pool.effects.blocks < 2:
        yield f"pool {kind!r}: one repetition only; how they differ is not known"
