"""What a profile says of one workload shape on one kind of pool, looked up once a cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from qcutsim.calibrate import (
    CalibrationProfile,
    PoolModel,
    Sampler,
    Scale,
    StageModel,
    TaskModel,
    stage_scale_s,
    task_scale_s,
)
from qcutsim.cell import Cell
from qcutsim.dispatch import Merge, TaskKind
from qcutsim.errors import ProfileError
from qcutsim.records import labels_of
from qcutsim.workload import TaskClass, WorkloadShape

STAGES = ("partition", "generate", "reconstruct")


@dataclass(frozen=True, slots=True)
class Scaled:
    """A calibrated model and the factor by which the work at hand differs from its own."""

    model: TaskModel | StageModel
    factor: float
    sampler: Sampler = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sampler", self.model.sampler())

    @property
    def mean_s(self) -> float:
        """Expected seconds."""
        table = self.model.service_s if isinstance(self.model, TaskModel) else self.model.seconds
        return table.mean * self.factor

    def bootstrap(self, draw: int | None) -> float:
        """The factor under one bootstrap draw; ``None``: under none."""
        ratios = self.model.bootstrap
        return (
            self.factor if draw is None or not ratios else self.factor * ratios[draw % len(ratios)]
        )


@dataclass(frozen=True, slots=True)
class ServiceModels:
    """The models of a cell.

    ``task_classes`` has the number in ``tasks`` of each task's model. ``merge_shares`` are the
    parts of the reconstruction that ``merges`` do before the barrier opens. ``weights`` are those
    of the tasks, as the shape tells them. ``substitutes`` names
    the classes that were not calibrated and what stands in for each; ``extrapolations`` in words
    all in which the cell lies outside the calibrated range.
    """

    pool: PoolModel
    collect: Sampler
    dispatch: Sampler
    start: Sampler
    tasks: tuple[Scaled, ...]
    kinds: tuple[TaskKind, ...]
    task_classes: np.ndarray[tuple[int], np.dtype[np.int32]]
    stages: tuple[Scaled, Scaled, Scaled]
    merges: tuple[Merge, ...]
    merge_shares: np.ndarray[tuple[int], np.dtype[np.float64]]
    weights: tuple[float, ...]
    substitutes: tuple[str, ...]
    extrapolations: tuple[str, ...]


def find_models(profile: CalibrationProfile, cell: Cell, shape: WorkloadShape) -> ServiceModels:
    """Look up the models for a cell.

    Raises:
        ProfileError: the profile is of another pipeline, lacks the pool, or cannot tell what
            workers of a pool of this size share.
    """
    work = cell.workload
    if profile.pipeline != work.pipeline:
        raise ProfileError(
            f"the profile was calibrated for pipeline {profile.pipeline!r}, the scenario asks for "
            f"{work.pipeline!r}; calibrate on a run of it"
        )
    pool = _pool(profile, cell)
    found = tuple(_task(pool, wanted, profile.shots, work.shots) for wanted in shape.classes)
    substitutes = tuple(
        f"{wanted.features} by {scaled.model.features} x {scaled.factor:.2f}"
        for wanted, scaled in zip(shape.classes, found, strict=True)
        if isinstance(scaled.model, TaskModel)
        and wanted.features != scaled.model.features
        and not pool.is_coarse
    )
    return ServiceModels(
        pool=pool,
        collect=pool.collect_s.sampler(),
        dispatch=pool.dispatch_s.sampler(),
        start=pool.start_s.sampler(),
        tasks=found,
        kinds=tuple(
            TaskKind(wanted.partition, wanted.structure, scaled.mean_s)
            for wanted, scaled in zip(shape.classes, found, strict=True)
        ),
        task_classes=shape.class_of_task(),
        stages=_stages(profile, cell, shape),
        merges=tuple(Merge(merge.needs, merge.on_worker) for merge in shape.merges),
        merge_shares=_merge_shares(profile, cell, shape),
        weights=shape.weights,
        substitutes=substitutes,
        extrapolations=tuple(_outside(profile, pool, cell, shape, substitutes)),
    )


def _pool(profile: CalibrationProfile, cell: Cell) -> PoolModel:
    kind = cell.pool.kind
    if kind == "dedicated" and kind not in profile.pools:
        kind = "processes"  # a dedicated worker is one that shares its host with nobody
    if kind not in profile.pools:
        raise ProfileError(
            f"the profile holds no pool {kind!r} (it has {', '.join(sorted(profile.pools))}); "
            f"calibrate on a run with 'pool.kind: {kind}'"
        )
    pool = profile.pools[kind]
    sharing = pool.sharing
    has_hosts = cell.pool.hosts is not msgspec.UNSET
    if has_hosts and cell.pool.shares_cores and sharing.resource != "cores":
        raise ProfileError(
            f"the profile knows what workers of a pool {kind!r} share as {sharing.resource!r}, not "
            "as cores, so it cannot tell what those of 'pool.hosts' share; calibrate on a run "
            "logged by 'qcutsim run' (it names the host's cores), or leave 'cores' out"
        )
    if cell.pool.shares_cores and sharing.resource == "unknown":
        raise ProfileError(
            f"the profile cannot tell what {cell.pool.workers} workers of a pool {kind!r} "
            f"share: {sharing.efficiency_from}. A run with 'pool.workers: 2' logged by "
            "'qcutsim run' (it names the host's cores), or query records of larger pools, "
            "would identify it; or simulate 'pool.kind: dedicated'"
        )
    return pool


def _task(pool: PoolModel, wanted: TaskClass, calibrated_shots: int, shots: int) -> Scaled:
    """The class with the same features, else the one that differs least, scaled by features.

    Mid-circuit measurements count first: they explain nearly all of the service time.
    """
    model = min(
        pool.tasks,
        key=lambda model: tuple(
            abs(has - want) for has, want in zip(model.features, wanted.features, strict=True)
        ),
    )
    is_same = model.features == wanted.features and shots == calibrated_shots
    if is_same or pool.is_coarse or pool.scale is None:
        return Scaled(model, 1.0)
    has_s = task_scale_s(pool.scale, model.features, calibrated_shots)
    wants_s = task_scale_s(pool.scale, wanted.features, shots)
    return Scaled(model, wants_s / has_s if has_s > 0 and wants_s > 0 else 1.0)


def _stages(
    profile: CalibrationProfile, cell: Cell, shape: WorkloadShape
) -> tuple[Scaled, Scaled, Scaled]:
    asked = cell.workload
    labels, shots = labels_of(asked.title, asked.partition_labels), asked.shots
    is_calibrated = shots == profile.shots
    work = {
        "partition": len(set(asked.partition_labels)),
        "generate": shape.subexperiments,
        "reconstruct": shape.reconstruction_work(shots),
    }
    one, two, three = (
        _stage(getattr(profile, name), profile.scales.get(name), labels, work[name], is_calibrated)
        for name in STAGES
    )
    return one, two, three


def _stage(
    models: Sequence[StageModel], scale: Scale | None, labels: str, work: int, is_calibrated: bool
) -> Scaled:
    """The model of these labels, else the nearest amount of work, scaled by it."""
    for model in models:
        if model.partition_labels == labels and (is_calibrated or model.work == work):
            return Scaled(model, 1.0)
    nearest = min(models, key=lambda model: (abs(model.work - work), model.partition_labels))
    has_s = stage_scale_s(scale, nearest.work) if scale else 0.0
    wants_s = stage_scale_s(scale, work) if scale else 0.0
    return Scaled(nearest, wants_s / has_s if has_s > 0 else work / nearest.work)


def _merge_shares(
    profile: CalibrationProfile, cell: Cell, shape: WorkloadShape
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What of a reconstruction grows with its work is done by the merges, each by its work.

    The rest, the same for any amount, is left for when the barrier opens.
    """
    work = np.array([merge.work for merge in shape.merges], np.float64)
    scale = profile.scales.get("reconstruct")
    total = stage_scale_s(scale, shape.reconstruction_work(cell.workload.shots)) if scale else 0.0
    if not work.sum() or scale is None or total <= 0:
        return np.zeros(len(work))
    early = 1 - scale.seconds.get("1", 0.0) / total
    return np.asarray(early * work / work.sum())


