"""What a pipeline is: the four stages of Eq. (1) of arXiv:2602.16233 behind one interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from qcutsim.workload import WorkloadShape

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True, slots=True)
class Query:
    """One evaluation: a bound circuit, an observable, and how to cut and sample it.

    Args:
        circuit: no free parameters.
        observable: Pauli letters, qubit 0 first (as partition labels are written).
        partition_labels: one letter a qubit.
        shots: shots of each subexperiment.
        seed: of this query; every subexperiment has its own derived from it.
    """

    circuit: QuantumCircuit
    observable: str
    partition_labels: str
    shots: int
    seed: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A reconstructed expectation value and its standard error."""

    value: float
    std: float


class Subexperiment(Protocol):
    """One task: what :class:`qcutsim.runtime.Task` asks, and the class it belongs to."""

    @property
    def class_index(self) -> int:
        """Index into the shape's classes."""

    def encode(self) -> bytes:
        """The payload for the pipeline's task function."""


class Prepared(Protocol):
    """A query's generated work."""

    @property
    def shape(self) -> WorkloadShape:
        """The work, described."""

    @property
    def subexperiments(self) -> Sequence[Subexperiment]:
        """The work, in dispatch order."""

    def reconstruct(self, results: Sequence[bytes]) -> Estimate:
        """Results in task order -> estimate. The reconstruct stage."""


class Pipeline(Protocol):
    """Two stages before execution and one after; execution belongs to the driver."""

    name: ClassVar[str]
    task_function: ClassVar[str]

    def partition(self, query: Query) -> Any:
        """The partition stage: cut the circuit into subcircuits."""

    def generate(self, query: Query, partitioned: Any) -> Prepared:
        """The generate stage: make the subexperiments and their coefficients."""
