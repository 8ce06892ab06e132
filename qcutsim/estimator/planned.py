"""The ``planned`` pipeline: cut once, run each distinct subexperiment once, contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.backends import Backend
from qcutsim.estimator.choosing import with_choice
from qcutsim.estimator.circuits import Angles, Leaf, flatten, structure_key
from qcutsim.estimator.pipeline import Query
from qcutsim.estimator.plan import CutPlan, Limits
from qcutsim.estimator.plannedwork import PlannedWork
from qcutsim.estimator.planning import build_plan
from qcutsim.estimator.reconstruction import make_reconstruction
from qcutsim.estimator.servicetimes import ServiceTimes
from qcutsim.estimator.workoptions import (
    SAMPLED_RECONSTRUCTIONS,
    PartitionedQuery,
    WorkOptions,
)
from qcutsim.reconstructionchoice import AUTO
from qcutsim.runtime import TaskFunctionSource
from qcutsim.workload import DEFAULT_RECONSTRUCTION

MOST_PLANS = 256
"""Plans that are kept; the oldest goes first."""


class PlannedPipeline:
    """Plans are kept: a structure that was seen before is not cut again.

    Args:
        backend: evaluates the chunks.
        reconstruction: kind of the strategy; ``auto`` chooses one for each query.
        limits: what a plan may cost.
        num_samples: draw so many joint QPD terms instead of taking all.
        workers: of the pool, which a query's chunks should keep busy.
        chunk: subexperiments a task; by default as many as are measured to be worth a dispatch.
    """

    name = "planned"

    def __init__(
        self,
        backend: Backend,
        *,
        reconstruction: str = "contracted",
        limits: Limits | None = None,
        num_samples: int | None = None,
        workers: int = 1,
        chunk: int | None = None,
    ) -> None:
        if num_samples is not None and reconstruction not in (*SAMPLED_RECONSTRUCTIONS, AUTO):
            raise InputError(
                f"reconstruction {reconstruction!r} needs all joint terms, num_samples draws "
                f"some; take one of {', '.join(SAMPLED_RECONSTRUCTIONS)}"
            )
        self.times = ServiceTimes()
        self._chooses = reconstruction == AUTO
        if self._chooses:
            reconstruction = DEFAULT_RECONSTRUCTION if num_samples is None else "vectorised"
            self._chooses = num_samples is None
        self._options = WorkOptions(
            backend=backend,
            reconstruction=make_reconstruction(reconstruction),
            limits=limits or Limits(),
            num_samples=num_samples,
            workers=workers,
            chunk=chunk,
            times=self.times,
        )
        self._plans: dict[Any, CutPlan] = {}

    @property
    def task_function(self) -> TaskFunctionSource:
        return self._options.backend.task_function

    def partition(self, query: Query) -> PartitionedQuery:
        """Look the plan up or make it, and evaluate the angles of every binding.

        Raises:
            InputError: the circuit cannot be cut as asked, or the plan is above a limit.
        """
        leaves = [flatten(one.circuit) for one in query.circuits]
        qubits = query.circuits[0].circuit.num_qubits
        terms = query.terms()
        labels = query.cut.partition_labels
        key = (structure_key(leaves[0], qubits, labels), query.cut.key, terms)
        if key not in self._plans:
            if len(self._plans) == MOST_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = build_plan(
                leaves[0],
                qubits,
                terms,
                query.cut,
                self._options.limits,
                runs_all_settings=self._options.runs_all_settings,
            )
        angles = [
            _angles(own, one.circuit.parameters).evaluate(one.values)
            for own, one in zip(leaves, query.circuits, strict=True)
        ]
        joined = np.concatenate(angles)
        if not np.isfinite(joined).all():
            raise InputError("an angle of the circuit is not finite at the values given")
        return PartitionedQuery(self._plans[key], joined)

    def generate(self, query: Query, partitioned: PartitionedQuery) -> PlannedWork:
        """Find the distinct rows and write the chunks."""
        if not self._chooses:
            return PlannedWork(self._options, query, partitioned)
        options, choice = with_choice(self._options, query, partitioned)
        return PlannedWork(options, query, partitioned, choice.reason)


def _angles(leaves: Sequence[Leaf], parameters: Sequence[Any]) -> Angles:
    return Angles([angle for leaf in leaves for angle in leaf.angles], list(parameters))
