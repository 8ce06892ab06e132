"""What is sampled in these tests, and how scatter is compared with reported errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from circuits import chain, exact_values
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from qiskit_addon_cutting.instructions import CutWire
from scipy import stats

from qcutsim import DistributedEstimator

FALSE_ALARMS = 1e-4


@dataclass(frozen=True)
class Sampled:
    """A circuit without parameters, an observable, and how to estimate it."""

    circuit: QuantumCircuit
    observable: SparsePauliOp
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def pub(self):
        return self.circuit, self.observable

    @property
    def exact(self):
        return exact_values(self.circuit, [self.observable], np.zeros((1, 0))).item()

    def repeated(self, times, seed):
        """Values and standard errors of as many jobs of one estimator."""
        with estimator(seed=seed, **self.options) as made:
            data = [made.run([self.pub]).result()[0].data for _ in range(times)]
        return np.array([d.evs for d in data]), np.array([d.stds for d in data])


def estimator(**options):
    return DistributedEstimator(**{"backend": "batched", "pool": "inline", **options})


ANGLES = np.random.default_rng(12).uniform(-3, 3, (2, 4))
CHAIN = chain(4, *ANGLES)
ONE_TERM = SparsePauliOp("ZZZZ")
SEVERAL_TERMS = SparsePauliOp(["ZZZZ", "XXII", "IZZI", "IYIX", "IIII"], [0.7, -1.2, 0.4, 0.9, 2.0])


def with_cut_wires():
    circuit = QuantumCircuit(3)
    circuit.ry(0.7, 0)
    circuit.cx(0, 1)
    circuit.rx(0.4, 1)
    circuit.append(CutWire(), [1])
    circuit.cx(1, 2)
    circuit.ry(0.3, [1, 2])
    return circuit


def with_cut_rotations():
    circuit = QuantumCircuit(3)
    circuit.ry(0.9, [0, 1, 2])
    circuit.rzz(0.8, 0, 1)
    circuit.rxx(-2.1, 2, 1)
    circuit.rx(0.5, [0, 1, 2])
    return circuit


def two_in_superposition():
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    return circuit


ABCD = {"partition_labels": "ABCD"}


def assert_scatter_is_as_reported(evs, stds, exact):
    """Chi-square of the z values, both tails: errors that are too large are wrong as well."""
    z = (evs - exact) / stds
    low, high = stats.chi2.ppf([FALSE_ALARMS / 2, 1 - FALSE_ALARMS / 2], z.size)
    assert low < np.sum(z**2) < high
    assert abs(z.mean()) * np.sqrt(z.size) < stats.norm.isf(FALSE_ALARMS / 2)


def shifted_pub():
    """One free angle in each of three partitions: a shift in one leaves the others' shots alone."""
    angles = ParameterVector("a", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(angles[qubit], qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.rx(0.4, [0, 1, 2])
    values = np.array([2.16, -1.52, -2.15])
    shift = np.array([0, 0, np.pi / 2])
    return circuit, SparsePauliOp(["ZZZ", "IXZ"], [1, 0.5]), [values + shift, values - shift]
