"""The task function of the upstream pipeline: one circuit, one Aer job.

It runs in the workers. Payload and result are MessagePack; the circuit travels as QPY.
"""

from __future__ import annotations

import io
from functools import cache

import msgspec
import numpy as np
from qiskit import qpy
from qiskit.primitives import BitArray
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2

TASK_FUNCTION = "qcutsim.estimator.aer:run_circuit"


class CircuitPayload(msgspec.Struct, frozen=True, array_like=True):
    """A circuit with its shots and its own simulator seed."""

    circuit: bytes
    shots: int
    seed: int


class Register(msgspec.Struct, frozen=True, array_like=True):
    """Outcomes of one classical register: ``bits`` bits a shot, packed as ``BitArray`` does."""

    bits: int
    packed: bytes


_payloads = msgspec.msgpack.Decoder(CircuitPayload)
_registers = msgspec.msgpack.Decoder(dict[str, Register])
_encoder = msgspec.msgpack.Encoder()


@cache
def _backend() -> AerSimulator:
    return AerSimulator(max_parallel_threads=1)


def run_circuit(payload: bytes) -> bytes:
    """Run one circuit and return the outcomes of its registers, shot by shot."""
    task = _payloads.decode(payload)
    circuit = qpy.load(io.BytesIO(task.circuit))[0]
    sampler = SamplerV2.from_backend(_backend(), seed=task.seed)
    data = sampler.run([circuit], shots=task.shots).result()[0].data
    return _encoder.encode(
        {name: Register(bits.num_bits, bits.array.tobytes()) for name, bits in data.items()}
    )


def decode_outcomes(result: bytes) -> dict[str, BitArray]:
    """Register name -> ``BitArray`` of shape ``()``, as a sampler returns it."""
    return {
        name: BitArray(
            np.frombuffer(register.packed, dtype=np.uint8).reshape(-1, -(-register.bits // 8)),
            register.bits,
        )
        for name, register in _registers.decode(result).items()
    }


def encode_circuit(circuit: object, shots: int, seed: int) -> bytes:
    """The payload that runs ``circuit``."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return _encoder.encode(CircuitPayload(buffer.getvalue(), shots, seed))
