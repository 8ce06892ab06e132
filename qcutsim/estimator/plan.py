"""A plan: everything about a cut circuit that does not depend on its parameters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.contraction import Network, optimised_path
from qcutsim.estimator.cutting import Cut
from qcutsim.estimator.observables import MeasuredTerms
from qcutsim.estimator.programs import (
    LoadedProgram,
    Measure,
    Program,
    Reset,
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
        memory_bytes: of the largest array, for one binding; a few of them live at a time.
        joint_terms: that a strategy may sum over one by one.
        total_shots: that a precision may lead to.
        variance_work: multiply-adds of all second moments of a job; above it the variance is to
            first order, and says so.
    """

    subexperiments: int = 1_000_000
    contraction_work: int = 10**11
    memory_bytes: int = 1 << 30
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
    def measurement_groups(self) -> int:
        """Measurement bases, summed over the partitions."""
        programs = [self.template_of(p).program for p in range(len(self.partitions))]
        return sum(len(program.bases) for program in programs)

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
