"""How far predictions are from measurements they were not made from, beside what others predict.

A configuration's makespan is the median over its queries. Its test-retest noise is how far the
medians of its even and its odd rounds are apart, as a part of the latter: what a second
measurement of the same size would be off as a prediction of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import hypot
from typing import Any

import msgspec
import numpy as np

from qcutsim.analysis.configurations import Configuration
from qcutsim.records import QueryRecord

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

LEVEL = 0.9
"""Of the intervals."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A configuration's predicted makespan: best estimate, and one value a replication.

    Replications of different configurations share their draws, so that they can be divided.
    """

    estimate_s: float
    draws_s: FloatArray


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration, measured and predicted; errors are predicted / measured - 1.

    ``noise`` is the test-retest noise, ``None`` with a single round. ``alternatives_s`` has the
    makespan by each other method, where that method says anything.
    """

    pipeline: str
    partition_labels: str
    cuts: int
    pool: str
    workers: int
    policy: str
    stragglers: str
    queries: int
    measured_makespan_s: float
    noise: float | None
    predicted_makespan_s: float
    low_s: float
    high_s: float
    makespan_error: float
    is_covered: bool
    measured_speed_up: float | None
    predicted_speed_up: float | None
    speed_up_low: float | None
    speed_up_high: float | None
    speed_up_error: float | None
    alternatives_s: dict[str, float]


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute errors over a group of configurations, and how many its intervals cover.

    Speed-up errors are those of two or more workers; with one they are 0 by definition.
    """

    group: str
    count: int
    median_abs_error_makespan: float
    p90_abs_error_makespan: float
    median_abs_error_speed_up: float | None
    p90_abs_error_speed_up: float | None
    coverage_90: float | None
    noise_floor: float | None
    noise_p90: float | None


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of policies on the same work: how many differ by more than their noise, and of these
    how many are predicted in the measured order; ``missed`` names the others."""

    pairs: int
    distinct: int
    as_measured: int
    missed: tuple[str, ...]


def gather(
    measured: Mapping[Configuration, Sequence[QueryRecord]],
    predicted: Mapping[Configuration, Prediction],
    alternatives: Callable[[Configuration], dict[str, float]],
) -> dict[Configuration, Evidence]:
    """A row for each configuration that was both measured and predicted, sorted."""
    medians = {key: _median(queries) for key, queries in measured.items()}
    return {
        key: _row(key, measured[key], medians, predicted, alternatives(key))
        for key in sorted(measured)
        if key in predicted
    }


def _row(
    key: Configuration,
    queries: Sequence[QueryRecord],
    medians: Mapping[Configuration, float],
    predicted: Mapping[Configuration, Prediction],
    alternatives: dict[str, float],
) -> Evidence:
    measured_s, made = medians[key], predicted[key]
    low, high = _interval(made.draws_s)
    alone = key.alone
    up = predicted_up = up_low = up_high = None
    if alone in medians and alone in predicted:
        up = medians[alone] / measured_s
        predicted_up = predicted[alone].estimate_s / made.estimate_s
        up_low, up_high = _interval(predicted[alone].draws_s / made.draws_s)
    return Evidence(
        pipeline=key.pipeline,
        partition_labels=key.labels,
        cuts=key.cuts,
        pool=key.pool,
        workers=key.workers,
        policy=key.policy,
        stragglers=key.stragglers,
        queries=len(queries),
        measured_makespan_s=measured_s,
        noise=test_retest(queries),
        predicted_makespan_s=made.estimate_s,
        low_s=low,
        high_s=high,
        makespan_error=made.estimate_s / measured_s - 1,
        is_covered=low <= measured_s <= high,
        measured_speed_up=up,
        predicted_speed_up=predicted_up,
        speed_up_low=up_low,
        speed_up_high=up_high,
        speed_up_error=predicted_up / up - 1 if up and predicted_up else None,
        alternatives_s=alternatives,
    )


def _median(queries: Iterable[QueryRecord]) -> float:
    return float(np.median([query.total_s for query in queries]))


