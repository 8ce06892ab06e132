"""The ``batched`` backend: one statevector over bindings and settings, in torch.

Measurements and resets are branches: every local setting is a few single-qubit Kraus operators
with a sign, and all of them are carried side by side on one axis of the state, so that a program
is run once for all its rows and settings. Amplitudes are complex128.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import ComplexArray, FloatArray, IntArray
from qcutsim.estimator.chunks import Chunk, decode_work
from qcutsim.estimator.programs import (
    Apply,
    LoadedProgram,
    LocalSetting,
    Measure,
    Program,
    Reset,
    Slot,
    load_program,
    operation_matrix,
)

TASK_FUNCTION = "qcutsim.estimator.batched:run_task"

MOST_BYTES = 1 << 28
"""Rows are taken in groups whose state stays below this."""

Tensor = Any

_KET = (np.array([[1, 0], [0, 0]], dtype=complex), np.array([[0, 0], [0, 1]], dtype=complex))
_LOWER = (np.array([[1, 0], [0, 0]], dtype=complex), np.array([[0, 1], [0, 0]], dtype=complex))
_ROTATION = {
    "X": np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2),
    "Y": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]], dtype=complex) / 2,
    "Z": np.eye(2, dtype=complex),
}


@dataclass(frozen=True, slots=True)
class Branches:
    """Kraus operators side by side: matrices (branches, 2, 2), their settings and signs."""

    matrices: ComplexArray
    settings: IntArray
    signs: IntArray


def branches_of(settings: tuple[LocalSetting, ...]) -> Branches:
    """All branches of a slot; ``signs`` is 1 where the QPD outcomes multiply to -1."""
    matrices, numbers, signs = [], [], []
    for number, setting in enumerate(settings):
        open_branches: list[tuple[ComplexArray, int]] = [(np.eye(2, dtype=complex), 0)]
        for operation in setting:
            match operation:
                case Apply():
                    gate = operation_matrix(operation)
                    open_branches = [(gate @ m, sign) for m, sign in open_branches]
                case Measure():
                    open_branches = [
                        (_KET[bit] @ m, sign ^ bit) for m, sign in open_branches for bit in (0, 1)
                    ]
                case Reset():
                    open_branches = [
                        (_LOWER[bit] @ m, sign) for m, sign in open_branches for bit in (0, 1)
                    ]
        for matrix, sign in open_branches:
            if np.any(np.abs(matrix) > 0):
                matrices.append(matrix)
                numbers.append(number)
                signs.append(sign)
    return Branches(np.array(matrices), np.array(numbers), np.array(signs))


class Compiled:
    """A program with its constant matrices and its branch bookkeeping, on one device."""

    def __init__(self, loaded: LoadedProgram, device: str) -> None:
        self.program = loaded.program
        self.device = device
        self.slots = [branches_of(settings) for settings in self.program.slots]
        self.kraus = [self.tensor(slot.matrices) for slot in self.slots]
        self.lower = self.tensor(np.array(_LOWER))
        self.matrices = {
            operation: self.tensor(operation_matrix(operation))
            for operation in self.program.operations
            if isinstance(operation, Apply) and not operation.values
        }
        self.rotations = [
            [self.tensor(_ROTATION[letter]) for letter in basis] for basis in self.program.bases
        ]
        self.target = torch.from_numpy(self._targets()).to(device)

    def tensor(self, array: ComplexArray) -> Tensor:
        return torch.from_numpy(np.array(array, dtype=complex)).to(self.device)

    @property
    def branches(self) -> int:
        return len(self.target)

    def _targets(self) -> IntArray:
        """For each branch of the final state, in order: 2 * joint setting + sign."""
        options: list[list[tuple[int, int, int]]] = []
        for operation in self.program.operations:
            if isinstance(operation, Slot):
                slot = self.slots[operation.index]
                pairs = zip(slot.settings.tolist(), slot.signs.tolist(), strict=True)
                options.append([(operation.index, number, sign) for number, sign in pairs])
            elif isinstance(operation, Reset):
                options.append([(-1, 0, 0), (-1, 0, 0)])
        sizes = self.program.slot_sizes
        stride = [int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))]
        targets = []
        for chosen in product(*options):
            joint = sum(stride[slot] * number for slot, number, _ in chosen if slot >= 0)
            targets.append(2 * joint + (sum(sign for _, _, sign in chosen) & 1))
        return np.array(targets, dtype=np.int64)


@lru_cache(maxsize=256)
def _compiled(program: bytes, device: str) -> Compiled:
    return Compiled(load_program(program), device)


def run_task(payload: bytes, context: bytes) -> bytes:
    """The task function: a chunk of the program that is its context, or a part of a contraction."""
    task = decode_work(payload)
    return run_chunk(task, context) if isinstance(task, Chunk) else task.perform()


def run_chunk(chunk: Chunk, program: bytes) -> bytes:
    """Outcome probabilities of a chunk; see :mod:`qcutsim.estimator.chunks`."""
    _, values, settings = chunk.load(program)
    compiled = _compiled(program, chunk.device)
    each = 16 * compiled.branches << compiled.program.qubits
    group = max(1, MOST_BYTES // each)
    parts = [
        probabilities(compiled, values[start : start + group], settings)
        for start in range(0, len(values), group)
    ]
    return np.concatenate(parts).tobytes() if parts else b""


def probabilities(compiled: Compiled, values: FloatArray, settings: IntArray) -> FloatArray:
    """Outcome probabilities, shape (rows, settings, bases, outcomes)."""
    program = compiled.program
    state = _run(compiled, torch.from_numpy(values.copy()).to(compiled.device))
    rows = len(state)
    results: list[Tensor] = []
    for rotations in compiled.rotations:
        rotated = state
        for qubit, rotation, letter in zip(
            program.measured, rotations, program.bases[len(results)], strict=True
        ):
            if letter != "Z":
                rotated = _apply(rotated, rotation, (qubit,), program.qubits)
        weights = _marginal(rotated.abs() ** 2, program)
        summed = torch.zeros(
            (rows, 2 * program.settings, weights.shape[-1]),
            dtype=torch.float64,
            device=compiled.device,
        )
        summed.index_add_(1, compiled.target, weights)
        results.append(summed.reshape(rows, program.settings, -1))
    stacked = torch.stack(results, dim=2)
    if len(settings) != program.settings:
        stacked = stacked[:, torch.from_numpy(settings.copy()).to(compiled.device)]
    array: FloatArray = stacked.cpu().numpy()
    return array


def _marginal(weights: Tensor, program: Program) -> Tensor:
    """Sum over the qubits not measured; measured qubit i becomes bit i of the outcome."""
    if len(program.measured) == program.qubits:
        return weights
    rows, branches, _ = weights.shape
    axes = weights.reshape((rows, branches, *(2,) * program.qubits))
    drop = [
        1 + program.qubits - qubit
        for qubit in range(program.qubits)
        if qubit not in program.measured
    ]
    return axes.sum(dim=drop).reshape(rows, branches, -1)


def _run(compiled: Compiled, values: Tensor) -> Tensor:
    """The state, shape (rows, branches, 2^qubits); qubit 0 is the least significant bit."""
    program = compiled.program
    state = torch.zeros(
        (len(values), 1, 1 << program.qubits), dtype=torch.complex128, device=compiled.device
    )
    state[:, :, 0] = 1
    waiting: dict[int, Tensor] = {}

    def settle(state: Tensor, qubits: tuple[int, ...]) -> Tensor:
        for qubit in qubits:
            if qubit in waiting:
                state = _apply(state, waiting.pop(qubit), (qubit,), program.qubits)
        return state

    for operation in program.operations:
        match operation:
            case Apply():
                matrix = (
                    _rotation(operation.name, values[:, list(operation.values)])
                    if operation.values
                    else compiled.matrices[operation]
                )
                if len(operation.qubits) == 1:
                    (qubit,) = operation.qubits
                    before = waiting.get(qubit)
                    waiting[qubit] = matrix if before is None else matrix @ before
                else:
                    state = settle(state, operation.qubits)
                    state = _apply(state, matrix, operation.qubits, program.qubits)
            case Slot(index, qubit):
                state = _branch(settle(state, (qubit,)), compiled.kraus[index], qubit)
            case Reset(qubit):
                state = _branch(settle(state, (qubit,)), compiled.lower, qubit)
    return settle(state, tuple(waiting))


def _apply(state: Tensor, matrix: Tensor, qubits: tuple[int, ...], width: int) -> Tensor:
    """Matrix of shape (d, d), or (rows, d, d), onto ``qubits`` (first is least significant)."""
    rows, branches, size = state.shape
    if len(qubits) == 1:
        low = 1 << qubits[0]
        view = state.reshape(rows, branches * (size // (2 * low)), 2, low)
        if matrix.dim() == 3:
            matrix = matrix[:, None]
        return (matrix @ view).reshape(state.shape)
    axes = [1 + width - qubit for qubit in reversed(qubits)]
    view = state.reshape((rows, branches, *(2,) * width))
    front = torch.movedim(view, axes, list(range(1, 1 + len(axes))))
    flat = front.reshape(rows, 1 << len(qubits), -1)
    done = (matrix @ flat).reshape(front.shape)
    return torch.movedim(done, list(range(1, 1 + len(axes))), axes).reshape(state.shape)


def _branch(state: Tensor, kraus: Tensor, qubit: int) -> Tensor:
    """Every branch of the state under every Kraus operator; the latter vary fastest."""
    rows, branches, size = state.shape
    low = 1 << qubit
    view = state.reshape(rows, branches, 1, size // (2 * low), 2, low)
    return (kraus[:, None] @ view).reshape(rows, branches * len(kraus), size)


def _rotation(name: str, angles: Tensor) -> Tensor:
    """Matrices of a value gate, shape (rows, d, d), for angles of shape (rows, parameters)."""
    if name == "u":
        return _u(angles)
    first = angles[:, 0]
    if name in ("p", "u1"):
        return _diagonal([torch.zeros_like(first), first])
    if name == "cp":
        zero = torch.zeros_like(first)
        return _diagonal([zero, zero, zero, first])
    half = first / 2
    if name == "rz":
        return _diagonal([-half, half])
    if name == "rzz":
        return _diagonal([-half, half, half, -half])
    if name == "crz":
        zero = torch.zeros_like(half)
        return _diagonal([zero, -half, zero, half])
    if name not in _GENERATORS:
        raise InputError(f"the batched backend does not know the gate {name!r}; use backend 'aer'")
    generator, is_controlled = _GENERATORS[name]
    size = len(generator)
    cos = torch.cos(half)[:, None, None] * torch.eye(size, dtype=torch.complex128).to(half.device)
    sin = torch.sin(half)[:, None, None] * torch.from_numpy(-1j * generator).to(half.device)
    return _controlled(cos + sin) if is_controlled else cos + sin


_X = np.array([[0, 1], [1, 0]], dtype=complex)
_Y = np.array([[0, -1j], [1j, 0]], dtype=complex)
_GENERATORS = {
    "rx": (_X, False),
    "ry": (_Y, False),
    "rxx": (np.kron(_X, _X), False),
    "ryy": (np.kron(_Y, _Y), False),
    "crx": (_X, True),
    "cry": (_Y, True),
}


def _diagonal(phases: list[Tensor]) -> Tensor:
    return torch.diag_embed(torch.exp(1j * torch.stack(phases, dim=-1)))


def _controlled(matrix: Tensor) -> Tensor:
    """The gate on qubit 1, controlled by qubit 0."""
    full = torch.zeros((len(matrix), 4, 4), dtype=torch.complex128, device=matrix.device)
    full[:, 0, 0] = full[:, 2, 2] = 1
    full[:, 1::2, 1::2] = matrix
    return full


def _u(angles: Tensor) -> Tensor:
    theta, phi, lam = angles.unbind(dim=1)
    cos, sin = torch.cos(theta / 2), torch.sin(theta / 2)
    rows = [
        torch.stack([cos + 0j, -torch.exp(1j * lam) * sin], dim=-1),
        torch.stack([torch.exp(1j * phi) * sin, torch.exp(1j * (phi + lam)) * cos], dim=-1),
    ]
    return torch.stack(rows, dim=-2)
