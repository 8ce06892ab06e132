"""Quantile tables: an empirical distribution, kept as values at evenly spaced probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any

import msgspec
import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

Sampler = Callable[[Array], Array]
"""Probabilities to values, of the same shape."""

MOST_POINTS = 201

LONGEST_S = 1e9
"""No service time is longer; larger values are mistakes."""


class QuantileTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inverse distribution function: ``values[i]`` at probability i / (len(values) - 1).

    ``samples`` is how many observations it was made of; up to ``MOST_POINTS`` of them it keeps
    every one. ``mean`` is theirs, not the table's.

    Raises:
        ValueError: the values fall, or are not from 0 to ``LONGEST_S``.
    """

    values: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)]
    mean: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_S)]
    samples: Annotated[int, msgspec.Meta(ge=0)]

    def __post_init__(self) -> None:
        if not all(low <= high for low, high in pairwise((0.0, *self.values, LONGEST_S))):
            raise ValueError(f"expected seconds that rise from 0 to at most {LONGEST_S:g}")

    @classmethod
    def of(cls, observations: Sequence[float] | Array) -> QuantileTable:
        """The table of one or more observations; negative ones (clock noise) count as 0.

        Those above ``LONGEST_S`` count as it.
        """
        data = np.sort(np.clip(np.asarray(observations, dtype=np.float64), 0.0, LONGEST_S))
        points = min(len(data), MOST_POINTS)
        values = data if points == len(data) else np.quantile(data, np.linspace(0, 1, points))
        return cls(
            values=tuple(float(v) for v in values), mean=float(data.mean()), samples=len(data)
        )

    @classmethod
    def constant(cls, value: float) -> QuantileTable:
        """A table that always gives ``value``."""
        return cls(values=(value,), mean=value, samples=0)

    @property
    def median(self) -> float:
        """The value at probability one half."""
        return float(self.at(np.array([0.5]))[0])

    def at(self, probabilities: Array) -> Array:
        """Values at ``probabilities``, linearly between the table's points; same shape."""
        return self.sampler()(probabilities)

    def sampler(self) -> Sampler:
        """:meth:`at`, made ready for many calls."""
        values = np.array(self.values)
        if len(values) == 1:
            return lambda probabilities: np.full(probabilities.shape, values[0])
        grid = np.linspace(0, 1, len(values))
        return lambda probabilities: np.asarray(np.interp(probabilities, grid, values))
