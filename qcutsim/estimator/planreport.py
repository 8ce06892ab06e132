"""What ``DistributedEstimator.plan`` reports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from qcutsim.estimator.arrays import FloatArray
from qcutsim.estimator.counts import show_count
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
        memory_bytes: of the largest array a binding needs; a few of them live at a time.
        nominal_variance: sampling overhead x norm^2 over the shots of a partition and basis, on
            average: what sampling joint terms one shot at a time would give (Eq. (5) of
            arXiv:1909.07534); the true one is mostly smaller. ``None`` for exact values.
        expected_stds: standard error of each point, from exact outcome distributions at the
            given parameter values, worked out in the caller; ``None`` where none were given,
            values are exact, or there are too many subexperiments.
        shape: the work, for the simulator.
    """

    partitions: tuple[tuple[str, int, int, int], ...]
    accounting: Accounting
    shots: int
    contraction_work: int
    memory_bytes: int
    nominal_variance: float | None
    expected_stds: FloatArray | None
    shape: WorkloadShape

    def write_shape(self, path: str | os.PathLike[str]) -> Path:
        """Write the shape as JSON, for ``workload.shape`` of a scenario; returns the path.

        Raises:
            InputError: the file cannot be written.
        """
        return write_whole(Path(path), msgspec.json.format(msgspec.json.encode(self.shape)))

    def _repr_html_(self) -> str:
        from qcutsim.report import text_as_html  # a notebook asks from below; nothing else does

        return text_as_html("Plan", str(self))

    def __str__(self) -> str:
        cost = self.accounting
        lines = [
            f"partitions            {len(self.partitions)}",
            *(
                f"  {label:<19} {qubits} qubits, {cuts} cuts, {count:,} subexperiments"
                for label, qubits, cuts, count in self.partitions[:_SHOWN]
            ),
            f"cuts                  {cost.cuts}",
            f"coefficients          {show_count(cost.coefficients)}",
            f"sampling overhead     {cost.sampling_overhead:.4g}",
            f"subexperiments        {cost.distinct:,} distinct, {cost.executed:,} executed",
            f"shots                 {self.shots:,}",
            f"reconstruction        {cost.reconstruction}, {cost.reconstruction_work:,} steps",
            f"contraction           {self.contraction_work:,} multiply-adds a value",
            f"memory                {self.memory_bytes:,} bytes",
        ]
        if cost.reconstruction_reason is not None:
            where = next(i for i, line in enumerate(lines) if line.startswith("reconstruction "))
            lines.insert(where + 1, f"  chosen for its      {cost.reconstruction_reason}")
        if len(self.partitions) > _SHOWN:
            lines.insert(1 + _SHOWN, f"  ... and {len(self.partitions) - _SHOWN} more")
        if self.nominal_variance is not None:
            lines.append(f"standard error        nominally {self.nominal_variance**0.5:.3g}")
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
        with_errors: whether the query's parameter values count. If so the standard errors to
            expect are worked out, of a ``planner`` that is the pipeline itself; if not, cuts
            with an angle are taken at their worst.
    """
    partitioned = planner.partition(query)
    if not with_errors:
        partitioned = partitioned.at_worst_angles()
    work = planner.generate(query, partitioned)
    prepared: Prepared = work
    if pipeline is not planner:
        prepared = pipeline.generate(query, pipeline.partition(query))
    plan = work.plan
    accounting = prepared.accounting
    nominal = None
    if accounting.shots_asked:
        scale = accounting.sampling_overhead * query.norm**2 * plan.measurement_groups
        nominal = scale / accounting.shots_asked
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
        nominal_variance=nominal,
        expected_stds=work.expected_stds() if with_errors and prepared is work else None,
        shape=prepared.shape,
    )
