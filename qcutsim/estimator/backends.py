"""Backends of the planned pipeline: who evaluates a chunk, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.primitives import BaseSamplerV2, StatevectorSampler
from qiskit_aer import AerSimulator

from qcutsim.errors import InputError
from qcutsim.estimator.aer import TASK_FUNCTION as AER_FUNCTION
from qcutsim.estimator.aer import outcome_indices
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.chunks import Chunk, decode_work
from qcutsim.estimator.deferral import with_deferred_measurements
from qcutsim.estimator.programs import (
    OBSERVABLE_REGISTER,
    QPD_REGISTER,
    LoadedProgram,
    load_program,
)
from qcutsim.estimator.reseeding import reseeded
from qcutsim.extras import require
from qcutsim.runtime import TaskFunctionSource


@dataclass(frozen=True, slots=True)
class ChunkOrder:
    """Rows and settings of one program to evaluate; shots and seeds for those that sample.

    ``shots`` and ``seeds`` have shape (rows, settings, bases).
    """

    program: bytes
    values: FloatArray
    settings: IntArray
    shots: IntArray
    seeds: IntArray


class Backend(Protocol):
    """Evaluates chunks: outcome probabilities, which the coordinator samples, or frequencies."""

    @property
    def name(self) -> str:
        """Its name in errors and logs."""

    @property
    def is_exact(self) -> bool:
        """Whether it returns probabilities."""

    @property
    def in_caller(self) -> bool:
        """Whether it cannot leave the caller's process."""

    @property
    def has_all_settings_at_once(self) -> bool:
        """Whether it works all settings of a program out together, however few are wanted."""

    @property
    def chunk_subexperiments(self) -> int:
        """Subexperiments that make a task worth its dispatch."""

    @property
    def task_function(self) -> TaskFunctionSource:
        """What the workers run."""

    def encode(self, order: ChunkOrder) -> bytes:
        """The payload of a chunk."""


@dataclass(frozen=True)
class ExactBackend:
    """Outcome probabilities without noise, from Aer or from torch."""

    name: str
    task_function: str
    chunk_subexperiments: int
    device: str = "cpu"
    has_all_settings_at_once: bool = False
    is_exact: bool = True
    in_caller: bool = False

    def encode(self, order: ChunkOrder) -> bytes:
        return Chunk(
            len(order.values),
            order.values.tobytes(),
            order.settings.tobytes(),
            self.device,
        ).encode()


