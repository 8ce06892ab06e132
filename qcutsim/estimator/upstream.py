"""The ``upstream`` pipeline: the paper's way, with qiskit-addon-cutting as it is.

Each query is partitioned and generated anew, every generated subexperiment is a task, and the
library reconstructs. It is the yardstick, so nothing in it is cleverer than the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import DataBin, PrimitiveResult, SamplerPubResult, SamplerResult
from qiskit.quantum_info import PauliList
from qiskit.result import QuasiDistribution
from qiskit_addon_cutting import (
    cut_wires,
    expand_observables,
    generate_cutting_experiments,
    partition_problem,
    reconstruct_expectation_values,
)
from qiskit_addon_cutting.qpd import TwoQubitQPDGate
from qiskit_addon_cutting.utils.observable_grouping import ObservableCollection

from qcutsim.errors import InputError
from qcutsim.estimator.aer import (
    TASK_FUNCTION,
    decode_probabilities,
    decode_registers,
    encode_circuit,
)
from qcutsim.estimator.allocation import weighted_shots
from qcutsim.estimator.arrays import FloatArray
from qcutsim.estimator.circuits import flatten
from qcutsim.estimator.counts import show_count
from qcutsim.estimator.cutting import check_labels, components, decompose_wide, mark_cuts
from qcutsim.estimator.pipeline import Accounting, Estimates, Query
from qcutsim.estimator.plan import Limits
from qcutsim.estimator.sampling import spread_shots
from qcutsim.estimator.servicetimes import ServiceTimes
from qcutsim.estimator.variance import positive_variance
from qcutsim.runtime import MergeTask, TaskFunctionSource
from qcutsim.seeds import task_seeds
from qcutsim.workload import SHAPE_SCHEMA, TaskClass, WorkloadShape


@dataclass(frozen=True, slots=True)
class UpstreamSubexperiment:
    """One generated circuit."""

    circuit: QuantumCircuit
    shots: int
    seed: int
    class_index: int
    bindings: int = 1
    context: bytes = b""

    def encode(self) -> bytes:
        return encode_circuit(self.circuit, self.shots, self.seed)


@dataclass(frozen=True, slots=True)
class UpstreamPartitioned:
    """The library's partitioned problem, and the Pauli terms that it holds."""

    problem: Any
    terms: tuple[str, ...]


class UpstreamPipeline:
    """Partition, generate and reconstruct with qiskit-addon-cutting.

    All coefficients are enumerated exactly; a query is one binding.

    Args:
        limits: ``subexperiments`` that a query may generate, ``total_shots`` of a precision.
    """

    name = "upstream"

    def __init__(self, limits: Limits | None = None) -> None:
        self.times = ServiceTimes()
        self._limits = limits or Limits()

    @property
    def task_function(self) -> TaskFunctionSource:
        return TASK_FUNCTION

    def partition(self, query: Query) -> UpstreamPartitioned:
        """Cut the query's one circuit.

        Raises:
            InputError: the labels or the observable do not fit the circuit, or it cannot be cut.
        """
        (one,) = query.circuits
        circuit = one.circuit.assign_parameters(one.values[0])
        terms = query.terms()
        if any(len(term) != circuit.num_qubits for term in terms):
            raise InputError(
                f"the circuit has {circuit.num_qubits} qubits, the observable {terms[0]!r} has "
                f"{len(terms[0])}; give one letter a qubit"
            )
        if not terms:
            return UpstreamPartitioned(None, terms)
        # Qiskit writes qubit 0 last in a Pauli label.
        paulis = PauliList([term[::-1] for term in terms])
        prepared, labels = _prepare(circuit, query)
        expanded = cut_wires(prepared)
        observables = expand_observables(paulis, prepared, expanded)
        if labels is None:
            labels = components(flatten(expanded), expanded.num_qubits)
        try:
            problem = partition_problem(expanded, labels, observables)
        except ValueError as error:
            raise InputError(f"the circuit cannot be cut at these labels: {error}") from error
        return UpstreamPartitioned(problem, terms)

    def generate(self, query: Query, partitioned: UpstreamPartitioned) -> UpstreamPrepared:
        """Write down every subexperiment of every joint term.

        Raises:
            InputError: there are more than the limit.
        """
        if partitioned.problem is None:
            return UpstreamPrepared(query, partitioned, {}, [], self._limits)
        widest = max(c.num_qubits for c in partitioned.problem.subcircuits.values())
        if 16 << widest > self._limits.memory_bytes:
            raise InputError(
                f"a partition has {widest} qubits, whose state takes {show_count(16 << widest)} "
                f"bytes (limit {self._limits.memory_bytes:,}); make partitions narrower, or raise "
                "limits.memory_bytes"
            )
        joint = math.prod(len(basis.coeffs) for basis in partitioned.problem.bases or ())
        count = joint * len(partitioned.problem.subcircuits)
        if count > self._limits.subexperiments:
            raise InputError(
                f"the upstream pipeline would generate {show_count(count)} subexperiments (limit "
                f"{self._limits.subexperiments:,}); take pipeline='planned', cut less, or raise "
                "limits.subexperiments"
            )
        generated, coefficients = generate_cutting_experiments(
            partitioned.problem.subcircuits, partitioned.problem.subobservables, math.inf
        )
        return UpstreamPrepared(query, partitioned, generated, coefficients, self._limits)


