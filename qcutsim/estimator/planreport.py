"""What ``DistributedEstimator.plan`` reports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from qcutsim.estimator.arrays import FloatArray
from qcutsim.estimator.pipeline import Accounting, Pipeline, Prepared, Query
from qcutsim.estimator.planned import PlannedPipeline
from qcutsim.files import write_whole
from qcutsim.workload import WorkloadShape


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """Cost and error of a query, before it runs.

    Args:
        partitions: (label, qubits, cuts that touch it, distinct subexperiments) of each.
        accounting: numbers of subexperiments, shots and reconstruction steps.
        shots: of one binding.
        contraction_work: multiply-adds a value, along the path found.
        memory_bytes: of the largest array a binding needs.
        variance_bound: sampling overhead x norm^2 / shots, what sampling joint terms one shot
            at a time would give (Eq. (5) of arXiv:1909.07534); ``None`` for exact values.
        expected_stds: standard error of each point, from exact outcome distributions at the
            given parameter values; ``None`` where none were given or values are exact.
        shape: the work, for the simulator.
    """

    partitions: tuple[tuple[str, int, int, int], ...]
    accounting: Accounting
    shots: int
    contraction_work: int
    memory_bytes: int
    variance_bound: float | None
    expected_stds: FloatArray | None
    shape: WorkloadShape

    def write_shape(self, path: str | os.PathLike[str]) -> Path:
        """Write the shape as JSON, for ``workload.shape`` of a scenario; returns the path.

        Raises:
            InputError: the file cannot be written.
        """
        return write_whole(Path(path), msgspec.json.format(msgspec.json.encode(self.shape)))

    def __str__(self) -> str:
        cost = self.accounting
        lines = [
            f"partitions            {len(self.partitions)}",
            *(
                f"  {label:<19} {qubits} qubits, {cuts} cuts, {count:,} subexperiments"
                for label, qubits, cuts, count in self.partitions[:_SHOWN]
            ),
            f"cuts                  {cost.cuts}",
            f"coefficients          {cost.coefficients:.4g}",
            f"sampling overhead     {cost.sampling_overhead:.4g}",
            f"subexperiments        {cost.distinct:,} distinct, {cost.executed:,} executed",
            f"shots                 {self.shots:,}",
            f"reconstruction        {cost.reconstruction}, {cost.reconstruction_work:,} steps",
            f"contraction           {self.contraction_work:,} multiply-adds a value",
            f"memory                {self.memory_bytes:,} bytes",
        ]
        if len(self.partitions) > _SHOWN:
            lines.insert(1 + _SHOWN, f"  ... and {len(self.partitions) - _SHOWN} more")
        if self.variance_bound is not None:
            lines.append(f"standard error        at most about {self.variance_bound**0.5:.3g}")
        if self.expected_stds is not None:
            lines.append(f"  expected here       {float(self.expected_stds.max()):.3g}")
        return "\n".join(lines)


_SHOWN = 12


def report_plan(
    pipeline: Pipeline, planner: PlannedPipeline, query: Query, *, with_errors: bool
) -> PlanReport:
    """Prepare a query without running it.

    Args:
        pipeline: whose costs are told.
        planner: whose plan is told: partitions, contraction, memory. The upstream pipeline has
            none of its own.
        query: to prepare.
        with_errors: whether to work out the standard errors to expect, of a ``planner`` that is
            the pipeline itself.
    """
    work = planner.generate(query, planner.partition(query))
    prepared: Prepared = work
    if pipeline is not planner:
        prepared = pipeline.generate(query, pipeline.partition(query))
    plan = work.plan
    accounting = prepared.accounting
    bound = None
    if accounting.shots_asked:
        bound = accounting.sampling_overhead * query.norm**2 / accounting.shots_asked
    return PlanReport(
        partitions=tuple(
            (
                partition.label,
                plan.template_of(number).width,
                len(plan.template_of(number).program.slots),
                plan.subexperiments_of(number),
            )
            for number, partition in enumerate(plan.partitions)
        ),
        accounting=accounting,
        shots=accounting.shots_asked,
        contraction_work=plan.contraction_work,
        memory_bytes=plan.memory_bytes,
        variance_bound=bound,
        expected_stds=work.expected_stds() if with_errors and prepared is work else None,
        shape=prepared.shape,
    )
