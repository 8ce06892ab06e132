"""Quantile tables: an empirical distribution, kept as values at evenly spaced probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

MOST_POINTS = 201


class QuantileTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inverse distribution function: ``values[i]`` at probability i / (len(values) - 1).

    ``samples`` is how many observations it was made of; up to ``MOST_POINTS`` of them it keeps
    every one. ``mean`` is theirs, not the table's.
    """

    values: tuple[float, ...]
    mean: float
    samples: int

    @classmethod
    def of(cls, observations: Sequence[float] | Array) -> QuantileTable:
        """The table of one or more observations."""
        data = np.sort(np.asarray(observations, dtype=np.float64))
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
        if len(self.values) == 1:
            return np.full(probabilities.shape, self.values[0])
        grid = np.linspace(0, 1, len(self.values))
        return np.asarray(np.interp(probabilities, grid, self.values))