def _outside(
    profile: CalibrationProfile,
    pool: PoolModel,
    cell: Cell,
    shape: WorkloadShape,
    substitutes: Sequence[str],
) -> Iterator[str]:
    circuits = {model.partition_labels.rpartition(" ")[0] for model in profile.partition}
    own = "" if cell.workload.circuit is msgspec.UNSET else cell.workload.title
    if own not in circuits:
        seen = ", ".join(sorted(name or "a data set" for name in circuits))
        yield f"the workload {cell.workload.title} (calibrated on {seen})"
    if profile.cuts and not min(profile.cuts) <= shape.cuts <= max(profile.cuts):
        seen = ", ".join(str(cuts) for cuts in profile.cuts)
        yield f"{shape.cuts} cuts (calibrated on {seen})"
    elif substitutes:
        yield (
            f"{len(substitutes)} classes of subexperiment of {shape.partition_labels} that were "
            "not calibrated"
        )
    if profile.reconstruction and shape.reconstruction != profile.reconstruction:
        yield (
            f"reconstruction {shape.reconstruction!r} (calibrated on {profile.reconstruction!r})"
        )
    if cell.workload.shot_allocation != profile.allocation:
        yield (
            f"allocation {cell.workload.shot_allocation!r} (calibrated on {profile.allocation!r})"
        )
    if cell.workload.shots != profile.shots:
        yield f"{cell.workload.shots} shots (calibrated on {profile.shots})"
    sharing = pool.sharing
    is_shared = cell.pool.shares_cores
    if is_shared and sharing.resource == "learned" and cell.pool.workers > max(sharing.sizes):
        yield (
            f"{cell.pool.workers} workers, whose sharing was learned from pools of "
            f"{', '.join(map(str, sharing.sizes))}"
        )
