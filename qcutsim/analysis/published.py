"""What arXiv:2602.16233 (DistributedEstimator) reports, and the same from our records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from qcutsim.records import QueryRecord, TaskRecord

PUBLISHED_SHARES = {1: (0.430, 0.474), 2: (0.489, 0.533), 3: (0.530, 0.580)}
"""Table 1 there: cuts -> (median, 95th percentile) of reconstruction's part of a query's time."""


class ReconstructionShare(msgspec.Struct, frozen=True, kw_only=True):
    """A row of Table 1: reconstruction's part of a query, by both denominators.

    ``of_execute_reconstruct`` counts the two stages alone, ``of_query`` the whole query; each is
    (median, 95th percentile) over queries of all pool sizes, as there. ``amdahl_bound`` is the most
    that any number of workers could give over one if all but reconstruction were divided among
    them: 1 / median part of the query on one worker; ``None``: one was not measured.
    """

    pipeline: str
    cuts: int
    queries: int
    of_execute_reconstruct: tuple[float, float]
    of_query: tuple[float, float]
    published: tuple[float, float] | None
    amdahl_bound: float | None


def reconstruction_shares(queries: Iterable[QueryRecord]) -> list[ReconstructionShare]:
    """Table 1 of warm queries without stragglers under the policy eager, by pipeline and cuts."""
    groups: dict[tuple[str, int], list[QueryRecord]] = {}
    for query in queries:
        is_plain = query.straggler_probability == 0 and query.policy == "eager"
        if is_plain and query.outcome == "ok" and not query.is_cold and query.cuts > 0:
            groups.setdefault((query.pipeline, query.cuts), []).append(query)
    in_order = sorted(groups, key=lambda of: (of[0] != "upstream", of))  # the paper's first
    return [_share(*key, groups[key]) for key in in_order]


def _share(pipeline: str, cuts: int, queries: Sequence[QueryRecord]) -> ReconstructionShare:
    parts = np.array([q.reconstruct_s for q in queries])
    both = parts + np.array([q.execute_s for q in queries])
    whole = np.array([q.total_s for q in queries])
    alone = (parts / whole)[np.array([q.workers == 1 for q in queries])]
    return ReconstructionShare(
        pipeline=pipeline,
        cuts=cuts,
        queries=len(queries),
        of_execute_reconstruct=_median_and_p95(parts / both),
        of_query=_median_and_p95(parts / whole),
        published=PUBLISHED_SHARES.get(cuts),
        amdahl_bound=1 / float(np.median(alone)) if len(alone) else None,
    )


def _median_and_p95(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    median, high = np.quantile(values, [0.5, 0.95])
    return float(median), float(high)


class MidCircuitCost(msgspec.Struct, frozen=True, kw_only=True):
    """What mid-circuit measurement makes of an execute stage; times are CPU time, in medians.

    ``part`` is what tasks with such a measurement have of all tasks' time; ``share_if_plain`` the
    reconstruction's part of execute + reconstruct, had every task taken what one without takes.
    """

    pipeline: str
    cuts: int
    queries: int
    tasks: int
    plain_s: float
    mid_circuit_s: float
    part: float
    share_if_plain: float


def mid_circuit_cost(
    logs: Sequence[tuple[QueryRecord, Sequence[TaskRecord]]],
) -> MidCircuitCost | None:
    """From the queries of one configuration on one worker, with their tasks.

    ``None``: nothing tells, as where the tasks' CPU time was not recorded, or all of them measure
    mid-circuit, or none.
    """
    timed = [(query, [t for t in tasks if t.cpu_s is not None]) for query, tasks in logs]
    timed = [(query, tasks) for query, tasks in timed if tasks]
    of_kind: dict[bool, list[float]] = {False: [], True: []}
    for _, tasks in timed:
        for task in tasks:
            of_kind[task.mid_circuit_measurements > 0].append(task.cpu_s or 0.0)
    plain, mid = of_kind[False], of_kind[True]
    if not plain or not mid:
        return None
    plain_s = float(np.median(plain))
    shares = []
    for query, tasks in timed:
        used_s = sum(task.cpu_s or 0.0 for task in tasks)
        if_plain_s = query.execute_s - used_s + plain_s * len(tasks)
        shares.append(query.reconstruct_s / (query.reconstruct_s + if_plain_s))
    return MidCircuitCost(
        pipeline=timed[0][0].pipeline,
        cuts=timed[0][0].cuts,
        queries=len(timed),
        tasks=int(np.median([len(tasks) for _, tasks in timed])),
        plain_s=plain_s,
        mid_circuit_s=float(np.median(mid)),
        part=sum(mid) / (sum(mid) + sum(plain)),
        share_if_plain=float(np.median(shares)),
    )


class CoresUsed(msgspec.Struct, frozen=True, kw_only=True):
    """How many cores a thread pool kept busy while it executed, in median over queries."""

    pipeline: str
    cuts: int
    workers: int
    queries: int
    cores: float


def cores_used(queries: Iterable[QueryRecord]) -> list[CoresUsed]:
    """Of thread pools, by pipeline, cuts and workers: CPU time of the process over the stage."""
    groups: dict[tuple[str, int, int], list[float]] = {}
    for query in queries:
        is_plain = query.straggler_probability == 0 and query.policy == "eager"
        is_warm = query.outcome == "ok" and not query.is_cold
        if query.pool == "threads" and is_plain and is_warm and query.process_cpu_s:
            key = (query.pipeline, query.cuts, query.workers)
            groups.setdefault(key, []).append(query.process_cpu_s / query.execute_s)
    return [
        CoresUsed(
            pipeline=pipeline,
            cuts=cuts,
            workers=workers,
            queries=len(found),
            cores=float(np.median(found)),
        )
        for (pipeline, cuts, workers), found in sorted(groups.items())
    ]