def _prepare(circuit: QuantumCircuit, query: Query) -> tuple[QuantumCircuit, Any]:
    """The circuit down to gates on two qubits, cuts marked; labels ``None`` where marks decide."""
    leaves = decompose_wide(flatten(circuit))
    cut = query.cut
    labels = cut.partition_labels
    if labels is not None:
        has_wires = any(leaf.name == "cut_wire" for leaf in leaves)
        check_labels(labels, circuit.num_qubits, has_wires=has_wires)
    if cut.max_qubits is not None:
        leaves = mark_cuts(leaves, circuit.num_qubits, cut.max_qubits, cut.cut_finder_seed)
    prepared = QuantumCircuit(circuit.num_qubits)
    for leaf in leaves:
        operation = leaf.operation
        if leaf.is_cut and leaf.name not in ("cut_wire", "qpd_2q"):
            operation = TwoQubitQPDGate.from_instruction(operation)
        prepared.append(operation, list(leaf.qubits))
    if labels is None and cut.max_qubits is None and not any(leaf.is_cut for leaf in leaves):
        return prepared, "A" * circuit.num_qubits
    return prepared, labels


class UpstreamPrepared:
    """Subexperiments partition after partition, as the library lists them.

    The library reconstructs when all results are there: there is nothing to merge before.
    """

    merges: Sequence[MergeTask] = ()

    def __init__(
        self,
        query: Query,
        partitioned: UpstreamPartitioned,
        generated: Mapping[Any, Sequence[QuantumCircuit]],
        coefficients: Sequence[tuple[float, Any]],
        limits: Limits,
    ) -> None:
        self._query = query
        self._terms = partitioned.terms
        self._partitions = tuple(generated)
        self._sizes = [len(circuits) for circuits in generated.values()]
        self._coefficients = coefficients
        self._problem = partitioned.problem
        circuits = [(str(label), c) for label, some in generated.items() for c in some]
        classes, indices = _classify(circuits)
        seeds = task_seeds(query.seed, len(circuits))
        self._overhead = math.prod(
            basis.overhead for basis in (self._problem.bases or () if self._problem else ())
        )
        shots = self._shots_of(query, len(circuits), limits)
        self._classes = classes
        self.subexperiments = [
            UpstreamSubexperiment(circuit, count, seed, index)
            for (_, circuit), count, seed, index in zip(
                circuits, shots, seeds, indices, strict=True
            )
        ]

    def _shots_of(self, query: Query, circuits: int, limits: Limits) -> list[int]:
        shots = query.shots
        if shots.is_exact or not circuits:
            return [0] * circuits
        if shots.each is not None:
            return [shots.each] * circuits
        if shots.total is not None:
            return [int(count) for count in spread_shots(shots.total, circuits)]
        # Circuits are listed partition by partition, joint term by joint term, basis by basis.
        joint = np.abs([weight for weight, _ in self._coefficients])
        groups = circuits // len(joint)
        budget = shots.partition_budget(self._overhead, query.norm, groups, limits.total_shots)
        each = weighted_shots(joint, budget)
        return [
            count for size in self._sizes for count in np.repeat(each, size // len(joint)).tolist()
        ]

    @cached_property
    def shape(self) -> WorkloadShape:
        indices = [task.class_index for task in self.subexperiments]
        terms = self._terms
        return WorkloadShape(
            schema=SHAPE_SCHEMA,
            pipeline="upstream",
            partition_labels=self._query.cut.shown,
            observable=terms[0] if len(terms) == 1 else f"{len(terms)} terms",
            cuts=self._cuts,
            coefficients=len(self._coefficients),
            classes=self._classes,
            order=tuple((index, len(list(run))) for index, run in groupby(indices)),
        )

    @property
    def _cuts(self) -> int:
        return len(self._problem.bases or ()) if self._problem is not None else 0

    @cached_property
    def accounting(self) -> Accounting:
        distinct = {encode_circuit(task.circuit, 0, 0) for task in self.subexperiments}
        spent = sum(task.shots for task in self.subexperiments)
        count = len(self.subexperiments)
        return Accounting(
            cuts=self._cuts,
            coefficients=len(self._coefficients),
            generated=count,
            distinct=len(distinct),
            executed=count,
            sampling_overhead=float(self._overhead),
            shots_asked=spent,
            shots_spent=spent,
            reconstruction="per_shot",
            # The library's loop visits every shot of every subexperiment once.
            reconstruction_work=spent,
        )

    def reconstruct(self, results: Sequence[bytes]) -> Estimates:
        """The library's value of every term, put together to the points' observables."""
        weights, constants = self._weights()
        count = len(constants)
        if self._problem is None:
            return Estimates(constants, np.zeros(count))
        by_partition = {}
        start = 0
        for label, size in zip(self._partitions, self._sizes, strict=True):
            by_partition[label] = self._library_result(results[start : start + size])
            start += size
        values = reconstruct_expectation_values(
            by_partition, self._coefficients, self._problem.subobservables
        )
        estimates = constants + weights @ np.array(values)
        if self._query.shots.is_exact:
            return Estimates(estimates, np.zeros(count))
        excess, plug_in = self._variances(results, weights)
        factors = None if self._cuts else len(self._partitions)
        return Estimates(estimates, np.sqrt(positive_variance(excess, plug_in, factors=factors)))

    def _library_result(self, results: Sequence[bytes]) -> Any:
        if not self._query.shots.is_exact:
            pubs = [SamplerPubResult(DataBin(**decode_registers(r))) for r in results]
            return PrimitiveResult(pubs)
        exact = [
            QuasiDistribution(dict(enumerate(decode_probabilities(r).tolist()))) for r in results
        ]
        return SamplerResult(exact, [{} for _ in exact])

    def _weights(self) -> tuple[FloatArray, FloatArray]:
        """Weights (points, terms) and the points' multiples of the identity (points,)."""
        number_of = {term: number for number, term in enumerate(self._terms)}
        weights = np.zeros((len(self._query.points), len(self._terms)))
        constants = np.zeros(len(weights))
        for point, (_, observable) in enumerate(self._query.points.tolist()):
            for term, weight in self._query.observables[observable].items():
                if term in number_of:
                    weights[point, number_of[term]] += weight
                elif set(term) == {"I"}:
                    constants[point] += weight
        return weights, constants

    def _variances(
        self, results: Sequence[bytes], weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Unbiased and plug-in variance of each point.

        Every (joint term i, partition, group of observables) has shots of its own, so joint
        terms are independent: Var = sum_i w_i^2 Var(sum_t c_t prod_p m_ipt), where the means of
        terms t and u in one group covary, and with C that covariance
        Var(...) = sum_tu c_t c_u (prod_p m_t m_u - prod_p (m_t m_u - C_tu)) without bias.
        """
        joint, terms = len(self._coefficients), len(self._terms)
        lower, product, upper = (np.ones((joint, terms, terms)) for _ in range(3))
        start = 0
        for label, size in zip(self._partitions, self._sizes, strict=True):
            means, covariance = _means(
                results[start : start + size], joint, self._problem.subobservables[label]
            )
            start += size
            square = means[:, :, None] * means[:, None, :]
            product *= square
            lower *= square - covariance
            upper *= square + covariance
        joint_weights = np.array([weight for weight, _ in self._coefficients]) ** 2
        excess = np.einsum("i,itu,pt,pu->p", joint_weights, product - lower, weights, weights)
        plug_in = np.einsum("i,itu,pt,pu->p", joint_weights, upper - product, weights, weights)
        return excess, plug_in


def _means(
    results: Sequence[bytes], joint: int, subobservables: PauliList
) -> tuple[FloatArray, FloatArray]:
    """Means (joint terms, terms) in one partition and their covariances (joint, terms, terms)."""
    collection = ObservableCollection(subobservables)
    where = [collection.lookup[sub][0] for sub in subobservables]
    means = np.zeros((joint, len(where)))
    covariance = np.zeros((joint, len(where), len(where)))
    for number, result in enumerate(results):
        term, group = divmod(number, len(collection.groups))
        members = [t for t, (g, _) in enumerate(where) if g == group]
        masks = [collection.groups[group].pauli_bitmasks[where[t][1]] for t in members]
        signs = _signs(decode_registers(result), masks)
        means[term, members] = signs.mean(axis=0)
        shots = len(signs)
        with np.errstate(invalid="ignore", divide="ignore"):
            centred = signs.T @ signs / shots - np.outer(means[term, members], means[term, members])
            covariance[np.ix_([term], members, members)] = centred / np.float64(shots - 1)
    return means, covariance


def _signs(registers: Mapping[str, Any], masks: Sequence[int]) -> FloatArray:
    """QPD sign times parity of every shot for every mask, shape (shots, masks)."""
    qpd = np.bitwise_count(registers["qpd_measurements"].array).sum(axis=1)
    packed = registers["observable_measurements"].array
    signs = []
    for mask in masks:
        kept = packed & np.frombuffer(mask.to_bytes(packed.shape[1], "big"), dtype=np.uint8)
        odd = (np.bitwise_count(kept).sum(axis=1) + qpd) & 1
        signs.append(1.0 - 2.0 * odd)
    return np.stack(signs, axis=1)


def _classify(
    circuits: Sequence[tuple[str, QuantumCircuit]],
) -> tuple[tuple[TaskClass, ...], list[int]]:
    known: dict[TaskClass, int] = {}
    indices = []
    for partition, circuit in circuits:
        found = TaskClass(
            partition=partition,
            width=circuit.num_qubits,
            depth=circuit.depth(),
            mid_circuit_measurements=_mid_circuit_measurements(circuit),
        )
        indices.append(known.setdefault(found, len(known)))
    return tuple(known), indices


def _mid_circuit_measurements(circuit: QuantumCircuit) -> int:
    """Measurements after which their qubit is used again; each makes Aer run shot by shot."""
    count = 0
    used_later: set[Any] = set()
    for instruction in reversed(circuit.data):
        if instruction.operation.name == "barrier":
            continue
        if instruction.operation.name == "measure" and instruction.qubits[0] in used_later:
            count += 1
        used_later.update(instruction.qubits)
    return count
