"""What the estimator's benchmark evaluates, and one evaluation of it in a fresh process.

    python benchmarks/estimator_cases.py '{"case": {...}, "estimator": {...}}'

The parent gives a case and the arguments of an estimator; this prints, as JSON, what the first
query took with nothing cached (modules are imported before the clock starts), what repeated
queries take, their values, and by how much the memory rose.
"""

from __future__ import annotations

import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qcutsim import DistributedEstimator
from qcutsim.errors import InputError
from qcutsim.learning import load_iris_angles, model_circuit, random_weights

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

QUBITS = 4
OBSERVABLE = "ZZZZ"
LABELS = {1: "AABB", 2: "ABBC", 3: "ABCD"}
SHOTS = 1024
CUTS = 3
EQUAL_TOTAL = 864 * SHOTS
"""Shots of one query of qiskit-addon-cutting, with 864 generated circuits."""

STATEVECTOR_QUBITS = 16

LONG_S = 5
"""What takes longer is repeated once only."""


def query_circuit() -> QuantumCircuit:
    """The query's circuit, feature map and ansatz, with 4 features and 8 weights open."""
    feature_map, ansatz = model_circuit(QUBITS)
    return feature_map.compose(ansatz)


@dataclass(frozen=True, slots=True)
class Binding:
    """One sample with one set of weights, and what the uncut circuit gives there."""

    angles: FloatArray
    weights: FloatArray
    exact: float

    @property
    def values(self) -> FloatArray:
        """In the order of the circuit's parameters."""
        return np.concatenate([self.angles, self.weights])


def binding(sample: int, weights_seed: int) -> Binding:
    """An Iris sample with random weights."""
    angles = load_iris_angles().angles[sample]
    weights = random_weights(QUBITS, weights_seed)
    return Binding(angles, weights, exact_value(query_circuit(), np.concatenate([angles, weights])))


def exact_value(circuit: QuantumCircuit, values: FloatArray) -> float:
    """Z on every qubit of the uncut circuit, by Qiskit's statevector."""
    state = Statevector(circuit.assign_parameters(values))
    return float(state.expectation_value(SparsePauliOp("Z" * circuit.num_qubits)).real)


def exact_gradient(circuit: QuantumCircuit, at: Binding) -> FloatArray:
    """Derivatives by the weights, shape (weights,)."""
    rows = shifted_rows(at)
    values = [exact_value(circuit, row) for row in rows]
    return gradient_of(np.array(values))


def shifted_rows(at: Binding) -> list[FloatArray]:
    """Parameter rows as EstimatorQNN's parameter-shift gradient sends them: all +, then all -."""
    rows = []
    for sign in (1, -1):
        for weight in range(len(at.weights)):
            row = at.values.copy()
            row[len(at.angles) + weight] += sign * np.pi / 2
            rows.append(row)
    return rows


def gradient_of(values: FloatArray) -> FloatArray:
    """Values at :func:`shifted_rows` -> derivatives."""
    plus, minus = np.split(values, 2)
    gradient: FloatArray = (plus - minus) / 2
    return gradient


