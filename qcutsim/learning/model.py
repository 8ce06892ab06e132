"""The model of arXiv:2602.16233: ZFeatureMap and RealAmplitudes, one repetition each."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes, z_feature_map

from qcutsim.learning.datasets import Array
from qcutsim.seeds import stream


def model_circuit(qubits: int) -> tuple[QuantumCircuit, QuantumCircuit]:
    """(feature map, ansatz) on ``qubits`` qubits; the ansatz entangles linearly with CX."""
    return (
        z_feature_map(qubits, reps=1),
        real_amplitudes(qubits, reps=1, entanglement="linear"),
    )


def bind_model(angles: Array, weights: Array) -> QuantumCircuit:
    """The model circuit for one sample.

    Args:
        angles: shape (qubits,), radians.
        weights: shape (2 * qubits,), radians.
    """
    feature_map, ansatz = model_circuit(len(angles))
    return feature_map.assign_parameters(angles).compose(ansatz.assign_parameters(weights))


def random_weights(qubits: int, seed: int) -> Array:
    """Initial weights, uniform in [0, 2 pi), shape (2 * qubits,)."""
    return np.asarray(stream(seed, "weights").uniform(0, 2 * np.pi, 2 * qubits))
