"""Random circuits with observables and ways to cut them, and their exact values without cutting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction, Parameter, ParameterExpression
from qiskit.circuit.library import RXXGate, RYYGate, RZZGate, get_standard_gate_name_mapping
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector
from qiskit_addon_cutting.instructions import CutWire, Move

TOLERANCE = 1e-9

ONE_QUBIT = ("h", "s", "t", "sx", "rx", "ry", "rz", "p", "u")
TWO_QUBIT = ("cx", "cz", "cy", "rzz", "rxx", "ryy", "crz", "cp", "ecr")
CUT_AT_ANY_ANGLE = ("rxx", "ryy", "rzz")
TERMS = {"swap": 58, "iswap": 58, "ccx": 6**6, "move": 8, "cut_wire": 8}
"""Terms of a cut operation where they are not 6, at most."""

GATES = get_standard_gate_name_mapping()


@dataclass(frozen=True)
class Case:
    """A circuit, how to cut it, what to measure, and rows of values for its parameters."""

    circuit: QuantumCircuit
    labels: str | None
    observables: list[SparsePauliOp]
    values: np.ndarray

    @property
    def pub(self):
        """Every row of values with every observable, of shape (rows, observables)."""
        return self.circuit, self.observables, self.values[:, None, :]

    @property
    def exact(self) -> np.ndarray:
        """What the PUB gives, without cutting."""
        return exact_values(self.circuit, self.observables, self.values)

    def __repr__(self) -> str:
        terms = [observable.to_list() for observable in self.observables]
        drawn = self.circuit.draw("text", fold=-1)
        return f"Case(labels={self.labels!r}, {terms}, {self.values.tolist()},\n{drawn}\n)"


def without_cut_wires(circuit: QuantumCircuit) -> QuantumCircuit:
    plain = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.operation.name != "cut_wire":
            plain.append(instruction)
    return plain


def exact_values(
    circuit: QuantumCircuit, observables: Sequence[SparsePauliOp], values: np.ndarray
) -> np.ndarray:
    """Expectation values of shape (rows, observables) from the whole circuit's state."""
    plain = without_cut_wires(circuit)
    is_pure = not {"reset", "move"} & {i.operation.name for i in plain.data}
    rows = []
    for row in values:
        bound = plain.assign_parameters(row)
        state = Statevector(bound) if is_pure else density_matrix(bound)
        rows.append([np.real(state.expectation_value(one)) for one in observables])
    return np.array(rows)


def density_matrix(circuit: QuantumCircuit) -> DensityMatrix:
    """The final state, where a reset may leave it mixed; a Move is a reset and a swap."""
    state = DensityMatrix.from_int(0, 2**circuit.num_qubits)
    for instruction in circuit.data:
        at = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        match instruction.operation.name:
            case "reset":
                state = state.reset(at)
            case "move":
                state = state.reset(at[1:]).evolve(GATES["swap"], at)
            case _:
                state = state.evolve(instruction.operation, at)
    return state


def random_observable(rng: np.random.Generator, qubits: int) -> SparsePauliOp:
    """One to six terms with real weights; at times the identity, or one term twice."""
    labels = ["".join(rng.choice(list("IXYZ"), qubits)) for _ in range(rng.integers(1, 5))]
    if rng.random() < 0.3:
        labels.append("I" * qubits)
    if rng.random() < 0.2:
        labels.append(labels[0])
    return SparsePauliOp(labels, rng.normal(size=len(labels)))


def random_labels(rng: np.random.Generator, qubits: int) -> str:
    """At least two labels, interleaved as they fall; which one comes first is random too."""
    parts = int(rng.integers(2, min(qubits, 4) + 1))
    of_qubit = [*range(parts), *rng.integers(0, parts, qubits - parts)]
    names = rng.permutation(list("ABCD"))
    return "".join(names[i] for i in rng.permutation(of_qubit))