def _interval(values: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def test_retest(queries: Sequence[QueryRecord]) -> float | None:
    """The noise of a configuration, ``None`` where all its queries are of one parity of rounds."""
    halves = [[q for q in queries if q.repetition % 2 == parity] for parity in (0, 1)]
    if not all(halves):
        return None
    even_s, odd_s = (_median(half) for half in halves)
    return abs(even_s / odd_s - 1)


test_retest.__test__ = False  # type: ignore[attr-defined]


def errors_of(group: str, rows: Sequence[Evidence]) -> Errors:
    """Errors over a group of at least one configuration."""
    makespan = np.abs([row.makespan_error for row in rows])
    speed_up = np.abs(
        [r.speed_up_error for r in rows if r.workers > 1 and r.speed_up_error is not None]
    )
    noise = np.array([row.noise for row in rows if row.noise is not None])
    return Errors(
        group=group,
        count=len(rows),
        median_abs_error_makespan=float(np.median(makespan)),
        p90_abs_error_makespan=float(np.quantile(makespan, 0.9)),
        median_abs_error_speed_up=_quantile(speed_up, 0.5),
        p90_abs_error_speed_up=_quantile(speed_up, 0.9),
        coverage_90=float(np.mean([row.is_covered for row in rows])),
        noise_floor=_quantile(noise, 0.5),
        noise_p90=_quantile(noise, 0.9),
    )


def _quantile(values: FloatArray, share: float) -> float | None:
    return float(np.quantile(values, share)) if values.size else None


def alternative_errors(rows: Sequence[Evidence]) -> list[Errors]:
    """Of each other method, and of ours on the same configurations (those with larger pools)."""
    judged = [row for row in rows if row.alternatives_s and row.workers > 1]
    names = list(dict.fromkeys(name for row in judged for name in row.alternatives_s))
    found = [errors_of("this simulation", judged)] if judged else []
    for name in names:
        own = [row for row in judged if name in row.alternatives_s]
        found.append(_alternative(name, own))
    return found


def _alternative(name: str, rows: Sequence[Evidence]) -> Errors:
    makespan = np.abs([row.alternatives_s[name] / row.measured_makespan_s - 1 for row in rows])
    # Each method starts from the measured makespan of one worker, so speed-up errs as T does.
    speed_up = np.abs([row.measured_makespan_s / row.alternatives_s[name] - 1 for row in rows])
    return Errors(
        group=name,
        count=len(rows),
        median_abs_error_makespan=float(np.median(makespan)),
        p90_abs_error_makespan=float(np.quantile(makespan, 0.9)),
        median_abs_error_speed_up=float(np.median(speed_up)),
        p90_abs_error_speed_up=float(np.quantile(speed_up, 0.9)),
        coverage_90=None,
        noise_floor=None,
        noise_p90=None,
    )


def rank_policies(
    measured: Mapping[Configuration, Sequence[QueryRecord]],
    predicted: Mapping[Configuration, Prediction],
) -> Ranking:
    """Compare every two policies that were measured on the same work and pool.

    Two of them differ where their medians are apart by more than twice the standard error of that
    difference, from the spread of the rounds' medians.
    """
    groups: dict[Configuration, list[Configuration]] = {}
    for key in measured:
        if key in predicted:
            groups.setdefault(key._replace(policy=""), []).append(key)
    pairs = distinct = agreed = 0
    missed = []
    for keys in groups.values():
        for one, other in combinations(sorted(keys), 2):
            pairs += 1
            gap_s = _median(measured[one]) - _median(measured[other])
            error_s = hypot(*(_standard_error_s(measured[key]) for key in (one, other)))
            if not abs(gap_s) > 2 * error_s:
                continue
            distinct += 1
            if gap_s * (predicted[one].estimate_s - predicted[other].estimate_s) > 0:
                agreed += 1
            else:
                missed.append(
                    f"{one.policy} and {other.policy}, {one.pipeline}, {one.workers} {one.pool}"
                )
    return Ranking(pairs=pairs, distinct=distinct, as_measured=agreed, missed=tuple(missed))


def _standard_error_s(queries: Sequence[QueryRecord]) -> float:
    rounds: dict[int, list[QueryRecord]] = {}
    for query in queries:
        rounds.setdefault(query.repetition, []).append(query)
    if len(rounds) < 2:
        return float("inf")
    medians = [_median(own) for own in rounds.values()]
    return float(np.std(medians, ddof=1) / np.sqrt(len(medians)))
