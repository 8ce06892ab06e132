"""The random part of a query, drawn before it is simulated and keyed by what it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qcutsim.calibrate import CalibrationProfile, PoolModel, StageModel, TaskModel
from qcutsim.cell import Cell
from qcutsim.dispatch import Merge, TaskKind
from qcutsim.errors import ProfileError
from qcutsim.seeds import stream
from qcutsim.stragglers import InjectedDelays, no_delay
from qcutsim.workload import TaskClass, WorkloadShape


@dataclass(frozen=True, slots=True)
class QueryDraws:
    """Seconds of each step of one query; a list has one entry a task, then one a merge.

    ``service_s`` is the work of a task alone on its host, or of a merge where it is done. Times of
    another attempt at a task are those of the first; its injected delay, told by
    ``delay_s(task, attempt, worker)``, is not. ``fails`` tells the error of a copy, if any.
    ``kinds``, ``kind_of`` and ``merges`` are those of :class:`qcutsim.dispatch.QuerySubmitted`.
    """

    partition_s: float
    generate_s: float
    reconstruct_s: float
    service_s: list[float]
    collect_cpu_s: list[float]
    collect_latency_s: list[float]
    dispatch_s: list[float]
    start_s: list[float]
    delay_s: Callable[[int, int, int], float] = no_delay
    fails: Callable[[int, int], str | None] = lambda task, attempt: None
    kinds: tuple[TaskKind, ...] = ()
    kind_of: tuple[int, ...] = ()
    merges: tuple[Merge, ...] = ()

    @property
    def tasks(self) -> int:
        """How many tasks the query has."""
        return len(self.service_s) - len(self.merges)


@dataclass(frozen=True, slots=True)
class ServiceModels:
    """What a profile says of one shape on one kind of pool, looked up once.

    ``substitutes`` names the classes that were not calibrated and what stands in for each.
    """

    pool: PoolModel
    tasks: tuple[TaskModel, ...]
    kinds: tuple[TaskKind, ...]
    task_classes: np.ndarray[tuple[int], np.dtype[np.int64]]
    partition: tuple[StageModel, float]
    generate: tuple[StageModel, float]
    reconstruct: tuple[StageModel, float]
    substitutes: tuple[str, ...]


def find_models(profile: CalibrationProfile, cell: Cell, shape: WorkloadShape) -> ServiceModels:
    """Look up the models for a cell.

    Raises:
        ProfileError: the profile is of another pipeline or number of shots, or lacks the pool.
    """
    work = cell.workload
    if (profile.pipeline, profile.shots) != (work.pipeline, work.shots):
        raise ProfileError(
            f"the profile was calibrated for pipeline {profile.pipeline!r} at {profile.shots} "
            f"shots, the scenario asks for {work.pipeline!r} at {work.shots}; "
            "calibrate on a run with these settings"
        )
    kind = cell.pool.kind
    if kind == "dedicated" and kind not in profile.pools:
        kind = "processes"  # a dedicated worker is one that shares its host with nobody
    if kind not in profile.pools:
        raise ProfileError(
            f"the profile holds no pool {kind!r} (it has {', '.join(sorted(profile.pools))}); "
            f"calibrate on a run with 'pool.kind: {kind}'"
        )
    pool = profile.pools[kind]
    found = [_nearest(pool, wanted) for wanted in shape.classes]
    substitutes = tuple(
        f"{wanted.features} by {model.features}"
        for wanted, model in zip(shape.classes, found, strict=True)
        if wanted.features != model.features
    )
    return ServiceModels(
        pool=pool,
        tasks=tuple(found),
        kinds=tuple(
            TaskKind(wanted.partition, wanted.structure, model.service_s.mean)
            for wanted, model in zip(shape.classes, found, strict=True)
        ),
        task_classes=np.array(shape.task_classes()),
        partition=_stage(profile.partition, work.partition_labels, 1),
        generate=_stage(profile.generate, work.partition_labels, shape.subexperiments),
        reconstruct=_stage(
            profile.reconstruct, work.partition_labels, shape.reconstruction_work(work.shots)
        ),
        substitutes=substitutes,
    )


def _nearest(pool: PoolModel, wanted: TaskClass) -> TaskModel:
    """The class with the same features, else the one that differs least.

    Mid-circuit measurements count first: they explain nearly all of the service time.
    """
    return min(
        pool.tasks,
        key=lambda model: tuple(
            abs(has - want) for has, want in zip(model.features, wanted.features, strict=True)
        ),
    )


def _stage(models: tuple[StageModel, ...], labels: str, work: int) -> tuple[StageModel, float]:
    """The model of these labels, else the largest calibrated one, scaled by its work."""
    for model in models:
        if model.partition_labels == labels:
            return model, 1.0
    largest = max(models, key=lambda model: model.work)
    return largest, work / largest.work


def draw_query(
    models: ServiceModels,
    cell: Cell,
    seed: int,
    *,
    repetition: int,
    index: int,
    replication: int = 0,
) -> QueryDraws:
    """Draw one query.

    Pools, workers and policies are not part of a draw's key, so that configurations are compared
    under common random numbers; stragglers are those of the real run with the same seed.
    """
    key = (replication, repetition, index)
    tasks = len(models.task_classes)

    def uniform(purpose: str, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return stream(seed, purpose, *key).random(size)

    stage_u = uniform("stages", 3)
    service_u = uniform("service", tasks)
    service = np.empty(tasks)
    for number, model in enumerate(models.tasks):
        members = models.task_classes == number
        service[members] = model.service_s.at(service_u[members])
    collect = models.pool.collect_s.at(uniform("collect", tasks))
    share = models.pool.collect_cpu_share
    stages = [
        float(model.seconds.at(stage_u[i : i + 1])[0]) * scale
        for i, (model, scale) in enumerate((models.partition, models.generate, models.reconstruct))
    ]
    return QueryDraws(
        partition_s=stages[0],
        generate_s=stages[1],
        reconstruct_s=stages[2],
        service_s=service.tolist(),
        collect_cpu_s=(collect * share).tolist(),
        collect_latency_s=(collect * (1 - share)).tolist(),
        dispatch_s=models.pool.dispatch_s.at(uniform("dispatch", tasks)).tolist(),
        start_s=models.pool.start_s.at(uniform("start", tasks)).tolist(),
        delay_s=InjectedDelays(cell.stragglers, seed, tasks, repetition=repetition, index=index),
        kinds=models.kinds,
        kind_of=tuple(models.task_classes.tolist()),
    )
