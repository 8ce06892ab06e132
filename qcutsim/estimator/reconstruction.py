"""Reconstruction strategies: from a query's partition data to its values.

A strategy is one class with a ``kind`` and one entry point ``qcutsim.reconstructions``. All give
the same values from the same data, to rounding; they differ in work and in what they can overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from itertools import product
from typing import ClassVar, Literal, Protocol

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.contraction import (
    ContractionTree,
    Network,
    PathFinder,
    incremental_path,
    optimised_path,
    tree_path,
)
from qcutsim.estimator.cutting import Cut
from qcutsim.estimator.sampling import PartitionData, outcome_signs

Overlap = Literal["coordinator", "workers"] | None
"""Who merges partitions while others still execute."""


@dataclass(frozen=True, slots=True)
class JointTerms:
    """Joint QPD terms of all cuts: all of them, or a sample.

    Args:
        ids: term of each cut, shape (joint terms, cuts).
        scale: what each joint term's weight is multiplied with, shape (joint terms,).
        multiplicity: how often each was drawn; ``None`` for an enumeration.
        probabilities: with which each cut's terms were drawn; ``None`` for an enumeration.
    """

    ids: IntArray
    scale: FloatArray
    multiplicity: IntArray | None = None
    probabilities: tuple[FloatArray, ...] | None = None

    @classmethod
    def enumerate(cls, cuts: Sequence[Cut]) -> JointTerms:
        """All products of the cuts' terms."""
        terms = list(product(*(range(cut.basis.terms) for cut in cuts)))
        ids = np.array(terms, dtype=np.int64).reshape(len(terms), len(cuts))
        return cls(ids, np.ones(len(ids)))

    @classmethod
    def sample(
        cls,
        weights: Sequence[FloatArray],
        samples: int,
        generator: np.random.Generator,
    ) -> JointTerms:
        """Draw joint terms, cut by cut in proportion to the mean absolute weight.

        ``weights`` holds for each cut an array (1 or bindings, terms). One sample serves all
        bindings: each is reweighted by its own weights over the probability of the draw.
        """
        probabilities = [np.abs(weight).mean(axis=0) for weight in weights]
        probabilities = [p / p.sum() for p in probabilities]
        drawn = [generator.choice(len(p), size=samples, p=p) for p in probabilities]
        stacked = np.stack(drawn, axis=1) if drawn else np.zeros((samples, 0), np.int64)
        ids, counts = np.unique(stacked, axis=0, return_counts=True)
        return cls(ids, counts / samples, counts, tuple(probabilities))

    def weights(self, weights: Sequence[FloatArray]) -> FloatArray:
        """Weight of each joint term, shape (1 or points, joint terms).

        Raises:
            InputError: the weights of so many cuts are beyond any float.
        """
        total = self.scale[None, :]
        with np.errstate(over="ignore"):
            for cut, weight in enumerate(weights):
                own = weight[:, self.ids[:, cut]]
                if self.probabilities is not None:
                    own = own / self.probabilities[cut][self.ids[:, cut]]
                total = total * own
        if not np.isfinite(total).all():
            raise InputError(
                f"the joint terms of {len(weights)} cuts have weights beyond any float; cut "
                "less, or sum over all with reconstruction 'contracted'"
            )
        return total


