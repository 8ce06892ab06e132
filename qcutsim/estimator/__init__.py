"""Circuit cutting for real: pipelines, subexperiments on Aer, reconstruction.

Needs the extra ``real``; nothing outside this room and ``learning`` imports qiskit.
"""

from __future__ import annotations

from qcutsim.estimator.estimate import QueryOutcome, estimate
from qcutsim.estimator.pipeline import Estimate, Pipeline, Prepared, Query
from qcutsim.estimator.upstream import UpstreamPipeline

__all__ = [
    "Estimate",
    "Pipeline",
    "Prepared",
    "Query",
    "QueryOutcome",
    "UpstreamPipeline",
    "estimate",
    "make_pipeline",
]


def make_pipeline(name: str) -> Pipeline:
    """The pipeline of that name. Raises ``KeyError`` for an unknown one."""
    return {"upstream": UpstreamPipeline}[name]()
