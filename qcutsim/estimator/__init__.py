"""Circuit cutting for real: plans, subexperiments, backends, reconstruction, the estimator.

Needs the extra ``real``; nothing outside this room and ``learning`` imports qiskit.
"""

from __future__ import annotations

from qcutsim.estimator.backends import make_backend
from qcutsim.estimator.circuits import fingerprint
from qcutsim.estimator.distributed import DistributedEstimator
from qcutsim.estimator.estimate import QueryOutcome, estimate
from qcutsim.estimator.jobs import EstimatorJob
from qcutsim.estimator.pipeline import (
    Accounting,
    CircuitBindings,
    Estimates,
    Pipeline,
    Prepared,
    Query,
    Shots,
)
from qcutsim.estimator.plan import CutOptions, Limits
from qcutsim.estimator.planned import PlannedPipeline
from qcutsim.estimator.planreport import PlanReport
from qcutsim.estimator.reconstruction import make_reconstruction, reconstruction_kinds
from qcutsim.estimator.upstream import UpstreamPipeline

__all__ = [
    "Accounting",
    "CircuitBindings",
    "CutOptions",
    "DistributedEstimator",
    "Estimates",
    "EstimatorJob",
    "Limits",
    "Pipeline",
    "PlanReport",
    "PlannedPipeline",
    "Prepared",
    "Query",
    "QueryOutcome",
    "Shots",
    "UpstreamPipeline",
    "estimate",
    "fingerprint",
    "make_backend",
    "make_pipeline",
    "make_reconstruction",
    "reconstruction_kinds",
]


def make_pipeline(
    name: str, *, workers: int, reconstruction: str | None = None, chunk: int | None = None
) -> Pipeline:
    """The pipeline of that name, as scenarios run it on Aer.

    Args:
        name: ``upstream`` or ``planned``.
        workers: of the pool.
        reconstruction: strategy of ``planned``.
        chunk: subexperiments a task of ``planned``; as many as are worth a dispatch by default.
    """
    if name == "upstream":
        return UpstreamPipeline()
    backend = make_backend("aer", noise_model=None, device="cpu", pass_manager=None)
    return PlannedPipeline(
        backend, reconstruction=reconstruction or "contracted", workers=workers, chunk=chunk
    )
