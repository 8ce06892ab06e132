"""The random part of a query, drawn before it is simulated and keyed by what it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from qcutsim.calibrate import QuantileTable, Sampler
from qcutsim.cell import Cell
from qcutsim.dispatch import Merge, TaskKind
from qcutsim.seeds import stream
from qcutsim.simulation.models import ServiceModels
from qcutsim.stragglers import InjectedDelays, no_delay

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class QueryDraws:
    """Seconds of each step of one query; a sequence has one entry a task, then one a merge.

    ``service_s`` is the work of a task alone on its host, or of a merge where it is done. Times of
    another attempt at a task are those of the first; its injected delay, told by
    ``delay_s(task, attempt, worker)``, is not. ``fails`` tells the error of a copy, if any.
    ``kinds``, ``kind_of``, ``merges`` and ``weights`` are those of
    :class:`qcutsim.dispatch.QuerySubmitted`.
    """

    partition_s: float
    generate_s: float
    reconstruct_s: float
    service_s: Sequence[float] | FloatArray
    collect_cpu_s: Sequence[float] | FloatArray
    collect_latency_s: Sequence[float] | FloatArray
    dispatch_s: Sequence[float] | FloatArray
    start_s: Sequence[float] | FloatArray
    delay_s: Callable[[int, int, int], float] = no_delay
    fails: Callable[[int, int], str | None] = lambda task, attempt: None
    kinds: tuple[TaskKind, ...] = ()
    kind_of: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int32]] = ()
    merges: tuple[Merge, ...] = ()
    weights: tuple[float, ...] = ()

    def listed(self) -> QueryDraws:
        """The same with lists, whose entries are had faster one by one."""
        if not isinstance(self.service_s, np.ndarray):
            return self
        names = ("service_s", "collect_cpu_s", "collect_latency_s", "dispatch_s", "start_s")
        lists = {name: np.asarray(getattr(self, name)).tolist() for name in names}
        return replace(self, **lists, kind_of=tuple(np.asarray(self.kind_of).tolist()))

    @property
    def tasks(self) -> int:
        """How many tasks the query has."""
        return len(self.service_s) - len(self.merges)


def draw_query(
    models: ServiceModels,
    cell: Cell,
    seed: int,
    *,
    repetition: int,
    index: int,
    replication: int = 0,
    calibration: int | None = None,
) -> QueryDraws:
    """Draw one query.

    Pools, workers and policies are not part of a draw's key, so that configurations are compared
    under common random numbers; stragglers are those of the real run with the same seed.

    Args:
        models: of the cell.
        cell: what is simulated.
        seed: of the scenario.
        repetition: of the query; what a block does to all of its queries is drawn by it.
        index: of the query in its repetition.
        replication: of the simulation.
        calibration: bootstrap draw of the profile that holds; ``None``: its best estimate.
    """
    key = (replication, repetition, index)
    tasks = len(models.task_classes)
    nodes = tasks + len(models.merges)

    def uniform(purpose: str, size: int) -> FloatArray:
        return stream(seed, purpose, *key).random(size)

    pool, overhead = models.pool, 1.0
    if calibration is not None and pool.overhead_bootstrap:
        overhead = pool.overhead_bootstrap[calibration % len(pool.overhead_bootstrap)]
    block_factor = _factor(pool.effects.block_sd, stream(seed, "block", *key[:2]))
    if index < len(pool.warm_up):
        block_factor *= pool.warm_up[index]
    query_factor = _factor(pool.effects.query_sd, stream(seed, "query effect", *key))
    stage_u = uniform("stages", 3)
    stages = [
        float(scaled.sampler(stage_u[i : i + 1])[0]) * scaled.bootstrap(calibration) * block_factor
        for i, scaled in enumerate(models.stages)
    ]
    service = _service(models, uniform("service", tasks), calibration)
    service *= block_factor * query_factor
    if pool.stragglers.probability > 0:
        service += pool.stragglers.at(uniform("natural straggler", tasks))
    if models.merges:
        service = np.concatenate([service, stages[2] * models.merge_shares])

    def cost(purpose: str, sampler: Sampler, table: QuantileTable) -> FloatArray:
        if table.values == (0.0,):  # millions of nothing take no memory
            return np.broadcast_to(np.float64(0), (nodes,))
        return sampler(uniform(purpose, nodes)) * overhead

    collect = cost("collect", models.collect, pool.collect_s)
    share = pool.collect_cpu_share
    wait_s = pool.shared_wait_s if cell.pool.shares_cores else 0.0
    is_free = pool.collect_s.values == (0.0,)
    return QueryDraws(
        partition_s=stages[0],
        generate_s=stages[1],
        reconstruct_s=stages[2] * (1 - float(models.merge_shares.sum())),
        service_s=service,
        collect_cpu_s=collect if is_free else collect * share,
        collect_latency_s=collect if is_free and not wait_s else collect * (1 - share) + wait_s,
        dispatch_s=cost("dispatch", models.dispatch, pool.dispatch_s),
        start_s=cost("start", models.start, pool.start_s),
        delay_s=InjectedDelays(cell.stragglers, seed, nodes, repetition=repetition, index=index),
        kinds=models.kinds,
        kind_of=models.task_classes,
        merges=models.merges,
        weights=models.weights,
    )


def _factor(spread: float, rng: np.random.Generator) -> float:
    """A lognormal factor of median 1."""
    return float(np.exp(spread * rng.standard_normal())) if spread > 0 else 1.0


def _service(
    models: ServiceModels, probabilities: FloatArray, calibration: int | None
) -> FloatArray:
    classes = models.task_classes
    service: FloatArray = np.empty(len(classes))
    changes = np.flatnonzero(classes[1:] != classes[:-1]) + 1
    if len(changes) <= 2 * len(models.tasks):  # tasks of a class stand together: no need to search
        bounds = [0, *changes.tolist(), len(classes)]
        parts = [slice(*ends) for ends in pairwise(bounds) if ends[0] < ends[1]]
        of_parts = [(models.tasks[classes[part.start]], part) for part in parts]
    else:
        of_parts = [(scaled, classes == number) for number, scaled in enumerate(models.tasks)]
    for scaled, part in of_parts:
        service[part] = scaled.sampler(probabilities[part]) * scaled.bootstrap(calibration)
    return service