@dataclass
class Builder:
    """Appends random operations, as long as the cuts' joint terms stay below ``most_terms``."""

    rng: np.random.Generator
    circuit: QuantumCircuit
    labels: str
    most_terms: int
    parameters: tuple[Parameter, ...] = ()
    terms: int = 1
    cut_gates: list[str] = field(default_factory=list)

    def angle(self, *, may_be_free: bool = True) -> float | ParameterExpression:
        number = float(self.rng.uniform(-2 * np.pi, 2 * np.pi))
        if not may_be_free or not self.parameters or self.rng.random() < 0.4:
            return number if self.rng.random() < 0.9 else 0.0
        x, y = self.rng.choice(self.parameters, 2)
        forms = (x, y, 2 * x + y, x * y, number - x / 3, (x + number).sin() * y, x - x + y)
        return forms[self.rng.integers(len(forms))]

    def affords(self, name: str, qubits: Sequence[int]) -> bool:
        """Count the cut if there is one; refuse it if it is one too many."""
        if len({self.labels[q] for q in qubits}) == 1:
            return True
        terms = self.terms * TERMS.get(name, 6)
        if terms > self.most_terms:
            return False
        self.terms = terms
        self.cut_gates.append(name)
        return True

    def gate(self, name: str, qubits: Sequence[int]) -> None:
        if not self.affords(name, qubits):
            return
        is_cut = len({self.labels[q] for q in qubits}) > 1
        may_be_free = not is_cut or name in CUT_AT_ANY_ANGLE
        count = len(GATES[name].params)
        angles = [self.angle(may_be_free=may_be_free) for _ in range(count)]
        self.circuit.append(type(GATES[name])(*angles), list(qubits))

    def random_gate(self) -> None:
        qubits = self.rng.permutation(self.circuit.num_qubits).tolist()
        draw = self.rng.random()
        if draw < 0.45 or len(qubits) < 2:
            self.gate(str(self.rng.choice(ONE_QUBIT)), qubits[:1])
        elif draw < 0.9 or len(qubits) < 3:
            self.gate(str(self.rng.choice(TWO_QUBIT)), qubits[:2])
        elif draw < 0.96:
            self.gate(str(self.rng.choice(["swap", "iswap"])), qubits[:2])
        else:
            self.gate("ccx", qubits[:3])

    def wrapped_gate(self) -> None:
        """Gates as users also write them: nested, inverted, controlled by 0, or as a matrix."""
        inner = QuantumCircuit(1, name="inner")
        inner.rx(self.angle(), 0)
        inner.h(0)
        choices = [
            inner.to_gate(),
            inner.to_instruction(),
            GATES["sx"].inverse(),
            GATES["t"].power(0.5),
        ]
        (qubit,) = self.rng.integers(0, self.circuit.num_qubits, 1).tolist()
        self.circuit.append(choices[self.rng.integers(len(choices))], [qubit])
        same = [q for q, label in enumerate(self.labels) if label == self.labels[qubit]]
        if len(same) > 1:
            self.circuit.append(GATES["x"].control(1, ctrl_state=0), same[:2])
        if self.rng.random() < 0.3:
            self.circuit.barrier()


def random_case(
    seed: int, qubits: int, gates: int, *, most_terms: int = 300, rows: int = 2
) -> Case:
    """A circuit with labels."""
    rng = np.random.default_rng(seed)
    labels = random_labels(rng, qubits)
    parameters = (Parameter("x"), Parameter("y"), Parameter("a[10]"))
    circuit = QuantumCircuit(qubits)
    builder = Builder(rng, circuit, labels, most_terms, parameters)
    for _ in range(gates):
        if rng.random() < 0.1:
            builder.wrapped_gate()
        builder.random_gate()
    return _finish(rng, circuit, labels, rows)


def random_uncut_case(seed: int, qubits: int, gates: int, *, rows: int = 2) -> Case:
    """A circuit without labels or marks, for the cut finder or to be run whole."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(qubits)
    # With labels that differ, only angles that a cut allows are free.
    builder = Builder(rng, circuit, "ABCDEF"[:qubits], 10**9, (Parameter("x"), Parameter("y")))
    for _ in range(gates):
        near = int(rng.integers(0, max(1, qubits - 1)))
        builder.gate(str(rng.choice(ONE_QUBIT)), [near])
        if qubits > 1:
            builder.gate(str(rng.choice(TWO_QUBIT)), rng.permutation([near, near + 1]).tolist())
    return _finish(rng, circuit, None, rows)


def random_wire_case(seed: int, qubits: int, gates: int, *, cuts: int, rows: int = 2) -> Case:
    """A circuit with ``CutWire``, wherever they fall: even where they separate nothing."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(qubits)
    builder = Builder(rng, circuit, "A" * qubits, 1, (Parameter("x"), Parameter("y")))
    cut_at = set(rng.integers(0, gates, cuts).tolist())
    for position in range(gates):
        builder.random_gate()
        if position in cut_at:
            circuit.append(CutWire(), [int(rng.integers(qubits))])
    return _finish(rng, circuit, None, rows)


