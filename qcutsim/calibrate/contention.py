"""What workers of one host share: structure where the logs show it, else what they were seen to do.

Structure: processes share the host's cores, threads one interpreter lock. The efficiency is what
structure leaves over: CPU time of the same work alone, divided by that of two or more workers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from qcutsim.calibrate.profile import Sharing
from qcutsim.calibrate.resampling import Resampling
from qcutsim.calibrate.samples import Features, QuerySample, classes_of

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

FEWEST_TO_COMPARE = 5
"""CPU times of a class are compared where at least so many are known alone and shared."""

_UNLIMITED = 2**31


def fit_sharing(
    kind: str, samples: Sequence[QuerySample], cores: int | None, resampling: Resampling
) -> Sharing:
    """What ``kind`` of pool shares.

    Args:
        kind: of the pool.
        samples: all queries on it; ``resampling`` has weights of the same, in this order.
        cores: of the host, ``None`` where the logs do not tell.
        resampling: for the uncertainty.
    """
    if kind == "dedicated":
        return Sharing(
            resource="cores", capacity=_UNLIMITED, efficiency=1.0, efficiency_from="dedicated"
        )
    if cores is None:
        return _learned(samples, resampling)
    ratios_of: Callable[[FloatArray], list[float]]
    if kind == "threads":
        ratios_of, source = partial(_process_cpu_ratios, samples), "process CPU time"
        resource, capacity = "lock", 1
    else:
        ratios_of, source = _TaskCpu.of(samples).ratios, "CPU time of the tasks"
        resource, capacity = "cores", cores
    efficiency, source = _efficiency(ratios_of(np.ones(len(samples))), source)
    drawn = [_efficiency(ratios_of(weights), "")[0] for weights in resampling.weights]
    return Sharing(
        resource=resource,  # type: ignore[arg-type]
        capacity=capacity,
        efficiency=efficiency,
        efficiency_from=source,
        bootstrap=tuple(one / efficiency for one in drawn),
    )


def _efficiency(ratios: list[float], source: str) -> tuple[float, str]:
    if not ratios:
        return 1.0, "assumed: no pool of two or more workers"
    found = float(min(np.median(ratios), 1.0))
    return found, f"{source}, {len(ratios)} comparisons of one worker with more"


def _process_cpu_ratios(samples: Sequence[QuerySample], weights: FloatArray) -> list[float]:
    seen: dict[tuple[str, int], list[float]] = defaultdict(list)
    for sample, weight in zip(samples, weights, strict=True):
        query = sample.query
        if query.process_cpu_s is not None and weight > 0:
            key = (query.labels, query.workers)
            seen[key] += [query.process_cpu_s] * int(weight)
    usual = {key: float(np.median(seconds)) for key, seconds in seen.items()}
    return [
        usual[labels, 1] / seconds
        for (labels, workers), seconds in usual.items()
        if workers > 1 and (labels, 1) in usual and min(seconds, usual[labels, 1]) > 0
    ]


@dataclass(frozen=True, slots=True)
class _TaskCpu:
    """CPU time of tasks, summed and counted by query and class: arrays of (queries, classes)."""

    is_alone: np.ndarray[Any, np.dtype[np.bool_]]
    seconds: FloatArray
    count: FloatArray

    @classmethod
    def of(cls, samples: Sequence[QuerySample]) -> _TaskCpu:
        numbers = {features: number for number, features in enumerate(classes_of(samples))}
        seconds = np.zeros((len(samples), len(numbers)))
        count = np.zeros_like(seconds)
        for row, sample in enumerate(samples):
            of = [numbers[a, b, c, d] for a, b, c, d in sample.features.tolist()]
            known = ~np.isnan(sample.cpu_s)
            place = np.array(of, np.int64)[known]
            seconds[row] = np.bincount(place, sample.cpu_s[known], len(numbers))
            count[row] = np.bincount(place, minlength=len(numbers))
        return cls(np.array([s.query.workers == 1 for s in samples]), seconds, count)

    def ratios(self, weights: FloatArray) -> list[float]:
        """By class: mean CPU time of a task alone over that on a shared host."""
        alone, shared = weights * self.is_alone, weights * ~self.is_alone
        alone_s, alone_n = alone @ self.seconds, alone @ self.count
        shared_s, shared_n = shared @ self.seconds, shared @ self.count
        enough = np.minimum(alone_n, shared_n) >= FEWEST_TO_COMPARE
        enough &= np.minimum(alone_s, shared_s) > 0
        found = (alone_s[enough] / alone_n[enough]) / (shared_s[enough] / shared_n[enough])
        ratios: list[float] = found.tolist()
        return ratios


def shared_wait_s(
    samples: Sequence[QuerySample], cores: int, usual_s: Mapping[Features, float], gap_s: float
) -> float:
    """Mean seconds by which a worker's cycle is longer than its work and an idle gap.

    From pools of at least two workers, but no more than cores: there a core is free for each, and
    what is missing is not explained by sharing.

    Args:
        samples: queries on the pool.
        cores: of the host.
        usual_s: service time of each class on a shared host, in seconds.
        gap_s: mean idle gap of a worker alone.
    """
    total_s, cycles = 0.0, 0
    for sample in samples:
        if not (1 < sample.query.workers <= cores and sample.is_whole):
            continue
        for worker in np.unique(sample.worker):
            own = np.flatnonzero(sample.worker == worker)
            order = own[np.argsort(sample.started_s[own], kind="stable")]
            cycle_s = np.diff(sample.started_s[order]) - sample.delay_s[order][:-1]
            for seconds, features in zip(cycle_s, sample.features[order], strict=False):
                a, b, c, d = (int(value) for value in features)
                if (a, b, c, d) in usual_s:
                    total_s += seconds - usual_s[a, b, c, d] - gap_s
                    cycles += 1
    return max(float(total_s / cycles), 0.0) if cycles else 0.0


def _learned(samples: Sequence[QuerySample], resampling: Resampling) -> Sharing:
    """The rate at which pools of each size got through the work of one worker."""
    sizes = sorted({sample.query.workers for sample in samples})
    if sizes[0] != 1 or len(sizes) < 2:
        return Sharing(
            resource="unknown",
            capacity=1,
            efficiency=1.0,
            efficiency_from="the logs tell neither the host's cores nor how larger pools fare",
        )
    rates_of = _rates(samples, sizes)
    rates = rates_of(np.ones(len(samples)))
    drawn = [float(rates_of(w)[-1] / rates[-1]) for w in resampling.weights]
    return Sharing(
        resource="learned",
        capacity=sizes[-1],
        efficiency=1.0,
        efficiency_from=f"makespans of pools of {', '.join(map(str, sizes))}",
        sizes=tuple(sizes),
        rates=tuple(float(rate) for rate in rates),
        bootstrap=tuple(ratio if np.isfinite(ratio) else 1.0 for ratio in drawn),
    )


def _rates(samples: Sequence[QuerySample], sizes: list[int]) -> Callable[[FloatArray], FloatArray]:
    labels = sorted({sample.query.labels for sample in samples})

    def rates(weights: FloatArray) -> FloatArray:
        seconds = np.zeros((len(labels), len(sizes)))
        count = np.zeros_like(seconds)
        for sample, weight in zip(samples, weights, strict=True):
            place = labels.index(sample.query.labels), sizes.index(sample.query.workers)
            seconds[place] += weight * sample.query.execute_s
            count[place] += weight
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = seconds / count
            found = np.nanmean(mean[:, :1] / mean, axis=0)
        return np.asarray(np.where(np.isfinite(found), found, 1.0))

    return rates
