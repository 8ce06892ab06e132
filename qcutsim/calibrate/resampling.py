"""Bootstrap by query: how far a mean would move had other queries been measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qcutsim.calibrate.samples import QuerySample
from qcutsim.seeds import stream

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

DRAWS = 40
"""Bootstrap draws that a profile holds."""


class Resampling:
    """How often each query stands in each bootstrap draw; one for all models of a profile.

    Queries are drawn with replacement among those of their own configuration, so that tasks of
    one query stay together (block bootstrap; Davison and Hinkley, 1997, section 3.8).

    Args:
        samples: the queries.
        draws: how many draws.
        seed: of the draws.
    """

    def __init__(self, samples: Sequence[QuerySample], draws: int = DRAWS, seed: int = 0) -> None:
        self.draws = draws
        self.weights: FloatArray = np.zeros((draws, len(samples)))
        groups: dict[tuple[str, str, int, str], list[int]] = {}
        for number, sample in enumerate(samples):
            groups.setdefault(sample.configuration, []).append(number)
        rng = stream(seed, "bootstrap")
        for members in groups.values():
            size = len(members)
            self.weights[:, members] = rng.multinomial(size, np.full(size, 1 / size), draws)

    def means(self, sums: FloatArray, counts: FloatArray) -> FloatArray:
        """The mean in each draw, from each query's sum and count; NaN where nothing was drawn."""
        drawn = self.weights @ counts
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.weights @ sums) / drawn)

    def ratios(self, sums: FloatArray, counts: FloatArray) -> tuple[float, ...]:
        """The mean in each draw over the mean of all; 1 where nothing was drawn."""
        total = float(sums.sum())
        if total <= 0 or counts.sum() <= 0:
            return ()
        found = self.means(sums, counts) / (total / float(counts.sum()))
        return tuple(np.where(np.isfinite(found), found, 1.0).tolist())
