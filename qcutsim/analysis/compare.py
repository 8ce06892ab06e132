"""Simulated beside measured: the error of each configuration, and of all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from qcutsim.analysis.configurations import (
    Configuration,
    Summary,
    slowdowns,
    speed_ups,
    summarise,
)
from qcutsim.analysis.replicatedtimes import FloatArray, Range, ReplicatedTimes
from qcutsim.errors import LogError
from qcutsim.logreader import SkipReport, read_records
from qcutsim.records import QueryRecord, RunRecord


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration, measured and simulated; errors are simulated / measured - 1.

    ``is_prediction``: the profile was not calibrated on this number of workers or these labels.
    ``measured_spread`` is (highest - lowest) / median of the measured makespans. Shares are the
    parts of the stages in the order of :data:`qcutsim.analysis.STAGES`; the slowdown is the
    makespan over that of the same configuration without stragglers, where both were seen.
    Intervals hold 90 % of the simulated replications; ``None``: too few for one.
    """

    partition_labels: str
    cuts: int
    pool: str
    workers: int
    policy: str
    cancel: str
    allocation: str
    reconstruction: str
    chunk: int
    window: int
    straggler_probability: float
    straggler_delay_s: float
    stragglers: str
    machines: str
    is_prediction: bool
    is_extrapolated: bool
    queries: int
    measured_makespan_s: float
    measured_spread: float
    simulated_makespan_s: float
    makespan_error: float
    measured_speed_up: float | None
    simulated_speed_up: float | None
    speed_up_error: float | None
    measured_shares: tuple[float, ...]
    simulated_shares: tuple[float, ...]
    measured_slowdown: float | None
    simulated_slowdown: float | None
    slowdown_error: float | None
    makespan_interval: Range | None = None
    speed_up_interval: Range | None = None
    share_intervals: tuple[Range, ...] | None = None
    slowdown_interval: Range | None = None


class ErrorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute errors over a group of configurations: their median and 90th percentile.

    Speed-up errors are those of two or more workers; with one they are 0 by definition.
    """

    group: str
    configurations: int
    median_abs_error_makespan: float
    p90_abs_error_makespan: float
    median_abs_error_speed_up: float | None
    p90_abs_error_speed_up: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Every configuration that was both measured and simulated, and those that were not.

    ``substitutes`` names the classes of subexperiment that were not calibrated and what stood in
    for each; ``measured_runs`` and ``profile_key`` say what was compared.
    """

    configurations: tuple[Compared, ...]
    summaries: tuple[ErrorSummary, ...]
    only_measured: tuple[str, ...]
    only_simulated: tuple[str, ...]
    substitutes: tuple[str, ...] = ()
    measured_runs: tuple[str, ...] = ()
    profile_key: str | None = None

    def _repr_html_(self) -> str:
        from qcutsim.report import as_html  # a notebook asks from below; nothing else does

        return as_html(self)


def read_query_records(
    logs: Iterable[str | os.PathLike[str]], skipped: SkipReport | None = None
) -> tuple[list[RunRecord], list[QueryRecord]]:
    """The runs and queries of logs, without their tasks.

    Raises:
        LogError: a log cannot be read.
    """
    runs: list[RunRecord] = []
    queries: list[QueryRecord] = []
    for log in logs:
        for record in read_records(log, skipped):
            if type(record) is QueryRecord:
                queries.append(record)
            elif type(record) is RunRecord:
                runs.append(record)
    return runs, queries


def compare_queries(
    measured: Sequence[QueryRecord],
    simulated: Sequence[QueryRecord],
    calibrated_workers: Mapping[str, Sequence[int]],
    calibrated_labels: Collection[str] | None = None,
    off: Mapping[str, FloatArray] | None = None,
) -> Comparison:
    """Pair configurations that match in everything and compare their median makespans.

    Args:
        measured: queries of real runs.
        simulated: queries of simulations.
        calibrated_workers: pool kind -> pool sizes the profile was calibrated on.
        calibrated_labels: partition labels it was calibrated on; ``None``: all of them.
        off: cell -> the model's discrepancy, a factor on the makespan of each replication.

    Raises:
        LogError: nothing matches.
    """
    real, virtual = summarise(measured), summarise(simulated)
    both = [key for key in real if key in virtual]
    if not both:
        raise LogError(
            f"none of the {len(real)} measured configurations is among the {len(virtual)} "
            "simulated ones; simulate the scenario that was measured"
        )
    times = _Ratios.of(real), _Ratios.of(virtual)
    ranges = ReplicatedTimes.of(simulated, off or {})
    compared = [
        _compared(
            key,
            real[key],
            virtual[key],
            *times,
            ranges,
            is_prediction=key.workers not in calibrated_workers.get(key.pool, ())
            or not (calibrated_labels is None or key.labels in calibrated_labels),
        )
        for key in both
    ]
    return Comparison(
        configurations=tuple(compared),
        summaries=tuple(_error_summaries(compared)),
        only_measured=tuple(_name(key) for key in real if key not in virtual),
        only_simulated=tuple(_name(key) for key in virtual if key not in real),
    )


