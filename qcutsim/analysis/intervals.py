"""Intervals from replications, and how many replications are enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

LEVEL = 0.9
"""Of the intervals, where nothing else is said."""

RESAMPLES = 200

FEWEST_REPLICATIONS = 10
"""No fewer tell how far they spread."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate and its interval; ``None`` bounds: too few replications for one."""

    estimate: float
    low: float | None
    high: float | None


def interval(values: FloatArray, estimate: float | None = None, level: float = LEVEL) -> Interval:
    """The median of replications, and the range that holds ``level`` of them.

    Each replication is one outcome under one draw of the calibration, so the range holds both
    sampling and calibration uncertainty.

    Args:
        values: of a statistic, one a replication; with none the estimate is NaN.
        estimate: what to report instead of the median.
        level: part of the replications inside.
    """
    middle = estimate
    if middle is None:
        middle = float(np.median(values)) if len(values) else float("nan")
    if len(values) < FEWEST_REPLICATIONS:
        return Interval(estimate=middle, low=None, high=None)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate=middle, low=float(low), high=float(high))


def pooled_quantiles(
    replications: Sequence[Sequence[float]],
    shares: Sequence[float],
    *,
    off: FloatArray,
    seed: int,
    level: float = LEVEL,
) -> list[Interval]:
    """Quantiles over the values of all replications, and how far they are known.

    The intervals are those of resampled replications (values of one have in common what they were
    drawn under), each time under the discrepancy of one of them; with no values the estimates are
    NaN.

    Args:
        replications: the values of each.
        shares: which quantiles.
        off: the model's discrepancy, a factor a replication.
        seed: of the resampling.
        level: part of the resampled quantiles inside.
    """
    kept = [number for number, values in enumerate(replications) if len(values)]
    if not kept:
        return [Interval(estimate=float("nan"), low=None, high=None) for _ in shares]
    values = [np.asarray(replications[number]) for number in kept]
    middles = np.quantile(np.concatenate(values), shares).tolist()
    if len(kept) < FEWEST_REPLICATIONS:
        return [Interval(estimate=middle, low=None, high=None) for middle in middles]
    chosen = np.random.default_rng(seed).integers(len(kept), size=(RESAMPLES, len(kept)))
    found = np.array([np.quantile(np.concatenate([values[n] for n in c]), shares) for c in chosen])
    found *= off[np.array(kept)[chosen[:, 0]], None]
    lows, highs = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0).tolist()
    return [
        Interval(estimate=middle, low=low, high=high)
        for middle, low, high in zip(middles, lows, highs, strict=True)
    ]


def half_width(values: FloatArray, level: float = LEVEL) -> float:
    """Half the confidence interval of the mean over replications, as a part of it.

    Student's t on independent replications (Law, Simulation Modeling and Analysis, 5th ed., 9.4.1);
    infinite for fewer than two of them.
    """
    from scipy.special import stdtrit

    count, mean = len(values), float(np.mean(values)) if len(values) else 0.0
    if count < 2:
        return float("inf")
    error = float(np.std(values, ddof=1)) / np.sqrt(count)
    if error == 0:
        return 0.0
    quantile = float(stdtrit(count - 1, (1 + level) / 2))
    return float(quantile * error / abs(mean)) if mean != 0 else float("inf")


def are_enough(values: FloatArray, relative_half_width: float, level: float = LEVEL) -> bool:
    """Whether so many replications make the mean's interval as narrow as asked.

    The sequential rule of Law (9.4.1): go on until the half-width is at most r / (1 + r) of the
    mean, so that the mean is off by at most r of the truth with about the given level.
    """
    if len(values) < FEWEST_REPLICATIONS:
        return False
    return half_width(values, level) <= relative_half_width / (1 + relative_half_width)
