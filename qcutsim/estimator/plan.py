"""A plan: everything about a cut circuit that does not depend on its parameters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.circuits import Leaf
from qcutsim.estimator.compiling import compile_partition
from qcutsim.estimator.contraction import Network, optimised_path
from qcutsim.estimator.cutting import AngleIndex, Cut, cut_leaves, mark_cuts
from qcutsim.estimator.observables import MeasuredTerms, measure_terms
from qcutsim.estimator.programs import (
    LoadedProgram,
    Measure,
    Program,
    Reset,
    build_circuit,
    load_program,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOptions:
    """How to cut: at partition labels, or so that parts have at most ``max_qubits`` qubits.

    With neither, ``CutWire`` in the circuit marks the cuts; without those it stays whole.
    """

    partition_labels: Sequence[Hashable] | None = None
    max_qubits: int | None = None
    cut_finder_seed: int = 0

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What tells two ways of cutting apart."""
        labels = None if self.partition_labels is None else tuple(self.partition_labels)
        return (labels, self.max_qubits, self.cut_finder_seed)

    @property
    def shown(self) -> str:
        """The labels as they are logged."""
        if self.partition_labels is not None:
            return "".join(map(str, self.partition_labels))
        return "" if self.max_qubits is None else f"max_qubits={self.max_qubits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a plan may cost before it is refused.

    Args:
        subexperiments: distinct subexperiments of one query.
        contraction_work: multiply-adds of one value.
        memory_bytes: of the largest array, for one binding.
        joint_terms: that a strategy may sum over one by one.
        total_shots: that a precision may lead to.
        variance_work: multiply-adds of all second moments of a job; above it the variance is to
            first order, and says so.
    """

    subexperiments: int = 1_000_000
    contraction_work: int = 10**11
    memory_bytes: int = 1 << 32
    joint_terms: int = 10**7
    total_shots: int = 10**12
    variance_work: int = 10**9


@dataclass(frozen=True, slots=True)
class Template:
    """A program that isomorphic partitions share."""

    encoded: bytes
    width: int
    depth: int

    @property
    def loaded(self) -> LoadedProgram:
        """The program."""
        return load_program(self.encoded)

    @property
    def program(self) -> Program:
        """The program."""
        return self.loaded.program


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """One partition: its template, which angles its values are, and what it measures."""

    label: str
    template: int
    angles: IntArray
    terms: MeasuredTerms


@dataclass(frozen=True)
class CutPlan:
    """Partitions, templates, cuts and the network that joins them, for a list of terms."""

    terms: tuple[str, ...]
    partitions: tuple[PartitionPlan, ...]
    templates: tuple[Template, ...]
    cuts: tuple[Cut, ...]
    network: Network

    @property
    def coefficients(self) -> int:
        """Joint QPD terms: the product of the cuts' numbers of terms."""
        return math.prod(cut.basis.terms for cut in self.cuts)

    @property
    def subexperiments(self) -> int:
        """Distinct subexperiments of one binding."""
        return sum(self.subexperiments_of(p) for p in range(len(self.partitions)))

    def subexperiments_of(self, partition: int) -> int:
        """Distinct subexperiments of one partition."""
        program = self.template_of(partition).program
        return program.settings * len(program.bases)

    def template_of(self, partition: int) -> Template:
        """The template of a partition."""
        return self.templates[self.partitions[partition].template]

    def cut_weights(self, angles: FloatArray) -> list[FloatArray]:
        """QPD weights of each cut, (1, terms), or (bindings, terms) where they hang on angles."""
        return [cut.basis.weights(cut.angles(angles)) for cut in self.cuts]

    def sampling_overhead(self, weights: Sequence[FloatArray]) -> float:
        """Product over cuts of (sum of absolute weights)^2, the largest over the bindings."""
        logs = sum((2 * np.log(np.abs(w).sum(axis=1)) for w in weights), start=np.zeros(1))
        with np.errstate(over="ignore"):
            return float(np.exp(np.max(logs)))

    @property
    def contraction_work(self) -> int:
        """Multiply-adds of one value along the path found."""
        return self.network.tree(optimised_path).work

    @property
    def memory_bytes(self) -> int:
        """Of the largest array for one binding: a state with its branches, or a tensor."""
        states = [16 * _branches(t.program) << t.program.qubits for t in self.templates]
        outcomes = [
            8 * t.program.settings * len(t.program.bases) * t.program.outcomes
            for t in self.templates
        ]
        return max(*states, *outcomes, 8 * self.network.tree(optimised_path).peak)


