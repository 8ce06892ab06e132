"""Stragglers that nobody injected: rare, additive, with a generalised Pareto tail."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from qcutsim.calibrate.tables import QuantileTable

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

FEWEST_EXCESSES = 30
"""A tail is fitted to at least so many stragglers; fewer are kept as they are."""

_FAR = 8.0
_FACTOR = 1.5
_STEEPEST = 0.9


class Tail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Generalised Pareto distribution of the excess: beyond 0, with this scale and shape."""

    scale_s: Annotated[float, msgspec.Meta(gt=0)]
    shape: Annotated[float, msgspec.Meta(ge=-5, le=_STEEPEST)]

    def at(self, probabilities: FloatArray) -> FloatArray:
        """Quantiles in seconds; same shape."""
        left = np.log1p(-np.clip(probabilities, 0, 1 - 1e-12))
        if abs(self.shape) < 1e-9:
            return np.asarray(-self.scale_s * left)
        return np.asarray(self.scale_s * np.expm1(-self.shape * left) / self.shape)


class NaturalStragglers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the tasks took far longer than its class, and by how much longer.

    ``least_s`` is the least excess; what lies above it follows ``tail`` where there were enough,
    else ``excess_s``.
    """

    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    least_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    excess_s: QuantileTable | None = None
    tail: Tail | None = None

    def at(self, probabilities: FloatArray) -> FloatArray:
        """Excess in seconds of a task whose uniform draw is given; 0 for most."""
        extra = np.zeros(probabilities.shape)
        if self.probability <= 0 or self.excess_s is None:
            return extra
        hit = probabilities < self.probability
        inner = probabilities[hit] / self.probability
        extra[hit] = (
            self.excess_s.at(inner) if self.tail is None else self.least_s + self.tail.at(inner)
        )
        return extra


def is_straggler(residual: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which service times, as multiples of their class's median, are far out of line.

    Far out: 8 robust standard deviations of the logarithm, and half as long again at least.
    """
    logs = np.log(np.maximum(residual, 1e-300))
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs)))) if len(logs) else 0.0
    return np.asarray(logs > max(_FAR * spread, np.log(_FACTOR)))


def fit_stragglers(excess_s: FloatArray, tasks: int) -> NaturalStragglers:
    """The model of these excesses over the class's median, among so many tasks.

    The tail is fitted by probability weighted moments (Hosking and Wallis, Technometrics 29,
    1987).
    """
    if len(excess_s) == 0:
        return NaturalStragglers()
    ordered = np.sort(excess_s)
    least = float(ordered[0])
    return NaturalStragglers(
        probability=len(ordered) / tasks,
        least_s=least,
        excess_s=QuantileTable.of(ordered),
        tail=_tail(ordered - least) if len(ordered) >= FEWEST_EXCESSES else None,
    )


def _tail(above: FloatArray) -> Tail | None:
    count = len(above)
    mean = float(above.mean())
    weights = (count - np.arange(1, count + 1)) / (count - 1)
    weighted = float(np.mean(weights * above))
    if not 0 < 2 * weighted < mean:
        return None
    ratio = mean / (mean - 2 * weighted)
    shape = min(max(2 - ratio, -5.0), _STEEPEST)
    return Tail(scale_s=mean * (1 - shape), shape=shape)
