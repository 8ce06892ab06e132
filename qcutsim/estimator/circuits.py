"""A circuit as a list of leaves: gates that are not decomposed further."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitError, ParameterExpression
from qiskit.circuit.library import get_standard_gate_name_mapping

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import FloatArray
from qcutsim.estimator.programs import VALUE_GATES

ANGLE_CUTS = frozenset({"rxx", "ryy", "rzz"})
"""Gates whose local operations do not depend on the angle; only the coefficients do."""

_STANDARD = frozenset(get_standard_gate_name_mapping()) - {"measure", "delay", "global_phase"}
_KEPT = frozenset({"reset", "move", "cut_wire", "qpd_2q", "unitary"})
_MARKS = frozenset({"cut_wire", "qpd_2q"})
_IGNORED = frozenset({"barrier", "global_phase", "id"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One operation on circuit qubits.

    ``angles`` are its values if it is a value gate; ``is_cut`` tells that it is to be cut
    whatever the partitions. ``origin`` names the gate with a free parameter that it is part of.
    """

    name: str
    qubits: tuple[int, ...]
    operation: Any
    angles: tuple[Any, ...] = ()
    is_cut: bool = False
    origin: str | None = None


def flatten(circuit: QuantumCircuit) -> list[Leaf]:
    """Decompose composite instructions until every one is a gate that can be bound and cut.

    Raises:
        InputError: an instruction cannot be part of an estimator's circuit.
    """
    if circuit.num_qubits == 0:
        raise InputError("the circuit has no qubits; there is nothing to estimate")
    return list(_leaves(circuit, tuple(range(circuit.num_qubits))))


