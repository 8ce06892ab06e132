"""Aer in the workers: exact outcome distributions, and single circuits shot by shot.

Payloads and results are MessagePack and arrays; circuits travel as QPY.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache, lru_cache

import msgspec
import numpy as np
from qiskit import QuantumCircuit, qpy, transpile
from qiskit.primitives import BitArray
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.chunks import Chunk
from qcutsim.estimator.contraction import ContractionTask
from qcutsim.estimator.deferral import defer_measurements
from qcutsim.estimator.programs import LoadedProgram, load_program

TASK_FUNCTION = "qcutsim.estimator.aer:run_task"

_LABEL = "outcomes"


class CircuitPayload(msgspec.Struct, frozen=True, array_like=True, tag="circuit"):
    """A circuit with its shots and its own simulator seed; ``shots`` 0 asks for the exact one."""

    circuit: bytes
    shots: int
    seed: int


class Register(msgspec.Struct, frozen=True, array_like=True):
    """Outcomes of one classical register: ``bits`` bits a shot, packed as ``BitArray`` does."""

    bits: int
    packed: bytes


class CircuitOutcomes(msgspec.Struct, frozen=True, array_like=True):
    """Sampled registers, or the probabilities of all outcomes (classical bit 0 is bit 0)."""

    registers: dict[str, Register]
    probabilities: bytes = b""


_decode = msgspec.msgpack.Decoder(Chunk | CircuitPayload | ContractionTask).decode
_outcomes = msgspec.msgpack.Decoder(CircuitOutcomes)
_encoder = msgspec.msgpack.Encoder()


@cache
def _backend() -> AerSimulator:
    return AerSimulator(max_parallel_threads=1)


@cache
def _exact_backend() -> AerSimulator:
    return AerSimulator(method="statevector", max_parallel_threads=1)


def run_task(payload: bytes, context: bytes) -> bytes:
    """The task function of both pipelines: a chunk, one circuit, or a part of a contraction."""
    task: Chunk | CircuitPayload | ContractionTask = _decode(payload)
    if isinstance(task, Chunk):
        return run_chunk(task, context)
    if isinstance(task, CircuitPayload):
        return run_circuit(task)
    return task.perform()


def run_circuit(task: CircuitPayload) -> bytes:
    """Run one circuit: the outcomes of its registers, shot by shot, or their distribution."""
    circuit = qpy.load(io.BytesIO(task.circuit))[0]
    if task.shots == 0:
        (exact,) = _run_exact([_with_probabilities(circuit)], np.zeros((1, 0)))
        return _encoder.encode(CircuitOutcomes({}, exact[0].tobytes()))
    if not _is_native(circuit):
        circuit = transpile(circuit, _backend(), optimization_level=0)
    sampler = SamplerV2.from_backend(_backend(), seed=task.seed)
    data = sampler.run([circuit], shots=task.shots).result()[0].data
    return _encoder.encode(
        CircuitOutcomes(
            {name: Register(bits.num_bits, bits.array.tobytes()) for name, bits in data.items()}
        )
    )


def decode_registers(result: bytes) -> dict[str, BitArray]:
    """Register name -> ``BitArray`` of shape ``()``, as a sampler returns it."""
    return {
        name: BitArray(
            np.frombuffer(register.packed, dtype=np.uint8).reshape(-1, -(-register.bits // 8)),
            register.bits,
        )
        for name, register in _outcomes.decode(result).registers.items()
    }


def decode_probabilities(result: bytes) -> FloatArray:
    """Probabilities of all outcomes of a circuit run exactly."""
    return np.frombuffer(_outcomes.decode(result).probabilities)


def encode_circuit(circuit: QuantumCircuit, shots: int, seed: int) -> bytes:
    """The payload that runs ``circuit``."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return _encoder.encode(CircuitPayload(buffer.getvalue(), shots, seed))


