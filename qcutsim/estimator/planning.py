"""Making a plan: cut, compile, find what is alike, and refuse what costs too much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.circuits import Leaf
from qcutsim.estimator.compiling import compile_partition
from qcutsim.estimator.contraction import Network
from qcutsim.estimator.counts import show_count
from qcutsim.estimator.cutting import AngleIndex, CutCircuit, cut_leaves, mark_cuts
from qcutsim.estimator.observables import measure_terms
from qcutsim.estimator.plan import CutOptions, CutPlan, Limits, PartitionPlan, Template
from qcutsim.estimator.programs import Program, build_circuit


def build_plan(
    leaves: Sequence[Leaf],
    qubits: int,
    terms: tuple[str, ...],
    options: CutOptions,
    limits: Limits,
    *,
    runs_all_settings: bool = True,
) -> CutPlan:
    """Cut, compile, and find what is alike.

    Args:
        leaves: of the circuit.
        qubits: of the circuit.
        terms: Pauli terms to estimate, letters with qubit 0 first.
        options: how to cut.
        limits: what is too much.
        runs_all_settings: false where a sample of joint terms decides which settings are run,
            so that their number does not matter.

    Raises:
        InputError: the circuit cannot be cut as asked, or the plan is above a limit.
    """
    if options.partition_labels is not None and options.max_qubits is not None:
        raise InputError("partition_labels and max_qubits were both given; give one of them")
    numbered = _number_angles(leaves)
    if options.max_qubits is not None:
        numbered = mark_cuts(numbered, qubits, options.max_qubits, options.cut_finder_seed)
    cut = cut_leaves(
        numbered,
        qubits,
        partition_labels=options.partition_labels,
        by_connectivity=options.max_qubits is not None,
    )
    _check_widths(cut, limits)
    if runs_all_settings:
        _check_settings(cut, limits.subexperiments, ", or raise limits.subexperiments")
    else:
        _check_settings(cut, MOST_SETTINGS, "")
    partitions, programs = _plan_partitions(cut, terms)
    templates = tuple(_template(program) for program in programs)
    plan = CutPlan(terms, partitions, templates, cut.cuts, _network(cut))
    if runs_all_settings:
        _check(plan, limits)
    return plan


def _number_angles(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Put each angle's number in its place: plans hold for any angles."""
    number = count()
    return [
        replace(leaf, angles=tuple(AngleIndex(next(number)) for _ in leaf.angles))
        for leaf in leaves
    ]


MOST_SETTINGS = 1 << 62
"""Joint settings of a partition that can be numbered."""


def _check_widths(cut: CutCircuit, limits: Limits) -> None:
    for partition in cut.partitions:
        width = len(partition.qubits)
        if 16 << width > limits.memory_bytes:
            raise InputError(
                f"partition {partition.label!r} has {width} qubits, whose state takes "
                f"{show_count(16 << width)} bytes (limit {limits.memory_bytes:,}); make "
                "partitions narrower, or raise limits.memory_bytes"
            )


def _check_settings(cut: CutCircuit, most: int, or_else: str) -> None:
    for partition in cut.partitions:
        settings = math.prod(map(len, partition.slots))
        if settings > most:
            raise InputError(
                f"partition {partition.label!r} is touched by {len(partition.slots)} cuts and "
                f"needs {show_count(settings)} settings (limit {show_count(most)}); move qubits "
                f"between partitions so that fewer cuts meet there{or_else}"
            )


def _plan_partitions(
    cut: CutCircuit, terms: tuple[str, ...]
) -> tuple[tuple[PartitionPlan, ...], list[Program]]:
    """Each partition's plan, and the distinct programs, by which isomorphic ones are one."""
    original: list[dict[int, int]] = [{} for _ in cut.partitions]
    for qubit, (partition_number, local) in enumerate(cut.home):
        original[partition_number][local] = qubit
    known: dict[Program, int] = {}
    plans = []
    for number, partition in enumerate(cut.partitions):
        # Wires that were cut end unmeasured, so not every qubit of a partition has a letter.
        local_terms = [
            "".join(
                term[original[number][q]] if q in original[number] else "I"
                for q in range(len(partition.qubits))
            )
            for term in terms
        ]
        measured = measure_terms(local_terms, range(len(partition.qubits)))
        compiled = compile_partition(partition, measured.measured, measured.bases)
        template = known.setdefault(compiled.program, len(known))
        angles = np.array(compiled.angles, dtype=np.int64)
        plans.append(PartitionPlan(partition.label, template, angles, measured))
    return tuple(plans), list(known)


def _network(cut: CutCircuit) -> Network:
    """Indices 2c and 2c + 1 are the two ends of cut c."""
    index_of = {
        end: 2 * number + side
        for number, one in enumerate(cut.cuts)
        for side, end in enumerate(one.ends)
    }
    partitions = tuple(
        tuple(index_of[number, slot] for slot in range(len(partition.slots)))
        for number, partition in enumerate(cut.partitions)
    )
    sizes = {
        2 * number + side: len(one.basis.settings[side])
        for number, one in enumerate(cut.cuts)
        for side in range(2)
    }
    couplings = tuple((2 * number, 2 * number + 1) for number in range(len(cut.cuts)))
    return Network(partitions, couplings, sizes)


def _template(program: Program) -> Template:
    encoded = program.encode()
    settings = (0,) * len(program.slots)
    depth = build_circuit(program, settings, program.bases[0]).depth()
    return Template(encoded, program.qubits, depth)


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
