"""From a partition to its program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qiskit.circuit.library import get_standard_gate_name_mapping

from qcutsim.errors import InputError
from qcutsim.estimator.circuits import Leaf, flatten
from qcutsim.estimator.cutting import AngleIndex, Partition, SlotLeaf
from qcutsim.estimator.programs import Apply, LocalSetting, Operation, Program, Reset, Slot


@dataclass(frozen=True, slots=True)
class CompiledPartition:
    """A partition's program and its angles, in the order of the program's values."""

    program: Program
    angles: tuple[AngleIndex, ...]


def compile_partition(
    partition: Partition, measured: tuple[int, ...], bases: tuple[str, ...]
) -> CompiledPartition:
    """Write a partition as a program; resets that change nothing are left out."""
    operations: list[Operation] = []
    angles: list[AngleIndex] = []
    slots = list(partition.slots)
    last_use = {q: i for i, leaf in enumerate(partition.leaves) for q in _qubits(leaf)}
    used: set[int] = set()
    for position, leaf in enumerate(partition.leaves):
        if isinstance(leaf, SlotLeaf):
            is_last = last_use[leaf.qubit] == position and leaf.qubit not in measured
            slots[leaf.slot] = tuple(
                _without_idle_resets(setting, is_first=leaf.qubit not in used, is_last=is_last)
                for setting in slots[leaf.slot]
            )
            operations.append(Slot(leaf.slot, leaf.qubit))
        else:
            operations += _operations(leaf, angles)
        used.update(_qubits(leaf))
    return CompiledPartition(
        Program(
            qubits=len(partition.qubits),
            values=len(angles),
            operations=tuple(operations),
            slots=tuple(slots),
            measured=measured,
            bases=bases,
        ),
        tuple(angles),
    )


def _qubits(leaf: Leaf | SlotLeaf) -> tuple[int, ...]:
    return (leaf.qubit,) if isinstance(leaf, SlotLeaf) else leaf.qubits


def _without_idle_resets(setting: LocalSetting, *, is_first: bool, is_last: bool) -> LocalSetting:
    if is_first and setting and isinstance(setting[0], Reset):
        setting = setting[1:]
    if is_last and setting and isinstance(setting[-1], Reset):
        setting = setting[:-1]
    return setting


def _operations(leaf: Leaf, angles: list[AngleIndex]) -> list[Operation]:
    if leaf.name == "reset":
        return [Reset(leaf.qubits[0])]
    if leaf.name == "move":
        source, destination = leaf.qubits
        return [Reset(destination), Apply("swap", (source, destination))]
    if leaf.angles and isinstance(leaf.angles[0], AngleIndex):
        values = tuple(range(len(angles), len(angles) + len(leaf.angles)))
        angles += leaf.angles
        return [Apply(leaf.name, leaf.qubits, values=values)]
    if leaf.name in get_standard_gate_name_mapping():
        parameters = tuple(float(p) for p in leaf.operation.params)
        return [Apply(leaf.name, leaf.qubits, parameters=parameters)]
    if len(leaf.qubits) <= _WIDEST_MATRIX:
        flat = np.asarray(leaf.operation.to_matrix()).reshape(-1)
        matrix = tuple((float(z.real), float(z.imag)) for z in flat)
        return [Apply("unitary", leaf.qubits, matrix=matrix)]
    if leaf.operation.definition is None:
        raise InputError(f"{leaf.name!r} on {len(leaf.qubits)} qubits cannot be decomposed")
    inner: list[Operation] = []
    for part in flatten(leaf.operation.definition):
        at = tuple(leaf.qubits[q] for q in part.qubits)
        inner += _operations(Leaf(part.name, at, part.operation, part.angles), angles)
    return inner


_WIDEST_MATRIX = 4