class _Ratios(NamedTuple):
    """How configurations of one world stand to each other."""

    speed_ups: dict[Configuration, float]
    slowdowns: dict[Configuration, float]

    @classmethod
    def of(cls, summaries: dict[Configuration, Summary]) -> _Ratios:
        return cls(speed_ups(summaries), slowdowns(summaries))


def _compared(
    key: Configuration,
    real: Summary,
    virtual: Summary,
    measured: _Ratios,
    simulated: _Ratios,
    ranges: ReplicatedTimes,
    *,
    is_prediction: bool,
) -> Compared:
    ups = measured.speed_ups.get(key), simulated.speed_ups.get(key)
    downs = measured.slowdowns.get(key), simulated.slowdowns.get(key)
    return Compared(
        partition_labels=key.labels,
        cuts=key.cuts,
        pool=key.pool,
        workers=key.workers,
        policy=key.policy,
        cancel=key.cancel,
        allocation=key.allocation,
        reconstruction=key.reconstruction,
        chunk=key.chunk,
        window=key.window,
        stragglers=key.stragglers,
        machines=key.machines,
        straggler_probability=key.straggler_probability,
        straggler_delay_s=key.straggler_delay_s,
        is_prediction=is_prediction,
        is_extrapolated=virtual.is_extrapolated,
        queries=real.queries,
        measured_makespan_s=real.makespan_s,
        measured_spread=(real.highest_s - real.lowest_s) / real.makespan_s,
        simulated_makespan_s=virtual.makespan_s,
        makespan_error=virtual.makespan_s / real.makespan_s - 1,
        measured_speed_up=ups[0],
        simulated_speed_up=ups[1],
        speed_up_error=_error(*ups),
        measured_shares=real.stage_shares,
        simulated_shares=virtual.stage_shares,
        measured_slowdown=downs[0],
        simulated_slowdown=downs[1],
        slowdown_error=_error(*downs),
        makespan_interval=ranges.makespan(key),
        speed_up_interval=ranges.ratio(key.alone, key),
        share_intervals=ranges.shares(key),
        slowdown_interval=ranges.ratio(key, key.undisturbed) if key.stragglers else None,
    )


def _error(measured: float | None, simulated: float | None) -> float | None:
    return simulated / measured - 1 if measured and simulated else None


def _error_summaries(compared: Sequence[Compared]) -> Iterable[ErrorSummary]:
    pools = sorted({row.pool for row in compared})
    for is_prediction, title in ((False, "calibrated"), (True, "predicted")):
        for pool in pools:
            group = [c for c in compared if c.pool == pool and c.is_prediction == is_prediction]
            if group:
                sizes = sorted({row.workers for row in group})
                shown = ", ".join(str(size) for size in sizes)
                yield _error_summary(f"{pool}, {shown} workers ({title})", group)
    yield _error_summary("all", compared)


def _error_summary(group: str, rows: Sequence[Compared]) -> ErrorSummary:
    makespan = np.abs([row.makespan_error for row in rows])
    speed_up = np.abs(
        [r.speed_up_error for r in rows if r.workers > 1 and r.speed_up_error is not None]
    )
    return ErrorSummary(
        group=group,
        configurations=len(rows),
        median_abs_error_makespan=float(np.median(makespan)),
        p90_abs_error_makespan=float(np.quantile(makespan, 0.9)),
        median_abs_error_speed_up=float(np.median(speed_up)) if speed_up.size else None,
        p90_abs_error_speed_up=float(np.quantile(speed_up, 0.9)) if speed_up.size else None,
    )


def _name(key: Configuration) -> str:
    stragglers = f", stragglers {key.stragglers}" if key.stragglers else ""
    window = f", window {key.window}" if key.window > 1 else ""
    return (
        f"{key.dataset} {key.partition_labels} {key.pipeline} {key.shots} shots, "
        f"{key.workers} {key.pool}, {key.policy}{window}{stragglers}"
    )
