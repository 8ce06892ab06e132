"""A chunk: some rows and settings of one program, the work of one task of the planned pipeline.

Task functions take an encoded chunk and return an outcome distribution for each of its
subexperiments as float64, shape (rows, settings, bases, outcomes): probabilities from an exact
backend, relative frequencies from one that samples.
"""

from __future__ import annotations

import msgspec
import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.contraction import ContractionTask
from qcutsim.estimator.programs import LoadedProgram, Program, load_program


class Chunk(msgspec.Struct, frozen=True, array_like=True, tag="chunk"):
    """Subexperiments to evaluate, of the program that is the task's context.

    Args:
        rows: number of rows of values.
        values: the rows, float64.
        settings: joint settings to evaluate, int64.
        device: where a tensor backend computes.
        shots: for backends that sample, int64 (rows, settings, bases).
        seeds: likewise, one seed a subexperiment.
    """

    rows: int
    values: bytes
    settings: bytes
    device: str = "cpu"
    shots: bytes = b""
    seeds: bytes = b""

    def encode(self) -> bytes:
        """The chunk as MessagePack."""
        return _encoder.encode(self)

    def load(self, program: bytes) -> tuple[LoadedProgram, FloatArray, IntArray]:
        """The program, the values (rows, values), and the joint settings.

        ``program`` is an encoded :class:`qcutsim.estimator.programs.Program`.
        """
        loaded = load_program(program)
        values = np.frombuffer(self.values).reshape(self.rows, loaded.program.values)
        return loaded, values, np.frombuffer(self.settings, dtype=np.int64)

    def array_of(self, data: bytes, shape: tuple[int, ...]) -> IntArray:
        """``shots`` or ``seeds`` as an array."""
        return np.frombuffer(data, dtype=np.int64).reshape(shape)


_encoder = msgspec.msgpack.Encoder()
decode_work = msgspec.msgpack.Decoder(Chunk | ContractionTask).decode
"""What workers of the planned pipeline get: a chunk, or a part of the reconstruction."""


def result_array(result: bytes, rows: int, settings: int, program: Program) -> FloatArray:
    """A task's result as an array (rows, settings, bases, outcomes)."""
    return np.frombuffer(result).reshape(rows, settings, len(program.bases), program.outcomes)