def _branches(program: Program) -> int:
    """An upper bound of the branches that the statevector of a program has."""
    total = 1
    for settings in program.slots:
        total *= sum(
            2 ** sum(isinstance(op, (Measure, Reset)) for op in setting) for setting in settings
        )
    resets = sum(isinstance(operation, Reset) for operation in program.operations)
    return total << resets


def build_plan(
    leaves: Sequence[Leaf],
    qubits: int,
    terms: tuple[str, ...],
    options: CutOptions,
    limits: Limits,
) -> CutPlan:
    """Cut, compile, and find what is alike.

    Args:
        leaves: of the circuit.
        qubits: of the circuit.
        terms: Pauli terms to estimate, letters with qubit 0 first.
        options: how to cut.
        limits: what is too much.

    Raises:
        InputError: the circuit cannot be cut as asked, or the plan is above a limit.
    """
    if options.partition_labels is not None and options.max_qubits is not None:
        raise InputError("partition_labels and max_qubits were both given; give one of them")
    numbered = _number_angles(leaves)
    if options.max_qubits is not None:
        numbered = mark_cuts(numbered, qubits, options.max_qubits, options.cut_finder_seed)
    cut = cut_leaves(numbered, qubits, partition_labels=options.partition_labels)
    for partition in cut.partitions:
        settings = math.prod(map(len, partition.slots))
        if settings > limits.subexperiments:
            raise InputError(
                f"partition {partition.label!r} is touched by {len(partition.slots)} cuts and "
                f"needs {settings:,} settings (limit {limits.subexperiments:,}); move qubits "
                "between partitions so that fewer cuts meet there, or raise limits.subexperiments"
            )
    homes: dict[int, dict[int, int]] = {number: {} for number in range(len(cut.partitions))}
    for qubit, (partition_number, local) in enumerate(cut.home):
        homes[partition_number][local] = qubit
    known: dict[Program, int] = {}
    partitions, networks = [], []
    ends = {
        end: 2 * c + side for c, cut_ in enumerate(cut.cuts) for side, end in enumerate(cut_.ends)
    }
    for number, partition in enumerate(cut.partitions):
        # A letter for every qubit of the partition; wires that were cut end unmeasured.
        local_terms = [
            "".join(
                term[homes[number][q]] if q in homes[number] else "I"
                for q in range(len(partition.qubits))
            )
            for term in terms
        ]
        measured = measure_terms(local_terms, range(len(partition.qubits)))
        compiled = compile_partition(partition, measured.measured, measured.bases)
        template = known.setdefault(compiled.program, len(known))
        partitions.append(
            PartitionPlan(
                partition.label, template, np.array(compiled.angles, dtype=np.int64), measured
            )
        )
        networks.append(tuple(ends[number, slot] for slot in range(len(partition.slots))))
    sizes = {
        2 * c + side: len(cut_.basis.settings[side])
        for c, cut_ in enumerate(cut.cuts)
        for side in range(2)
    }
    couplings = tuple((2 * c, 2 * c + 1) for c in range(len(cut.cuts)))
    plan = CutPlan(
        terms,
        tuple(partitions),
        tuple(_template(program) for program in known),
        cut.cuts,
        Network(tuple(networks), couplings, sizes),
    )
    _check(plan, limits)
    return plan


def _template(program: Program) -> Template:
    encoded = program.encode()
    settings = (0,) * len(program.slots)
    depth = build_circuit(program, settings, program.bases[0]).depth()
    return Template(encoded, program.qubits, depth)


def _number_angles(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Put each angle's number in its place: plans hold for any angles."""
    number = count()
    return [
        replace(leaf, angles=tuple(AngleIndex(next(number)) for _ in leaf.angles))
        for leaf in leaves
    ]


def _check(plan: CutPlan, limits: Limits) -> None:
    if plan.subexperiments > limits.subexperiments:
        raise InputError(
            f"the plan has {plan.subexperiments:,} distinct subexperiments (limit "
            f"{limits.subexperiments:,}); cut less, or raise limits.subexperiments"
        )
    work = plan.contraction_work
    if work > limits.contraction_work:
        raise InputError(
            f"reconstruction takes {work:.1e} multiply-adds a value (limit "
            f"{limits.contraction_work:.1e}); choose partitions that are joined by fewer cuts, or "
            "raise limits.contraction_work"
        )
    if plan.memory_bytes > limits.memory_bytes:
        raise InputError(
            f"the largest array takes {plan.memory_bytes / 2**30:.1f} GiB a binding (limit "
            f"{limits.memory_bytes / 2**30:.1f} GiB); make partitions narrower or cut less, or "
            "raise limits.memory_bytes"
        )
