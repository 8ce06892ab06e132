"""Where a circuit is cut: its partitions and the cuts between them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression
from qiskit.circuit.library import RXXGate, RYYGate, RZZGate
from qiskit_addon_cutting import DeviceConstraints, OptimizationParameters, find_cuts
from qiskit_addon_cutting.instructions import Move
from qiskit_addon_cutting.qpd import QPDBasis

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.circuits import ANGLE_CUTS, Leaf, flatten, operation_key
from qcutsim.estimator.programs import (
    Apply,
    LocalOperation,
    LocalSetting,
    Measure,
    Reset,
)

_ANGLE_GATES = {"rxx": RXXGate, "ryy": RYYGate, "rzz": RZZGate}

_ZERO = 1e-14


@dataclass(frozen=True, slots=True)
class CutBasis:
    """A QPD of one two-qubit operation, its local settings told apart on each side.

    Args:
        name: of the operation that is cut.
        settings: distinct local settings of (first, second) qubit.
        setting_of: for each side which local setting each QPD term uses, shape (terms,).
        coefficients: of the terms, shape (terms, 3): constant, cos(angle) and sin(angle) part.
    """

    name: str
    settings: tuple[tuple[LocalSetting, ...], tuple[LocalSetting, ...]]
    setting_of: tuple[IntArray, IntArray]
    coefficients: FloatArray

    def weights(self, angles: FloatArray | None) -> FloatArray:
        """Coefficients of the terms, shape (1, terms), or (bindings, terms) for angles."""
        if angles is None:
            return self.coefficients[None, :, 0]
        waves = np.stack([np.ones_like(angles), np.cos(angles), np.sin(angles)], axis=-1)
        return waves @ self.coefficients.T

    def coupling(self, weights: FloatArray) -> FloatArray:
        """M[l, r]: sum of the weights of the terms with settings l and r, (bindings, L, R)."""
        left, right = (len(settings) for settings in self.settings)
        matrix = np.zeros((len(weights), left, right))
        for term, (first, second) in enumerate(zip(*self.setting_of, strict=True)):
            matrix[:, first, second] += weights[:, term]
        return matrix

    @property
    def terms(self) -> int:
        """Number of QPD terms."""
        return len(self.coefficients)


class AngleIndex(int):
    """Stands for an angle in a plan: its number among the circuit's angles."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut: its QPD, its two ends as (partition, slot), and its angle if it has one."""

    basis: CutBasis
    ends: tuple[tuple[int, int], tuple[int, int]]
    angle: AngleIndex | float | None = None

    def angles(self, angles: FloatArray) -> FloatArray | None:
        """The cut's own angle among the circuit's (bindings, angles), ``None`` if it has none."""
        if self.angle is None:
            return None
        if isinstance(self.angle, AngleIndex):
            return angles[:, self.angle]
        return np.full(1, self.angle)


@dataclass(frozen=True, slots=True)
class SlotLeaf:
    """A cut end in a partition's list of operations."""

    slot: int
    qubit: int


