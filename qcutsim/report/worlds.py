"""What was measured and what was simulated, configuration by configuration, with intervals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from qcutsim.analysis import (
    FEWEST_QUERIES,
    Configuration,
    Interval,
    Summary,
    interval,
    resampled_medians,
    summarise,
)
from qcutsim.records import QueryRecord
from qcutsim.seeds import derived_seed
from qcutsim.simulatedcell import CellStatistics

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

SEED = 20_260
"""Of the bootstrap of what was measured: the same logs give the same page."""


class World:
    """The queries of one origin by configuration.

    Intervals hold 90 %: of the bootstrap of what was measured, of the replications of what was
    simulated; with too few of either there are none.
    """

    def __init__(
        self,
        origin: str,
        queries: Iterable[QueryRecord],
        statistics: dict[Configuration, CellStatistics] | None = None,
    ) -> None:
        self.origin = origin
        self.statistics = statistics or {}
        self.queries: dict[Configuration, list[QueryRecord]] = {}
        self.left_out = 0
        for query in queries:
            if query.outcome == "ok" and not query.is_cold and query.total_s > 0:
                self.queries.setdefault(Configuration.of(query), []).append(query)
            else:
                self.left_out += 1
        self.summaries: dict[Configuration, Summary] = summarise(
            query for own in self.queries.values() for query in own
        )
        self._draws: dict[Configuration, dict[int, float]] = {}
        self._policies: dict[Configuration, list[Configuration]] = {}
        for key in self.summaries:
            self._policies.setdefault(key._replace(policy=""), []).append(key)

    def makespan(self, key: Configuration) -> Interval:
        """Of the median query, in seconds."""
        estimate = self.summaries[key].makespan_s
        if key in self.statistics:
            found = self.statistics[key].makespan_s
            return Interval(estimate=estimate, low=found.low, high=found.high)
        return interval(np.array(list(self._medians(key).values())), estimate)

    def ratio(self, above: Configuration, below: Configuration) -> Interval:
        """Of two makespans; those of the same replication belong together."""
        estimate = self.summaries[above].makespan_s / self.summaries[below].makespan_s
        over, under = self._medians(above), self._medians(below)
        ratios = [over[number] / under[number] for number in over if number in under]
        return interval(np.array(ratios), estimate)

    def speed_up(self, key: Configuration) -> Interval | None:
        """Over one worker, where that was seen."""
        return self.ratio(key.alone, key) if key.alone in self.summaries else None

    def slowdown(self, key: Configuration) -> Interval | None:
        """By stragglers, where the same without them was seen; 1 of what has none."""
        if not key.stragglers:
            return Interval(estimate=1.0, low=None, high=None)
        found = self.statistics.get(key)
        if found is not None and found.straggler_slowdown is not None:
            return found.straggler_slowdown
        return self.ratio(key, key.undisturbed) if key.undisturbed in self.summaries else None

    def policies_of(self, key: Configuration) -> list[Configuration]:
        """The same configuration under every policy that was seen."""
        return self._policies[key._replace(policy="")]

    def totals(self, key: Configuration) -> FloatArray:
        """Makespans of the queries, sorted, in seconds."""
        return np.sort(np.array([query.total_s for query in self.queries[key]]))

    def _medians(self, key: Configuration) -> dict[int, float]:
        """Draws of the median makespan: by replication, or by resample."""
        if key not in self._draws:
            by = "replication" if self.origin == "simulated" else "repetition"
            parts: dict[int, list[float]] = {}
            for query in self.queries[key]:
                parts.setdefault(getattr(query, by), []).append(query.total_s)
            if self.origin == "simulated":
                off = self.statistics[key].discrepancies if key in self.statistics else ()
                self._draws[key] = {
                    n: float(np.median(own)) * (off[n] if n < len(off) else 1.0)
                    for n, own in parts.items()
                }
            elif len(self.queries[key]) < FEWEST_QUERIES:
                self._draws[key] = {}
            else:
                # Each configuration has draws of its own, whatever else the page shows.
                seed = derived_seed(SEED, repr(key))
                medians = resampled_medians(list(parts.values()), seed)
                self._draws[key] = dict(enumerate(map(float, medians)))
        return self._draws[key]
