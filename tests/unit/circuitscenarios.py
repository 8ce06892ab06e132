"""Scenarios with a circuit of one's own, for the tests of what is made of them."""

from __future__ import annotations

from pathlib import Path

GHZ = (Path(__file__).parents[2] / "scenarios" / "ghz.qasm").read_text()
"""Four qubits; two free parameters."""

BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\nh q[0];\ncx q[0],q[1];\n'

MODULE = """
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

def chain(qubits=3, angle=0.4):
    circuit = QuantumCircuit(qubits)
    circuit.ry(angle, range(qubits))
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.rx(Parameter("theta"), 0)
    return circuit

def nothing():
    return None

def broken():
    raise RuntimeError("out of order")

number = 3
"""


def write(
    folder: Path,
    circuit: str = "own.qasm",
    *,
    text: str | bytes | None = BELL,
    labels: str = "AB",
    observable: str | None = None,
    more: str = "",
    rest: str = "",
) -> Path:
    """``s.yaml`` with a circuit, and the circuit's file where ``text`` is given."""
    folder.mkdir(exist_ok=True)
    if text is not None:
        data = text if isinstance(text, bytes) else text.encode()
        (folder / circuit).write_bytes(data)
    (folder / "s.yaml").write_text(
        f"name: own\nseed: 3\nworkload:\n  circuit: {circuit}\n  partition_labels: {labels}\n"
        f"  observable: {observable or 'Z' * len(labels)}\n  shots: 200\n{more}{rest}"
    )
    return folder / "s.yaml"
