"""``DistributedEstimator``: a drop-in Qiskit estimator that cuts, dispatches and reconstructs."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import time
import weakref
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, Self

import msgspec
import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import (
    BaseEstimatorV2,
    BaseSamplerV2,
    EstimatorPubLike,
    PrimitiveResult,
    PubResult,
)
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qcutsim.dispatch import PolicyLike, cancel_mode, policy_config
from qcutsim.errors import InputError, QueryFailedError
from qcutsim.estimator.arguments import (
    UNSET,
    Unset,
    check_allocation,
    check_counts,
    check_labels,
    check_seconds,
    check_seed,
    check_window,
)
from qcutsim.estimator.arrays import IntArray
from qcutsim.estimator.backends import make_backend
from qcutsim.estimator.estimate import CallerExecutor, estimate
from qcutsim.estimator.estimatorlog import EstimatorLog
from qcutsim.estimator.jobs import EstimatorJob
from qcutsim.estimator.pipeline import Query, Shots
from qcutsim.estimator.pipelines import pipeline_and_pool
from qcutsim.estimator.plan import CutOptions, Limits
from qcutsim.estimator.planned import PlannedPipeline
from qcutsim.estimator.planreport import PlanReport, report_plan
from qcutsim.estimator.poolhost import PoolHost
from qcutsim.estimator.pubs import Placement, group_pubs, split_bindings
from qcutsim.estimator.results import PointResults
from qcutsim.estimator.upstream import UpstreamPipeline
from qcutsim.runtime import Driver, run_in_window
from qcutsim.runtime.loop import DaemonThreads
from qcutsim.seeds import derived_seed

DEFAULT_PRECISION = 0.015625
"""Standard error aimed at where neither shots nor a precision is given, as Qiskit's own."""