@dataclass(slots=True)
class Partition:
    """One part of a cut circuit: its qubits (of the widened circuit) and what acts on them."""

    label: str
    qubits: list[int] = field(default_factory=list)
    leaves: list[Leaf | SlotLeaf] = field(default_factory=list)
    slots: list[tuple[LocalSetting, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CutCircuit:
    """The partitions and cuts of a circuit.

    ``home[q]`` tells where qubit q of the original circuit is measured: (partition, qubit in it).
    """

    partitions: tuple[Partition, ...]
    cuts: tuple[Cut, ...]
    home: tuple[tuple[int, int], ...]


def cut_leaves(
    leaves: Sequence[Leaf],
    qubits: int,
    *,
    partition_labels: Sequence[Hashable] | None = None,
    by_connectivity: bool = False,
) -> CutCircuit:
    """Split a circuit at its cuts.

    Gates between qubits of different labels are cut. Without labels, ``CutWire`` and
    ``TwoQubitQPDGate`` mark the cuts and the partitions are what stays connected; without any
    mark the circuit is one partition, unless it is to be split ``by_connectivity`` anyway.

    Raises:
        InputError: labels do not fit the circuit, labels and ``CutWire`` meet, or an operation
            that would have to be cut cannot be.
    """
    wires = [leaf for leaf in leaves if leaf.name == "cut_wire"]
    if partition_labels is not None:
        check_labels(partition_labels, qubits, has_wires=bool(wires))
    widened, last_wire = _widen(leaves, qubits)
    total = qubits + len(wires)
    if partition_labels is not None:
        label_of: Sequence[Hashable] = list(partition_labels)
    elif by_connectivity or any(leaf.is_cut for leaf in leaves):
        label_of = components(widened, total)
    else:
        label_of = [0] * total
    return _split(widened, label_of, last_wire)


def mark_cuts(leaves: Sequence[Leaf], qubits: int, max_qubits: int, seed: int) -> list[Leaf]:
    """Let the automatic cut finder of qiskit-addon-cutting place ``CutWire`` and QPD gates.

    Raises:
        InputError: no set of cuts leaves parts of at most ``max_qubits`` qubits.
    """
    if max_qubits < 1:
        raise InputError(f"max_qubits is {max_qubits}; expected at least 1")
    if any(leaf.is_cut or leaf.name == "move" for leaf in leaves):
        raise InputError("max_qubits places the cuts itself; remove CutWire, Move and QPD gates")
    finest = decompose_wide(leaves)
    circuit = QuantumCircuit(qubits)
    for leaf in finest:
        circuit.append(_with_numbers(leaf), list(leaf.qubits))
    try:
        found, _ = find_cuts(
            circuit, OptimizationParameters(seed=seed), DeviceConstraints(max_qubits)
        )
    except ValueError as error:
        raise InputError(f"no cuts found for max_qubits={max_qubits}: {error}") from error
    marked: list[Leaf] = []
    remaining = iter(finest)
    for instruction in found.data:
        operation = instruction.operation
        at = tuple(found.find_bit(bit).index for bit in instruction.qubits)
        if operation.name == "cut_wire":
            marked.append(Leaf("cut_wire", at, operation, is_cut=True))
            continue
        leaf = next(remaining)
        marked.append(replace(leaf, is_cut=True) if operation.name == "qpd_2q" else leaf)
    return marked


def decompose_wide(leaves: Iterable[Leaf]) -> list[Leaf]:
    """Decompose what acts on more than two qubits, which cannot be cut."""
    finest: list[Leaf] = []
    for leaf in leaves:
        if len(leaf.qubits) <= 2:
            finest.append(leaf)
            continue
        definition = leaf.operation.definition
        if definition is None:
            raise InputError(
                f"{leaf.name!r} acts on {len(leaf.qubits)} qubits and cannot be decomposed; "
                "only operations on two qubits can be cut"
            )
        inner = flatten(definition)
        finest += decompose_wide(
            replace(x, qubits=tuple(leaf.qubits[q] for q in x.qubits)) for x in inner
        )
    return finest


def _with_numbers(leaf: Leaf) -> Any:
    """The operation with every free angle replaced: where to cut does not depend on it."""
    if not _has_free_parameters(leaf.operation):
        return leaf.operation
    operation = leaf.operation.to_mutable()
    operation.params = [np.pi / 2] * len(operation.params)
    return operation


def _has_free_parameters(operation: Any) -> bool:
    return any(isinstance(p, ParameterExpression) and p.parameters for p in operation.params)


def check_labels(labels: Sequence[Hashable], qubits: int, *, has_wires: bool) -> None:
    """Raises ``InputError`` where labels do not fit a circuit, or meet ``CutWire`` in it."""
    if has_wires:
        raise InputError(
            "the circuit holds CutWire and partition labels were given too; with CutWire the "
            "parts follow from what stays connected, so give no labels (or use Move)"
        )
    if len(labels) != qubits:
        raise InputError(
            f"partition labels {_shown(labels)!r} name {len(labels)} qubits, the circuit has "
            f"{qubits}; give one label a qubit, qubit 0 first"
        )


def _shown(labels: Sequence[Hashable]) -> str:
    return labels if isinstance(labels, str) else ",".join(map(str, labels))


def _widen(leaves: Sequence[Leaf], qubits: int) -> tuple[list[Leaf], list[int]]:
    """Give a wire a new qubit at each ``CutWire``; returns where each wire ends."""
    wire = list(range(qubits))
    widened: list[Leaf] = []
    fresh = qubits
    for leaf in leaves:
        at = tuple(wire[q] for q in leaf.qubits)
        if leaf.name == "cut_wire":
            wire[leaf.qubits[0]] = fresh
            widened.append(replace(leaf, qubits=(at[0], fresh), operation=Move()))
            fresh += 1
        else:
            widened.append(replace(leaf, qubits=at))
    return widened, wire


def components(leaves: Sequence[Leaf], qubits: int) -> list[int]:
    """A number for each qubit, the same for those that operations other than cuts connect."""
    parent = list(range(qubits))

    def root(qubit: int) -> int:
        while parent[qubit] != qubit:
            parent[qubit] = parent[parent[qubit]]
            qubit = parent[qubit]
        return qubit

    for leaf in leaves:
        if not leaf.is_cut:
            for other in leaf.qubits[1:]:
                parent[root(other)] = root(leaf.qubits[0])
    return [root(qubit) for qubit in range(qubits)]


def _split(leaves: Sequence[Leaf], labels: Sequence[Hashable], last: list[int]) -> CutCircuit:
    numbers: dict[Hashable, int] = {}
    partitions: list[Partition] = []
    place: list[tuple[int, int]] = []
    for qubit, label in enumerate(labels):
        if label not in numbers:
            numbers[label] = len(partitions)
            partitions.append(Partition(str(label)))
        partition = partitions[numbers[label]]
        place.append((numbers[label], len(partition.qubits)))
        partition.qubits.append(qubit)
    cuts: list[Cut] = []
    bases = _Bases()
    for leaf in _cuttable(leaves, place):
        homes = [place[q] for q in leaf.qubits]
        if not leaf.is_cut and len({home for home, _ in homes}) == 1:
            local = tuple(q for _, q in homes)
            partitions[homes[0][0]].leaves.append(replace(leaf, qubits=local))
            continue
        if leaf.origin is not None:
            raise _parameterised(leaf.origin)
        basis, angle = bases.of(leaf)
        ends = []
        for side, (home, qubit) in enumerate(homes):
            partition = partitions[home]
            partition.leaves.append(SlotLeaf(len(partition.slots), qubit))
            ends.append((home, len(partition.slots)))
            partition.slots.append(basis.settings[side])
        cuts.append(Cut(basis, (ends[0], ends[1]), angle))
    return CutCircuit(tuple(partitions), tuple(cuts), tuple(place[wire] for wire in last))


def _cuttable(leaves: Sequence[Leaf], place: list[tuple[int, int]]) -> Iterable[Leaf]:
    """Leaves, with those on three qubits and more decomposed where they span partitions."""
    for leaf in leaves:
        if len(leaf.qubits) > 2 and len({place[q][0] for q in leaf.qubits}) > 1:
            yield from decompose_wide([leaf])
        else:
            yield leaf


class _Bases:
    """QPDs of the operations met so far, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[Any, CutBasis] = {}

    def of(self, leaf: Leaf) -> tuple[CutBasis, Any]:
        if leaf.name in ANGLE_CUTS:
            if leaf.name not in self._known:
                self._known[leaf.name] = _angle_basis(leaf.name)
            return self._known[leaf.name], leaf.angles[0]
        if leaf.name == "qpd_2q":
            return cut_basis(leaf.operation.basis, leaf.operation.label or leaf.name), None
        key = operation_key(leaf.operation)
        if key not in self._known:
            self._known[key] = cut_basis(_library_basis(leaf), leaf.operation.name)
        return self._known[key], None


def _parameterised(name: str) -> InputError:
    return InputError(
        f"{name!r} has a free parameter and cannot be cut: its local operations depend on the "
        "angle; write it with rxx, ryy or rzz, or label its qubits alike"
    )


def _library_basis(leaf: Leaf) -> QPDBasis:
    if _has_free_parameters(leaf.operation):
        raise _parameterised(leaf.name)
    try:
        return QPDBasis.from_instruction(leaf.operation)
    except ValueError as error:
        raise InputError(f"{leaf.name!r} on qubits {leaf.qubits} cannot be cut: {error}") from error


def cut_basis(basis: QPDBasis, name: str) -> CutBasis:
    """Tell the distinct local settings of a library QPD apart; terms of weight 0 are dropped."""
    kept = [i for i, c in enumerate(basis.coeffs) if abs(c) > _ZERO]
    coefficients = np.zeros((len(kept), 3))
    coefficients[:, 0] = [basis.coeffs[i] for i in kept]
    return _distinct(name, [basis.maps[i] for i in kept], coefficients)


def _angle_basis(name: str) -> CutBasis:
    """RXX, RYY, RZZ: coefficients are a + b cos(angle) + c sin(angle), told by three angles."""
    make = _ANGLE_GATES[name]
    at = {angle: QPDBasis.from_instruction(make(angle)) for angle in (0.0, np.pi / 2, np.pi)}
    zero, quarter, half = (np.array(basis.coeffs) for basis in at.values())
    constant = (zero + half) / 2
    coefficients = np.stack([constant, (zero - half) / 2, quarter - constant], axis=1)
    return _distinct(name, at[0.0].maps, coefficients)


def _distinct(name: str, maps: Sequence[Any], coefficients: FloatArray) -> CutBasis:
    settings: list[tuple[LocalSetting, ...]] = []
    setting_of: list[IntArray] = []
    for side in range(2):
        known: dict[LocalSetting, int] = {}
        chosen = [known.setdefault(tuple(map(_local, pair[side])), len(known)) for pair in maps]
        settings.append(tuple(known))
        setting_of.append(np.array(chosen, dtype=np.int64))
    return CutBasis(name, (settings[0], settings[1]), (setting_of[0], setting_of[1]), coefficients)


def _local(operation: Any) -> LocalOperation:
    if operation.name == "qpd_measure":
        return Measure(0)
    if operation.name == "reset":
        return Reset(0)
    if operation.name == "unitary":
        flat = np.asarray(operation.params[0]).reshape(-1)
        return Apply("unitary", (0,), matrix=tuple((float(z.real), float(z.imag)) for z in flat))
    return Apply(operation.name, (0,), parameters=tuple(float(p) for p in operation.params))
