"""The pipeline and the pool that an estimator's arguments ask for."""

from __future__ import annotations

from qcutsim.errors import InputError
from qcutsim.estimator.backends import Backend
from qcutsim.estimator.pipeline import Pipeline
from qcutsim.estimator.plan import Limits
from qcutsim.estimator.planned import PlannedPipeline
from qcutsim.estimator.poolspec import PoolSpec
from qcutsim.estimator.upstream import UpstreamPipeline


def pipeline_and_pool(
    pipeline: str,
    backend: Backend,
    *,
    reconstruction: str | None,
    num_samples: int | None,
    chunk: int | None,
    covariance: bool,
    limits: Limits,
    pool: str | None,
    allocation: str,
) -> tuple[PoolSpec, Pipeline]:
    """The pool and the pipeline. Arguments as of :class:`qcutsim.DistributedEstimator`.

    Raises:
        InputError: they do not go together.
    """
    if pipeline == "planned":
        spec = PoolSpec.parse(pool, default="processes" if backend.name == "aer" else "inline")
        if backend.in_caller and spec.kind == "processes":
            if pool is not None:
                raise InputError(
                    f"pool {pool!r} cannot run this backend, which cannot leave the process; take "
                    "pool='inline' or 'threads:N'"
                )
            spec = PoolSpec("inline", 1)
        default = "vectorised" if num_samples is not None else "contracted"
        return spec, PlannedPipeline(
            backend,
            reconstruction=reconstruction or default,
            limits=limits,
            num_samples=num_samples,
            workers=spec.workers,
            chunk=chunk,
        )
    if pipeline == "upstream":
        refused = {
            f"backend {backend.name!r} (it runs on 'aer')": backend.name != "aer",
            "noise_model": not backend.is_exact,
            "num_samples (the library draws from a global generator)": num_samples is not None,
            "reconstruction (the library's is per_shot)": reconstruction not in (None, "per_shot"),
            "chunk (a task is one circuit)": chunk is not None,
            "covariance": covariance,
            f"allocation {allocation!r}": allocation != "uniform",
        }
        for option, is_given in refused.items():
            if is_given:
                raise InputError(f"pipeline 'upstream' does not take {option}; use 'planned'")
        return PoolSpec.parse(pool, default="processes"), UpstreamPipeline(limits)
    raise InputError(f"pipeline is {pipeline!r}; expected 'planned' or 'upstream'")
