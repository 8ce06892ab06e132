"""What a pipeline is: the four stages of Eq. (1) of arXiv:2602.16233 behind one interface."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.plan import CutOptions
from qcutsim.estimator.servicetimes import ServiceTimes
from qcutsim.runtime import MergeTask, TaskFunctionSource
from qcutsim.workload import Allocation, WorkloadShape

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True, slots=True)
class Shots:
    """How often to sample: at most one of the first three is set; with none, values are exact.

    Args:
        each: shots of every distinct subexperiment.
        total: a budget a query, spread over the distinct subexperiments of one binding.
        precision: a standard error to aim at, from which the budget follows.
        allocation: ``uniform`` as above; ``variance``: as many in all, but after a pilot they go
            where the variance comes from (:mod:`qcutsim.estimator.adaptive`).
    """

    each: int | None = None
    total: int | None = None
    precision: float | None = None
    allocation: Allocation = "uniform"

    @property
    def is_exact(self) -> bool:
        """Whether values are exact instead of sampled."""
        return self.each is None and self.total is None and self.precision is None

    def partition_budget(
        self, sampling_overhead: float, norm: float, groups: int, most: int
    ) -> int:
        """Shots of each of ``groups`` (partition, basis) for the precision that was asked.

        overhead x norm^2 / precision^2, with ``norm`` the largest sum of absolute weights among
        the observables: what sampling joint terms one shot at a time needs (Eq. (5) of
        arXiv:1909.07534). Spread over settings by their absolute weight it keeps the standard
        error at or below the precision, to first order.

        Raises:
            InputError: that is more than ``most`` shots for all groups.
        """
        if self.precision is None:
            raise ValueError("no precision was asked for")
        budget = sampling_overhead * norm**2 / self.precision**2
        if not budget * groups <= most:
            raise InputError(
                f"precision {self.precision} needs {budget * groups:.1e} shots with a sampling "
                f"overhead of {sampling_overhead:.1e} (limit {most:.1e}); give shots or "
                "total_shots, cut less, or ask for less precision"
            )
        return max(1, math.ceil(budget))


@dataclass(frozen=True, slots=True)
class CircuitBindings:
    """A circuit with rows of values for its parameters, shape (bindings, parameters)."""

    circuit: QuantumCircuit
    values: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is evaluated together: circuits of one structure, observables, how to cut and sample.

    Args:
        circuits: alike but for their angles; their bindings are numbered through.
        observables: Pauli terms (letters, qubit 0 first) with real weights.
        points: what is asked, shape (points, 2): (binding, observable).
        cut: how to cut.
        shots: how often to sample.
        seed: of this query; everything random in it is derived from it.
        wants_covariance: whether the points' covariance matrix is asked for.
    """

    circuits: tuple[CircuitBindings, ...]
    observables: tuple[Mapping[str, float], ...]
    points: IntArray
    cut: CutOptions
    shots: Shots
    seed: int
    wants_covariance: bool = False

    @classmethod
    def single(
        cls,
        circuit: QuantumCircuit,
        pauli: str,
        partition_labels: str,
        shots: int,
        seed: int,
        allocation: Allocation = "uniform",
    ) -> Query:
        """One bound circuit and one Pauli (letters, qubit 0 first)."""
        return cls(
            circuits=(CircuitBindings(circuit, np.zeros((1, 0))),),
            observables=({pauli: 1.0},),
            points=np.zeros((1, 2), dtype=np.int64),
            cut=CutOptions(partition_labels=partition_labels),
            shots=Shots(each=shots, allocation=allocation),
            seed=seed,
        )

    @property
    def bindings(self) -> int:
        """Rows of all circuits."""
        return sum(len(one.values) for one in self.circuits)

    @property
    def norm(self) -> float:
        """The largest sum of absolute weights among the observables, the identity's left out."""
        return max(
            sum(abs(w) for term, w in observable.items() if set(term) != {"I"})
            for observable in self.observables
        )

    def terms(self) -> tuple[str, ...]:
        """Distinct terms of all observables that must be measured, in order of appearance."""
        return tuple(
            dict.fromkeys(
                term
                for observable in self.observables
                for term, weight in observable.items()
                if weight != 0 and set(term) != {"I"}
            )
        )


@dataclass(frozen=True, slots=True)
class Estimates:
    """Reconstructed values and standard errors, shape (points,); their covariance if asked for.

    ``is_first_order`` flags errors that are to first order only. ``shots_spent`` is what was
    sampled; ``None`` where that is what the accounting told beforehand.
    """

    values: FloatArray
    stds: FloatArray
    covariance: FloatArray | None = None
    is_first_order: bool = False
    shots_spent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """What a query costs, told before it runs.

    ``generated`` counts subexperiments written down, ``distinct`` those of one binding that
    differ, ``executed`` those run for all bindings; ``sampling_overhead`` is that of the cuts
    (product of kappa^2), not the number of coefficients. ``shots_asked`` is what every binding
    would take by itself, ``shots_spent`` what is left where bindings share subexperiments.
    ``reconstruction_reason`` says why the strategy was chosen, where it was.
    """

    cuts: int
    coefficients: int
    generated: int
    distinct: int
    executed: int
    sampling_overhead: float
    shots_asked: int
    shots_spent: int
    allocation: Allocation = "uniform"
    reconstruction: str
    reconstruction_work: int
    reconstruction_reason: str | None = None


class Subexperiment(Protocol):
    """One task: what :class:`qcutsim.runtime.Task` asks, and the class it belongs to."""

    @property
    def class_index(self) -> int:
        """Index into the shape's classes."""

    @property
    def bindings(self) -> int:
        """Rows of values it evaluates."""

    @property
    def shots(self) -> int:
        """Shots of each of its subexperiments; 0 where they are exact."""

    @property
    def context(self) -> bytes:
        """What it has in common with others of its query."""

    def encode(self) -> bytes:
        """The payload for the pipeline's task function."""


class Prepared(Protocol):
    """A query's generated work."""

    @property
    def shape(self) -> WorkloadShape:
        """The work, described."""

    @property
    def accounting(self) -> Accounting:
        """What it costs."""

    @property
    def subexperiments(self) -> Sequence[Subexperiment]:
        """The work, in dispatch order."""

    @property
    def merges(self) -> Sequence[MergeTask]:
        """Steps of the reconstruction that may begin before the last task has ended."""

    def reconstruct(self, results: Sequence[Any]) -> Estimates:
        """Results in task order, then those of the merges -> estimates. The reconstruct stage."""


class Pipeline(Protocol):
    """Two stages before execution and one after; execution belongs to the driver.

    ``times`` is what its tasks have been seen to take.
    """

    times: ServiceTimes

    @property
    def name(self) -> str:
        """Its name in scenarios and logs."""

    @property
    def task_function(self) -> TaskFunctionSource:
        """What the workers run."""

    def partition(self, query: Query) -> Any:
        """The partition stage: cut the circuit into subcircuits."""

    def generate(self, query: Query, partitioned: Any) -> Prepared:
        """The generate stage: make the subexperiments and their coefficients."""
