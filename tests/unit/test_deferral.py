"""Deferred measurement against the library's own branching simulation."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.quantum_info import Statevector
from qiskit_addon_cutting.utils.simulation import simulate_statevector_outcomes

from qcutsim.estimator.deferral import defer_measurements, with_deferred_measurements


def random_circuit(seed: int) -> QuantumCircuit:
    """Rotations, CX, resets and measurements in the middle, on 1 to 3 qubits."""
    generator = np.random.default_rng(seed)
    qubits = int(generator.integers(1, 4))
    bits = ClassicalRegister(3, "c")
    circuit = QuantumCircuit(QuantumRegister(qubits, "q"), bits)
    free = iter(bits)
    for _ in range(12):
        kind = generator.choice(["ry", "cx", "reset", "measure"], p=[0.5, 0.25, 0.1, 0.15])
        qubit = int(generator.integers(qubits))
        if kind == "ry":
            circuit.ry(float(generator.uniform(0, 6)), qubit)
        elif kind == "cx" and qubits > 1:
            circuit.cx(qubit, (qubit + 1) % qubits)
        elif kind == "reset":
            circuit.reset(qubit)
        elif kind == "measure":
            bit = next(free, None)
            if bit is not None:
                circuit.measure(qubit, bit)
    return circuit


@given(seed=st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_outcomes_are_distributed_as_with_branches(seed):
    circuit = random_circuit(seed)
    expected = simulate_statevector_outcomes(circuit)
    deferred = defer_measurements(circuit)
    assert not {"measure", "reset"} & set(deferred.circuit.count_ops())
    bits = sorted(deferred.qubit_of)
    found = Statevector(deferred.circuit).probabilities([deferred.qubit_of[bit] for bit in bits])
    for outcome, probability in enumerate(found if bits else [1.0]):
        # Bits that are never written stay 0.
        packed = sum(((outcome >> i) & 1) << bit for i, bit in enumerate(bits))
        assert abs(probability - expected.get(packed, 0.0)) < 1e-9


def test_a_final_measurement_needs_no_further_qubit():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    assert defer_measurements(circuit).circuit.num_qubits == 2


def test_registers_are_kept_for_a_sampler():
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(2, "early"))
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.h(0)
    circuit.measure(0, 1)
    final = with_deferred_measurements(circuit)
    assert [register.name for register in final.cregs] == ["early"]
    assert final.num_qubits == 2
