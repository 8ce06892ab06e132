"""The estimator in the place of Qiskit's reference one, under EstimatorQNN."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN

from qcutsim import DistributedEstimator
from qcutsim.learning import model_circuit

SAMPLES = np.random.default_rng(8).uniform(0, np.pi, (3, 4))
WEIGHTS = np.random.default_rng(9).uniform(0, 2 * np.pi, 8)
OBSERVABLES = [
    SparsePauliOp("ZZZZ"),
    SparsePauliOp.from_list([("ZIII", 0.5), ("IXYI", -1.5), ("IIII", 0.25)]),
]


def network(estimator: object) -> EstimatorQNN:
    feature_map, ansatz = model_circuit(4)
    return EstimatorQNN(
        circuit=feature_map.compose(ansatz),
        observables=OBSERVABLES,
        input_params=feature_map.parameters,
        weight_params=ansatz.parameters,
        estimator=estimator,
        gradient=ParamShiftEstimatorGradient(estimator),
        input_gradients=True,
    )


@pytest.mark.parametrize(
    "options",
    [
        {"partition_labels": "ABCD", "backend": "batched"},
        {"partition_labels": "AABB", "backend": "aer"},
        {"max_qubits": 2, "backend": "batched"},
    ],
)
def test_forward_and_backward_are_those_of_the_statevector(options):
    ours = network(DistributedEstimator(shots=None, pool="inline", **options))
    reference = network(StatevectorEstimator())
    # The network asks for a precision of its own, which a number of shots wins over.
    np.testing.assert_allclose(
        ours.forward(SAMPLES, WEIGHTS), reference_forward(SAMPLES), atol=1e-9
    )
    for gradient, expected in zip(
        ours.backward(SAMPLES, WEIGHTS), reference.backward(SAMPLES, WEIGHTS), strict=True
    ):
        np.testing.assert_allclose(gradient, expected, atol=1e-9)


def reference_forward(samples: np.ndarray) -> np.ndarray:
    """Exact values; EstimatorQNN would have the reference estimator sample."""
    feature_map, ansatz = model_circuit(4)
    circuit = feature_map.compose(ansatz)
    order = {p: i for i, p in enumerate([*feature_map.parameters, *ansatz.parameters])}
    rows = np.array([[*sample, *WEIGHTS] for sample in samples])
    values = rows[:, [order[p] for p in circuit.parameters]]
    pub = (circuit, OBSERVABLES, values[:, None, :])
    return StatevectorEstimator().run([pub]).result()[0].data.evs


def test_without_shots_the_precision_of_the_network_is_kept():
    """Both forward values within 4.5 sigma (false-alarm rate 4e-5) of errors below 1/64."""
    estimator = DistributedEstimator(
        partition_labels="AABB", backend="batched", pool="inline", seed=5
    )
    found = network(estimator).forward(SAMPLES, WEIGHTS)
    np.testing.assert_allclose(found, reference_forward(SAMPLES), atol=4.5 * 0.015625)
