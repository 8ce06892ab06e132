"""What simulated replications of configurations spread over: the intervals of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qcutsim.analysis.configurations import STAGES, Configuration
from qcutsim.analysis.intervals import interval
from qcutsim.records import QueryRecord

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

Range = tuple[float, float]
"""Lower and upper end."""


@dataclass(frozen=True, slots=True)
class ReplicatedTimes:
    """Median queries by configuration and replication.

    Attributes:
        makespans_s: configuration -> median makespan of each replication, shape (replications,).
        stage_shares: configuration -> median parts of the stages, shape (stages, replications).
    """

    makespans_s: dict[Configuration, FloatArray]
    stage_shares: dict[Configuration, FloatArray]

    @classmethod
    def of(cls, queries: Iterable[QueryRecord], off: Mapping[str, FloatArray]) -> ReplicatedTimes:
        """From simulated queries; ``off`` are factors on the makespans, by cell and replication."""
        groups: dict[Configuration, dict[int, list[QueryRecord]]] = {}
        for query in queries:
            if query.outcome == "ok" and query.total_s > 0:
                own = groups.setdefault(Configuration.of(query), {})
                own.setdefault(query.replication, []).append(query)
        times, shares = {}, {}
        for key, by_replication in groups.items():
            numbers = sorted(by_replication)
            medians = [np.median([q.total_s for q in by_replication[n]]) for n in numbers]
            factors = off.get(by_replication[numbers[0]][0].cell)
            times[key] = np.array(medians) * (1.0 if factors is None else factors[numbers])
            shares[key] = np.array(
                [[_share(stage, by_replication[n]) for n in numbers] for stage in STAGES]
            )
        return cls(times, shares)

    def makespan(self, key: Configuration) -> Range | None:
        """Where 90 % of the makespans lie; ``None``: too few replications."""
        return _range(self.makespans_s[key])

    def ratio(self, above: Configuration, below: Configuration) -> Range | None:
        """Where 90 % of the ratios of two makespans lie, replication by replication."""
        if above not in self.makespans_s or below not in self.makespans_s:
            return None
        one, other = self.makespans_s[above], self.makespans_s[below]
        return _range(one / other) if len(one) == len(other) else None

    def shares(self, key: Configuration) -> tuple[Range, ...] | None:
        """Where 90 % of each stage's parts lie."""
        found = [_range(values) for values in self.stage_shares[key]]
        return tuple(one for one in found if one is not None) or None


def _share(stage: str, queries: list[QueryRecord]) -> float:
    return float(np.median([getattr(q, f"{stage}_s") / q.total_s for q in queries]))


def _range(values: FloatArray) -> Range | None:
    found = interval(values)
    return None if found.low is None or found.high is None else (found.low, found.high)
