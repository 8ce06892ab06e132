"""Deferred measurement: a circuit whose outcome distribution needs no trajectories."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit import QuantumCircuit
from qiskit.circuit import Qubit


@dataclass(frozen=True, slots=True)
class Deferred:
    """A unitary circuit and the qubit that holds each classical bit at its end.

    Args:
        circuit: no measurement, reset or classical bit; fresh qubits at the end.
        qubit_of: classical bit's index -> qubit's index.
    """

    circuit: QuantumCircuit
    qubit_of: dict[int, int]


def defer_measurements(circuit: QuantumCircuit) -> Deferred:
    """Copy every mid-circuit outcome to a fresh qubit, and reset by taking a fresh qubit.

    A measurement after which its qubit is idle needs no copy. Outcome distributions are those
    of the given circuit (principle of deferred measurement).
    """
    last_use = {
        qubit: position
        for position, instruction in enumerate(circuit.data)
        for qubit in instruction.qubits
    }
    wire = dict(zip(circuit.qubits, circuit.qubits, strict=True))
    untouched = set(circuit.qubits)
    deferred = QuantumCircuit(list(circuit.qubits))
    qubit_of: dict[int, int] = {}

    def fresh() -> Qubit:
        qubit = Qubit()
        deferred.add_bits([qubit])
        return qubit

    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        if operation.name == "measure":
            (qubit,), (bit,) = instruction.qubits, instruction.clbits
            target = wire[qubit]
            if last_use[qubit] != position:
                target = fresh()
                deferred.cx(wire[qubit], target)
            qubit_of[circuit.find_bit(bit).index] = deferred.find_bit(target).index
        elif operation.name == "reset":
            (qubit,) = instruction.qubits
            if qubit not in untouched and last_use[qubit] != position:
                wire[qubit] = fresh()
        else:
            deferred.append(operation, [wire[q] for q in instruction.qubits])
        untouched.difference_update(instruction.qubits)
    return Deferred(deferred, qubit_of)


def with_deferred_measurements(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same circuit with all measurements at its end and no reset."""
    deferred = defer_measurements(circuit)
    final = deferred.circuit
    for register in circuit.cregs:
        final.add_register(register)
    for bit, qubit in deferred.qubit_of.items():
        final.measure(qubit, bit)
    return final
