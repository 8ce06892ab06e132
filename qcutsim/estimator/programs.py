"""A program: one partition's circuit with its cut ends open, as data that can be sent.

All angles of rotation gates are taken out as *values*, so that one program serves every binding
and every partition of the same structure. At each cut end (a *slot*) one of several *local
settings* is put in; together with a measurement basis they make a subexperiment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import msgspec
import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, ControlledGate, ParameterVector
from qiskit.circuit.library import UnitaryGate, get_standard_gate_name_mapping

from qcutsim.estimator.arrays import ComplexArray

VALUE_GATES = ("rx", "ry", "rz", "p", "u1", "u", "rxx", "ryy", "rzz", "crx", "cry", "crz", "cp")
"""Gates whose angles become values. What else holds a free parameter is decomposed to these."""

QPD_REGISTER = "qpd_measurements"
OBSERVABLE_REGISTER = "observable_measurements"


class Apply(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """A gate. ``values`` are indices of its angles, or empty; ``matrix`` is for unnamed gates."""

    name: str
    qubits: tuple[int, ...]
    values: tuple[int, ...] = ()
    parameters: tuple[float, ...] = ()
    matrix: tuple[tuple[float, float], ...] = ()


class Reset(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Put a qubit into |0>."""

    qubit: int


class Measure(msgspec.Struct, frozen=True, array_like=True, tag="m"):
    """A QPD measurement: its outcome multiplies the result by +1 or -1."""

    qubit: int


class Slot(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """A cut end: setting ``index`` of the program's settings goes here."""

    index: int
    qubit: int


LocalOperation = Apply | Reset | Measure
LocalSetting = tuple[LocalOperation, ...]
Operation = Apply | Reset | Slot


class Program(msgspec.Struct, frozen=True, array_like=True):
    """A partition's circuit.

    Args:
        qubits: its width.
        values: how many angles a row of values holds.
        operations: in order.
        slots: for each cut end its distinct local settings, written for qubit 0.
        measured: qubits that any basis measures, ascending.
        bases: for each basis one letter (X, Y or Z) a measured qubit.
    """

    qubits: int
    values: int
    operations: tuple[Operation, ...]
    slots: tuple[tuple[LocalSetting, ...], ...]
    measured: tuple[int, ...] = ()
    bases: tuple[str, ...] = ("",)

    @property
    def slot_sizes(self) -> tuple[int, ...]:
        """Number of local settings at each cut end."""
        return tuple(len(settings) for settings in self.slots)

    @property
    def settings(self) -> int:
        """Number of joint settings; their order is that of ``itertools.product``."""
        return math.prod(self.slot_sizes)

    def local_settings(self, joint: int) -> tuple[int, ...]:
        """The local setting of each slot in a joint setting."""
        chosen = []
        for size in reversed(self.slot_sizes):
            joint, local = divmod(joint, size)
            chosen.append(local)
        return tuple(reversed(chosen))

    @property
    def outcomes(self) -> int:
        """Outcomes of a subexperiment: the QPD sign (+ first), times the measured bits."""
        return 2 << len(self.measured)

    def encode(self) -> bytes:
        """The program as MessagePack."""
        return _encoder.encode(self)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Program)


@dataclass(frozen=True)
class LoadedProgram:
    """A program with what is worked out from it once."""

    program: Program

    @cached_property
    def _circuits(self) -> dict[tuple[int, int], QuantumCircuit]:
        return {}

    def circuit(self, setting: int, basis: int) -> QuantumCircuit:
        """The subexperiment as a circuit over the parameters ``value[i]``, measurements in it."""
        key = (setting, basis)
        if key not in self._circuits:
            self._circuits[key] = build_circuit(
                self.program, self.program.local_settings(setting), self.program.bases[basis]
            )
        return self._circuits[key]


@lru_cache(maxsize=256)
def load_program(encoded: bytes) -> LoadedProgram:
    """Decode a program; a worker that has seen it before keeps it."""
    return LoadedProgram(_decoder.decode(encoded))


def gate_matrix(name: str, parameters: tuple[float, ...]) -> ComplexArray:
    """Matrix of a standard gate with numbers for parameters, Qiskit's qubit order."""
    return np.asarray(make_gate(name, parameters).to_matrix())


def make_gate(name: str, parameters: tuple[Any, ...]) -> Any:
    """A standard gate by name."""
    return type(get_standard_gate_name_mapping()[name])(*parameters)


def operation_matrix(operation: Apply) -> ComplexArray:
    """Matrix of a gate without values."""
    if operation.matrix:
        size = 1 << len(operation.qubits)
        flat: ComplexArray = np.array(operation.matrix) @ np.array([1, 1j])
        return flat.reshape(size, size)
    return gate_matrix(operation.name, operation.parameters)


def build_circuit(program: Program, setting: tuple[int, ...], basis: str) -> QuantumCircuit:
    """One subexperiment, its outcomes in the registers that qiskit-addon-cutting uses."""
    parameters = ParameterVector("value", program.values)
    local = [program.slots[index][chosen] for index, chosen in enumerate(setting)]
    qpd_bits = sum(isinstance(op, Measure) for operations in local for op in operations)
    circuit = QuantumCircuit(QuantumRegister(program.qubits, "q"))
    observable = ClassicalRegister(len(program.measured), OBSERVABLE_REGISTER)
    qpd = ClassicalRegister(qpd_bits, QPD_REGISTER)
    for register in (observable, qpd):
        if len(register):
            circuit.add_register(register)
    next_bit = iter(qpd)
    for operation in program.operations:
        if isinstance(operation, Slot):
            for inner in local[operation.index]:
                _append(circuit, inner, parameters, next_bit, at=operation.qubit)
        else:
            _append(circuit, operation, parameters, next_bit)
    for letter, qubit, bit in zip(basis, program.measured, observable, strict=True):
        if letter == "Y":
            circuit.sx(qubit)
        elif letter == "X":
            circuit.h(qubit)
        circuit.measure(qubit, bit)
    return circuit


def _append(
    circuit: QuantumCircuit,
    operation: LocalOperation,
    parameters: ParameterVector,
    next_bit: Iterator[Clbit],
    at: int | None = None,
) -> None:
    """Append an operation; one of a local setting acts on qubit ``at``."""
    match operation:
        case Apply():
            qubits = list(operation.qubits if at is None else (at,))
            if operation.matrix:
                gate = UnitaryGate(operation_matrix(operation))
            elif operation.values:
                gate = make_gate(operation.name, tuple(parameters[i] for i in operation.values))
            else:
                gate = make_gate(operation.name, operation.parameters)
            if operation.values and isinstance(gate, ControlledGate):
                # Aer binds parameters of controlled gates wrongly (qiskit-aer issue 2403).
                circuit.compose(gate.definition, qubits, inplace=True)
            else:
                circuit.append(gate, qubits)
        case Reset(qubit):
            circuit.reset(qubit if at is None else at)
        case Measure(qubit):
            circuit.measure(qubit if at is None else at, next(next_bit))
