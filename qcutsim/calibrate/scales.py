"""How service times depend on features of the work, for work that was not calibrated.

Non-negative least squares of relative errors: a time cannot fall where there is more to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_TASK_TERMS: dict[str, Callable[[int, int, int, int, int], float]] = {
    "1": lambda mid, width, depth, count, shots: 1.0,
    "subexperiments": lambda mid, width, depth, count, shots: count,
    "subexperiments x depth": lambda mid, width, depth, count, shots: count * depth,
    "subexperiments x 2^width": lambda mid, width, depth, count, shots: count * 2.0**width,
    "trajectories": lambda mid, width, depth, count, shots: count * shots * (mid > 0),
    "trajectories x depth": lambda mid, width, depth, count, shots: (
        count * shots * depth * (mid > 0)
    ),
    "trajectories x mid-circuit": lambda mid, width, depth, count, shots: count * shots * mid,
}
"""Of a class (mid-circuit measurements, width, depth, subexperiments) and shots; a subexperiment
that measures mid-circuit is run shot by shot, each shot a trajectory."""


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Expected seconds as a sum of non-negative terms: term -> seconds a unit.

    ``relative_error`` is the root mean square over the classes or labels it was fitted to, and
    ``fitted_to`` how many these were.
    """

    seconds: dict[str, float]
    relative_error: float
    fitted_to: int


def fit_task_scale(mean_s: Mapping[tuple[int, int, int, int], float], shots: int) -> Scale:
    """Fit to the mean service time of each class of tasks."""
    rows = np.array([[term(*f, shots) for term in _TASK_TERMS.values()] for f in mean_s])
    return _fit(tuple(_TASK_TERMS), rows, np.array(list(mean_s.values())))


def task_scale_s(scale: Scale, features: tuple[int, int, int, int], shots: int) -> float:
    """Expected seconds of a class of tasks."""
    return sum(
        seconds * _TASK_TERMS[name](*features, shots) for name, seconds in scale.seconds.items()
    )


def fit_stage_scale(work: Sequence[int], mean_s: Sequence[float]) -> Scale:
    """Fit a stage's mean seconds at each amount of its work measure."""
    rows = np.array([[1.0, float(amount)] for amount in work])
    return _fit(("1", "work"), rows, np.array(mean_s))


def stage_scale_s(scale: Scale, work: int) -> float:
    """Expected seconds of a stage."""
    return scale.seconds.get("1", 0.0) + scale.seconds.get("work", 0.0) * work


def _fit(names: Sequence[str], rows: FloatArray, seconds: FloatArray) -> Scale:
    from scipy.optimize import nnls

    there = seconds > 0
    if not there.any():
        return Scale(seconds={}, relative_error=0.0, fitted_to=len(seconds))
    rows, seconds = rows[there], seconds[there]
    # Columns of one size, and rows in units of what is to be explained.
    size = np.maximum(np.abs(rows).max(axis=0), 1e-300)
    relative = rows / size / seconds[:, None]
    found, _ = nnls(relative, np.ones(len(seconds)), maxiter=100 * len(names))
    missed = relative @ found - 1
    return Scale(
        seconds={n: float(v) for n, v in zip(names, found / size, strict=True) if v > 0},
        relative_error=float(np.sqrt(np.mean(missed**2))),
        fitted_to=len(seconds),
    )