@dataclass(frozen=True, slots=True)
class Graph:
    """RY on every qubit, a gate an edge, RY on every qubit.

    RY angles are drawn from [0, 0.1), so that Z on every qubit does not vanish as qubits are
    added and its error can be told; angles of RZZ, which are what a cut costs, from [0, 2 pi).
    """

    shape: str
    gate: str
    qubits: int

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Pairs of qubits, in the order of the gates."""
        n = self.qubits
        match self.shape:
            case "chain":
                return [(i, i + 1) for i in range(n - 1)]
            case "ring":
                return [(i, (i + 1) % n) for i in range(n)]
            case "all-to-all":
                return [(i, j) for i in range(n) for j in range(i + 1, n)]
        raise ValueError(self.shape)

    def _angles(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        draw = np.random.default_rng(self.qubits)
        before, after = draw.uniform(0, 0.1, (2, self.qubits))
        return before, draw.uniform(0, 2 * np.pi, len(self.edges)), after

    def circuit(self) -> QuantumCircuit:
        """The circuit, all angles bound."""
        before, between, after = self._angles()
        circuit = QuantumCircuit(self.qubits)
        for qubit, angle in enumerate(before.tolist()):
            circuit.ry(angle, qubit)
        for (first, second), angle in zip(self.edges, between.tolist(), strict=True):
            if self.gate == "cx":
                circuit.cx(first, second)
            else:
                circuit.rzz(angle, first, second)
        for qubit, angle in enumerate(after.tolist()):
            circuit.ry(angle, qubit)
        return circuit

    def exact(self) -> float | None:
        """Z on every qubit without cutting; ``None`` where neither way below can tell."""
        if self.qubits <= STATEVECTOR_QUBITS:
            return exact_value(self.circuit(), np.zeros(0))
        return None if self.shape == "all-to-all" else self._transfer_value()

    def _transfer_value(self) -> float:
        """Of a chain or a ring, by transfer matrices: a gate is a bond of dimension 2.

        CX = sum_a |a><a| x X^a and RZZ(g) = sum_a |a><a| x exp(-i g (-1)^a Z / 2).
        """
        before, between, after = self._angles()
        is_ring = self.shape == "ring"
        total = np.eye(4, dtype=complex)
        for qubit in range(self.qubits):
            ket = _ry(before[qubit])[:, 0]
            # site[a, b]: the qubit's state where the bond before it is a, the one after it b.
            site = np.zeros((2, 2, 2), dtype=complex)
            for left, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
                acts = self._act(between[qubit - 1], left) if qubit or is_ring else np.eye(2)
                is_control = qubit < self.qubits - 1 or is_ring
                keeps = np.diag(np.arange(2) == right) if is_control else np.eye(2)
                # A ring's last gate comes back to qubit 0, whose own gate was the first.
                gates = keeps @ acts if qubit else acts @ keeps
                site[left, right] = _ry(after[qubit]) @ gates @ ket
            signed = site * np.array([1, -1])
            total = total @ np.einsum("acs,bds->abcd", signed, site.conj()).reshape(4, 4)
        # The open ends of a chain have no bond: each entry for them holds the whole value.
        return float(np.trace(total).real if is_ring else total[0, 0].real)

    def _act(self, angle: float, control: int) -> np.ndarray[Any, np.dtype[np.complex128]]:
        if self.gate == "cx":
            return np.eye(2, dtype=complex)[[1, 0] if control else [0, 1]]
        phase = np.exp(-0.5j * angle * (-1) ** control)
        return np.diag([phase, phase.conjugate()])


def _ry(angle: float) -> FloatArray:
    cos, sin = np.cos(angle / 2), np.sin(angle / 2)
    return np.array([[cos, -sin], [sin, cos]])


class PeakMemory:
    """By how much the resident set of this process has risen, at most, since this was made.

    Linux counts it anew on request. Elsewhere the high-water mark of the whole life has to do,
    below which a rise is not seen. (``ru_maxrss`` outlives ``exec`` and would be the parent's.)
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._before_mb = self._mark_mb()

    @staticmethod
    def _mark_mb() -> float:
        status = Path("/proc/self/status")
        if status.exists():
            lines = status.read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
        scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale

    def rise_mb(self) -> float:
        return self._mark_mb() - self._before_mb


def in_fresh_process(
    case: dict[str, Any], estimator: dict[str, Any], *, repeats: int = 5, timeout_s: float = 600
) -> dict[str, Any]:
    """Measure a case in a process of its own; ``{"refused": why}`` where there is no result."""
    order = json.dumps({"case": case, "estimator": estimator, "repeats": repeats})
    try:
        done = subprocess.run(
            [sys.executable, __file__, order], capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        return {"refused": f"not done in {timeout_s:.0f} s"}
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        return {"refused": f"exit {done.returncode}: {reason[-1] if reason else 'no message'}"}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _pubs(case: dict[str, Any]) -> list[Any]:
    if "shape" in case:
        graph = Graph(case["shape"], case["gate"], case["qubits"])
        return [(graph.circuit(), "Z" * graph.qubits)]
    if "samples" in case:
        return gradient_pubs(case["samples"])
    rows = many_bindings(case["bindings"]) if case["bindings"] > 1 else binding(0, 1).values
    return [(query_circuit(), OBSERVABLE, rows)]


def gradient_pubs(samples: int) -> list[Any]:
    """The job that EstimatorQNN sends for a batch's gradient: 16 PUBs a sample."""
    circuit, observable = query_circuit(), SparsePauliOp(OBSERVABLE)
    points = [binding(sample, 1) for sample in range(samples)]
    return [(circuit, observable, row) for at in points for row in shifted_rows(at)]


def many_bindings(count: int) -> FloatArray:
    """Rows that differ in every parameter, so that no two share a subexperiment."""
    draw = np.random.default_rng(count)
    return draw.uniform(0, 2 * np.pi, (count, 3 * QUBITS))


def _measure(order: dict[str, Any]) -> dict[str, Any]:
    pubs = _pubs(order["case"])
    options = order["estimator"]
    if options["backend"] == "batched":  # the import is Python's, not the query's
        import qcutsim.estimator.batched  # noqa: F401
    memory = PeakMemory()
    start_s = time.perf_counter()
    with DistributedEstimator(**options) as estimator:
        try:
            result = estimator.run(pubs).result()[0]
        except InputError as error:
            return {"refused": str(error)}
        cold_s = time.perf_counter() - start_s
        risen_mb = memory.rise_mb()
        warm_s, values = [], [np.asarray(result.data.evs).tolist()]
        for _ in range(order["repeats"] if cold_s < LONG_S else 1):
            again_s = time.perf_counter()
            again = estimator.run(pubs).result()[0]
            warm_s.append(time.perf_counter() - again_s)
            values.append(np.asarray(again.data.evs).tolist())
    metadata = dict(result.metadata)
    metadata["coefficients"] = str(metadata["coefficients"])  # 6^1024 fits no float
    return {
        "cold_s": cold_s,
        "warm_s": statistics.median(warm_s),
        "memory_mb": risen_mb,
        "values": values,
        "std": np.asarray(result.data.stds).tolist(),
        "metadata": metadata,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