class _SamplingBackend:
    """What backends have in common that sample by themselves, in the caller's process."""

    is_exact = False
    in_caller = True
    has_all_settings_at_once = False

    def __init__(self) -> None:
        self._circuits: dict[tuple[bytes, int, int], QuantumCircuit] = {}

    @property
    def task_function(self) -> TaskFunctionSource:
        return self.run_task

    def encode(self, order: ChunkOrder) -> bytes:
        return Chunk(
            len(order.values),
            order.values.tobytes(),
            order.settings.tobytes(),
            shots=order.shots.tobytes(),
            seeds=order.seeds.tobytes(),
        ).encode()

    def run_task(self, payload: bytes, context: bytes) -> bytes:
        """The task function: a chunk of its context's program, or a part of a contraction."""
        task = decode_work(payload)
        return self.run_chunk(task, context) if isinstance(task, Chunk) else task.perform()

    def run_chunk(self, chunk: Chunk, program: bytes) -> bytes:
        """Relative frequencies of a chunk's subexperiments, as :mod:`qcutsim.estimator.chunks`."""
        raise NotImplementedError

    def _prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit as it is run; done once for each subexperiment of a program."""
        raise NotImplementedError

    def _circuit(self, program: bytes, setting: int, basis: int) -> QuantumCircuit:
        key = (program, setting, basis)
        if key not in self._circuits:
            self._circuits[key] = self._prepare(load_program(program).circuit(setting, basis))
        return self._circuits[key]


class SamplerBackend(_SamplingBackend):
    """A sampler of the user's; it has its own noise, and a seed of its own for every run.

    Args:
        sampler: any ``BaseSamplerV2``.
        pass_manager: applied to every circuit first, for samplers that take only some gates.

    A ``StatevectorSampler`` cannot measure mid-circuit, so it gets deferred measurements.
    """

    name = "sampler"
    chunk_subexperiments = 64

    def __init__(self, sampler: BaseSamplerV2, pass_manager: Any = None) -> None:
        reseeded(sampler, 0)  # refuses one that cannot be
        super().__init__()
        self._sampler = sampler
        self._passes = pass_manager

    def run_chunk(self, chunk: Chunk, program: bytes) -> bytes:
        loaded, values, settings = chunk.load(program)
        bases = len(loaded.program.bases)
        shots = chunk.array_of(chunk.shots, (chunk.rows, len(settings), bases))
        frequencies = np.zeros((*shots.shape, loaded.program.outcomes))
        where, pubs = [], []
        for position, setting in enumerate(settings.tolist()):
            for basis in range(bases):
                circuit = self._circuit(program, setting, basis)
                if circuit.num_clbits == 0:  # nothing is measured
                    frequencies[:, position, basis, 0] = 1
                    continue
                for asked in np.unique(shots[:, position, basis]).tolist():
                    rows = np.flatnonzero(shots[:, position, basis] == asked)
                    order = [parameter.index for parameter in circuit.parameters]
                    pubs.append((circuit, values[rows][:, order], asked))
                    where.append((rows, position, basis))
        if not pubs:
            return frequencies.tobytes()
        sampler = reseeded(self._sampler, int(chunk.array_of(chunk.seeds, (-1,))[0]))
        for (rows, position, basis), result in zip(where, sampler.run(pubs).result(), strict=True):
            frequencies[rows, position, basis] = _frequencies(loaded, result.data)
        return frequencies.tobytes()

    def _prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        if isinstance(self._sampler, StatevectorSampler):
            circuit = with_deferred_measurements(circuit)
        return self._passes.run(circuit) if self._passes else circuit


class NoisyAerBackend(_SamplingBackend):
    """Aer with a noise model: mid-circuit measurements stay, every circuit has its own seed."""

    name = "aer"
    chunk_subexperiments = 16

    def __init__(self, noise_model: Any) -> None:
        self._simulator = AerSimulator(noise_model=noise_model, max_parallel_threads=1)
        self._basis_gates = noise_model.basis_gates
        super().__init__()

    def run_chunk(self, chunk: Chunk, program: bytes) -> bytes:
        loaded, values, settings = chunk.load(program)
        shape = (chunk.rows, len(settings), len(loaded.program.bases))
        shots = chunk.array_of(chunk.shots, shape)
        seeds = chunk.array_of(chunk.seeds, shape)
        frequencies = np.zeros((*shape, loaded.program.outcomes))
        for at in np.ndindex(*shape):
            row, position, basis = at
            circuit = self._circuit(program, int(settings[position]), basis)
            if circuit.num_clbits == 0:  # nothing is measured
                frequencies[(*at, 0)] = 1
                continue
            bound = circuit.assign_parameters({p: values[row, p.index] for p in circuit.parameters})
            result = self._simulator.run(
                bound, shots=int(shots[at]), seed_simulator=int(seeds[at])
            ).result()
            for bits, count in result.get_counts().items():
                frequencies[(*at, _outcome(loaded, bits))] += count / shots[at]
        return frequencies.tobytes()

    def _prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        return transpile(
            circuit, basis_gates=self._basis_gates, optimization_level=1, seed_transpiler=0
        )


def _outcome(loaded: LoadedProgram, bits: str) -> int:
    """Qiskit's count key, ``qpd observable`` -> outcome."""
    registers = bits.split(" ")
    measured = len(loaded.program.measured)
    observable = int(registers[-1], 2) if measured else 0
    qpd = registers[0] if len(registers) == 2 or not measured else ""
    return ((qpd.count("1") & 1) << measured) | observable


def _frequencies(loaded: LoadedProgram, data: Any) -> FloatArray:
    registers = dict(data.items())
    qpd, observable = registers.get(QPD_REGISTER), registers.get(OBSERVABLE_REGISTER)
    outcomes = outcome_indices(loaded, qpd, observable)
    rows = outcomes.reshape(-1, outcomes.shape[-1])
    size = loaded.program.outcomes
    flat = (np.arange(len(rows))[:, None] * size + rows).reshape(-1)
    counts = np.bincount(flat, minlength=len(rows) * size).reshape(len(rows), size)
    return counts / rows.shape[1]


def _check_device(device: str) -> None:
    require("torch")
    if device == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r} cannot be used: {reason}; take 'cpu'") from error


def make_backend(
    backend: str | BaseSamplerV2, *, noise_model: Any, device: str, pass_manager: Any
) -> Backend:
    """The backend of that name, or around a sampler.

    Raises:
        InputError: the name is unknown, or an option does not belong to the backend.
        MissingExtraError: ``batched`` was asked for and torch is not installed.
    """
    if device != "cpu" and backend != "batched":
        raise InputError(f"device {device!r} belongs to backend='batched'; give that, or no device")
    if noise_model is not None and not hasattr(noise_model, "basis_gates"):
        raise InputError(f"noise_model is {noise_model!r}; expected a qiskit_aer NoiseModel")
    if noise_model is not None and backend != "aer":
        raise InputError("noise_model belongs to backend='aer'; give that, or drop the noise model")
    if pass_manager is not None and isinstance(backend, str):
        raise InputError("pass_manager belongs to a sampler passed as backend; drop it")
    if backend == "aer":
        if noise_model is not None:
            return NoisyAerBackend(noise_model)
        return ExactBackend("aer", AER_FUNCTION, chunk_subexperiments=32)
    if backend == "batched":
        _check_device(device)
        return ExactBackend(
            "batched",
            "qcutsim.estimator.batched:run_task",
            1 << 14,
            device,
            has_all_settings_at_once=True,
        )
    if isinstance(backend, BaseSamplerV2):
        return SamplerBackend(backend, pass_manager)
    raise InputError(f"backend is {backend!r}; expected 'aer', 'batched' or a BaseSamplerV2")