def run_chunk(chunk: Chunk, encoded: bytes) -> bytes:
    """A chunk of the encoded program, as one Aer job; see :mod:`qcutsim.estimator.chunks`."""
    loaded, values, settings = chunk.load(encoded)
    if not len(values) or not len(settings):
        return b""
    program = loaded.program
    circuits = [
        _exact_circuit(encoded, int(setting), basis)
        for setting in settings
        for basis in range(len(program.bases))
    ]
    distributions = _run_exact(circuits, values)
    folded = np.stack([_fold(loaded, exact) for exact in distributions])
    shape = (len(settings), len(program.bases), len(values), program.outcomes)
    ordered = np.moveaxis(folded.reshape(shape), 2, 0)
    return np.ascontiguousarray(ordered).tobytes()


def _fold(loaded: LoadedProgram, exact: FloatArray) -> FloatArray:
    """(rows, qpd and observable bits) -> (rows, outcomes): QPD bits become their parity."""
    observed = 1 << len(loaded.program.measured)
    by_qpd = exact.reshape(len(exact), -1, observed)
    odd = (np.bitwise_count(np.arange(by_qpd.shape[1])) & 1).astype(bool)
    signed = np.stack([by_qpd[:, ~odd].sum(axis=1), by_qpd[:, odd].sum(axis=1)], axis=1)
    return signed.reshape(len(exact), -1)


@lru_cache(maxsize=1 << 16)
def _exact_circuit(program: bytes, setting: int, basis: int) -> QuantumCircuit:
    return _with_probabilities(load_program(program).circuit(setting, basis))


def _with_probabilities(circuit: QuantumCircuit) -> QuantumCircuit:
    deferred = defer_measurements(circuit)
    exact = deferred.circuit
    if not _is_native(exact):
        exact = transpile(exact, _exact_backend(), optimization_level=0)
    measured = [deferred.qubit_of[bit] for bit in sorted(deferred.qubit_of)]
    exact.save_probabilities(measured or exact.qubits, label=_LABEL)
    exact.metadata = {"outcomes": 1 << len(measured)}
    return exact


@cache
def _native_gates() -> frozenset[str]:
    return frozenset(_backend().operation_names)


def _is_native(circuit: QuantumCircuit) -> bool:
    known = _native_gates() | {"measure", "reset", "barrier"}
    return all(instruction.operation.name in known for instruction in circuit.data)


def _run_exact(circuits: Sequence[QuantumCircuit], values: FloatArray) -> list[FloatArray]:
    """For each circuit the outcome probabilities of each row, shape (rows, outcomes)."""
    binds = [
        {parameter: values[:, parameter.index].tolist() for parameter in circuit.parameters}
        for circuit in circuits
    ]
    has_binds = any(binds)
    job = _exact_backend().run(list(circuits), parameter_binds=binds if has_binds else None)
    experiments = job.result().results
    distributions, position = [], 0
    for circuit, bind in zip(circuits, binds, strict=True):
        count = len(values) if bind else 1
        found = experiments[position : position + count]
        position += count
        exact = np.array([getattr(one.data, _LABEL) for one in found])
        if circuit.metadata["outcomes"] == 1:  # nothing is measured
            exact = exact.sum(axis=1, keepdims=True)
        distributions.append(np.repeat(exact, len(values), axis=0) if count == 1 else exact)
    return distributions


def outcome_indices(
    loaded: LoadedProgram, qpd: BitArray | None, observable: BitArray | None
) -> IntArray:
    """Sampled registers of shape (rows,) -> outcome of each shot, shape (rows, shots)."""
    shape = (qpd or observable).array.shape[:-1]  # type: ignore[union-attr]
    odd = bits = np.zeros(shape, dtype=np.int64)
    if qpd is not None:
        odd = np.bitwise_count(qpd.array).sum(axis=-1).astype(np.int64) & 1
    if observable is not None:
        for byte in range(observable.array.shape[-1]):
            bits = (bits << 8) | observable.array[..., byte].astype(np.int64)
    return (odd << len(loaded.program.measured)) | bits