def random_move_case(
    seed: int, qubits: int, gates: int, *, most_terms: int = 400, rows: int = 2
) -> Case:
    """A circuit with labels in which states move between partitions, and qubits are reset."""
    rng = np.random.default_rng(seed)
    labels = random_labels(rng, qubits)
    circuit = QuantumCircuit(qubits)
    builder = Builder(rng, circuit, labels, most_terms, (Parameter("x"), Parameter("y")))
    for _ in range(gates):
        builder.random_gate()
        source, destination = rng.permutation(qubits)[:2].tolist()
        if rng.random() < 0.3 and builder.affords("move", (source, destination)):
            circuit.append(Move(), [source, destination])
        if rng.random() < 0.1:
            circuit.reset(source)
    return _finish(rng, circuit, labels, rows)


def _finish(
    rng: np.random.Generator, circuit: QuantumCircuit, labels: str | None, rows: int
) -> Case:
    observables = [random_observable(rng, circuit.num_qubits) for _ in range(2)]
    values = rng.uniform(-np.pi, np.pi, (rows, circuit.num_parameters))
    return Case(circuit, labels, observables, values)


SEEDS = st.integers(0, 2**32 - 1)
CASES = st.builds(random_case, SEEDS, st.integers(2, 6), st.integers(1, 14))
UNCUT_CASES = st.builds(random_uncut_case, SEEDS, st.integers(1, 5), st.integers(1, 5))
FINDER_CASES = st.builds(random_uncut_case, SEEDS, st.integers(3, 5), st.integers(2, 5))
WIRE_CASES = st.builds(
    random_wire_case, SEEDS, st.integers(2, 4), st.integers(1, 10), cuts=st.integers(1, 3)
)
MOVE_CASES = st.builds(random_move_case, SEEDS, st.integers(2, 4), st.integers(1, 8))

ONE = st.just(1)
CHEAP_CASES = st.builds(
    random_case, SEEDS, st.integers(2, 4), st.integers(1, 8), most_terms=st.just(36), rows=ONE
)
CHEAP_WIRE_CASES = st.builds(
    random_wire_case, SEEDS, st.integers(2, 4), st.integers(1, 8), cuts=ONE, rows=ONE
)
CHEAP_MOVE_CASES = st.builds(
    random_move_case, SEEDS, st.integers(2, 3), st.integers(1, 6), most_terms=st.just(8), rows=ONE
)
"""Few subexperiments each, for what is slow."""


def ring(gate: type[Instruction], qubits: int, angles: Sequence[float]) -> QuantumCircuit:
    """Rotations, then a gate between each neighbour, the last and the first as well."""
    return _entangled(qubits, [(q, (q + 1) % qubits) for q in range(qubits)], gate, angles)


def all_to_all(gate: type[Instruction], qubits: int, angles: Sequence[float]) -> QuantumCircuit:
    """Rotations, then a gate between every two qubits."""
    pairs = [(a, b) for a in range(qubits) for b in range(a)]
    return _entangled(qubits, pairs, gate, angles)


def _entangled(
    qubits: int,
    pairs: Sequence[tuple[int, int]],
    gate: type[Instruction],
    angles: Sequence[float],
) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for qubit in range(qubits):
        circuit.ry(0.4 + 0.3 * qubit, qubit)
    for (a, b), angle in zip(pairs, angles, strict=True):
        circuit.append(gate(angle), [a, b])
    for qubit in range(qubits):
        circuit.rx(0.9 - 0.2 * qubit, qubit)
    return circuit


ANGLE_GATES = {"rxx": RXXGate, "ryy": RYYGate, "rzz": RZZGate}


def chain(qubits: int, first: Sequence[float], last: Sequence[float]) -> QuantumCircuit:
    """RY on every qubit, CX from each to the next in order, RY on every qubit."""
    circuit = QuantumCircuit(qubits)
    for qubit in range(qubits):
        circuit.ry(first[qubit], qubit)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    for qubit in range(qubits):
        circuit.ry(last[qubit], qubit)
    return circuit
