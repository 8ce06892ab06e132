"""Parametric service times: lognormal, gamma, Weibull, each with a shift.

A family replaces the quantile table of a class only where it predicts held-out observations at
least as well: by the mean pinball loss over 99 quantiles, which is half the continuous ranked
probability score (Gneiting and Raftery, JASA 102, 2007).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from qcutsim.calibrate.tables import QuantileTable

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
FamilyName = Literal["lognormal", "gamma", "weibull"]

FEWEST_FOR_A_FAMILY = 40
"""Fewer observations leave too little to hold out."""

_LEVELS = np.linspace(0.01, 0.99, 99)
_EULER = 0.5772156649015329


class Family(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``shift_s`` plus a positive distribution of the given shape and scale.

    ``shape`` is the standard deviation of the logarithm (lognormal), or the usual shape (gamma,
    Weibull); ``scale_s`` the median of a lognormal, else the usual scale.
    """

    name: FamilyName
    shift_s: Annotated[float, msgspec.Meta(ge=0)]
    shape: Annotated[float, msgspec.Meta(gt=0)]
    scale_s: Annotated[float, msgspec.Meta(gt=0)]

    def at(self, probabilities: FloatArray) -> FloatArray:
        """Quantiles in seconds; same shape."""
        from scipy.special import gammaincinv, ndtri

        u = np.clip(probabilities, 1e-12, 1 - 1e-12)
        if self.name == "lognormal":
            x = np.exp(self.shape * ndtri(u))
        elif self.name == "gamma":
            x = gammaincinv(self.shape, u)
        else:
            x = (-np.log1p(-u)) ** (1 / self.shape)
        return np.asarray(self.shift_s + self.scale_s * x)


class Goodness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How well a model fits: Kolmogorov-Smirnov distance, Wasserstein distance in seconds.

    ``held_out`` has the mean pinball loss in seconds of each candidate on the half of the
    observations that it was not fitted to.
    """

    ks: float
    wasserstein_s: float
    held_out: dict[str, float]


def choose_family(observations: FloatArray) -> tuple[Family | None, Goodness | None]:
    """The family that does as well as a table on held-out data, if any, and how well all do.

    Args:
        observations: seconds, in the order in which they were made; every second is held out.
    """
    data = np.asarray(observations, np.float64)
    if len(data) < FEWEST_FOR_A_FAMILY or data.max() <= data.min():
        return None, None
    fitted_on, held_out = data[::2], data[1::2]
    losses = {"table": _loss(QuantileTable.of(fitted_on).at, held_out)}
    for name in _FITS:
        family = _FITS[name](fitted_on)
        if family is not None:
            losses[name] = _loss(family.at, held_out)
    best = min(losses, key=lambda name: (losses[name], name != "table"))
    family = None if best == "table" else _FITS[best](data)
    quantiles = (family or QuantileTable.of(data)).at
    return family, Goodness(
        ks=_ks(quantiles, data), wasserstein_s=_wasserstein(quantiles, data), held_out=losses
    )


def _loss(quantiles: Callable[[FloatArray], FloatArray], held_out: FloatArray) -> float:
    over = held_out[:, None] - quantiles(_LEVELS)[None, :]
    return float(np.mean(np.maximum(_LEVELS * over, (_LEVELS - 1) * over)))


def _ks(quantiles: Callable[[FloatArray], FloatArray], data: FloatArray) -> float:
    grid = np.linspace(0, 1, 1001)
    model = np.maximum.accumulate(quantiles(grid))
    ordered = np.sort(data)
    shares = np.interp(ordered, model, grid)
    count = len(ordered)
    above = np.arange(1, count + 1) / count - shares
    below = shares - np.arange(count) / count
    return float(max(above.max(), below.max()))


def _wasserstein(quantiles: Callable[[FloatArray], FloatArray], data: FloatArray) -> float:
    middle = (np.arange(len(data)) + 0.5) / len(data)
    return float(np.mean(np.abs(np.sort(data) - quantiles(middle))))


def _shifted(data: FloatArray) -> tuple[float, FloatArray] | None:
    """The shift, a little below the least observation, and what lies above it."""
    least, usual = float(data.min()), float(np.median(data))
    shift = max(least - (usual - least) / max(len(data), 2), 0.0)
    above = data - shift
    return (shift, above) if above.min() > 0 and above.std() > 0 else None


def _lognormal(data: FloatArray) -> Family | None:
    if (found := _shifted(data)) is None:
        return None
    shift, above = found
    logs = np.log(above)
    return Family(
        name="lognormal", shift_s=shift, shape=float(logs.std()), scale_s=float(np.exp(logs.mean()))
    )


def _gamma(data: FloatArray) -> Family | None:
    """Maximum likelihood in Minka's approximation, refined by one Newton step."""
    from scipy.special import digamma, polygamma

    if (found := _shifted(data)) is None:
        return None
    shift, above = found
    s = float(np.log(above.mean()) - np.log(above).mean())
    if not s > 0:
        return None
    shape = (3 - s + np.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
    step = (np.log(shape) - digamma(shape) - s) / (1 / shape - polygamma(1, shape))
    shape = float(shape - step) if shape > step else float(shape)
    return Family(name="gamma", shift_s=shift, shape=shape, scale_s=float(above.mean() / shape))


def _weibull(data: FloatArray) -> Family | None:
    """By the moments of the logarithm, which is Gumbel distributed."""
    if (found := _shifted(data)) is None:
        return None
    shift, above = found
    logs = np.log(above)
    shape = float(np.pi / (np.sqrt(6) * logs.std()))
    return Family(
        name="weibull",
        shift_s=shift,
        shape=shape,
        scale_s=float(np.exp(logs.mean() + _EULER / shape)),
    )


_FITS: dict[str, Callable[[FloatArray], Family | None]] = {
    "lognormal": _lognormal,
    "gamma": _gamma,
    "weibull": _weibull,
}
