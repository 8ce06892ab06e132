"""What the planned pipeline tells the work of its queries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qcutsim.estimator.arrays import FloatArray
from qcutsim.estimator.backends import Backend
from qcutsim.estimator.cutting import AngleIndex
from qcutsim.estimator.plan import CutPlan, Limits
from qcutsim.estimator.reconstruction import Reconstruction
from qcutsim.estimator.servicetimes import ServiceTimes

SAMPLED_RECONSTRUCTIONS = ("per_shot", "vectorised")
"""Strategies that sum over joint terms, as a sample of these needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """What a pipeline tells its queries' work; see :class:`PlannedPipeline`."""

    backend: Backend
    reconstruction: Reconstruction
    limits: Limits
    num_samples: int | None
    workers: int
    chunk: int | None
    times: ServiceTimes

    @property
    def runs_all_settings(self) -> bool:
        """Whether every joint setting of a partition is worked out, wanted or not."""
        return self.num_samples is None or self.backend.has_all_settings_at_once


@dataclass(frozen=True, slots=True)
class PartitionedQuery:
    """A plan and the angles (bindings, angles) to run it with."""

    plan: CutPlan
    angles: FloatArray

    def at_worst_angles(self) -> PartitionedQuery:
        """With every angle of a cut where its sampling overhead is largest, at pi / 2."""
        angles = self.angles.copy()
        for cut in self.plan.cuts:
            if isinstance(cut.angle, AngleIndex):
                angles[:, cut.angle] = math.pi / 2
        return PartitionedQuery(self.plan, angles)