@dataclass(frozen=True)
class Problem:
    """All that a strategy needs.

    Args:
        network: of partitions and couplings.
        cuts: the cuts, as the network's couplings.
        data: of each partition.
        rows: row of ``data`` that each value reads, one array (values,) a partition.
        subobservables: likewise which subobservable.
        weights: QPD weights of each cut, (1 or values, terms).
        joint: a sample of joint terms, ``None`` where all count.
        values: number of values asked for.
        loops: of each partition, how many shots (or outcomes, where exact) a subexperiment has.
    """

    network: Network
    cuts: Sequence[Cut]
    data: Sequence[PartitionData]
    rows: Sequence[IntArray]
    subobservables: Sequence[IntArray]
    weights: Sequence[FloatArray]
    values: int
    loops: Sequence[int]
    joint: JointTerms | None = None

    @cached_property
    def tensors(self) -> list[FloatArray]:
        """Each partition's tensor, (rows, subobservables, settings)."""
        return [data.tensor() for data in self.data]

    @cached_property
    def operands(self) -> list[FloatArray]:
        """What the network contracts: (values, sizes...) a partition, then the couplings."""
        read = [
            read_operand(tensor, self.rows[p], self.subobservables[p], self.data[p].sizes)
            for p, tensor in enumerate(self.tensors)
        ]
        return [*read, *self.couplings]

    @cached_property
    def couplings(self) -> list[FloatArray]:
        """The cuts' coupling matrices, (1 or values, left, right)."""
        return [c.basis.coupling(w) for c, w in zip(self.cuts, self.weights, strict=True)]

    @cached_property
    def joint_terms(self) -> JointTerms:
        """The sample, or every joint term."""
        return self.joint or JointTerms.enumerate(self.cuts)

    @property
    def joint_count(self) -> int:
        """Number of joint terms."""
        if self.joint is not None:
            return len(self.joint.ids)
        return math.prod(cut.basis.terms for cut in self.cuts)

    def settings_of(self, joint: JointTerms) -> list[IntArray]:
        """For each partition the position in its data of every joint term's setting."""
        return [
            np.searchsorted(data.settings, chosen)
            for data, chosen in zip(
                self.data, joint_settings(self.cuts, self.data_sizes, joint), strict=True
            )
        ]

    @property
    def data_sizes(self) -> list[tuple[int, ...]]:
        """Slot sizes of each partition."""
        return [data.sizes for data in self.data]


def read_operand(
    tensor: FloatArray, rows: IntArray, subobservables: IntArray, sizes: tuple[int, ...]
) -> FloatArray:
    """What each value reads of a partition's tensor, shape (values, sizes...)."""
    return tensor[rows, subobservables].reshape(len(rows), *sizes)


def joint_settings(
    cuts: Sequence[Cut], sizes: Sequence[tuple[int, ...]], joint: JointTerms
) -> list[IntArray]:
    """The joint local setting that each joint term puts each partition into."""
    settings = [np.zeros(len(joint.ids), dtype=np.int64) for _ in sizes]
    for number, cut in enumerate(cuts):
        for side, (partition, slot) in enumerate(cut.ends):
            stride = math.prod(sizes[partition][slot + 1 :])
            settings[partition] += stride * cut.basis.setting_of[side][joint.ids[:, number]]
    return settings


class Reconstruction(Protocol):
    """How values are put together from partition data.

    ``overlap`` says who merges partitions while others still execute, if anybody.
    """

    kind: ClassVar[str]
    overlap: ClassVar[Overlap]

    def values(self, problem: Problem) -> FloatArray:
        """The values, shape (values,)."""

    def work(self, problem: Problem) -> int:
        """Elementary steps that :meth:`values` takes; what its time is proportional to."""


class PerShot:
    """The loop of qiskit-addon-cutting: joint terms x partitions x shots, one at a time."""

    kind: ClassVar[str] = "per_shot"
    overlap: ClassVar[Overlap] = None

    def values(self, problem: Problem) -> FloatArray:
        joint = problem.joint_terms
        settings = problem.settings_of(joint)
        weights = np.broadcast_to(joint.weights(problem.weights), (problem.values, len(joint.ids)))
        results = np.zeros(problem.values)
        for value in range(problem.values):
            for term in range(len(joint.ids)):
                factor = 1.0
                for partition in range(len(problem.data)):
                    factor *= _mean_over_shots(
                        problem, partition, value, int(settings[partition][term])
                    )
                results[value] += weights[value, term] * factor
        return results

    def work(self, problem: Problem) -> int:
        return problem.joint_count * sum(problem.loops) * problem.values