class DistributedEstimator(BaseEstimatorV2):  # type: ignore[misc]
    """Cuts each circuit, runs its subexperiments on a pool of workers, and reconstructs.

    Args:
        partition_labels: one label a qubit, qubit 0 first; gates between labels are cut.
        max_qubits: let the cut finder of qiskit-addon-cutting keep partitions this narrow.
            With neither, ``CutWire`` in the circuit marks the cuts, and without those it is
            run whole. A ``Move`` is cut where it joins two labels.
        shots: shots of each distinct subexperiment; ``None`` for exact values.
        total_shots: a budget a query (one binding), spread over its distinct subexperiments.
        allocation: ``uniform``, or ``variance``: as many shots in all, a pilot first, then where
            the variance comes from.
        num_samples: draw so many joint QPD terms instead of summing over all.
        pipeline: ``planned``, or ``upstream`` (qiskit-addon-cutting, one task a circuit).
        backend: ``aer``, ``batched`` (a torch statevector), or a sampler to run circuits on; from
            a fixed seed of its own another one is derived for every run.
        noise_model: of Aer; mid-circuit measurements are then simulated shot by shot.
        pass_manager: applied to every circuit before a sampler gets it.
        device: where ``batched`` computes, as torch names it.
        reconstruction: ``contracted``, ``incremental``, ``tree``, ``vectorised`` or ``per_shot``;
            ``auto`` chooses one for each query, and the plan and the metadata say why.
        pool: ``inline``, ``threads:N`` or ``processes:N``; without N, one worker a core. By
            default processes where circuits run on Aer, otherwise inline.
        policy: of the dispatcher: its kind, or ``{"kind": ..., parameter: ...}``; ``qcutsim
            policies`` lists them.
        window: how many queries of a job may be in flight at once; with 1 each waits for the one
            before.
        timeout: seconds after which a task counts as lost and is run again.
        chunk: subexperiments a task; by default as many as make it worth its dispatch.
        seed: the same seed gives the same results, job by job; by default a fresh one.
        log: JSONL file to append every query and task to.
        covariance: also give the covariance of all points, as ``result.metadata["covariance"]``.
        limits: what a plan may cost.

    An explicit ``shots`` or ``total_shots`` wins over the precision that a run asks for.

    Raises:
        InputError: arguments that do not fit together, here or when a run meets them.

    >>> from qiskit import QuantumCircuit
    >>> circuit = QuantumCircuit(2)
    >>> _ = circuit.h(0)
    >>> _ = circuit.cx(0, 1)
    >>> estimator = DistributedEstimator(partition_labels="AB", shots=None, pool="inline")
    >>> round(float(estimator.run([(circuit, "ZZ")]).result()[0].data.evs), 9)
    1.0
    """

    def __init__(
        self,
        *,
        partition_labels: Sequence[Hashable] | None = None,
        max_qubits: int | None = None,
        shots: int | Unset | None = UNSET,
        total_shots: int | None = None,
        allocation: str = "uniform",
        num_samples: int | None = None,
        pipeline: str = "planned",
        backend: str | BaseSamplerV2 = "aer",
        noise_model: Any = None,
        pass_manager: Any = None,
        device: str = "cpu",
        reconstruction: str | None = None,
        pool: str | None = None,
        policy: PolicyLike = "eager",
        window: int = 1,
        timeout: float | None = None,
        chunk: int | None = None,
        seed: int | None = None,
        log: str | os.PathLike[str] | None = None,
        covariance: bool = False,
        limits: Limits | None = None,
    ) -> None:
        check_counts(
            max_qubits=max_qubits,
            total_shots=total_shots,
            num_samples=num_samples,
            chunk=chunk,
        )
        if not isinstance(shots, Unset):
            check_counts(shots=shots)
            if shots is not None and total_shots is not None:
                raise InputError("shots and total_shots were both given; give one of them")
        if partition_labels is not None and max_qubits is not None:
            raise InputError("partition_labels and max_qubits were both given; give one of them")
        self._cut = CutOptions(
            partition_labels=check_labels(partition_labels), max_qubits=max_qubits
        )
        self._shots = shots if isinstance(shots, Unset) or shots is None else int(shots)
        self._total_shots = None if total_shots is None else int(total_shots)
        self._allocation = check_allocation(allocation, is_exact=shots is None and not total_shots)
        self._limits = limits or Limits()
        self._covariance = covariance
        self._policy = policy_config(policy)
        self._window = check_window(window)
        self._timeout_s = check_seconds(timeout=timeout)
        self.seed = check_seed(seed)
        self._backend = make_backend(
            backend, noise_model=noise_model, device=device, pass_manager=pass_manager
        )
        spec, self._pipeline = pipeline_and_pool(
            pipeline,
            self._backend,
            reconstruction=reconstruction,
            num_samples=num_samples,
            chunk=chunk,
            covariance=covariance,
            limits=self._limits,
            pool=pool,
            allocation=self._allocation,
        )
        self._jobs = itertools.count()
        self._queries = itertools.count()
        self._start_s = time.monotonic()
        self._is_closed = False
        if spec.kind == "inline" and self._timeout_s is not None:
            raise InputError(
                f"timeout is {timeout!r}; an inline pool cannot give a task up: take "
                "pool='threads:N' or 'processes:N', or no timeout"
            )
        self._host = PoolHost(spec, self._pipeline.task_function)
        self._log = EstimatorLog(log, self._describe()) if log is not None else None
        # A forgotten estimator closes its pool; at exit the workers see their sockets close.
        weakref.finalize(self, self._host.close).atexit = False

    def _describe(self) -> dict[str, Any]:
        return {
            "partition_labels": self._cut.shown,
            "max_qubits": self._cut.max_qubits,
            "shots": None if isinstance(self._shots, Unset) else self._shots,
            "total_shots": self._total_shots,
            "allocation": self._allocation,
            "pipeline": self._pipeline.name,
            "pool": self._host.spec.kind,
            "workers": self._host.spec.workers,
            "policy": msgspec.to_builtins(self._policy),
            "cancel": cancel_mode(self._host.spec.kind, None),
            "window": self._window,
            "timeout_s": self._timeout_s,
            "seed": self.seed,
        }

    def run(
        self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None
    ) -> EstimatorJob:
        """Start evaluating; with ``pool="inline"`` it ends before this returns.

        Args:
            pubs: of any broadcastable shape.
            precision: standard error to reach where no shots were given; 0 asks for exact values.

        Raises:
            InputError: a PUB cannot be evaluated as asked. Errors of the evaluation itself come
                with the job's result.
        """
        prepared = self._prepare(pubs, precision, self._next_seed())
        return EstimatorJob(self._host.run(self._evaluate(*prepared)))

    async def estimate(
        self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None
    ) -> PrimitiveResult[PubResult]:
        """:meth:`run` for callers that have an event loop."""
        prepared = self._prepare(pubs, precision, self._next_seed())
        if self._host.is_inline:
            return await self._evaluate(*prepared)
        return await asyncio.wrap_future(self._host.run(self._evaluate(*prepared)))

    def plan(
        self,
        circuit: QuantumCircuit,
        observable: Any,
        parameter_values: Any = None,
    ) -> PlanReport:
        """What a query would cost and how exact it would be, before anything runs.

        Args:
            circuit: as for :meth:`run`.
            observable: likewise.
            parameter_values: where given, or where the circuit has no parameters, the report
                also has the standard error to expect there.

        Raises:
            InputError: the query cannot be planned, or is above a limit.
        """
        has_values = parameter_values is not None or circuit.num_parameters == 0
        values = np.zeros(circuit.num_parameters) if not has_values else parameter_values
        pub = (circuit, observable) if values is None else (circuit, observable, values)
        queries = self._prepare([pub], None, self.seed)[2]
        planner = (
            self._pipeline
            if isinstance(self._pipeline, PlannedPipeline)
            else PlannedPipeline(self._backend, limits=self._limits)
        )
        query, _ = queries[0]
        return report_plan(self._pipeline, planner, query, with_errors=has_values)

    def close(self) -> None:
        """Cancel what runs and stop the workers; nothing can be run afterwards."""
        self._is_closed = True
        self._host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _next_seed(self) -> int:
        """Of the next job: jobs are independent, and the same seed repeats them in order."""
        return derived_seed(self.seed, "job", next(self._jobs))

    def _prepare(
        self, pubs: Iterable[EstimatorPubLike], precision: float | None, seed: int
    ) -> tuple[list[EstimatorPub], list[float | None], list[tuple[Query, Placement]]]:
        if self._is_closed:
            raise InputError("the estimator is closed; make a new one")
        if isinstance(pubs, QuantumCircuit):
            raise InputError("run takes a list of PUBs: run([(circuit, observable, values)])")
        try:
            coerced = [EstimatorPub.coerce(pub, precision) for pub in pubs]
        except (TypeError, ValueError) as error:
            raise InputError(f"a PUB cannot be read: {error}") from error
        precisions = [pub.precision for pub in coerced]
        shots = [self._shots_for(asked) for asked in precisions]
        queries = group_pubs(coerced, shots, self._cut, seed, wants_covariance=self._covariance)
        return coerced, precisions, queries

    def _shots_for(self, precision: float | None) -> Shots:
        if self._total_shots is not None:
            return Shots(total=self._total_shots, allocation=self._allocation)
        if not isinstance(self._shots, Unset):
            return Shots(each=self._shots, allocation=self._allocation)
        asked = DEFAULT_PRECISION if precision is None else precision
        if not 0 <= asked < math.inf:
            raise InputError(f"precision is {asked!r}; expected a standard error of at least 0")
        return Shots(precision=asked, allocation=self._allocation) if asked > 0 else Shots()

    async def _evaluate(
        self,
        pubs: list[EstimatorPub],
        precisions: list[float | None],
        queries: list[tuple[Query, Placement]],
    ) -> PrimitiveResult[PubResult]:
        results = PointResults([pub.shape for pub in pubs], precisions, self._covariance)
        parts = [
            (part, placement, chosen)
            for query, placement in queries
            for part, chosen in self._parts(query)
        ]
        if self._host.is_inline:
            await self._run_parts(parts, results, CallerExecutor(), CallerExecutor())
        elif parts:
            async with self._host.turn:  # one job at a time has the pool
                await self._run_parts(parts, results, DaemonThreads("qcutsim-stage"), None)
        return results.finish(self.seed)

    def _parts(self, query: Query) -> list[tuple[Query, IntArray]]:
        if isinstance(self._pipeline, UpstreamPipeline):
            return split_bindings(query)
        return [(query, np.arange(len(query.points)))]

    async def _run_parts(
        self,
        parts: Sequence[tuple[Query, Placement, IntArray]],
        results: PointResults,
        stages: Executor,
        reconstructor: Executor | None,
    ) -> None:
        driver = Driver(
            await self._host.pool(),
            workers=self._host.spec.workers,
            policy=self._policy,
            timeout_s=self._timeout_s,
            clock=self._clock,
            clock_offset_s=self._start_s,
            reconstructor=reconstructor,
        )

        async def run(query: Query, placement: Placement, chosen: IntArray) -> None:
            number = next(self._queries)
            try:
                outcome = await estimate(
                    self._pipeline,
                    query,
                    driver,
                    number=number,
                    clock=self._clock,
                    executor=stages,
                )
            except QueryFailedError as failed:
                if self._log is not None:
                    self._log.write(number, query, failed.outcome)
                raise
            if self._log is not None:
                self._log.write(number, query, outcome)
            results.add(outcome, placement, chosen)

        async with driver:
            window = min(self._window, len(parts))
            await run_in_window(window, [partial(run, *part) for part in parts])

    def _clock(self) -> float:
        return time.monotonic() - self._start_s