def _leaves(circuit: QuantumCircuit, at: Sequence[int]) -> Iterator[Leaf]:
    index = {bit: position for position, bit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        operation = instruction.operation
        qubits = tuple(at[index[bit]] for bit in instruction.qubits)
        if operation.name not in _IGNORED:
            yield from _leaf(operation, qubits, bool(instruction.clbits))


def _leaf(operation: Any, qubits: tuple[int, ...], has_clbits: bool) -> Iterator[Leaf]:
    name = operation.name
    if name == "measure" or has_clbits:
        raise InputError(
            f"the circuit holds {name!r} with classical bits; an estimator measures the "
            "observable itself, so remove it (remove_final_measurements)"
        )
    if name in _KEPT:
        yield Leaf(name, qubits, operation, is_cut=name in _MARKS)
        return
    if name in _STANDARD and _has_closed_controls(operation):
        if name in VALUE_GATES:
            yield Leaf(name, qubits, operation, tuple(operation.params))
            return
        if not _is_parameterised(operation):
            yield Leaf(name, qubits, operation)
            return
    definition = getattr(operation, "definition", None)
    if definition is not None and (_is_parameterised(operation) or len(definition.data) > 0):
        inner = _leaves(definition, qubits)
        if name in _STANDARD and _is_parameterised(operation):
            inner = (replace(leaf, origin=name) for leaf in inner)
        yield from inner
        return
    if not _is_parameterised(operation) and len(qubits) <= 2 and _has_matrix(operation):
        yield Leaf(name, qubits, operation)
        return
    raise InputError(
        f"the circuit holds {name!r}, which cannot be taken apart into gates; decompose or "
        "transpile the circuit first"
    )


def _has_matrix(operation: Any) -> bool:
    try:
        operation.to_matrix()
    except (AttributeError, CircuitError):
        return False
    return True


def _has_closed_controls(operation: Any) -> bool:
    state = getattr(operation, "ctrl_state", None)
    return state is None or state == (1 << operation.num_ctrl_qubits) - 1


def _is_parameterised(operation: Any) -> bool:
    return any(isinstance(p, ParameterExpression) and p.parameters for p in operation.params)


def structure_key(
    leaves: Sequence[Leaf], qubits: int, labels: Sequence[Hashable] | None = None
) -> tuple[Any, ...]:
    """What two circuits share when one plan serves both: everything but angles.

    Of a gate whose local operations depend on its angle, the angle counts if the gate may be
    cut: if it spans two of the ``labels``, or if there are none to tell.
    """
    fits = labels is not None and len(labels) == qubits
    return (
        qubits,
        tuple(
            _leaf_key(leaf, may_be_cut=not fits or len({labels[q] for q in leaf.qubits}) > 1)  # type: ignore[index]
            for leaf in leaves
        ),
    )


def _leaf_key(leaf: Leaf, *, may_be_cut: bool) -> tuple[Any, ...]:
    if leaf.angles:
        if may_be_cut and len(leaf.qubits) > 1 and leaf.name not in ANGLE_CUTS:
            return (leaf.name, leaf.qubits, leaf.angles)
        return (leaf.name, leaf.qubits)
    if leaf.name == "qpd_2q":
        basis = leaf.operation.basis
        return (leaf.name, leaf.qubits, repr(basis.maps), tuple(basis.coeffs))
    return (operation_key(leaf.operation), leaf.qubits)


def operation_key(operation: Any) -> tuple[Any, ...]:
    """What two operations share when they do the same: name and parameters, or the matrix."""
    if operation.name in _STANDARD or operation.name in _KEPT - {"unitary"}:
        return (operation.name, tuple(operation.params))
    return (operation.name, np.asarray(operation.to_matrix()).tobytes())


def fingerprint(circuit: QuantumCircuit) -> str:
    """SHA-256 of what a bound circuit does: its operations, their qubits and angles.

    Raises:
        InputError: an instruction cannot be part of an estimator's circuit.
    """
    told = [
        (leaf.name, leaf.qubits, tuple(map(float, leaf.angles)))
        if leaf.angles
        else (*_leaf_key(leaf, may_be_cut=True),)
        for leaf in flatten(circuit)
    ]
    return hashlib.sha256(repr((circuit.num_qubits, told)).encode()).hexdigest()


def _slope(expression: Any, parameter: Any) -> float | None:
    """The derivative where it is a number, else ``None``."""
    try:
        slope = expression.gradient(parameter)
    except RuntimeError:  # no derivative is known, of sign(x) say
        return None
    return float(slope) if isinstance(slope, (int, float)) else None


class Angles:
    """All angles of a circuit as functions of its parameters, evaluated for many bindings.

    Args:
        expressions: numbers or parameter expressions.
        parameters: the circuit's parameters, in the order of the values.
    """

    def __init__(self, expressions: Sequence[Any], parameters: Sequence[Any]) -> None:
        self._count = len(expressions)
        self._constants = np.zeros(self._count)
        column_of = {parameter: column for column, parameter in enumerate(parameters)}
        entries: list[tuple[int, int, float]] = []
        self._general: list[tuple[int, Any, list[tuple[Any, int]]]] = []
        for index, expression in enumerate(expressions):
            if not isinstance(expression, ParameterExpression):
                self._constants[index] = float(expression)
                continue
            free = [(p, column_of[p]) for p in expression.parameters]
            if not free:
                self._constants[index] = float(expression.numeric())
                continue
            slopes = [s for s in (_slope(expression, p) for p, _ in free) if s is not None]
            if len(slopes) == len(free):
                zero = expression.bind({p: 0.0 for p, _ in free})
                self._constants[index] = float(zero.numeric())
                entries += [(index, column, g) for (_, column), g in zip(free, slopes, strict=True)]
            else:
                self._general.append((index, expression, free))
        rows = sorted(entries)
        self._index = np.array([e[0] for e in rows], dtype=np.int64)
        self._column = np.array([e[1] for e in rows], dtype=np.int64)
        self._slope = np.array([e[2] for e in rows])

    def evaluate(self, values: FloatArray) -> FloatArray:
        """Parameter values of shape (bindings, parameters) -> angles (bindings, angles)."""
        angles = np.repeat(self._constants[None, :], len(values), axis=0)
        if len(self._index):
            added = self._slope * values[:, self._column]
            for index, column in zip(self._index, added.T, strict=True):
                angles[:, index] += column
        for index, expression, free in self._general:
            columns = [column for _, column in free]
            distinct, inverse = np.unique(values[:, columns], axis=0, return_inverse=True)
            parameters = [parameter for parameter, _ in free]
            bound = [_number(expression, parameters, row) for row in distinct]
            angles[:, index] = np.array(bound)[inverse.reshape(-1)]
        return angles


def _number(expression: Any, parameters: Sequence[Any], values: FloatArray) -> float:
    bound = dict(zip(parameters, map(float, values), strict=True))
    try:
        return float(expression.bind(bound).numeric())
    except (ZeroDivisionError, TypeError, ValueError, CircuitError) as error:
        shown = ", ".join(f"{p.name}={v:g}" for p, v in bound.items())
        raise InputError(f"the angle {expression} has no value at {shown}: {error}") from error