def _mean_over_shots(problem: Problem, partition: int, value: int, setting: int) -> float:
    data = problem.data[partition]
    sub = int(problem.subobservables[partition][value])
    basis = int(data.terms.basis_of[sub])
    frequencies = data.frequencies[int(problem.rows[partition][value]), setting, basis]
    signs = outcome_signs(data.terms.masks[sub : sub + 1], len(data.terms.measured))
    by_outcome = signs[0].tolist()
    if data.shots is None:
        weighted = zip(frequencies.tolist(), by_outcome, strict=True)
        return math.fsum(probability * sign for probability, sign in weighted)
    shots = int(data.shots[setting, basis])
    counts = np.rint(frequencies * shots).astype(np.int64)
    total = 0.0
    for outcome in np.repeat(np.arange(len(counts)), counts).tolist():
        total += by_outcome[outcome]
    return total / shots


class Vectorised:
    """Means first, then a sum over joint terms of products over partitions, in NumPy."""

    kind: ClassVar[str] = "vectorised"
    overlap: ClassVar[Overlap] = None

    def values(self, problem: Problem) -> FloatArray:
        joint = problem.joint_terms
        settings = problem.settings_of(joint)
        group = max(1, _GROUP_ELEMENTS // max(1, len(joint.ids)))
        weights = joint.weights(problem.weights)
        parts = []
        for start in range(0, problem.values, group):
            chosen = slice(start, start + group)
            factors = weights if len(weights) == 1 else weights[chosen]
            for partition, tensor in enumerate(problem.tensors):
                read = tensor[
                    problem.rows[partition][chosen], problem.subobservables[partition][chosen]
                ]
                factors = factors * read[:, settings[partition]]
            parts.append(factors.sum(axis=1))
        return np.concatenate(parts) if parts else np.zeros(0)

    def work(self, problem: Problem) -> int:
        return problem.joint_count * len(problem.loops) * problem.values


_GROUP_ELEMENTS = 1 << 22


class PathContraction:
    """Strategies that contract the network, each along its own path."""

    overlap: ClassVar[Overlap] = None

    def __init__(self, find_path: PathFinder) -> None:
        self._find_path = find_path

    def tree(self, network: Network) -> ContractionTree:
        """The network's contraction along the strategy's path."""
        return network.tree(self._find_path)

    def values(self, problem: Problem) -> FloatArray:
        return self.tree(problem.network).contract(problem.operands, problem.values)

    def work(self, problem: Problem) -> int:
        return self.tree(problem.network).work * problem.values


class Contracted(PathContraction):
    """One tensor-network contraction; opt_einsum finds the path, which is kept."""

    kind: ClassVar[str] = "contracted"

    def __init__(self) -> None:
        super().__init__(optimised_path)


class Incremental(PathContraction):
    """The coordinator merges one partition after the other into a running tensor, on arrival."""

    kind: ClassVar[str] = "incremental"
    overlap: ClassVar[Overlap] = "coordinator"

    def __init__(self) -> None:
        super().__init__(incremental_path)


class Tree(PathContraction):
    """Workers merge neighbouring partitions pairwise, level after level, as these are there."""

    kind: ClassVar[str] = "tree"
    overlap: ClassVar[Overlap] = "workers"

    def __init__(self) -> None:
        super().__init__(tree_path)


ENTRY_POINTS = "qcutsim.reconstructions"


@cache
def _installed() -> dict[str, type[Reconstruction]]:
    return {point.name: point.load() for point in entry_points(group=ENTRY_POINTS)}


def reconstruction_kinds() -> list[str]:
    """Names of the strategies that are installed."""
    return sorted(_installed())


def make_reconstruction(kind: str) -> Reconstruction:
    """The strategy of that name. Raises ``InputError`` for an unknown one."""
    if kind not in _installed():
        raise InputError(
            f"reconstruction {kind!r} is not known; expected one of "
            f"{', '.join(reconstruction_kinds())}"
        )
    return _installed()[kind]()
