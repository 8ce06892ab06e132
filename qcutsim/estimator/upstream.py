"""The ``upstream`` pipeline: the paper's way, with qiskit-addon-cutting as it is.

Each query is partitioned and generated anew, every generated subexperiment is a task, and the
library reconstructs. It is the yardstick, so nothing in it is cleverer than the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import DataBin, PrimitiveResult, SamplerPubResult
from qiskit.quantum_info import PauliList
from qiskit_addon_cutting import (
    generate_cutting_experiments,
    partition_problem,
    reconstruct_expectation_values,
)

from qcutsim.errors import InputError
from qcutsim.estimator.aer import TASK_FUNCTION, decode_outcomes, encode_circuit
from qcutsim.estimator.pipeline import Estimate, Query
from qcutsim.seeds import task_seeds
from qcutsim.workload import SHAPE_SCHEMA, TaskClass, WorkloadShape


@dataclass(frozen=True, slots=True)
class UpstreamSubexperiment:
    """One generated circuit."""

    circuit: QuantumCircuit
    shots: int
    seed: int
    class_index: int

    def encode(self) -> bytes:
        return encode_circuit(self.circuit, self.shots, self.seed)


@dataclass(frozen=True, slots=True)
class UpstreamPrepared:
    """Subexperiments partition after partition, as the library lists them."""

    shape: WorkloadShape
    subexperiments: Sequence[UpstreamSubexperiment]
    partitions: tuple[str, ...]
    coefficients: Sequence[tuple[float, Any]]
    subobservables: dict[Any, PauliList]

    def reconstruct(self, results: Sequence[bytes]) -> Estimate:
        outcomes = [decode_outcomes(result) for result in results]
        terms = len(self.coefficients)
        pubs = [SamplerPubResult(DataBin(**registers)) for registers in outcomes]
        by_partition = {
            label: PrimitiveResult(pubs[i * terms : (i + 1) * terms])
            for i, label in enumerate(self.partitions)
        }
        (value,) = reconstruct_expectation_values(
            by_partition, self.coefficients, self.subobservables
        )
        parities = np.array([_parity(registers) for registers in outcomes])
        shots = self.subexperiments[0].shots
        return Estimate(float(value), _standard_error(self.coefficients, parities, shots))


class UpstreamPipeline:
    """Partition, generate and reconstruct with qiskit-addon-cutting.

    Cuts gates between qubits of different labels; all coefficients are enumerated exactly.
    """

    name: ClassVar[str] = "upstream"
    task_function: ClassVar[str] = TASK_FUNCTION

    def partition(self, query: Query) -> Any:
        """Raises ``InputError`` where the labels or the observable do not fit the circuit."""
        qubits = query.circuit.num_qubits
        if len(query.partition_labels) != qubits or len(query.observable) != qubits:
            raise InputError(
                f"the circuit has {qubits} qubits; partition labels "
                f"{query.partition_labels!r} and observable {query.observable!r} need one "
                "letter a qubit"
            )
        # Qiskit writes qubit 0 last in a Pauli label.
        observables = PauliList([query.observable[::-1]])
        try:
            return partition_problem(query.circuit, query.partition_labels, observables)
        except ValueError as error:
            raise InputError(f"the circuit cannot be cut at these labels: {error}") from error

    def generate(self, query: Query, partitioned: Any) -> UpstreamPrepared:
        generated, coefficients = generate_cutting_experiments(
            partitioned.subcircuits, partitioned.subobservables, math.inf
        )
        circuits = [(str(label), c) for label, circuits in generated.items() for c in circuits]
        classes, indices = _classify(circuits)
        shape = WorkloadShape(
            schema=SHAPE_SCHEMA,
            pipeline=self.name,
            partition_labels=query.partition_labels,
            observable=query.observable,
            cuts=len(partitioned.bases or ()),
            coefficients=len(coefficients),
            classes=classes,
            order=tuple((index, len(list(run))) for index, run in groupby(indices)),
        )
        seeds = task_seeds(query.seed, len(circuits))
        subexperiments = [
            UpstreamSubexperiment(circuit, query.shots, seed, index)
            for (_, circuit), seed, index in zip(circuits, seeds, indices, strict=True)
        ]
        return UpstreamPrepared(
            shape, subexperiments, tuple(generated), coefficients, partitioned.subobservables
        )


def _classify(
    circuits: Sequence[tuple[str, QuantumCircuit]],
) -> tuple[tuple[TaskClass, ...], list[int]]:
    known: dict[TaskClass, int] = {}
    indices = []
    for partition, circuit in circuits:
        found = TaskClass(
            partition=partition,
            width=circuit.num_qubits,
            depth=circuit.depth(),
            mid_circuit_measurements=_mid_circuit_measurements(circuit),
        )
        indices.append(known.setdefault(found, len(known)))
    return tuple(known), indices


def _mid_circuit_measurements(circuit: QuantumCircuit) -> int:
    """Measurements after which their qubit is used again; each makes Aer run shot by shot."""
    count = 0
    used_later: set[Any] = set()
    for instruction in reversed(circuit.data):
        if instruction.operation.name == "barrier":
            continue
        if instruction.operation.name == "measure" and instruction.qubits[0] in used_later:
            count += 1
        used_later.update(instruction.qubits)
    return count


def _parity(registers: dict[str, Any]) -> float:
    """Mean over the shots of the product of all outcomes, each +1 or -1."""
    bits = np.concatenate(
        [np.unpackbits(registers[name].array, axis=1) for name in registers], axis=1
    )
    return float(np.mean(1 - 2.0 * (bits.sum(axis=1) & 1)))


def _standard_error(
    coefficients: Sequence[tuple[float, Any]], parities: np.ndarray[Any, Any], shots: int
) -> float:
    """Standard error of a sum over terms of coefficient times product of partition means.

    Every (term, partition) has shots of its own, so terms are independent and, with m the mean
    and v = (1 - m^2) / shots its variance, Var = sum_i c_i^2 (prod_p (m^2 + v) - prod_p m^2).
    ``parities`` has shape ``(partitions * terms,)``, partition-major.
    """
    weights = np.array([weight for weight, _ in coefficients])
    squares = parities.reshape(-1, len(weights)) ** 2
    second = squares + (1 - squares) / shots
    variance = np.sum(weights**2 * (second.prod(axis=0) - squares.prod(axis=0)))
    return float(np.sqrt(max(variance, 0.0)))
